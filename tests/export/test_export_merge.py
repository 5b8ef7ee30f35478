"""A merged model says what base and adapter said."""

from pathlib import Path

import pytest

from osler.errors import CheckFailed, InputError
from osler.export.config import ExportConfig
from osler.export.merge import KL_BOUND, export_merged
from osler.models.local import load_local
from osler.models.protocol import ChoicePrompt
from osler.records.record import Message
from osler.runs.files import digest_folder, read_json
from osler.runs.progress import silent

PROMPTS = [(Message("user", f"What does the {organ} do?"),) for organ in ("heart", "liver", "kidney")]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path, tiny_adapter: Path) -> Path:
    out = tmp_path_factory.mktemp("export")
    export_merged(tiny_base, tiny_adapter, PROMPTS, out, silent)
    return out


def test_merged_equals_unmerged(exported: Path, tiny_base: Path, tiny_adapter: Path) -> None:
    merged = load_local(exported / "merged", system_prompt="Be brief.")
    model = load_local(tiny_base, tiny_adapter)
    assert merged.reply(PROMPTS, 12) == model.reply(PROMPTS, 12)
    prompts = [ChoicePrompt("Is it so? Answer:", (" yes", " no, never"))]
    # One matrix product instead of three: float32 rounds differently.
    assert merged.log_likelihoods(prompts)[0] == pytest.approx(model.log_likelihoods(prompts)[0], abs=1e-4)


def test_the_parity_file_tells_what_was_compared(exported: Path) -> None:
    parity = read_json(exported / "parity.json")
    assert set(parity) == {
        "prompts",
        "tokens",
        "dtype",
        "quantized",
        "top1_agreement",
        "decided",
        "top1_decided",
        "top1_bound",
        "max_abs_logit_difference",
        "kl_mean",
        "bound",
        "passed",
    }
    assert parity["passed"] is True
    assert parity["prompts"] == 3
    assert parity["top1_agreement"] == 1
    assert parity["kl_mean"] <= parity["bound"] == KL_BOUND["float32"]


def test_a_second_export_gives_the_same_bytes(
    exported: Path, tiny_base: Path, tiny_adapter: Path, tmp_path: Path
) -> None:
    (tmp_path / "merged.partial").mkdir()  # as a kill would leave it
    (tmp_path / "merged.partial" / "half").write_text("half")
    export_merged(tiny_base, tiny_adapter, PROMPTS, tmp_path, silent)
    assert digest_folder(tmp_path / "merged") == digest_folder(exported / "merged")


