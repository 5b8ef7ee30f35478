"""A recipe in another engine's words, and its adapter back in the run folder."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from tests.families import family

from osler.errors import InputError
from osler.models.chat import template_fingerprint
from osler.models.config import ModelConfig
from osler.models.libraries import quiet_libraries
from osler.models.local import load_tokenizer
from osler.records.io import read_jsonl, write_records
from osler.records.record import Message, Record
from osler.runs.files import read_json
from osler.train.config import EvaluationConfig, TrainConfig
from osler.train.engines import take_back, write_engine

CONFIG = TrainConfig(
    method="qlora", rank=4, alpha=8, batch_size=2, accumulate=8, epochs=3, warmup=0.1, learning_rate=5e-5
)


@pytest.fixture
def files(tmp_path: Path, few_records: list[Record]) -> tuple[Path, Path]:
    write_records(tmp_path / "train.jsonl", few_records[:30])
    write_records(tmp_path / "validation.jsonl", few_records[30:])
    return tmp_path / "train.jsonl", tmp_path / "validation.jsonl"


def model(base: Path) -> ModelConfig:
    return ModelConfig(base=str(base), system_prompt="Be kind.")


@pytest.mark.parametrize(
    ("engine", "file", "wanted"),
    [
        (
            "llamafactory",
            "llamafactory.yaml",
            {"lora_rank": 4, "lora_target": "all", "quantization_bit": 4, "template": "empty", "warmup_ratio": 0.1},
        ),
        ("axolotl", "axolotl.yaml", {"lora_r": 4, "adapter": "qlora", "load_in_4bit": True, "micro_batch_size": 2}),
    ],
)
def test_the_recipe_is_said_in_the_engines_words(
    engine: str, file: str, wanted: dict[str, object], files: tuple[Path, Path], tiny_base: Path, tmp_path: Path
) -> None:
    command = write_engine(engine, files, model(tiny_base), CONFIG, 7, tmp_path / "engine")
    settings = yaml.safe_load((tmp_path / "engine" / file).read_text())
    assert wanted.items() <= settings.items()
    assert settings["learning_rate"] == 5e-5
    assert settings["gradient_accumulation_steps"] == 8
    assert file in command
    rows = [row for _, row in read_jsonl(tmp_path / "engine" / "train.jsonl")]
    assert len(rows) == 30
    roles = ["user", "assistant"]  # LLaMA-Factory gets the system turn inside what is read
    assert [turn["role"] for turn in rows[0]["messages"]] == (roles if engine == "llamafactory" else ["system", *roles])


def test_unsloth_gets_a_program_that_reads_its_settings(
    files: tuple[Path, Path], tiny_base: Path, tmp_path: Path
) -> None:
    write_engine("unsloth", files, model(tiny_base), CONFIG, 7, tmp_path / "engine")
    compile((tmp_path / "engine" / "train_unsloth.py").read_text(), "train_unsloth.py", "exec")
    assert read_json(tmp_path / "engine" / "unsloth.json")["trainer"]["per_device_train_batch_size"] == 2


def test_a_template_that_osler_settles_goes_with_the_rows_and_the_adapter(
    files: tuple[Path, Path], tiny_adapter: Path, tmp_path: Path
) -> None:
    # BioMistral's own refuses a system turn: each engine would fail on it, and the adapter would not load.
    base = tmp_path / "base"
    with quiet_libraries():
        tokenizer = family("biomistral-7b").build_tokenizer(["What does the heart do?"])
        tokenizer.save_pretrained(base)
        family("biomistral-7b").build_config(len(tokenizer), tokenizer).save_pretrained(base)
        template = load_tokenizer(base).chat_template
    write_engine("axolotl", files, model(base), CONFIG, 7, tmp_path / "axolotl")
    assert yaml.safe_load((tmp_path / "axolotl" / "axolotl.yaml").read_text())["chat_template_jinja"] == template
    write_engine("unsloth", files, model(base), CONFIG, 7, tmp_path / "unsloth")
    assert read_json(tmp_path / "unsloth" / "unsloth.json")["chat_template_jinja"] == template
    take_back("axolotl", tiny_adapter, files[0], model(base), CONFIG, tmp_path / "train")
    fingerprint = read_json(tmp_path / "train" / "adapter" / "template.json")["fingerprint"]
    assert fingerprint == template_fingerprint(template)


def test_an_engine_measures_on_rows_that_fit_and_on_no_empty_file(
    files: tuple[Path, Path], tiny_base: Path, few_records: list[Record], tmp_path: Path
) -> None:
    turns = (few_records[0].messages[0], Message("assistant", "day and night " * 500))
    long = replace(few_records[0], id="invented:long", messages=turns)
    for records, n_measured in (([*few_records[30:32], long], 2), ([long], 0)):
        write_records(files[1], records)
        for engine in ("axolotl", "llamafactory"):
            write_engine(engine, files, model(tiny_base), CONFIG, 7, tmp_path / engine)
            settings = yaml.safe_load((tmp_path / engine / f"{engine}.yaml").read_text())
            assert ("eval_dataset" in settings or "test_datasets" in settings) == bool(n_measured)
            assert len(list(read_jsonl(tmp_path / engine / "validation.jsonl"))) == n_measured


def test_what_an_engine_cannot_do_is_an_error(files: tuple[Path, Path], tiny_base: Path, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"evaluation": EvaluationConfig(patience=2)})
    with pytest.raises(InputError, match="patience"):
        write_engine("axolotl", files, model(tiny_base), config, 7, tmp_path / "engine")
    with pytest.raises(InputError, match="Did you mean 'axolotl'"):
        write_engine("axolotel", files, model(tiny_base), CONFIG, 7, tmp_path / "engine")


def test_what_an_engine_has_trained_is_not_written_over(
    files: tuple[Path, Path], tiny_base: Path, tmp_path: Path
) -> None:
    (tmp_path / "engine" / "trained").mkdir(parents=True)
    with pytest.raises(InputError, match="--take-back"):
        write_engine("axolotl", files, model(tiny_base), CONFIG, 7, tmp_path / "engine")


def test_its_adapter_comes_back_with_the_manifest(
    files: tuple[Path, Path], tiny_base: Path, tiny_adapter: Path, tmp_path: Path
) -> None:
    trained = tmp_path / "trained"
    shutil.copytree(tiny_adapter, trained)
    take_back("llamafactory", trained, files[0], model(tiny_base), CONFIG, tmp_path / "train")
    ledger = read_json(tmp_path / "train" / "ledger.json")
    assert (ledger["engine"], ledger["read"], ledger["kept"]) == ("llamafactory", 30, 30)
    assert len(list(read_jsonl(tmp_path / "train" / "rows.jsonl"))) == 30
    template = read_json(tmp_path / "train" / "adapter" / "template.json")
    assert template == {**read_json(tiny_adapter / "template.json"), "system_prompt": "Be kind.", "method": "qlora"}
    with pytest.raises(InputError, match=r"r is 4, the recipe says 8"):
        take_back(
            "llamafactory",
            trained,
            files[0],
            model(tiny_base),
            CONFIG.model_copy(update={"rank": 8}),
            tmp_path / "other",
        )
