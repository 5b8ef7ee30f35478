"""Records from documents: what is good is kept with its page, what is bad is dropped with its reason, nothing is paid for twice."""

import json
import threading
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.documents.tiny_pdf import Text, pdf
from tests.synth.scripted_endpoint import REASONS, Served, fault_of, faulty, good_scenario, scripted_endpoint

from osler.errors import CheckFailed, EnvironmentLacks, InputError
from osler.guard.load import load_policy
from osler.guard.stream import SentenceGuard
from osler.records.io import read_records
from osler.records.record import Message, Origin, Record
from osler.runs.files import digest_folder, read_json
from osler.runs.local_only import LocalOnly
from osler.runs.progress import silent
from osler.synth.config import GeneratorConfig, SynthConfig
from osler.synth.synth import Surroundings, estimate, leave_out, missing, synth

_POLICY = load_policy("education", date(2026, 11, 1))

TOPICS = {
    "burns": "Cool a burn under clean running water at once and go on for 20 minutes before any dressing is put on the skin. "
    "Remove rings and watches near the burned skin before swelling starts, and never put butter or oil on it.",
    "bleeding": "Press firmly and directly on a bleeding wound with a clean cloth until help arrives, and do not lift it to look. "
    "If blood soaks through, put another cloth on top of the first and press harder with both hands.",
    "choking": "Give up to five sharp blows between the shoulder blades to an adult who chokes and cannot cough or speak. "
    "If that fails, give up to five thrusts below the breastbone, and alternate until the airway is free again.",
    "poisoning": "Keep the container of whatever was swallowed and show it to the clinician who takes over the care of the person. "
    "Do not make somebody vomit after swallowing a corrosive liquid, because it burns the gullet a second time.",
}


@pytest.fixture
def guidelines(tmp_path: Path) -> Path:
    folder = tmp_path / "guidelines"
    folder.mkdir()
    pages = []
    for name, text in TOPICS.items():
        words = text.split()
        lines = [" ".join(words[at : at + 9]) for at in range(0, len(words), 9)]
        pages.append(
            [Text(50, 780, name.title(), 18.0), *(Text(50, 740 - 13 * n, line) for n, line in enumerate(lines))]
        )
    (folder / "first_aid.pdf").write_bytes(pdf(pages))
    return folder


def _config(served: Served, folder: Path, **settings: Any) -> SynthConfig:
    endpoint = {"url": served.url, "model": "gemma-3n", "attempts": 4, **settings.pop("endpoint", {})}
    facts = {"license": "CC-BY-4.0", "access": "open", **settings.pop("facts", {})}
    content = {
        "documents": {"folder": str(folder), "facts": facts},
        "endpoint": endpoint,
        "generators": [{"use": "emergency_scenario", "source": "first_aid_generated"}],
        **settings,
    }
    return SynthConfig.model_validate(content)


def _blocked(question: str, answer: str) -> str:
    del question
    guard = SentenceGuard(_POLICY)
    guard.feed(answer)
    guard.finish()
    return guard.violation.rule if guard.violation is not None else ""


AROUND = Surroundings(lambda _: (), (), {}, (), _blocked)


def _made(
    config: SynthConfig, out: Path, around: Surroundings = AROUND
) -> tuple[list[Record], list[dict[str, Any]], dict[str, Any]]:
    synth(config, around, 7, out / "synth", out / "calls", silent)
    records = list(read_records(out / "synth" / "records" / "first_aid_generated.jsonl"))
    dropped = [json.loads(line) for line in (out / "synth" / "dropped.jsonl").read_text().splitlines()]
    return records, dropped, read_json(out / "synth" / "counts.json")


def _good(body: dict[str, Any], number: int) -> tuple[int, Any, float]:
    del number
    return 200, json.dumps(good_scenario(body)), 0.0


def test_a_good_answer_becomes_a_record_that_names_its_page_quote_license_and_model(guidelines: Path, tmp_path: Path):
    with scripted_endpoint(_good) as served:
        records, dropped, counts = _made(_config(served, guidelines), tmp_path)
    assert len(records) == len(TOPICS)
    assert not dropped
    lineage = [json.loads(line) for line in (tmp_path / "synth" / "lineage.jsonl").read_text().splitlines()]
    pages = [json.loads(line) for line in (tmp_path / "synth" / "documents.jsonl").read_text().splitlines()]
    for record, line in zip(records, lineage, strict=True):
        assert record.id == line["id"]
        assert line["synthetic"] is True
        assert record.origin.generator == "gemma-3n"
        assert record.origin.license == "CC-BY-4.0 AND LicenseRef-Gemma-terms"
        assert f"first_aid.pdf#page={line['page']}" in record.origin.row
        start, end = line["quote"]
        page = next(page for page in pages if page["page"] == line["page"])
        assert page["text"][start:end] == line["quoted"]
    assert counts["generators"][0]["kept"] == len(TOPICS)


