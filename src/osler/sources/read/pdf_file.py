"""PDF with a text layer: one row a page, in reading order and without running heads."""

from collections.abc import Iterator

from osler.documents.layout import pages_of
from osler.documents.pdf import pdf_pages
from osler.errors import RowError
from osler.sources.read.opening import Part, seekable
from osler.sources.source import NativeRow


def pdf_rows(part: Part) -> Iterator[NativeRow]:
    """One row `{"page": number, "text": text}` a page, located as `name#page=3`, as browsers name a page.

    A page without text (a scan, a figure) comes as the `RowError` `no_text`.

    Raises:
        InputError: not a readable PDF, or one that needs a password.
        EnvironmentLacks: pypdfium2 is not installed.
    """
    with seekable(part) as stream:
        pages = pages_of(list(pdf_pages(stream, str(part.path))))
    for page in pages:
        value: object = {"page": page.number, "text": page.text}
        if page.problem == "unreadable":
            value = RowError("bad_page", f"page {page.number} cannot be read")
        elif not page.text:
            value = RowError(
                "no_text", f"page {page.number} has no text; a scan must pass through text recognition first"
            )
        yield NativeRow(part.file, f"{part.name}#page={page.number}", value)
