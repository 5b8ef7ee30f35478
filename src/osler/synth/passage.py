"""Documents cut into passages along their own structure; each knows its page and its place in the page's text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from osler.documents.page import Page
from osler.records.record import Access
from osler.text import hash_hex, words

_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z\d(\"'“])")


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of one page."""

    id: str
    document: str
    """Name of the file, or of the source and row where it is a collected record's own text."""
    page: int
    """From 1; 0 where there are no pages."""
    start: int
    end: int
    """Offsets in the page's text."""
    heading: str
    """The heading it stands under; empty before the first."""
    text: str
    license: str = ""
    access: Access = "open"

    @property
    def place(self) -> str:
        """Document and page, for people."""
        return f"{self.document}, page {self.page}" if self.page else self.document


def passages_of(
    document: str, pages: tuple[Page, ...], max_words: int, license_id: str, access: Access
) -> Iterator[Passage]:
    """The passages of a document: blocks under one heading joined up to `max_words`, longer ones cut at items or sentences.

    A passage never leaves its page, so that a quote has one.
    """
    heading = ""
    for page in pages:
        start = end = -1
        under = heading

        def passage(start: int, end: int, under: str, page: Page = page) -> Passage:
            text = page.text[start:end].strip()
            name = hash_hex(f"{document}\n{page.number}\n{start}\n{text}")[:12]
            return Passage(name, document, page.number, start, end, under, text, license_id, access)

        for block, at in zip(page.blocks, page.starts, strict=True):
            if block.kind == "heading":
                if start >= 0:
                    yield passage(start, end, under)
                    start = -1
                heading = under = block.text
                continue
            for first, last in _parts(block.text, max_words):
                if start >= 0 and len(words(page.text[start : at + last])) > max_words:
                    yield passage(start, end, under)
                    start = -1
                start = at + first if start < 0 else start
                end, under = at + last, heading
        if start >= 0:
            yield passage(start, end, under)


def _parts(text: str, max_words: int) -> Iterator[tuple[int, int]]:
    """Offsets of the parts of a block: the whole, or its lines, or their sentences, or runs of words; the least cutting that fits."""
    if len(words(text)) <= max_words:
        yield 0, len(text)
        return
    for pattern in (re.compile(r"\n"), _SENTENCE):
        cuts = [found.end() for found in pattern.finditer(text)]
        if cuts:
            for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
                for first, last in _parts(text[start:end].rstrip(), max_words):
                    yield start + first, start + last
            return
    found = list(re.finditer(r"\S+", text))
    for at in range(0, len(found), max_words):
        group = found[at : at + max_words]
        yield group[0].start(), group[-1].end()