def test_every_good_answer_is_kept_and_every_bad_one_is_dropped_for_its_reason(guidelines: Path, tmp_path: Path):
    topics = [f"{name} case {number}" for name in TOPICS for number in range(25)]
    use = {"use": "emergency_scenario", "source": "first_aid_generated", "topics": topics}
    faults: dict[str, str] = {}

    def script(body: dict[str, Any], number: int) -> tuple[int, Any, float]:
        topic = next(line for line in body["messages"][1]["content"].splitlines() if line.startswith("Topic: "))
        faults[topic.removeprefix("Topic: ")] = fault_of(body)
        status, answer, wait_s = faulty(body, number)
        if isinstance(answer, str) and answer.endswith("}"):
            reply = json.loads(answer)
            # Told apart, so that no two are near copies.
            reply["scenario"] = f"{' '.join(f'{topic[7:]}{n}x' for n in range(9))} {reply['scenario']}"
            answer = json.dumps(reply)
        return status, answer, wait_s

    with scripted_endpoint(script) as served:
        config = _config(served, guidelines, generators=[use], near_threshold=0.95)
        records, dropped, counts = _made(config, tmp_path)
    assert len(records) + len(dropped) == len(topics) == counts["generators"][0]["items"]
    assert {row["asked_about"]: row["reason"] for row in dropped} == {
        topic: REASONS[fault] for topic, fault in faults.items() if fault in REASONS
    }
    assert set(faults.values()) >= set(REASONS)


def test_a_second_run_pays_for_nothing_and_gives_the_same_bytes(guidelines: Path, tmp_path: Path):
    with scripted_endpoint(faulty) as served:
        config = _config(served, guidelines)
        _made(config, tmp_path)
        first, n_calls = digest_folder(tmp_path / "synth"), len(served.calls)
        _made(config.model_copy(update={"quote_similarity": 0.95}), tmp_path)
        _made(config, tmp_path)
        assert len(served.calls) == n_calls
    assert digest_folder(tmp_path / "synth") == first


def test_the_estimate_asks_nothing_and_counts_what_is_already_answered(guidelines: Path, tmp_path: Path):
    with scripted_endpoint(_good) as served:
        config = _config(served, guidelines, endpoint={"input_price": 1.0, "output_price": 2.0})
        before = estimate(config, AROUND, 7, tmp_path / "calls", silent)["generators"][0]
        assert not served.calls
        _made(config, tmp_path)
        after = estimate(config, AROUND, 7, tmp_path / "calls", silent)["generators"][0]
    assert before["calls"] == len(TOPICS)
    assert before["reply_tokens_at_most"] == len(TOPICS) * 700
    assert before["cost_at_most"] == pytest.approx(
        (before["prompt_tokens"] + 2 * before["reply_tokens_at_most"]) / 1e6, abs=1e-4
    )
    assert (after["calls"], after["already_answered"]) == (0, len(TOPICS))


def test_an_endpoint_that_stays_down_stops_the_run_with_what_was_answered_kept(guidelines: Path, tmp_path: Path):
    down = threading.Event()

    def script(body: dict[str, Any], number: int) -> tuple[int, Any, float]:
        return (
            (503, {}, 0.0) if down.is_set() and "20 minutes" in body["messages"][1]["content"] else _good(body, number)
        )

    down.set()
    with scripted_endpoint(script) as served:
        config = _config(served, guidelines, endpoint={"attempts": 2, "concurrency": 1})
        with pytest.raises(
            EnvironmentLacks, match=r"answered 503 \(no reason given\) \(attempt 2 of 2\). What was answered is kept"
        ):
            _made(config, tmp_path)
        down.clear()
        n_paid = served.paid
        records, _, _ = _made(config, tmp_path)
        assert len(records) == len(TOPICS)
        assert served.paid == len(TOPICS)
        assert n_paid < len(TOPICS)


