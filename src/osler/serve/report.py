"""Reports of readers: something is wrong with an answer. Kept beside the audit log, in `reports.jsonl`, for the operator's eyes.

The audit log gets the fact alone. A reader's note goes into the file, and the question and answer only where the reader ticked that
they may be sent.
"""

import os
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from osler.errors import EnvironmentLacks
from osler.serve.fault import Fault

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


@dataclass(frozen=True, slots=True)
class Report:
    """One report."""

    request: str
    """Id of the answer."""
    kind: str
    with_text: bool
    note: str
    question: str = ""
    answer: str = ""


class _Sent(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    request: Annotated[str, Field(pattern=r"^chatcmpl-[0-9a-f]{1,64}$")]
    kind: str
    note: Annotated[str, Field(max_length=2000)] = ""
    send_text: bool = False
    question: Annotated[str, Field(max_length=8000)] = ""
    answer: Annotated[str, Field(max_length=32000)] = ""


def read_report(form: Mapping[str, str] | bytes) -> Report:
    """What a reader sent; text that they did not tick is dropped here.

    Raises:
        Fault: naming the field that is wrong.
    """
    try:
        sent = _Sent.model_validate_json(form) if isinstance(form, bytes) else _Sent.model_validate(form)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors(include_input=False)[0]["loc"])
        raise Fault(400, "invalid_value", "The report's field is missing or wrong.", place or None) from None
    if sent.kind not in KINDS:
        raise Fault(400, "invalid_value", f"The kind of a report is one of {', '.join(KINDS)}.", "kind")
    texts = {"question": sent.question, "answer": sent.answer} if sent.send_text else {}
    return Report(sent.request, sent.kind, sent.send_text, sent.note.strip(), **texts)


def keep_report(folder: Path, report: Report) -> None:
    """Append a report to the file, which only its owner reads.

    Raises:
        EnvironmentLacks: it cannot be written, or the file is full.
    """
    row = {name: value for name, value in asdict(report).items() if value not in ("", None)}
    try:
        with _lock:
            handle = os.open(folder / REPORTS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(handle, "ab") as stream:
                if stream.tell() > MAX_FILE_BYTES:
                    raise EnvironmentLacks(f"{folder / REPORTS} is full; move it away")
                stream.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
    except OSError as error:
        raise EnvironmentLacks(f"{folder / REPORTS} cannot be written: {error.strerror}") from error
