"""A PDF written by hand, a page at a time: texts and strokes at their places."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Text:
    """Words at a place, in points from the lower left."""

    x: float
    y: float
    text: str
    size: float = 10.0


@dataclass(frozen=True)
class Stroke:
    """A thin straight line."""

    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True)
class Picture:
    """One grey dot, drawn over the whole page: a scan."""


def pdf(pages: Sequence[Sequence[Text | Stroke | Picture]]) -> bytes:
    """The bytes of a PDF whose pages draw these in this order."""
    n_pages = len(pages)
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>"]
    kids = " ".join(f"{5 + 2 * n} 0 R" for n in range(n_pages))
    objects.append(f"<< /Type /Pages /Kids [{kids}] /Count {n_pages} >>".encode())
    objects.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>")
    dot = b"\x80"
    objects.append(
        b"<< /Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray /BitsPerComponent 8 /Length 1 >>\n"
        b"stream\n" + dot + b"\nendstream"
    )
    for page in pages:
        content = b"\n".join(_drawn(one) for one in page)
        number = len(objects) + 2
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {number} 0 R "
            "/Resources << /Font << /F1 3 0 R >> /XObject << /I1 4 0 R >> >> >>".encode()
        )
        objects.append(b"<< /Length %d >>\nstream\n" % len(content) + content + b"\nendstream")
    out = bytearray(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, start)
    return bytes(out)


def _drawn(one: Text | Stroke | Picture) -> bytes:
    if isinstance(one, Picture):
        return b"q 595 0 0 842 0 0 cm /I1 Do Q"
    if isinstance(one, Stroke):
        return f"0.5 w {one.x0} {one.y0} m {one.x1} {one.y1} l S".encode()
    escaped = one.text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)").encode("cp1252")
    return f"BT /F1 {one.size} Tf {one.x} {one.y} Td (".encode() + escaped + b") Tj ET"
