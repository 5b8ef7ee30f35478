"""JSON Lines: one object a line.

Lines end at the byte 0x0A only. U+2028 and U+0085 inside a string are text, and splitting at them would cut rows in two.
"""

from collections.abc import Iterator

from osler.errors import RowError
from osler.sources.read.json_row import parse_row
from osler.sources.read.limits import MAX_ROW_BYTES
from osler.sources.read.opening import Part, as_utf8
from osler.sources.source import NativeRow


def jsonl_rows(part: Part) -> Iterator[NativeRow]:
    """One row a line, located as `name:line`; blank lines are not rows."""
    file, name = part.file, part.name
    readline = as_utf8(part.stream).readline
    number = 0
    while line := readline(MAX_ROW_BYTES):
        number += 1
        if len(line) == MAX_ROW_BYTES and not line.endswith(b"\n"):
            while (rest := readline(MAX_ROW_BYTES)) and not rest.endswith(b"\n"):
                pass
            problem = RowError("row_too_long", f"line {number} is longer than {MAX_ROW_BYTES:,} bytes")
            yield NativeRow(file, f"{name}:{number}", problem)
        elif not line.isspace():
            value = parse_row(line, f"line {number}")
            if not isinstance(value, dict | RowError):
                value = RowError("not_an_object", f"line {number} holds no object")
            yield NativeRow(file, f"{name}:{number}", value)
