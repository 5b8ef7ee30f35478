"""Text of scanned pages, told from their pictures: an optional extra, slow, and never without errors."""

import logging
from collections.abc import Callable
from statistics import median
from typing import Any

from osler.documents.page import Box, Line
from osler.errors import missing_package

_DPI = 150
"""Enough for print of 8 points; more takes longer and reads no better."""
_SURE = 0.5
"""Lines that the recognizer itself gives less are left out: mostly stains and drawings."""
_POINTS = 72.0

Recognizer = Callable[[Any], list[Line]]
"""A page of PDFium in, its lines in order from the top out."""


def recognizer() -> Recognizer:
    """RapidOCR (PP-OCR's models come with the package; nothing is downloaded), loaded once.

    Raises:
        EnvironmentLacks: rapidocr is not installed.
    """
    try:
        from rapidocr import RapidOCR
    except ImportError as error:
        raise missing_package("rapidocr", "Reading scanned pages", "ocr") from error
    engine = RapidOCR(params={"Global.log_level": "error"})
    logging.getLogger("RapidOCR").setLevel(logging.ERROR)

    def recognize(page: Any) -> list[Line]:
        found = engine(page.render(scale=_DPI / _POINTS).to_numpy())
        if found.boxes is None:
            return []
        height = page.get_size()[1]
        lines = [
            _line(corners, text, height)
            for corners, text, score in zip(found.boxes, found.txts, found.scores, strict=True)
            if score >= _SURE and text.strip()
        ]
        row = median(line.size for line in lines) if lines else 1.0
        return sorted(lines, key=lambda line: (-round(line.box.top / row), line.box.left))

    return recognize


def _line(corners: Any, text: str, height: float) -> Line:
    scale = _POINTS / _DPI
    across = [float(x) * scale for x, _ in corners]
    down = [float(y) * scale for _, y in corners]
    box = Box(min(across), height - max(down), max(across), height - min(down))
    return Line(text.strip(), box, box.top - box.bottom)
