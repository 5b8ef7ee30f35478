"""Reports of readers: something is wrong with an answer. Kept beside the audit log, in `reports.jsonl`, for the operator's eyes.

The audit log gets the fact alone. A reader's note goes into the file, and the question and answer only where the reader ticked that
they may be sent.
"""

import os
import threading
from pathlib import Path
from typing import Annotated, Literal

import orjson
from pydantic import Field

from osler.errors import EnvironmentLacks
from osler.runs.section import Section

REPORTS = "reports.jsonl"
MAX_FILE_BYTES = 64 << 20
"""So that nobody fills the disk; the operator moves the file away."""

KINDS = {
    "wrong": "It is wrong or misleading",
    "unsafe": "It could harm somebody",
    "refused": "It was refused, and should not have been",
    "other": "Something else",
}

_lock = threading.Lock()


class Report(Section):
    """One report, as a reader sends it."""

    request: Annotated[str, Field(pattern=r"^chatcmpl-[0-9a-f]{1,64}$")]
    """Id of the answer."""
    kind: Literal["wrong", "unsafe", "refused", "other"]
    note: Annotated[str, Field(max_length=2000)] = ""
    send_text: bool = False
    """Whether the reader ticked that question and answer may be kept."""
    question: Annotated[str, Field(max_length=8000)] = ""
    answer: Annotated[str, Field(max_length=32000)] = ""

    def row(self) -> dict[str, object]:
        """What is kept."""
        texts = {"question": self.question, "answer": self.answer} if self.send_text else {}
        told = {name: text for name, text in {"note": self.note.strip(), **texts}.items() if text}
        return {"request": self.request, "kind": self.kind, "with_text": self.send_text, **told}


def keep_report(folder: Path, report: Report) -> None:
    """Append a report to the file, which only its owner reads.

    Raises:
        EnvironmentLacks: it cannot be written, or the file is full.
    """
    try:
        with _lock:
            handle = os.open(folder / REPORTS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(handle, "ab") as stream:
                if stream.tell() > MAX_FILE_BYTES:
                    raise EnvironmentLacks(f"{folder / REPORTS} is full; move it away")
                stream.write(orjson.dumps(report.row(), option=orjson.OPT_APPEND_NEWLINE))
    except OSError as error:
        raise EnvironmentLacks(f"{folder / REPORTS} cannot be written: {error.strerror}") from error
