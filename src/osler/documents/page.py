"""What a document is read into: pages, and on each the blocks in reading order."""

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["heading", "paragraph", "list", "table"]
_BETWEEN = "\n\n"


@dataclass(frozen=True, slots=True)
class Block:
    """A heading, a paragraph, a list (one item a line) or a table (one row a line, cells between bars)."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a document, or the whole of one that has no pages."""

    number: int
    """From 1, counted as viewers count; not the number printed on the page."""
    blocks: tuple[Block, ...]
    problem: str = ""
    """Why there is nothing on it: `scanned` (a picture without a text layer), `blank` or `unreadable`; `recognised` when its text was
    told from a picture and may hold errors; empty when it was read."""
    text: str = field(init=False)
    """The blocks with a blank line between them; offsets of passages and quotes count in it."""
    starts: tuple[int, ...] = field(init=False)
    """Offset of each block in `text`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", _BETWEEN.join(block.text for block in self.blocks))
        starts, at = [], 0
        for block in self.blocks:
            starts.append(at)
            at += len(block.text) + len(_BETWEEN)
        object.__setattr__(self, "starts", tuple(starts))


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on a page in points, y upward."""

    left: float
    bottom: float
    right: float
    top: float

    @property
    def middle(self) -> tuple[float, float]:
        """Its centre."""
        return (self.left + self.right) / 2, (self.bottom + self.top) / 2

    def around(self, other: "Box") -> "Box":
        """The smallest rectangle that holds both."""
        return Box(
            min(self.left, other.left),
            min(self.bottom, other.bottom),
            max(self.right, other.right),
            max(self.top, other.top),
        )


@dataclass(frozen=True, slots=True)
class Line:
    """A stretch of text on one line of a column or cell, as it stands on a page."""

    text: str
    box: Box
    size: float
    """Font size in points."""
    is_bold: bool = False
    kind: Kind | None = None
    """Known for the rows of a table; else told from the look of the line."""
