"""One bad line among a thousand: six cases in which readers of other projects lose or change rows without a word.

Here each gives file, line, path and reason, and the 999 others become the records that they are without it.
"""

import json

import pytest

from osler.records.io import JsonlWriter, read_records
from osler.runs.progress import silent
from osler.sources.catalog import source_named
from osler.sources.collect import Copy, collect_source

BAD = 500
"""Index of the bad line, which is line 501."""
MEDQUAD = source_named("medquad")


def row(number: int) -> dict:
    return {
        "document_id": f"{number}",
        "focus": f"topic {number}",
        "question": f"Invented {number}?",
        "answer": f"Yes {number}.",
    }


def collected(tmp_path, name: str, lines: list[bytes]) -> tuple[list, list[dict]]:
    """Records, and rows set aside, of a file of these lines."""
    root = tmp_path / name
    (root / "medquad").mkdir(parents=True)
    (root / "medquad" / "medquad_with_answers.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    with JsonlWriter(root / "set_aside.jsonl") as set_aside:
        counts = collect_source(Copy(MEDQUAD, root, ()), root / "out", set_aside, silent)
    records = list(read_records(root / "out" / "records" / "medquad.jsonl"))
    aside = [json.loads(line) for line in (root / "set_aside.jsonl").read_bytes().splitlines()]
    assert counts.read == len(records) + len(aside)
    return records, aside


def line_of(**change) -> bytes:
    return json.dumps({**row(BAD), **change}, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("bad", "field", "reason", "detail"),
    [
        (line_of()[:60], "", "not_json", "line 501, column 61: unexpected control character in string"),
        (line_of(answer=["Yes"]), "answer", "wrong_type", "is a list of 1; expected text"),
        (
            json.dumps({key: value for key, value in row(BAD).items() if key != "question"}).encode(),
            "question",
            "missing_field",
            "the field is missing; check that the file is the publisher's own",
        ),
        (
            line_of(answer="café").decode().encode("latin-1"),
            "",
            "bad_encoding",
            "line 501, byte 89: 0xe9 there is not UTF-8",
        ),
        (
            line_of().replace(b'"Yes 500."', b"NaN"),
            "",
            "not_json",
            "line 501, column 85: unexpected character, expected a JSON value",
        ),
    ],
    ids=["truncated", "wrong type", "missing field", "one latin-1 byte", "NaN literal"],
)
def test_a_bad_line_is_named_and_its_neighbours_are_unchanged(tmp_path, bad, field, reason, detail):
    lines = [json.dumps(row(number)).encode() for number in range(1000)]
    sound, none_aside = collected(tmp_path, "sound", lines)
    assert len(sound) == 1000
    assert none_aside == []
    records, aside = collected(tmp_path, "damaged", [*lines[:BAD], bad, *lines[BAD + 1 :]])
    assert aside == [
        {
            "source": "medquad",
            "file": "medquad_with_answers.jsonl",
            "row": "medquad_with_answers.jsonl:501",
            "field": field,
            "reason": reason,
            "detail": detail,
        }
    ]
    assert records == [*sound[:BAD], *sound[BAD + 1 :]]


def test_nulls_for_three_thousand_rows_and_then_a_text_are_what_they_are(tmp_path):
    lines = [json.dumps({**row(number), "url": None}).encode() for number in range(3000)]
    last = json.dumps({**row(3000), "url": "https://example.org/3000"}).encode()
    records, aside = collected(tmp_path, "nulls", [*lines, last])
    assert aside == []
    assert [record.origin.url for record in records] == [""] * 3000 + ["https://example.org/3000"]
