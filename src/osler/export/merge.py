"""Adapter and base as one model, and the proof that it says what the two said.

Writes `merged/`, a folder that transformers loads, and `parity.json`. The base is the one that the adapter was trained on: of
a run on 4-bit weights the de-quantised ones, which is measured to be 450 times closer than merging into the original (see
docs/models.md). Sums are made in float32, one matrix at a time, and written in shards: beside the loaded model, at most one
shard is in memory.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from osler.errors import CheckFailed, InputError
from osler.models.libraries import quiet_libraries
from osler.models.local import Dtype, LocalModel, load_local
from osler.models.protocol import Conversation
from osler.runs.files import made_whole, write_json
from osler.runs.progress import Progress

if TYPE_CHECKING:
    import torch

KL_BOUND = {"float32": 1e-5, "bfloat16": 1e-3}
"""Nats per token, by the number type that is written. Float32 leaves about 1e-9, bfloat16 about 1e-4."""
TOP1_BOUND = {"float32": 1.0, "bfloat16": 0.999, "nf4": 0.98}
"""Share of the decided positions with the same first token, by what the adapter was trained on. In bfloat16 the sum W + B A is rounded
once more, which turns one close decision in some thousands."""

_DECIDED = 2.0**-5
"""A lead of the first token by at least this share of its logit is a decision. In bfloat16 a number has steps of 2^-8 of itself;
the rounding of a few layers moves a logit by several of them."""

_POSITIONS = 64
"""Last positions of each prompt that are compared; more would only cost memory with a large vocabulary."""
_SHARD_BYTES = 2 << 30


@dataclass(frozen=True, slots=True)
class Parity:
    """How far the merged model is from base and adapter."""

    prompts: int
    tokens: int
    dtype: str
    """Number type of the merged weights."""
    quantized: str
    """What the adapter was trained on: `nf4`, or `no`."""
    top1_agreement: float
    """Share of all positions where both put the same token first."""
    decided: int
    """Positions where the trained model's first token leads by more than the number type's rounding; all, for float32."""
    top1_decided: float
    """Share of these where both put the same token first."""
    top1_bound: float
    """`top1_decided` must reach it."""
    max_abs_logit_difference: float
    kl_mean: float
    """Mean Kullback-Leibler divergence of the merged from the trained model, in nats per token."""
    bound: float
    """`kl_mean` may not exceed it."""
    passed: bool


def export_merged(  # noqa: PLR0913, PLR0917  (the last three are the recipe's)
    base: Path | str,
    adapter: Path | None,
    prompts: Sequence[Conversation],
    out: Path,
    progress: Progress,
    revision: str = "main",
    dtype: Dtype = "auto",
    stamp: Mapping[str, str] | None = None,
) -> Parity:
    """Merge, save to `out/merged`, load that again and compare.

    `merged/` appears whole and only when the comparison passed; `parity.json` in any case.

    Args:
        adapter: None: the base is the trained model as a whole, and is only brought into the form.
        prompts: conversations to compare on, from the run's own records.
        dtype: number type that the run was trained in. A merge of 4-bit weights is written in bfloat16.
        stamp: kept in the folder as `osler.json`: whose merge it is.

    Raises:
        CheckFailed: the merged model differs.
        InputError: no prompt is given, base or adapter cannot be loaded, or the adapter is of a kind that cannot be merged.
        EnvironmentLacks: bitsandbytes is needed and not installed.
    """
    if not prompts:
        raise InputError("An export is compared on prompts, and none was given; give at least one conversation.")
    total = len(prompts) + 2
    model = load_local(base, adapter, revision=revision, dtype=dtype)
    texts = [model.prompt_tokens(prompt) for prompt in prompts]
    trained = [last_logits(model.weights, tokens) for tokens in texts]
    progress("export", 1, total, "steps")
    quantized = model.quantized
    written = "bfloat16" if quantized else str(model.weights.dtype).removeprefix("torch.")
    with made_whole(out / "merged") as partial:
        partial.mkdir()
        _save_merged(model, partial, written)
        del model
        reloaded = load_local(partial, dtype=dtype)
        progress("export", 2, total, "steps")
        agreement = Agreement()
        least_lead = 0.0 if written == "float32" else _DECIDED
        for number, (tokens, before) in enumerate(zip(texts, trained, strict=True), start=3):
            agreement.add(before, last_logits(reloaded.weights, tokens), least_lead)
            progress("export", number, total, "steps")
        parity = _parity(agreement, written, quantized)
        write_json(out / "parity.json", asdict(parity))
        _refuse_difference(parity)
        write_json(partial / "osler.json", dict(stamp or {}))
    return parity


def _refuse_difference(parity: Parity) -> None:
    if not parity.passed:
        raise CheckFailed(
            f"The merged model differs from base and adapter: KL {parity.kl_mean:.2g} nats per token, at most {parity.bound:g} "
            f"is allowed; same first token in {parity.top1_decided:.2%} of {parity.decided} decided positions, at least "
            f"{parity.top1_bound:.1%} is asked. It was not kept."
        )


def _save_merged(model: LocalModel, folder: Path, dtype: str) -> None:
    """Weights in shards, with their index, and configuration, tokenizer and chat template beside them."""
    import torch
    from safetensors.torch import save_file

    wanted = getattr(torch, dtype)
    plain = model.weights.get_base_model() if model.has_adapter else model.weights
    shards: list[dict[str, torch.Tensor]] = [{}]
    places: dict[str, int] = {}
    size = total = 0
    with torch.no_grad():
        for name, tensor in _merged_weights(plain):
            whole = tensor.to(wanted).cpu().contiguous()
            n_bytes = whole.numel() * whole.element_size()
            if size and size + n_bytes > _SHARD_BYTES:
                save_file(shards[-1], folder / f"{len(shards)}.shard", metadata={"format": "pt"})
                shards[-1].clear()
                shards.append({})
                size = 0
            shards[-1][name] = whole
            places[name] = len(shards)
            size += n_bytes
            total += n_bytes
        save_file(shards[-1], folder / f"{len(shards)}.shard", metadata={"format": "pt"})
    files = [f"model-{number:05}-of-{len(shards):05}.safetensors" for number in range(1, len(shards) + 1)]
    files = ["model.safetensors"] if len(files) == 1 else files
    for number, file in enumerate(files, start=1):
        (folder / f"{number}.shard").rename(folder / file)
    if len(files) > 1:
        weight_map = {name: files[place - 1] for name, place in places.items()}
        write_json(
            folder / "model.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": weight_map}
        )
    config = deepcopy(plain.config)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    config.architectures = [type(plain).__name__]
    config.dtype = wanted
    with quiet_libraries():
        config.save_pretrained(str(folder))
        if plain.generation_config is not None:
            plain.generation_config.save_pretrained(str(folder))
        tokenizer: Any = model.tokenizer
        tokenizer.save_pretrained(str(folder))


def _merged_weights(plain: Any) -> Iterator[tuple[str, "torch.Tensor"]]:
    """Every weight of the base by its name there, those with an adapter in float32 with it added."""
    from peft.tuners.lora import Linear, LoraLayer

    layers = {name: module for name, module in plain.named_modules() if isinstance(module, LoraLayer)}
    seen: set[int] = set()
    for name, tensor in [*plain.named_parameters(), *_kept_buffers(plain)]:
        owner = next((prefix for prefix in _prefixes(name) if prefix in layers), None)
        if owner is None:
            if id(tensor) not in seen:  # an output layer that is the embedding is written once
                yield name, dequantized(tensor)
            seen.add(id(tensor))
        elif name == f"{owner}.base_layer.weight":
            if not isinstance(layers[owner], Linear) and not hasattr(layers[owner], "lora_A"):
                raise InputError(f"the adapter's layer {owner} is no low-rank matrix, which alone can be merged")
            yield f"{owner}.weight", _with_adapter(layers[owner], dequantized(tensor))
        elif name == f"{owner}.base_layer.bias":
            yield f"{owner}.bias", tensor


def _prefixes(name: str) -> Iterator[str]:
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


def _kept_buffers(plain: Any) -> Iterator[tuple[str, "torch.Tensor"]]:
    for prefix, module in plain.named_modules():
        for name, buffer in module.named_buffers(recurse=False):
            if name not in module._non_persistent_buffers_set:  # noqa: SLF001 - torch has no public question for it
                yield f"{prefix}.{name}" if prefix else name, buffer


def _with_adapter(layer: Any, weight: "torch.Tensor") -> "torch.Tensor":
    """W + scale B A; of DoRA (arXiv 2402.09353) with each row brought to its learned length."""
    (name,) = layer.active_adapters
    down, up = layer.lora_A[name].weight.float(), layer.lora_B[name].weight.float()  # r in, out r
    total: torch.Tensor = weight.float() + layer.scaling[name] * (up @ down)  # out in
    if name in layer.lora_magnitude_vector:
        length = layer.lora_magnitude_vector[name].weight.float()
        total *= (length / total.norm(dim=1)).unsqueeze(1)
    return total


def dequantized(weight: "torch.Tensor") -> "torch.Tensor":
    """A 4-bit weight of bitsandbytes as the numbers it stands for; any other as it is."""
    state = getattr(weight, "quant_state", None)
    if state is None:
        return weight
    import bitsandbytes

    found: torch.Tensor = bitsandbytes.functional.dequantize_4bit(weight.data, state)
    return found


def last_logits(weights: Any, tokens: Sequence[int], n_positions: int = _POSITIONS) -> "torch.Tensor":
    """Logits of the last positions of one prompt, in float32 on the CPU: T V."""
    import torch

    ids = torch.tensor([list(tokens)], device=weights.device)
    with torch.inference_mode():
        logits: torch.Tensor = weights(input_ids=ids, use_cache=False, logits_to_keep=n_positions).logits[0]
    return logits.float().cpu()


@dataclass(slots=True)
class Agreement:
    """Sums over positions of how two models' logits differ."""

    prompts: int = 0
    tokens: int = 0
    n_same: int = 0
    decided: int = 0
    n_same_decided: int = 0
    max_abs: float = 0.0
    kl_sum: float = 0.0

    def add(self, reference: "torch.Tensor", other: "torch.Tensor", least_lead: float) -> None:
        """Count one prompt's positions: T V each.

        Args:
            least_lead: of the first token over the second, as a share of its logit, that makes a position decided.
        """
        first = reference.topk(2, dim=-1).values  # T 2
        is_decided = (first[:, 0] - first[:, 1]) >= least_lead * first[:, 0].abs()
        is_same = reference.argmax(-1) == other.argmax(-1)
        log_p, log_q = reference.double().log_softmax(-1), other.double().log_softmax(-1)
        self.prompts += 1
        self.tokens += len(reference)
        self.n_same += int(is_same.sum())
        self.decided += int(is_decided.sum())
        self.n_same_decided += int((is_same & is_decided).sum())
        self.max_abs = max(self.max_abs, float((reference - other).abs().max()))
        self.kl_sum += float((log_p.exp() * (log_p - log_q)).sum())

    @property
    def kl_mean(self) -> float:
        """Nats per position; not a number where there is none."""
        return self.kl_sum / self.tokens if self.tokens else float("nan")

    @property
    def top1_decided(self) -> float:
        """Share of the decided positions with the same first token."""
        return self.n_same_decided / self.decided if self.decided else 0.0


def _parity(found: Agreement, dtype: str, quantized: str) -> Parity:
    return Parity(
        prompts=found.prompts,
        tokens=found.tokens,
        dtype=dtype,
        quantized=quantized or "no",
        top1_agreement=found.n_same / found.tokens,
        decided=found.decided,
        top1_decided=found.top1_decided,
        top1_bound=TOP1_BOUND[quantized or dtype],
        max_abs_logit_difference=found.max_abs,
        kl_mean=found.kl_mean,
        bound=KL_BOUND[dtype],
        # Not a number is not at most the bound: fails.
        passed=found.kl_mean <= KL_BOUND[dtype] and found.top1_decided >= TOP1_BOUND[quantized or dtype],
    )
