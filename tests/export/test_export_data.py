"""A training set leaves whole, in forms that other tools read, and only where its licenses permit."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from osler.curate.config import CurateConfig
from osler.curate.curate import curate
from osler.errors import CheckFailed, InputError
from osler.export import data
from osler.export.data import Permission, export_data
from osler.export.data_forms import FORM_NAMES, FORMS
from osler.records.io import read_records, write_records
from osler.records.record import Message, Origin, Record, record_id
from osler.runs.files import digest_folder, read_json, sha256_file, write_bytes, write_json
from osler.runs.progress import silent

RESEARCH = Permission("research")


def card(exported: dict[str, Any]) -> str:
    return f"rows: {sum(exported['rows'].values())}"


def invented(row: str, *texts: str, license_id: str = "CC-BY-4.0", **fields: Any) -> Record:
    roles = ("user", "assistant")
    messages = tuple(Message(roles[i % 2], text) for i, text in enumerate(texts))
    origin = Origin("invented", row, "r1", license_id, fields.pop("access", "open"), f"https://example.org/{row}?b=1|2")
    return Record(record_id("invented", row), fields.pop("task", "qa"), messages, origin, **fields)


def make_run(folder: Path, records: Sequence[Record]) -> Path:
    write_records(folder / "records.jsonl", records)
    curate([folder / "records.jsonl"], {}, CurateConfig(), 3, folder / "curate", silent)
    write_json(folder / "curate/run.json", {"options": {"curate": CurateConfig().model_dump(mode="json")}})
    write_json(folder / "curate/done", {"finished": "2025-01-02T03:04:05Z", "files": {}})
    copy = {"source": "invented", "revision": "r1", "license": "CC-BY-4.0", "access": "open"}
    write_json(folder / "collect/counts.json", {"sources": [copy]})
    return folder


PLAIN = [
    invented(f"{n}", f"What does organ number {n} do?", f"It does thing number {n}.\nAnd “more”.") for n in range(40)
]
CHOICE = invented(
    "choice",
    "Which organ makes bile?",
    "B. Liver",
    task="choice",
    choices=("Heart", "Liver"),
    answer=1,
    context=("A passage on organs.", "Another."),
)
TALK = invented("talk", "I feel warm.", "Since when?", "Since this morning.", "Drink some water.", task="dialogue")
RAGGED = invented("ragged", "One question.", "An answer that is long.", task="dialogue")
RAGGED = replace(RAGGED, messages=(Message("assistant", "Hello, how are you?"), *RAGGED.messages))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "few", [*PLAIN, CHOICE, TALK, RAGGED])


@pytest.fixture(scope="module")
def out(run: Path) -> Path:
    export_data(run, FORM_NAMES, RESEARCH, card, run.parent / "out", silent)
    return run.parent / "out"


def rows_of(out: Path, name: str) -> list[dict[str, Any]]:
    form = next(form for form in FORMS if form.name == name)
    paths = [path for path in (out / name / f"{file}.{form.layout}" for file in form.files.values()) if path.is_file()]
    if form.layout == "jsonl":
        return [json.loads(line) for path in paths for line in path.read_bytes().splitlines()]
    return [row for path in paths for row in json.loads(path.read_bytes())]


def row_of(out: Path, name: str, record: Record) -> dict[str, Any]:
    return next(row for row in rows_of(out, name) if row["id"] == record.id)


def answers_of(run: Path) -> list[str]:
    return [r.target for split in data.SPLITS for r in read_records(run / f"curate/{split}.jsonl")]


def test_every_form_reads_back_with_its_own_tool_with_the_same_answers(run: Path, out: Path) -> None:
    from datasets import load_dataset, load_from_disk

    answers = answers_of(run)
    assert len(answers) == 43
    without_ragged = [answer for answer in answers if answer != RAGGED.target]
    assert [row["output"] for row in rows_of(out, "guides")] == answers
    assert [row["output"] for row in rows_of(out, "alpaca")] == without_ragged
    assert [row["conversations"][-1]["value"] for row in rows_of(out, "sharegpt")] == without_ragged
    assert [row["messages"][-1]["content"] for row in rows_of(out, "messages")] == answers
    assert [row["completion"] for row in rows_of(out, "prompt-completion")] == answers
    assert rows_of(out, "mlx") == rows_of(out, "messages")
    saved = load_from_disk(str(out / "datasetdict"))
    assert [m[-1]["content"] for split in data.SPLITS for m in saved[split]["messages"]] == answers
    tables = [pq.read_table(out / f"parquet/{split}.parquet").to_pylist() for split in data.SPLITS]
    assert [row for split in data.SPLITS for row in saved[split].to_list()] == [
        row for table in tables for row in table
    ]
    cache = str(run.parent / "cache")
    for name in ("guides", "alpaca", "sharegpt"):
        loaded = load_dataset("json", data_files=str(out / name / "train.json"), split="train", cache_dir=cache)
        assert len(loaded) == read_json(out / "export.json")["forms"][name]["splits"]["train"]


def test_the_guides_form_has_its_four_fields_only(out: Path) -> None:
    rows = rows_of(out, "guides")
    assert {tuple(row) for row in rows} == {("input", "context", "output", "source")}
    choice = next(row for row in rows if row["output"] == "B. Liver")
    assert choice["input"] == "Which organ makes bile?\n\nA. Heart\nB. Liver"
    assert choice["context"] == "A passage on organs.\n\nAnother."
    talk = next(row for row in rows if row["output"] == "Drink some water.")
    assert talk["context"] == "User: I feel warm.\n\nAssistant: Since when?"
    assert talk["input"] == "Since this morning."


def test_passages_options_and_earlier_turns_stand_where_each_form_has_a_place_for_them(out: Path) -> None:
    alpaca = row_of(out, "alpaca", CHOICE)
    assert alpaca["instruction"] == "Which organ makes bile?\n\nA. Heart\nB. Liver"
    assert alpaca["input"] == "A passage on organs.\nAnother."
    assert row_of(out, "alpaca", TALK)["history"] == [["I feel warm.", "Since when?"]]
    turns = row_of(out, "sharegpt", TALK)["conversations"]
    assert [turn["from"] for turn in turns] == ["human", "gpt", "human", "gpt"]
    asked = row_of(out, "messages", CHOICE)["messages"][0]["content"]
    assert asked == "A passage on organs.\nAnother.\n\nWhich organ makes bile?\n\nA. Heart\nB. Liver"
    assert row_of(out, "prompt-completion", CHOICE)["prompt"] == asked
    system = replace(TALK, messages=(Message("system", "Be brief."), *TALK.messages))
    views = {form.name: form.view(system) for form in FORMS}
    assert views["alpaca"]["system"] == views["sharegpt"]["system"] == "Be brief."
    assert views["prompt-completion"]["prompt"].startswith("Be brief.\n\nUser: I feel warm.")
    assert views["messages"]["messages"][0] == {"role": "system", "content": "Be brief."}


def test_a_row_whose_turns_do_not_alternate_is_counted_where_it_is_left_out(out: Path) -> None:
    facts = read_json(out / "export.json")["forms"]
    assert {name for name, form in facts.items() if form["turns_do_not_alternate"] == 1} == {"alpaca", "sharegpt"}
    assert sum(facts["messages"]["splits"].values()) == sum(facts["alpaca"]["splits"].values()) + 1


def llama_factory_rows(folder: Path, name: str) -> list[list[str]]:
    """Conversations as LLaMA-Factory 0.9.5 aligns them, after its parser.py and converter.py."""
    info = read_json(folder / "dataset_info.json")[name]
    rows = json.loads((folder / info["file_name"]).read_bytes())
    columns, tags = info["columns"], info.get("tags", {})
    if info["formatting"] == "alpaca":
        told = [[text for pair in row[columns["history"]] for text in pair] for row in rows]
        asked = ["\n".join(filter(None, (row[columns["prompt"]], row[columns["query"]]))) for row in rows]
        return [[*a, b, row[columns["response"]]] for a, b, row in zip(told, asked, rows, strict=True)]
    aligned = []
    for row in rows:
        turns = row[columns["messages"]]
        roles = [turn[tags["role_tag"]] for turn in turns]
        assert roles == [tags["user_tag"], tags["assistant_tag"]] * (len(turns) // 2)
        assert isinstance(row[columns["system"]], str)
        aligned.append([turn[tags["content_tag"]] for turn in turns])
    return aligned


def test_llama_factory_finds_every_row_by_the_dataset_info(out: Path) -> None:
    for split, n in read_json(out / "export.json")["forms"]["alpaca"]["splits"].items():
        alpaca = llama_factory_rows(out / "alpaca", f"few_{split}")
        sharegpt = llama_factory_rows(out / "sharegpt", f"few_{split}")
        assert len(alpaca) == len(sharegpt) == n
        assert [row[-1] for row in alpaca] == [row[-1] for row in sharegpt]


def test_mlx_files_have_the_names_that_mlx_lm_looks_for(out: Path) -> None:
    assert sorted(path.name for path in (out / "mlx").iterdir()) == ["test.jsonl", "train.jsonl", "valid.jsonl"]


def test_a_second_export_replaces_the_first_with_the_same_bytes(run: Path, out: Path, tmp_path: Path) -> None:
    again = tmp_path / "out"
    (tmp_path / "out.partial/guides").mkdir(parents=True)  # as a kill would leave it
    (tmp_path / "out.partial/guides/train.json").write_text("half")
    for _ in range(2):
        export_data(run, FORM_NAMES, RESEARCH, card, again, silent)
        assert digest_folder(again) == digest_folder(out)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    files = read_json(again / "export.json")["files"]
    assert files == {name: sha256_file(again / name) for name in files}


def test_an_export_never_takes_the_place_of_other_files(run: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="no export of osler"):
        export_data(run, ["guides"], RESEARCH, card, tmp_path, silent)
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_file_that_does_not_read_back_stops_the_export(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lossy(layout: str, path: Path):
        rows = list(true_read_back(layout, path))
        yield from rows[:-1]

    true_read_back = data.read_back
    monkeypatch.setattr(data, "read_back", lossy)
    with pytest.raises(CheckFailed, match="read back"):
        export_data(run, ["messages"], RESEARCH, card, tmp_path / "out", silent)
    assert not (tmp_path / "out").exists()


def test_a_json_array_that_was_cut_off_is_no_array(out: Path, tmp_path: Path) -> None:
    whole = (out / "guides/train.json").read_bytes()
    for cut in (whole[:-2], whole + b"{}", b"{" + whole[1:], b""):
        write_bytes(tmp_path / "cut.json", cut)
        with pytest.raises((CheckFailed, json.JSONDecodeError)):
            list(data.read_back("json", tmp_path / "cut.json"))


def test_unknown_forms_and_unfinished_runs_are_named(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Did you mean 'sharegpt'"):
        export_data(run, ["sharegp"], RESEARCH, card, tmp_path / "out", silent)
    with pytest.raises(InputError, match="osler curate"):
        export_data(tmp_path, ["guides"], RESEARCH, card, tmp_path / "out", silent)


# Licenses and access


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """34 free rows, 3 for non-commercial use, 2 of unknown license, 1 without derivatives, 2 by application."""
    licenses = ["CC-BY-NC-4.0"] * 3 + ["LicenseRef-unclear"] * 2 + ["CC-BY-ND-4.0"]
    kinds = [{"license_id": name} for name in licenses] + [{"access": "application"}] * 2
    texts = [record.messages for record in PLAIN]
    rows = [
        invented(f"m{i}", *(message.content for message in texts[i]), **(kinds[i] if i < len(kinds) else {}))
        for i in range(42 - 2)
    ]
    return make_run(tmp_path_factory.mktemp("runs") / "mixed", rows)


def test_a_row_that_may_not_be_used_so_is_refused_with_counts_and_ids(mixed: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckFailed) as refused:
        export_data(mixed, ["guides"], Permission("commercial"), card, tmp_path / "out", silent)
    message = str(refused.value)
    assert message.startswith("8 rows may not be exported for commercial use")
    assert "3 rows, CC-BY-NC-4.0: no commercial use" in message
    assert "2 rows, LicenseRef-unclear: unknown license" in message
    assert "1 rows, CC-BY-ND-4.0: no derivatives" in message
    assert "2 rows, CC-BY-4.0: access application" in message
    assert record_id("invented", "m5") in message
    assert not (tmp_path / "out").exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("permission", "n_rows", "expression"),
    [
        (Permission("commercial", leave_out_forbidden=True), 32, "CC-BY-4.0"),
        (Permission("research", leave_out_forbidden=True), 37, "CC-BY-4.0 AND CC-BY-NC-4.0 AND LicenseRef-unclear"),
        (Permission("commercial", leave_out_forbidden=True, include_local_only=True), 34, "CC-BY-4.0"),
    ],
)
def test_forbidden_rows_are_left_out_when_asked_and_counted(
    mixed: Path, tmp_path: Path, permission: Permission, n_rows: int, expression: str
) -> None:
    found = export_data(mixed, ["messages"], permission, card, tmp_path / "out", silent)
    assert found.rows.total() == len(rows_of(tmp_path / "out", "messages")) == n_rows
    assert found.left_out.total() == 40 - n_rows
    assert read_json(tmp_path / "out/export.json")["license"]["expression"] == expression
    written = {row["license"] for row in rows_of(tmp_path / "out", "messages")}
    assert written == set(expression.split(" AND "))


def test_local_only_rows_never_leave_without_being_asked_for(mixed: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match="access application"):
        export_data(mixed, ["guides"], RESEARCH, card, tmp_path / "out", silent)


def test_an_export_of_nothing_is_refused(tmp_path: Path) -> None:
    rows = [replace(row, origin=replace(row.origin, license="CC-BY-NC-4.0")) for row in PLAIN]
    run = make_run(tmp_path / "all", rows)
    with pytest.raises(InputError, match="no row"):
        export_data(run, ["guides"], Permission("commercial", leave_out_forbidden=True), card, tmp_path / "out", silent)
