"""MedDialog and its kin: what patients ask doctors online, one record a conversation.

Five shapes are in circulation: `utterances` that begin with the speaker (`patient: ...`; with a full-width colon in Chinese),
`dialogue_turns` with numbered speakers, the publisher's text files, bigbio's `utterances` as an object, and mirrors in
`instruction`, `input`, `output` (or `answer_icliniq`). A guide keeps the first two turns; here the conversation stays whole:
turns of one speaker in a row are joined, doctors' words before the first question are dropped, and what the patient says after
the doctor's last words is dropped, because a record must end with what is to be learned.

ChatDoctor's 5,452 made-up talks have the mirrors' shape. Nearly all of them diagnose from one sentence or prescribe what does
not fit, so they serve to test filters and never to train. MedDialog is real consultations, with names, brands, diagnoses and
prescriptions at a distance: keep it out of a default mix, and clean and filter it where it is used.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from osler.errors import RowError
from osler.records.record import Message, Record, Role
from osler.sources.catalog.instructions import instruction_row
from osler.sources.fields import as_object, kind_of, shown, texts_of
from osler.sources.read import read_rows
from osler.sources.read.opening import Part, each_row
from osler.sources.shape import question_group, split_of
from osler.sources.source import NativeRow, Place, SourceFile

_ROLES: dict[Any, Role] = {
    **dict.fromkeys((0, "patient", "病人"), "user"),
    **dict.fromkeys((1, "doctor", "医生"), "assistant"),
}
_COLON = re.compile("[:：]")
_SPEAKER_LINE = re.compile(r"\s*(patient|doctor|病人|医生)[:：]\s*(.*)", re.IGNORECASE | re.DOTALL)
_GLUED = re.compile(r"\b(patient|doctor)\s*:\s*", re.IGNORECASE)
"""A further turn inside the answer of a mirror's row."""
Said = tuple[Role, str]


def to_records(row: Any, place: Place) -> list[Record]:
    """One dialogue record a conversation."""
    row = as_object(row)
    turns = _between(_joined(_said(row)))
    if not turns:
        raise RowError("empty_answer", "the doctor answers nothing", _field(row))
    return [
        Record(
            id=place.id,
            task="dialogue",
            messages=tuple(Message(role, text) for role, text in turns),
            origin=place.origin(row["dialogue_url"] if isinstance(row.get("dialogue_url"), str) else ""),
            split=split_of(place.file),
            group=question_group(turns[0][1]),
        )
    ]


def notes(row: Any) -> tuple[str, ...]:
    """`trailing_patient_turn` and `leading_doctor_turn` where they were dropped, `multi_turn` for more than one exchange."""
    joined = _joined(_said(row))
    found = ["leading_doctor_turn"] if joined[0][0] == "assistant" else []
    if joined[-1][0] == "user":
        found.append("trailing_patient_turn")
    return (*found, "multi_turn") if len(_between(joined)) > 2 else tuple(found)


def read(file: SourceFile) -> Iterator[NativeRow]:
    """The conversations of a file, in whichever of the forms it is."""
    if ".txt" in file.name or file.name.endswith(".zip"):
        return each_row(file, _text_dialogues, ("*.txt",))
    return read_rows(file)


def _field(row: dict[str, Any]) -> str:
    return next(
        (name for name in ("utterances", "dialogue_turns", "output", "answer_icliniq") if name in row), "output"
    )


def _said(row: dict[str, Any]) -> list[Said]:
    field = _field(row)
    value = row.get(field)
    if field in {"output", "answer_icliniq"}:
        return _exchange({**row, "output": value})
    if isinstance(value, dict):
        texts = texts_of(value, "utterance")
        speakers = value.get("speaker")
        if not isinstance(speakers, list) or len(speakers) != len(texts):
            raise RowError(
                "bad_turns", f"is {kind_of(speakers)}; expected a speaker for each of {len(texts)}", "speaker"
            )
        return [(_role(speaker, "speaker"), text) for speaker, text in zip(speakers, texts, strict=True)]
    return [_prefixed(text, f"{field}[{index}]") for index, text in enumerate(texts_of(row, field))]


def _prefixed(text: str, field: str) -> Said:
    """The speaker before the first colon, and what was said after it: later colons belong to the words."""
    colon = _COLON.search(text)
    if colon is None:
        raise RowError("no_speaker", "does not begin with a speaker and a colon", field)
    return _role(text[: colon.start()], field), text[colon.end() :]


def _role(speaker: Any, field: str) -> Role:
    name = speaker.strip().casefold() if isinstance(speaker, str) else speaker
    if isinstance(name, bool) or not isinstance(name, str | int) or name not in _ROLES:
        raise RowError("no_speaker", f"the speaker is {shown(speaker)}; expected patient or doctor", field)
    return _ROLES[name]


def _exchange(row: dict[str, Any]) -> list[Said]:
    question, answer = instruction_row(row, use_instruction=not row.get("input"))
    first, *more = _GLUED.split(answer)
    further = [(_role(speaker, "output"), text) for speaker, text in zip(more[::2], more[1::2], strict=True)]
    return [("user", question), ("assistant", first), *further]


def _joined(said: Iterable[Said]) -> list[Said]:
    """Without empty turns, the turns of one speaker in a row as one."""
    filled = [(role, text.strip()) for role, text in said if text.strip()]
    return [(role, "\n".join(text for _, text in run)) for role, run in groupby(filled, key=lambda turn: turn[0])]


def _between(joined: list[Said]) -> list[Said]:
    """From the patient's first words to the doctor's last."""
    first = 1 if joined and joined[0][0] == "assistant" else 0
    last = len(joined) - (1 if joined and joined[-1][0] == "user" else 0)
    return joined[first:last]


def _text_dialogues(part: Part) -> Iterator[NativeRow]:
    """The publisher's text: `id=`, an address, `Description`, `Dialogue`, then lines that name who speaks. Line breaks stay."""
    row: dict[str, Any] = {}
    problem: RowError | None = None
    first = 0
    for number, line in enumerate(part.stream, start=1):
        text, sound = _decoded(line)
        if re.match(r"id\s*=\s*\d", text):
            if row:
                yield NativeRow(part.file, f"{part.name}:{first}", problem or row)
            row, problem, first = {"dialogue_url": "", "utterances": []}, None, number
        if not sound and problem is None:
            problem = RowError("bad_encoding", f"line {number}: a byte is not UTF-8")
        if text.startswith("http") and row and not row["utterances"]:
            row["dialogue_url"] = text.strip()
        elif row and (speaks := _SPEAKER_LINE.match(text)):
            row["utterances"].append(f"{speaks[1]}:{speaks[2]}")
        elif row and row["utterances"]:
            row["utterances"][-1] += text
    if row:
        yield NativeRow(part.file, f"{part.name}:{first}", problem or row)


def _decoded(line: bytes) -> tuple[str, bool]:
    """The text of a line, and whether all its bytes are UTF-8."""
    try:
        return line.decode("utf-8").removeprefix("\ufeff"), True
    except UnicodeDecodeError:
        return line.decode("utf-8", "replace"), False
