"""A merged model as one GGUF file, in f32, f16 or q8_0, for llama.cpp and what stands on it.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Written weight by weight, so that one matrix is in memory at a
time, and under another name until it is whole.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from osler.errors import CheckFailed, InputError
from osler.export.gguf_layout import (
    Layout,
    facts_of,
    gguf_name,
    gguf_package,
    layout_of,
    n_rotated_heads,
    paired,
    rope_tensors,
)
from osler.export.gguf_vocab import write_vocabulary
from osler.models.local import load_tokenizer
from osler.runs.files import made_whole, read_json
from osler.runs.progress import Progress

Precision = Literal["f32", "f16", "q8_0"]

_BLOCK = 32
_FILE_TYPES = {"f32": 0, "f16": 1, "q8_0": 7}
_LARGEST_F16 = 65504.0
_MOST_ERROR = {"f32": 0.0, "f16": 2.0**-10, "q8_0": 2.0**-7}
"""Largest difference of a number read back, as a share of the largest in its row of 32; half a step is 2^-11 and 2^-8."""

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class _Weight:
    """One weight of the file, not read yet."""

    name: str
    shape: tuple[int, ...]
    precision: Literal["f32", "f16", "q8_0"]
    read: Callable[[], Array]
    """The numbers in float32."""


def write_gguf(folder: Path, out: Path, precision: Precision, name: str, progress: Progress) -> Path:
    """Write `out` from a folder that holds a merged model, and read it back.

    Args:
        name: of the model, for those who open the file.

    Raises:
        InputError: osler has no layout for this architecture, or llama.cpp no place for something in it.
        CheckFailed: a number in the file is not what was to be written.
        EnvironmentLacks: the package gguf is missing.
    """
    gguf = gguf_package()
    config = read_json(folder / "config.json")
    layout = layout_of(config, folder)
    with ExitStack() as files:
        draft = files.enter_context(made_whole(out))
        writer = gguf.GGUFWriter(draft, layout.architecture)
        _write_facts(writer, layout, config, name, precision)
        write_vocabulary(writer, load_tokenizer(folder), config["vocab_size"])
        files.callback(writer.close)
        weights = list(_weights(folder, layout, config, precision, files))
        for weight in weights:
            kind = gguf.GGMLQuantizationType[weight.precision.upper()]
            n_block, block_bytes = gguf.GGML_QUANT_SIZES[kind]
            n_bytes = math.prod(weight.shape) // n_block * block_bytes
            writer.add_tensor_info(weight.name, weight.shape, np.dtype(np.float32), n_bytes, kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for number, weight in enumerate(weights, start=1):
            writer.write_tensor_data(_encoded(weight))
            progress(f"gguf {precision}", number, 2 * len(weights), "weights")
        writer.close()
        _read_back(draft, weights, precision, progress)
    return out


def _write_facts(writer: Any, layout: Layout, config: Mapping[str, Any], name: str, precision: Precision) -> None:
    writer.add_name(name)
    writer.add_file_type(_FILE_TYPES[precision])
    writer.add_quantization_version(2)
    for key, value in facts_of(layout, config).items():
        add = {bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32, str: writer.add_string}
        add[type(value)](f"{layout.architecture}.{key}", value)


def _weights(
    folder: Path, layout: Layout, config: Mapping[str, Any], precision: Precision, files: ExitStack
) -> Iterator[_Weight]:
    from safetensors import safe_open

    for name, factors in rope_tensors(layout, config):
        yield _Weight(name, (len(factors),), "f32", partial(np.array, factors, np.float32))
    shards = sorted(folder.glob("*.safetensors"))
    if not shards:
        raise InputError(f"{folder} holds no weights (*.safetensors). Export the run to `merged` first.")
    for shard in shards:
        opened: Any = files.enter_context(safe_open(shard, framework="pt"))
        for name in sorted(opened.keys()):
            if name == "lm_head.weight" and config.get("tie_word_embeddings"):
                continue  # the embedding is the output layer
            shape = tuple(opened.get_slice(name).get_shape())
            yield _Weight(
                gguf_name(layout, name), shape, _kind(shape, precision), _reader(opened, name, layout, config)
            )


def _reader(opened: Any, name: str, layout: Layout, config: Mapping[str, Any]) -> Callable[[], Array]:
    def read() -> Array:
        weight: Array = opened.get_tensor(name).float().numpy()
        if n_heads := n_rotated_heads(layout, name, config):
            weight = paired(weight, n_heads)
        return weight + np.float32(layout.norm_shift) if name.endswith("norm.weight") else weight

    return read


def _kind(shape: tuple[int, ...], precision: Precision) -> Literal["f32", "f16", "q8_0"]:
    """Vectors stay float32, as llama.cpp asks; a matrix whose rows are not whole blocks cannot be q8_0."""
    if len(shape) == 1:
        return "f32"
    return precision if shape[-1] % _BLOCK == 0 else "f16"


def _encoded(weight: _Weight) -> Array:
    numbers = np.ascontiguousarray(weight.read())
    largest = float(np.abs(numbers).max())
    if not largest <= _LARGEST_F16:  # also not a number
        raise CheckFailed(
            f"The weight {weight.name} holds numbers of {largest:g}; GGUF in 16 bits reaches to {_LARGEST_F16:g}. Look at the "
            "training: weights this large mean that it has diverged."
        )
    gguf = gguf_package()
    encoded: Array = gguf.quants.quantize(numbers, gguf.GGMLQuantizationType[weight.precision.upper()])
    return encoded


def _read_back(path: Path, weights: list[_Weight], precision: Precision, progress: Progress) -> None:
    """Hold every number of the file against its source."""
    gguf = gguf_package()
    reader = gguf.GGUFReader(path)
    held = {tensor.name: tensor for tensor in reader.tensors}
    if sorted(held) != sorted(weight.name for weight in weights):
        raise CheckFailed(f"{path} does not hold the weights that were written to it. Check the disk and export again.")
    for number, weight in enumerate(weights, start=1):
        tensor = held[weight.name]
        source = weight.read()
        found = gguf.quants.dequantize(tensor.data, tensor.tensor_type).reshape(source.shape)
        rows = source.reshape(-1, _BLOCK) if source.size % _BLOCK == 0 else source.reshape(1, -1)
        most = np.abs(rows).max(axis=1, keepdims=True) * _MOST_ERROR[precision] + 2.0**-24
        if not (np.abs(found.reshape(rows.shape) - rows) <= most).all():
            raise CheckFailed(f"{path}: the weight {weight.name} reads back as other numbers. Export again; report it.")
        progress(f"gguf {precision}", len(weights) + number, 2 * len(weights), "weights")
