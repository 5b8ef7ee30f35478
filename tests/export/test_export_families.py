"""Every family of models, tiny: trained, killed and resumed, merged, in GGUF, behind Ollama's template, and asked."""

from pathlib import Path

import pytest
from tests.families import FAMILIES, Family, build

from osler.errors import EnvironmentLacks, InputError
from osler.export.model import Choices, Trained, export_model
from osler.models.chat import end_token_id, render
from osler.models.config import ModelConfig
from osler.models.local import load_local, load_tokenizer
from osler.models.protocol import Conversation
from osler.records.io import write_records
from osler.records.record import Message, Record
from osler.runs.files import digest_folder, read_json
from osler.runs.progress import silent
from osler.train.config import MachineConfig, TrainConfig
from osler.train.train import train

SYSTEM = "Be brief, and name the emergency number."
ASKED: tuple[Conversation, ...] = tuple(
    (Message("user", f"{start} the {organ}{end}"),)
    for organ in ("heart", "liver", "kidney", "lung", "skin")
    for start, end in (
        ("What does", " do?"),
        ("Where is", ", and why THERE?\n\n1. left\n2. right"),
        ("Can 15mg or 1.5 mL hurt", " «ever»? It's 3–4 °C, ½ a tablet."),
        ("日本語で説明して:", "… 🫀  two  spaces\tand a tab"),
        ("I can't feel", "; they've said it's nothing!"),
        ("Explain", " to a child of 7 (briefly)."),
        ("Is 120/80 normal for", " at 60bpm?"),
        ("Who looks after", ", day and night?"),
        ("Does it matter if <b>bold</b> or `code` speaks of", " & more?"),
        ("Please", "\nthank you"),
    )
)
assert len(ASKED) == 50


QUICK = ("phi-4", "biomistral-7b", "medgemma-4b")
"""One of each kind of tokenizer and template, one with towers; the others take longer than all other tests of this room."""


@pytest.fixture(
    scope="session",
    params=[pytest.param(one, marks=() if one.name in QUICK else pytest.mark.slow, id=one.name) for one in FAMILIES],
)
def one(request: pytest.FixtureRequest) -> Family:
    return request.param


@pytest.fixture(scope="session")
def base(one: Family, tmp_path_factory: pytest.TempPathFactory, few_records: list[Record]) -> Path:
    from osler.models.libraries import quiet_libraries

    folder = tmp_path_factory.mktemp("family") / one.name
    with quiet_libraries():
        build(one, [turn.content for record in few_records for turn in record.messages], folder)
    return folder


def trained_in(folder: Path, base: Path, records: list[Record], **changes: object) -> Path:
    write_records(folder / "train.jsonl", records)
    options = {
        "rank": 4,
        "alpha": 8,
        "learning_rate": 0.01,
        "batch_size": 4,
        "max_steps": 6,
        **changes,
    }
    train(
        (folder / "train.jsonl", None),
        ModelConfig(base=str(base), system_prompt=SYSTEM),
        TrainConfig.model_validate(options),
        MachineConfig(save_every_steps=2),
        1,
        folder,
        silent,
    )
    return folder / "adapter"


@pytest.fixture(scope="session")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory, few_records: list[Record]) -> Path:
    return trained_in(tmp_path_factory.mktemp("trained"), base, few_records)