def test_a_merge_that_differs_is_not_kept(
    monkeypatch: pytest.MonkeyPatch, tiny_base: Path, tiny_adapter: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr("osler.export.merge.KL_BOUND", {"float32": -1.0})
    with pytest.raises(CheckFailed, match="differs"):
        export_merged(tiny_base, tiny_adapter, PROMPTS, tmp_path, silent)
    assert read_json(tmp_path / "parity.json")["passed"] is False
    assert [path.name for path in tmp_path.iterdir()] == ["parity.json"]


def test_an_export_without_prompts_is_refused(tiny_base: Path, tiny_adapter: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none was given"):
        export_merged(tiny_base, tiny_adapter, [], tmp_path, silent)


def test_the_defaults_are_valid() -> None:
    assert ExportConfig().formats == ("merged",)


NF4 = (
    -1.0, -0.6961928, -0.52507305, -0.3949175, -0.28444138, -0.18477343, -0.09105004, 0.0,
    0.0795803, 0.1609302, 0.2461123, 0.33791524, 0.44070983, 0.562617, 0.72295684, 1.0,
)  # fmt: skip
"""Quantiles of the normal distribution, from appendix E of arXiv 2305.14314."""


def adapter_on(base: Path, folder: Path, quantized: str = "", *, dora: bool = False) -> Path:
    """A random adapter, as large as a trained one, on a base held as in training."""
    import torch
    from peft import LoraConfig, get_peft_model

    from osler.models.chat import template_fingerprint
    from osler.models.libraries import quiet_libraries
    from osler.models.local import load_tokenizer, load_weights
    from osler.runs.files import write_json

    with quiet_libraries():
        options = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM", use_dora=dora)
        model = get_peft_model(load_weights(base, dtype="float32", quantized=quantized), options)
        generator = torch.Generator().manual_seed(2)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "lora_A" in name or "lora_B" in name:
                    weight.copy_(torch.randn(weight.shape, generator=generator) * 0.1)
                elif "magnitude" in name:
                    weight.mul_(1.1)
        model.save_pretrained(str(folder))
    facts = {"fingerprint": template_fingerprint(load_tokenizer(base).chat_template), "system_prompt": "Be brief."}
    write_json(folder / "template.json", {**facts, "method": "qlora" if quantized else "lora"})
    return folder


@pytest.fixture(scope="module")
def family_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.families import build, family

    from osler.models.libraries import quiet_libraries

    folder = tmp_path_factory.mktemp("family") / "llama"
    with quiet_libraries():
        build(family("llama-3.1-8b-instruct"), ["What does the heart do?", "It beats, day and night."], folder)
    return folder


def test_four_bit_weights_are_merged_as_the_numbers_they_stand_for(family_base: Path, tmp_path: Path) -> None:
    """Against the definition of NF4, not against bitsandbytes: nearest of 16 levels times the largest of each 64 numbers."""
    pytest.importorskip("bitsandbytes")
    import torch
    from safetensors.torch import load_file

    adapter = adapter_on(family_base, tmp_path / "adapter", "nf4")
    parity = export_merged(family_base, adapter, PROMPTS, tmp_path, silent, dtype="float32")
    assert parity.quantized == "nf4"
    assert parity.dtype == "bfloat16"
    assert parity.top1_decided >= 0.98
    assert parity.kl_mean < 2e-4
    place = "model.layers.1.mlp.down_proj"
    original = load_file(family_base / "model.safetensors")[f"{place}.weight"]
    blocks = original.reshape(-1, 64)
    largest = blocks.abs().amax(dim=1, keepdim=True)
    levels = torch.tensor(NF4)
    coded = levels[((blocks / largest).unsqueeze(-1) - levels).abs().argmin(-1)] * largest
    low_rank = load_file(adapter / "adapter_model.safetensors")
    down, up = (low_rank[f"base_model.model.{place}.lora_{matrix}.weight"] for matrix in "AB")
    wanted = coded.reshape(original.shape) + 2.0 * up @ down
    merged = load_file(tmp_path / "merged" / "model.safetensors")[f"{place}.weight"].float()
    # The largest of each block is itself held in 8 bits (double quantisation), and the sum in bfloat16.
    assert (merged - wanted).abs().max() < 0.02 * original.abs().max()
    naive = original + 2.0 * up @ down
    assert (merged - wanted).norm() < 0.1 * (merged - naive).norm()
    merged_config = read_json(tmp_path / "merged" / "config.json")
    assert "quantization_config" not in merged_config


def test_merging_into_the_original_would_have_failed(
    family_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What most tools do: the adapter of a 4-bit run added to the weights before quantisation."""
    pytest.importorskip("bitsandbytes")
    from safetensors.torch import load_file

    adapter = adapter_on(family_base, tmp_path / "adapter", "nf4")
    original = {tuple(tensor.shape): tensor for tensor in load_file(family_base / "model.safetensors").values()}
    monkeypatch.setattr(
        "osler.export.merge.dequantized",
        lambda weight: original[tuple(weight.quant_state.shape)] if hasattr(weight, "quant_state") else weight,
    )
    with pytest.raises(CheckFailed, match="differs"):
        export_merged(family_base, adapter, PROMPTS, tmp_path, silent, dtype="float32")


@pytest.mark.parametrize("dora", [False, True], ids=["lora", "dora"])
def test_bfloat16_and_dora_keep_every_decided_first_token(family_base: Path, tmp_path: Path, dora: bool) -> None:
    adapter = adapter_on(family_base, tmp_path / "adapter", dora=dora)
    parity = export_merged(family_base, adapter, PROMPTS, tmp_path / "half", silent, dtype="bfloat16")
    assert parity.dtype == "bfloat16"
    assert parity.top1_decided == 1
    whole = export_merged(family_base, adapter, PROMPTS, tmp_path / "whole", silent, dtype="float32")
    assert whole.top1_agreement == 1
    assert whole.kl_mean < 1e-9


def test_shards_hold_what_one_file_holds(family_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from safetensors.torch import load_file

    adapter = adapter_on(family_base, tmp_path / "adapter")
    export_merged(family_base, adapter, PROMPTS, tmp_path / "one", silent)
    monkeypatch.setattr("osler.export.merge._SHARD_BYTES", 200_000)
    export_merged(family_base, adapter, PROMPTS, tmp_path / "many", silent)
    files = sorted((tmp_path / "many" / "merged").glob("*.safetensors"))
    assert len(files) > 3
    parts = {name: tensor for file in files for name, tensor in load_file(file).items()}
    whole = load_file(tmp_path / "one" / "merged" / "model.safetensors")
    assert parts.keys() == whole.keys()
    assert all(torch.equal(parts[name], whole[name]) for name in whole)


def test_missing_weights_are_an_error_not_random_numbers(family_base: Path, tmp_path: Path) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    shutil.copytree(family_base, tmp_path / "base")
    tensors = load_file(tmp_path / "base" / "model.safetensors")
    tensors.pop("model.layers.0.mlp.down_proj.weight")
    save_file(tensors, tmp_path / "base" / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"lacks 1 .*down_proj"):
        load_local(tmp_path / "base")
