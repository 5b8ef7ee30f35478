"""The base that is built from nothing."""

from pathlib import Path

import pytest

from osler.models.libraries import quiet_libraries
from osler.models.local import load_tokenizer, load_weights
from osler.records.record import Record
from osler.runs.files import digest_folder
from osler.train.scratch import build_scratch_base


def build(folder: Path, records: list[Record], seed: int = 1) -> dict[str, str]:
    with quiet_libraries():
        build_scratch_base((turn.content for record in records for turn in record.messages), folder, seed)
    return digest_folder(folder)


def test_the_same_text_and_seed_give_the_same_bytes(tmp_path: Path, few_records: list[Record], tiny_base: Path) -> None:
    again = build(tmp_path / "again", few_records)
    assert again == digest_folder(tiny_base)
    assert set(again) >= {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    other = build(tmp_path / "other", few_records, seed=2)
    assert other["tokenizer.json"] == again["tokenizer.json"]
    assert other["model.safetensors"] != again["model.safetensors"]


def test_the_global_random_state_is_left_alone(tmp_path: Path, few_records: list[Record]) -> None:
    import torch

    before = torch.random.get_rng_state()
    build(tmp_path / "base", few_records)
    assert torch.equal(before, torch.random.get_rng_state())


def test_an_interrupted_build_is_made_anew(tmp_path: Path, few_records: list[Record], tiny_base: Path) -> None:
    (tmp_path / "base.partial").mkdir()
    (tmp_path / "base.partial" / "model.safetensors").write_text("half")
    assert build(tmp_path / "base", few_records) == digest_folder(tiny_base)
    assert [path.name for path in tmp_path.iterdir()] == ["base"]


def test_the_files_name_no_folder_of_this_machine(tmp_path: Path, few_records: list[Record]) -> None:
    build(tmp_path / "base", few_records)
    assert not [path for path in (tmp_path / "base").iterdir() if str(tmp_path).encode() in path.read_bytes()]


def test_any_text_comes_back_from_its_tokens(tiny_base: Path) -> None:
    tokenizer = load_tokenizer(tiny_base)
    text = "  Take 150 mg, then 15 mg — naïve\n\tΩ 痛み 🩺 "
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_each_digit_is_a_token(tiny_base: Path) -> None:
    tokenizer = load_tokenizer(tiny_base)
    assert tokenizer.convert_ids_to_tokens(tokenizer.encode("150")) == ["1", "5", "0"]


def test_it_is_a_small_llama_that_can_speak_up(tiny_base: Path) -> None:
    weights = load_weights(tiny_base)
    assert weights.config.model_type == "llama"
    # A token's own embedding must be able to win the softmax, or an adapter on frozen embeddings could learn nothing.
    embedding = weights.get_input_embeddings().weight
    largest_logit = embedding.norm(dim=1).mean() * weights.config.hidden_size**0.5
    assert largest_logit > 10
    assert weights.num_parameters() == pytest.approx(1.9e6, rel=0.2)
