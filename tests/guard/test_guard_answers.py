"""What is taught is held to what may be shown."""

from datetime import date

from osler.guard.answers import blocked_answers
from osler.guard.load import load_policy
from osler.guard.stream import SentenceGuard, guard_text
from osler.records.io import read_records
from osler.records.record import Message, Origin, Record
from osler.runs.progress import silent
from osler.sources.collect import collect
from osler.sources.config import CollectConfig

POLICY = load_policy("education", date(2026, 11, 1))


def _record(number: int, reply: str, **fields) -> Record:
    turns = (Message("user", "What then?"), Message("assistant", reply))
    return Record(f"invented:{number}", "qa", turns, Origin("invented", str(number)), **fields)


def test_doses_for_the_reader_and_certain_diagnoses_are_named_with_their_rule():
    records = [
        _record(1, "Adults in the study received 500 mg twice a day. Talk to your doctor."),
        _record(2, "That happens. You should take 500 mg of amoxicillin three times a day."),
        _record(3, "You have bipolar disorder."),
        _record(4, "You have bipolar disorder.", choices=("You have bipolar disorder.", "no"), answer=0),
        _record(5, ""),
    ]
    found = {row["id"]: row["rule"] for row in blocked_answers(POLICY, records)}
    assert found == {"invented:2": "output.dose", "invented:3": "output.diagnosis"}


def test_blocked_is_what_the_server_would_cut(tmp_path):
    names = ("medquad", "first_aid")
    collect(CollectConfig(root="sample", sources=names), names, tmp_path, silent)
    records = [r for name in names for r in read_records(tmp_path / f"records/{name}.jsonl")]
    blocked = {row["id"] for row in blocked_answers(POLICY, records)}
    for record in records:
        guard = SentenceGuard(POLICY)
        guard_text(guard, record.target)
        assert (record.id in blocked) == (guard.violation is not None)