def test_a_refused_key_says_where_the_key_belongs(guidelines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with scripted_endpoint(lambda *_: (401, {}, 0.0)) as served:
        with pytest.raises(EnvironmentLacks, match=r"401.*endpoint.key"):
            _made(_config(served, guidelines), tmp_path)
        monkeypatch.delenv("NO_SUCH_KEY", raising=False)
        with pytest.raises(EnvironmentLacks, match="NO_SUCH_KEY, which is not set"):
            _made(_config(served, guidelines, endpoint={"key": "NO_SUCH_KEY"}), tmp_path)


def test_restricted_material_is_never_sent_to_another_machine(guidelines: Path, tmp_path: Path):
    with scripted_endpoint(_good) as served:
        away = {"url": "https://api.example.org/v1"}
        closed = _config(served, guidelines, endpoint=away, facts={"access": "credentialed"})
        with pytest.raises(CheckFailed, match=r"first_aid.pdf must not leave this machine"):
            _made(closed, tmp_path)
        asked = {"use": "term_qa", "source": "terms_generated", "records": "mednli"}
        notes = replace(AROUND, local_only=(LocalOnly("mednli", "credentialed", "", trained_on=False),))
        with pytest.raises(CheckFailed, match="mednli must not leave"):
            _made(_config(served, guidelines, endpoint=away, generators=[asked]), tmp_path, notes)
        _made(_config(served, guidelines, facts={"access": "credentialed"}), tmp_path)
    restricted = read_json(tmp_path / "synth" / "local_only.json")["sources"]
    assert [one["source"] for one in restricted] == ["first_aid_generated"]


def test_repeats_of_collected_records_and_benchmark_items_are_dropped(guidelines: Path, tmp_path: Path):
    with scripted_endpoint(_good) as served:
        config = _config(served, guidelines)
        records, _, _ = _made(config, tmp_path / "first")
        one, other, *_ = records
        known = Record("medquad:0", "qa", one.messages, Origin("medquad", "0"))
        item = Record("medqa:0", "qa", (Message("user", f"Case. {other.question} Choose."),), Origin("medqa", "0"))
        around = replace(AROUND, collected=lambda _: [known], source_names=("medquad",), benchmarks={"medqa": [item]})
        kept, dropped, _ = _made(config, tmp_path / "second", around)
    assert {row["reason"]: row["detail"] for row in dropped} == {
        "near_duplicate": "of medquad:0",
        "benchmark_overlap": "with medqa",
    }
    assert {record.id for record in kept} == {record.id for record in records} - {one.id, other.id}


def test_no_identifier_of_a_collected_record_goes_to_the_endpoint(guidelines: Path, tmp_path: Path):
    asks = "My name is John Miller, MRN 4471982, phone 555-201-3344. What is put on a burn at once?"
    record = Record(
        "medqa:1",
        "choice",
        (Message("user", asks), Message("assistant", "A. Clean running water")),
        Origin("medqa", "1", license="MIT"),
        context=("Seen by Dr. Anna Whitfield on 03/14/2019 for a burn of the hand.",),
        choices=("Clean running water", "Butter"),
        answer=0,
        split="train",
    )
    around = replace(AROUND, collected=lambda _: [record])
    use = {"use": "choice_explanation", "source": "explained", "records": "medqa"}
    with scripted_endpoint(_good) as served:
        synth(_config(served, guidelines, generators=[use]), around, 7, tmp_path / "synth", tmp_path / "calls", silent)
        sent = json.dumps(served.calls)
    assert "What is put on a burn at once?" in sent
    written = sent + "".join(path.read_text() for path in tmp_path.rglob("*.json*"))
    assert not [part for part in ("Miller", "4471982", "555-201", "Whitfield", "03/14") if part in written]


def test_an_explanation_keeps_question_options_and_key_and_held_out_questions_are_not_asked(
    guidelines: Path, tmp_path: Path
):
    def question(name: str, split: str) -> Record:
        return Record(
            f"medqa:{name}",
            "choice",
            (Message("user", "What is put on a burn at once?"), Message("assistant", "A. Clean running water")),
            Origin("medqa", name, license="MIT"),
            choices=("Clean running water", "Butter"),
            answer=0,
            split=split,
        )

    def script(body: dict[str, Any], number: int) -> tuple[int, Any, float]:
        del number
        assert "Right answer: Clean running water" in body["messages"][1]["content"]
        quote = "Cool a burn under clean running water at once and go on for 20 minutes"
        reply = {
            "explanation": "Running water takes the heat out of the skin; butter keeps it there and soils the wound.",
            "quote": quote,
        }
        return 200, json.dumps(reply), 0.0

    around = replace(AROUND, collected=lambda _: [question("1", "train"), question("2", "test")])
    use = {"use": "choice_explanation", "source": "explained", "records": "medqa"}
    with scripted_endpoint(script) as served:
        synth(_config(served, guidelines, generators=[use]), around, 7, tmp_path / "synth", tmp_path / "calls", silent)
        assert len(served.calls) == 1
    (record,) = read_records(tmp_path / "synth" / "records" / "explained.jsonl")
    assert (record.choices, record.answer, record.question) == (
        ("Clean running water", "Butter"),
        0,
        "What is put on a burn at once?",
    )
    assert record.rationale.startswith("Running water takes the heat")
    assert record.origin.license == "CC-BY-4.0 AND MIT AND LicenseRef-Gemma-terms"


def test_a_users_own_generator_needs_no_code_and_its_mistakes_are_named(guidelines: Path, tmp_path: Path):
    own = tmp_path / "warning.yaml"
    text = """
name: warning
version: 1
about: One warning.
items: [topics]
system: You write warnings.
prompt: |
  {% for passage in passages %}
  [{{ loop.index }}] ({{ passage.place }})
  {{ passage.text }}

  {% endfor %}
  Topic: {{ item }}
schema: {type: object, required: [never, quote], properties: {never: {type: string}, quote: {type: string}}}
record: {task: qa, question: "What should one never do about {{ item }}?", answer: "{{ reply.never }}"}
checks: [quote, numbers]
"""
    own.write_text(text)
    use = {"use": str(own), "source": "first_aid_generated", "topics": ["burned skin"]}
    reply = json.dumps({"never": "Never put butter or oil on it.", "quote": "never put butter or oil on it"})
    with scripted_endpoint(lambda *_: (200, f"```json\n{reply}\n```", 0.0)) as served:
        (record,), _, _ = _made(_config(served, guidelines, generators=[use]), tmp_path)
        assert record.question == "What should one never do about burned skin?"
        for wrong, message in (
            (text.replace("reply.never", "answer.never"), "unknown name 'answer'"),
            (text.replace("checks: [quote", "checks: [quotes"), "checks.0"),
            (text.replace("type: object,", "type: objekt,"), "schema"),
        ):
            own.write_text(wrong)
            with pytest.raises(InputError, match=message):
                _made(_config(served, guidelines, generators=[use]), tmp_path)
        with pytest.raises(InputError, match=r"no generator 'emergency_scenari'. Did you mean 'emergency_scenario'"):
            _made(_config(served, guidelines, generators=[{**use, "use": "emergency_scenari"}]), tmp_path)


def test_a_generator_beside_the_recipe_is_found_from_anywhere(tmp_path: Path):
    def seen(use: str) -> str:
        return GeneratorConfig.model_validate({"use": use, "source": "made"}, context={"folder": tmp_path}).use

    assert seen("own/warning.yaml") == str(tmp_path / "own" / "warning.yaml")
    assert seen("term_qa") == "term_qa"


def test_the_tokens_of_a_reply_that_was_no_use_are_counted_too(guidelines: Path, tmp_path: Path):
    def script(body: dict[str, Any], number: int) -> tuple[int, Any, float]:
        return _good(body, number) if len(body["messages"]) > 2 else (200, "Sure! {", 0.0)

    with scripted_endpoint(script) as served:
        records, _, counts = _made(_config(served, guidelines), tmp_path)
    (row,) = counts["generators"]
    assert (len(records), row["repaired"], served.paid) == (len(TOPICS), len(TOPICS), 2 * len(TOPICS))
    assert (row["prompt_tokens"], row["reply_tokens"]) == (100 * served.paid, 50 * served.paid)


def test_a_section_that_may_be_absent_is_left_out_with_its_reason(guidelines: Path, tmp_path: Path):
    with scripted_endpoint(_good) as served:
        config = _config(served, guidelines, may_be_absent=True)
        assert missing(config) == ""
    assert missing(config) == f"nothing listens at {config.endpoint.url}"
    assert missing(config.model_copy(update={"may_be_absent": False})) == ""
    leave_out(config, missing(config), tmp_path / "synth")
    assert read_json(tmp_path / "synth" / "counts.json")["left_out"].startswith("nothing listens")
    assert not list(read_records(tmp_path / "synth" / "records" / "first_aid_generated.jsonl"))
