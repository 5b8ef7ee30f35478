"""The plan: what it counts is what training counts, mistakes come all at once, and no torch is loaded."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.families import FAMILIES, family

from osler.errors import InputError
from osler.models.chat import render, template_fingerprint
from osler.models.config import ModelConfig
from osler.models.libraries import quiet_libraries
from osler.models.local import load_tokenizer
from osler.records.io import read_jsonl, read_records, write_records
from osler.records.record import Message, Origin, Record
from osler.runs.files import read_json
from osler.runs.progress import silent
from osler.train.config import BadRowsConfig, MachineConfig, TrainConfig
from osler.train.light_tokenizer import read_light_tokenizer
from osler.train.plan import Plan, plan
from osler.train.show import shown_rows
from osler.train.survey import survey
from osler.train.tokens import BAD_ROWS, Limits, tokenize
from osler.train.train import train


def record(question: str, answer: str, name: str) -> Record:
    return Record(
        f"invented:{name}", "qa", (Message("user", question), Message("assistant", answer)), Origin("invented", name)
    )


def bad_rows() -> list[Record]:
    """The bad-data case: 85 rows, each of which today's trainers take, cut or drop without a word."""
    words = "rest and drink water then "
    return [
        *(record(f"How do I treat {n}?", words * 40 + "STOP if allergic.", f"long-answer-{n}") for n in range(20)),
        *(record(words * 60 + f"what now {n}?", "Call a nurse.", f"long-prompt-{n}") for n in range(20)),
        *(record(f"Is {n} safe?", "", f"empty-answer-{n}") for n in range(20)),
        *(record("", f"Take {n} with food.", f"empty-question-{n}") for n in range(5)),
        *(record(f"May I take {n // 2}?", "Yes." if n % 2 else "No.", f"contradictory-{n}") for n in range(20)),
    ]


WANTED = {"long_answer": 20, "long_prompt": 20, "empty_answer": 20, "empty_question": 5, "contradictory": 20}
DECIDED = BadRowsConfig(
    long_answer="drop", long_prompt="drop", empty_answer="drop", empty_question="drop", contradictory="drop"
)
CONFIG = TrainConfig(max_length=128, batch_size=8, max_steps=1)


def planned(rows: Path, base: Path, config: TrainConfig = CONFIG, machine: MachineConfig | None = None) -> Plan:
    model = ModelConfig(base=str(base), system_prompt="Be kind.")
    return plan(model, config, machine or MachineConfig(), 7, (rows, None), silent)


@pytest.fixture
def rows(tmp_path: Path, few_records: list[Record]) -> Path:
    write_records(tmp_path / "train.jsonl", [*few_records, *bad_rows()])
    return tmp_path / "train.jsonl"


def test_all_85_bad_rows_are_named_refused_and_accounted_for(rows: Path, tiny_base: Path, tmp_path: Path) -> None:
    found = planned(rows, tiny_base)
    assert {one.name: one.rows for one in found.bad_rows} == WANTED
    assert {problem.where for problem in found.problems} == {f"train.bad_rows.{name}" for name in WANTED}
    model = ModelConfig(base=str(tiny_base), system_prompt="Be kind.")
    out = tmp_path / "out"
    with pytest.raises(InputError) as refused:
        train((rows, None), model, CONFIG, MachineConfig(), 7, out, silent)
    assert all(f"{name}: {n} rows" in str(refused.value) for name, n in WANTED.items())
    assert "allergic" not in str(refused.value)
    train((rows, None), model, CONFIG.model_copy(update={"bad_rows": DECIDED}), MachineConfig(), 7, out, silent)
    ledger = read_json(out / "ledger.json")
    assert ledger["set_aside"] == WANTED
    assert ledger["read"] == ledger["kept"] + sum(WANTED.values()) == 125
    accounted = [row["id"] for name in ("rows.jsonl", "set_aside.jsonl") for _, row in read_jsonl(out / name)]
    assert sorted(accounted) == sorted(one.id for one in read_records(rows))


def test_lengths_by_words_are_those_of_whole_rows(rows: Path, tiny_base: Path) -> None:
    config = CONFIG.model_copy(update={"bad_rows": DECIDED})
    found = planned(rows, tiny_base, config)
    tokens = tokenize(
        load_tokenizer(tiny_base),
        read_records(rows),
        "Be kind.",
        Limits(128, 2048),
        dict.fromkeys(BAD_ROWS, "drop"),
        silent,
    )
    assert found.problems == ()
    assert found.rows_kept == len(tokens.rows)
    assert sum(one.tokens for one in found.lengths) == sum(len(row.ids) for row in tokens.rows)


def test_the_light_tokenizer_is_the_tokenizer(tiny_base: Path, few_records: list[Record]) -> None:
    light, whole = read_light_tokenizer(tiny_base), load_tokenizer(tiny_base)
    turns = [{"role": turn.role, "content": turn.content} for turn in few_records[0].messages]
    for asked in (True, False):
        text = light.apply_chat_template(turns, add_generation_prompt=asked)
        assert text == whole.apply_chat_template(turns, tokenize=False, add_generation_prompt=asked)
        assert light.encode(text, add_special_tokens=False) == whole.encode(text, add_special_tokens=False)
    assert (light.eos_token_id, light.bos_token_id) == (whole.eos_token_id, whole.bos_token_id)


