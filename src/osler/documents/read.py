"""Any document that can be read, as pages of blocks."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from osler.documents.layout import pages_of
from osler.documents.page import Block, Kind, Page
from osler.documents.pdf import pdf_pages
from osler.documents.scan import Recognizer
from osler.errors import InputError

_LIST_ITEM = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)])\s+")
_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*\s*$")
_SKIPPED = frozenset({"script", "style", "nav", "header", "footer", "template", "noscript", "svg", "title"})
"""`head` is not among them: its end is mostly left out, and `title` is all of its text that would show."""
_KINDS: Mapping[str, Kind] = {**{f"h{n}": "heading" for n in range(1, 7)}, "li": "list", "tr": "table"}
_PARTS = frozenset({"p", "div", "section", "article", "blockquote", "pre", "dd", "dt", "figcaption", "br"})
_WHOLES = frozenset({"ul", "ol", "table"})
"""Begin and end a block also where the end of their last item or row is left out."""


@dataclass(frozen=True, slots=True)
class Document:
    """One file and its pages."""

    name: str
    """Path inside the folder it was found in, with forward slashes."""
    pages: tuple[Page, ...]


def read_document(path: Path, name: str, recognize: Recognizer | None = None) -> Document:
    """The pages of a PDF, HTML, Markdown or plain text file; the last three are one page.

    Args:
        recognize: reads scanned pages of PDFs; without it they stay empty and are named.

    Raises:
        InputError: the file's kind is not known, or it cannot be read.
    """
    if path.suffix.lower() == ".pdf":
        return Document(name, tuple(pages_of(list(pdf_pages(path, name, recognize)))))
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{name}: {path.suffix or 'no suffix'} is no document Osler reads; {', '.join(_SUFFIXES)} are")
    return Document(name, tuple(reader(path, name)))


def document_paths(folder: Path) -> list[Path]:
    """The readable documents below a folder, in order of their names; those that start with a dot are left out.

    Raises:
        InputError: there is no such folder, or no document in it.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder of documents at {folder}")
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in _SUFFIXES
        and path.is_file()
        and path.name != "SOURCE.md"
        and not path.name.startswith(".")
    )
    if not found:
        raise InputError(f"{folder} holds no document; expected files that end in {', '.join(_SUFFIXES)}")
    return found


def _plain(path: Path, name: str) -> list[Page]:
    return [_single(_text_blocks(_text(path, name), markdown=path.suffix.lower() != ".txt"))]


def _html(path: Path, name: str) -> list[Page]:
    reader = _HtmlBlocks()
    reader.feed(_text(path, name))
    reader.close()
    reader.end()
    return [_single(reader.blocks)]


def _single(blocks: list[Block]) -> Page:
    return Page(1, tuple(blocks), "" if blocks else "blank")


def _text(path: Path, name: str) -> str:
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is not UTF-8 text: byte {error.start}. Save it as UTF-8.") from error


def _text_blocks(text: str, markdown: bool) -> list[Block]:
    blocks: list[Block] = []
    for part in re.split(r"\n\s*\n", text.replace("\r\n", "\n")):
        lines = [line.rstrip() for line in part.split("\n") if line.strip()]
        while lines and markdown and (found := _HEADING.match(lines[0])):
            blocks.append(Block("heading", found[2]))
            lines = lines[1:]
        if not lines:
            continue
        if _LIST_ITEM.match(lines[0]):
            items = re.split(rf"\n(?={_LIST_ITEM.pattern})", "\n".join(lines))
            blocks.append(Block("list", "\n".join(" ".join(item.split()) for item in items)))
        elif markdown and all(line.lstrip().startswith("|") for line in lines):
            rows = [" | ".join(cell.strip() for cell in line.strip().strip("|").split("|")) for line in lines]
            blocks.append(Block("table", "\n".join(row for row in rows if row.strip("-:| "))))
        else:
            blocks.append(Block("paragraph", " ".join(" ".join(lines).split())))
    return blocks


class _HtmlBlocks(HTMLParser):
    """Collects the text of a page by its block elements."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[Block] = []
        self._kind: Kind = "paragraph"
        self._text: list[str] = []
        self._skipped = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - HTMLParser's
        if tag in _SKIPPED:
            self._skipped += 1
        elif tag in _KINDS:
            self.end()
            self._kind = _KINDS[tag]
        elif tag in {"td", "th"}:
            self._text.append(" | ")
        elif tag in _WHOLES or (tag in _PARTS and self._kind == "paragraph"):
            self.end()

    def handle_endtag(self, tag: str) -> None:
        if tag in _SKIPPED:
            self._skipped = max(0, self._skipped - 1)
        elif tag in _KINDS or tag in _WHOLES or (tag in _PARTS and self._kind == "paragraph"):
            self.end()

    def handle_data(self, data: str) -> None:
        if not self._skipped:
            self._text.append(data)

    def end(self) -> None:
        """Close the block that is open; items of a list and rows of a table join those before them."""
        text = " ".join("".join(self._text).split()).strip(" |")
        kind, self._kind, self._text = self._kind, "paragraph", []
        if not text:
            return
        text = f"- {text}" if kind == "list" else text
        if kind in ("list", "table") and self.blocks and self.blocks[-1].kind == kind:
            text = f"{self.blocks.pop().text}\n{text}"
        self.blocks.append(Block(kind, text))


_READERS: Mapping[str, Callable[[Path, str], list[Page]]] = {
    ".html": _html,
    ".htm": _html,
    ".md": _plain,
    ".txt": _plain,
}
_SUFFIXES = (".pdf", *_READERS)