@pytest.fixture(scope="session")
def exported(one: Family, base: Path, adapter: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("gguf")
    pytest.importorskip("xllamacpp")
    out = tmp_path_factory.mktemp("exported")
    trained = Trained(one.name, "artefact", base, "main", adapter, "auto", SYSTEM, ASKED)
    forms = ("merged", "gguf", "ollama", "vllm") if one.gguf else ("merged", "vllm")
    export_model(trained, Choices(forms, ("q8_0", "f16"), verify=one.gguf is not None), out, silent)
    return out


def test_the_end_of_an_answer_is_the_template_s(one: Family, base: Path) -> None:
    tokenizer = load_tokenizer(base)
    assert tokenizer.decode([end_token_id(tokenizer)]) == one.end


def test_a_prompt_is_the_beginning_of_what_was_trained(base: Path) -> None:
    tokenizer = load_tokenizer(base)
    turns = (Message("system", SYSTEM), Message("user", "Why?"), Message("assistant", "So."))
    assert render(tokenizer, turns, for_reply=False).startswith(render(tokenizer, turns[:2], for_reply=True))


def test_nothing_that_sees_or_hears_is_loaded_or_trained(one: Family, base: Path, adapter: Path) -> None:
    names = [name for name, _ in load_local(base, adapter).weights.named_parameters()]
    assert names
    assert not [name for name in names if "vision" in name or "audio" in name or "multi_modal" in name]
    assert one.is_multimodal == ("vision_config" in read_json(base / "config.json"))


def test_an_answer_s_end_is_learned_and_its_prompt_is_not(
    one: Family, base: Path, adapter: Path, few_records: list[Record]
) -> None:
    from osler.train.tokens import BAD_ROWS, MASKED, Limits, tokenize

    tokenizer = load_tokenizer(base)
    tokens = tokenize(tokenizer, few_records, SYSTEM, Limits(None, 1024), dict.fromkeys(BAD_ROWS, "drop"), silent)
    assert len(tokens.rows) + len(tokens.set_aside) == len(few_records)
    for row in tokens.rows:
        learned = [token for token in row.labels if token != MASKED]
        assert learned[-1] == end_token_id(tokenizer)
        assert SYSTEM not in tokenizer.decode(learned)
    assert (
        read_json(adapter.parent / "ledger.json")["last_loss"] < read_json(adapter.parent / "ledger.json")["first_loss"]
    )


def test_a_resumed_training_gives_the_same_bytes(
    one: Family, base: Path, adapter: Path, few_records: list[Record], tmp_path: Path
) -> None:
    class Killed(Exception):
        pass

    told = 0

    def kill_at_five(name: str, done: int, total: int | None, unit: str = "rows", note: str = "") -> None:
        nonlocal told
        told += name == "train"  # once before the first step, then after each
        if told == 6:
            raise Killed

    write_records(tmp_path / "train.jsonl", few_records)
    options = {"rank": 4, "alpha": 8, "learning_rate": 0.01, "batch_size": 4, "max_steps": 6}
    machine = MachineConfig(save_every_steps=2)
    base_model = ModelConfig(base=str(base), system_prompt=SYSTEM)
    arguments = (base_model, TrainConfig.model_validate(options), machine, 1, tmp_path)
    with pytest.raises(Killed):
        train((tmp_path / "train.jsonl", None), *arguments, kill_at_five)
    assert (tmp_path / "checkpoints" / "checkpoint-4").is_dir()
    train((tmp_path / "train.jsonl", None), *arguments, silent)
    assert digest_folder(tmp_path / "adapter") == digest_folder(adapter)


def test_the_merged_model_is_the_trained_one(exported: Path, base: Path, adapter: Path) -> None:
    parity = read_json(exported / "parity.json")
    assert parity["top1_agreement"] == 1
    assert parity["kl_mean"] < 1e-9
    merged = load_local(exported / "merged", system_prompt=SYSTEM)
    assert merged.reply(ASKED[:3], 8) == load_local(base, adapter).reply(ASKED[:3], 8)


def test_gguf_and_modelfile_agree_with_it_token_by_token(one: Family, exported: Path) -> None:
    checks = read_json(exported / "export.json")["checks"]
    if one.gguf is None:
        assert list(checks) == ["merged"]
        return
    for precision in ("q8_0", "f16"):
        check = checks[f"{one.name}-{precision}.gguf"]
        assert check["prompts"] == check["same_text"] == check["same_tokens"] == check["same_ollama"] == 50
        assert check["positions"] > 25
        assert check["top1_decided"] >= 0.98
    assert checks[f"{one.name}-f16.gguf"]["kl_mean"] < 1e-4
    assert checks[f"{one.name}-q8_0.gguf"]["kl_mean"] < 5e-3
    modelfile = (exported / "Modelfile").read_text()
    assert f'PARAMETER stop "{one.end}"' in modelfile
    assert SYSTEM in modelfile


def test_llama_cpp_stops_where_the_model_was_taught_to(one: Family, exported: Path) -> None:
    """The end token is among those at which llama.cpp ends by itself: asked after it, it gives an empty answer."""
    if one.gguf is None:
        pytest.skip("no layout of osler's own")
    from gguf import GGUFReader

    fields = GGUFReader(exported / "gguf" / f"{one.name}-f16.gguf").fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    assert fields["general.architecture"].contents() == one.gguf
    assert tokens[fields["tokenizer.ggml.eot_token_id"].contents()] == one.end


def test_a_family_without_a_layout_is_told_what_to_do(one: Family, base: Path, adapter: Path, tmp_path: Path) -> None:
    if one.gguf is not None:
        pytest.skip("has a layout")
    trained = Trained(one.name, "artefact", base, "main", adapter, "auto", SYSTEM, ASKED[:2])
    with pytest.raises(InputError, match=r"Gemma3nForCausalLM.*--llama-cpp"):
        export_model(trained, Choices(("gguf",)), tmp_path, silent)
    with pytest.raises(EnvironmentLacks, match="convert_hf_to_gguf"):
        export_model(trained, Choices(("gguf",), llama_cpp=tmp_path), tmp_path, silent)


def test_a_target_that_hits_nothing_is_an_error(
    one: Family, base: Path, few_records: list[Record], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="fits no linear layer") as told:
        trained_in(
            tmp_path, base, few_records, targets=("fc1", "out_proj")
        )  # of the vision tower, and of no family's text
    assert ("qkv_proj" if one.name.startswith("phi") else "q_proj") in str(told.value)


def test_it_is_served_in_pieces_that_are_its_reply(exported: Path) -> None:
    model = load_local(exported / "merged", system_prompt=SYSTEM)
    (reply,) = model.reply(ASKED[1:2], 6)
    assert "".join(model.stream(ASKED[1], 6)) == reply.text