def test_a_card_that_is_too_small_gives_what_to_change() -> None:
    config = TrainConfig(batch_size=8, max_length=8192)
    found = plan(
        ModelConfig(base="meta-llama/Llama-3.1-8B"), config, MachineConfig(card="rtx4090-24gb"), 7, (None, None), silent
    )
    assert found.chosen is not None
    assert not found.chosen.fits
    assert any("qlora" in change or "batch_size" in change for change in found.changes)
    assert found.to_dict()["fits"] is False


def test_mistakes_of_the_plan_come_all_at_once() -> None:
    config = TrainConfig(targets=("q_proj", "nothing"))
    found = plan(ModelConfig(base="microsoft/phi-4"), config, MachineConfig(card="h10-80gb"), 7, (None, None), silent)
    assert [problem.where for problem in found.problems] == ["train.targets", "machine.card"]
    assert "qkv_proj" in found.problems[0].message
    assert "h100-80gb" in found.problems[1].message


def test_planning_loads_no_torch_and_gives_the_machine_format(rows: Path, tiny_base: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "r.yaml"
    recipe.write_text(f"name: r\ncollect: {{sources: [medquad]}}\nmodel: {{base: {tiny_base}}}\ntrain: {{}}\n")
    (tmp_path / "r" / "curate").mkdir(parents=True)
    shutil.copy(rows, tmp_path / "r" / "curate" / "train.jsonl")
    code = (
        "import sys\nfrom osler.cli.main import run_command\n"
        f"code = run_command(['plan', {str(recipe)!r}, '--runs', {str(tmp_path)!r}, '--json'])\n"
        "assert not {'torch', 'transformers', 'datasets'} & set(sys.modules)\nsys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    facts = json.loads(done.stdout)
    named = (
        "weights_bytes adapter_bytes optimizer_bytes activation_bytes logits_bytes total_bytes tokens steps flops fits"
    )
    assert set(named.split()) <= set(facts)
    assert {one["where"] for one in facts["problems"]} >= {
        "train.bad_rows.empty_answer",
        "train.bad_rows.contradictory",
    }


def test_a_shown_row_tells_what_is_learned(tiny_base: Path, tmp_path: Path) -> None:
    write_records(tmp_path / "rows.jsonl", [record("May I?", "Yes.", "a"), record("May I not?", "", "b")])
    good, bad = shown_rows(ModelConfig(base=str(tiny_base), system_prompt="Be kind."), tmp_path / "rows.jsonl", 2)
    assert [text for text, learned in good.pieces if learned] == ["Yes.<|end|>"]
    assert "".join(text for text, _ in good.pieces).startswith("<|system|>\nBe kind.")
    assert bad.fault.startswith("empty_answer")


def test_a_wrong_recipe_is_answered_without_anything_heavy() -> None:
    heavy = "{'numpy', 'pyarrow', 'tokenizers', 'torch', 'transformers'}"
    program = f"import sys, osler.recipe, osler.cli.main; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("name", [one.name for one in FAMILIES])
def test_rows_are_planned_in_the_template_in_which_they_are_trained(
    name: str, tmp_path: Path, few_records: list[Record]
) -> None:
    # BioMistral's refuses a system turn, Qwen3's thinks aloud, Llama 3.1's asks for the date: each is settled before training.
    with quiet_libraries():
        family(name).build_tokenizer([turn.content for turn in few_records[0].messages]).save_pretrained(tmp_path)
    light, whole = read_light_tokenizer(tmp_path), load_tokenizer(tmp_path)
    assert template_fingerprint(light.chat_template) == template_fingerprint(whole.chat_template)
    turns = (Message("system", "Be kind."), *few_records[0].messages)
    assert render(light, turns, for_reply=False) == render(whole, turns, for_reply=False)


def test_a_row_whose_turns_the_template_refuses_is_set_aside_and_not_the_end_of_training(
    tmp_path: Path, few_records: list[Record]
) -> None:
    with quiet_libraries():
        tokenizer = family("biomistral-7b").build_tokenizer([turn.content for turn in few_records[0].messages])
        tokenizer.save_pretrained(tmp_path)
    first = replace(
        few_records[0], id="invented:first", messages=(Message("assistant", "Hello."), *few_records[0].messages)
    )
    write_records(tmp_path / "rows.jsonl", [*few_records[1:5], first])
    limits, decisions = Limits(None, 512), {"no_end": "drop"}
    light = read_light_tokenizer(tmp_path)
    found = survey(tmp_path / "rows.jsonl", light, "Be kind.", limits, decisions, silent)
    tokens = tokenize(load_tokenizer(tmp_path), [*few_records[1:5], first], "Be kind.", limits, decisions, silent)
    assert found.faults == tokens.set_aside
    assert [(row.id, row.reason) for row in tokens.set_aside] == [("invented:first", "no_end")]
    assert len(tokens.rows) == len(found.lengths) == 4
