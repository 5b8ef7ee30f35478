"""A trained run in the forms of other programs: merged, GGUF, Ollama, vLLM. Each form is checked, and is there whole or not at all.

Writes `merged/`, `parity.json`, `gguf/`, `Modelfile`, `vllm.yaml`, `system_prompt.txt` and, last, `export.json` with every check. What an
interrupted call left is made anew; a merged model of the same artefact is used again.
"""

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from osler.errors import InputError
from osler.export.gguf_check import check_gguf
from osler.export.gguf_file import write_gguf
from osler.export.gguf_layout import LAYOUTS
from osler.export.llama_cpp import OWN_PRECISIONS, convert_with_tools, find_tools
from osler.export.merge import export_merged
from osler.export.ollama import ChatParts, chat_parts, write_modelfile
from osler.export.serving import write_vllm
from osler.models.local import Dtype, load_local, load_tokenizer, stop_tokens_of
from osler.models.protocol import Conversation
from osler.runs.files import made_whole, read_json, write_json
from osler.runs.progress import Progress

MODEL_FORMS = ("merged", "gguf", "ollama", "vllm")

_CHECKED_CONTEXT = 2048
_OLLAMA_CONTEXT = 8192
"""Tokens that Ollama holds memory for; more is asked for by hand."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What is exported."""

    run: str
    artefact: str
    """Id of what the gate examined."""
    base: Path | str
    revision: str
    adapter: Path | None
    """None: the base is the trained model as a whole."""
    dtype: Dtype
    system_prompt: str
    prompts: tuple[Conversation, ...]
    """To compare on, without system turns of their own."""


@dataclass(frozen=True, slots=True)
class Choices:
    """In which forms."""

    forms: tuple[str, ...]
    precisions: tuple[str, ...] = ("q8_0",)
    """Of GGUF; the first is the one that Ollama gets."""
    verify: bool = False
    """Hold GGUF and Modelfile against the model with llama.cpp, token by token."""
    llama_cpp: Path | None = None
    """The user's own checkout of llama.cpp, for other architectures and precisions."""


@dataclass(slots=True)
class _Work:
    trained: Trained
    choices: Choices
    out: Path
    progress: Progress
    checks: dict[str, Any] = field(default_factory=dict)


def export_model(trained: Trained, choices: Choices, out: Path, progress: Progress) -> dict[str, Any]:
    """Write the forms into `out`. Gives what `export.json` holds.

    Raises:
        InputError: a form or a precision is unknown, or the model cannot be brought into a form.
        CheckFailed: a form differs from the trained model; it was not kept.
        EnvironmentLacks: a package or a tool is missing.
    """
    if unknown := [name for name in choices.forms if name not in MODEL_FORMS]:
        raise InputError(f"there is no form {unknown[0]!r} of a model; the forms are: {', '.join(MODEL_FORMS)}")
    if choices.llama_cpp is None and (unknown := [name for name in choices.precisions if name not in OWN_PRECISIONS]):
        raise InputError(
            f"osler writes GGUF in {' and '.join(OWN_PRECISIONS)}, not in {unknown[0]}; with --llama-cpp FOLDER, llama.cpp's own "
            "tools make any other that they know."
        )
    if choices.llama_cpp is not None:
        find_tools(choices.llama_cpp)
    work = _Work(trained, choices, out, progress)
    (out / "export.json").unlink(missing_ok=True)
    _merge(work)
    # What the forms below need is asked of the tokenizer before anything large is written.
    parts = chat_parts(load_tokenizer(out / "merged")) if "ollama" in choices.forms else None
    if {"gguf", "ollama"} & set(choices.forms):
        _gguf(work, parts)
    if "vllm" in choices.forms:
        config = read_json(out / "merged" / "config.json")
        longest = int(config["max_position_embeddings"])
        write_vllm(out, "./merged", trained.run, str(config["dtype"]), longest, trained.system_prompt)
    found = {"run": trained.run, "artefact": trained.artefact, "forms": sorted(choices.forms), "checks": work.checks}
    write_json(out / "export.json", found)
    return found


def _merge(work: _Work) -> None:
    trained, out = work.trained, work.out
    stamp, parity = out / "merged" / "osler.json", out / "parity.json"
    if not (stamp.is_file() and parity.is_file() and read_json(stamp)["artefact"] == trained.artefact):
        shutil.rmtree(out / "merged", ignore_errors=True)
        export_merged(
            trained.base,
            trained.adapter,
            trained.prompts,
            out,
            work.progress,
            revision=trained.revision,
            dtype=trained.dtype,
            stamp={"artefact": trained.artefact, "system_prompt": trained.system_prompt},
        )
    work.checks["merged"] = read_json(parity)


def _gguf(work: _Work, parts: ChatParts | None) -> None:
    merged = work.out / "merged"
    config = read_json(merged / "config.json")
    longest = _longest_as_trained(config)
    prompt = work.trained.system_prompt
    # In float32 it takes twice the memory of all else here, so it is loaded only where it is compared with.
    model = load_local(merged, dtype="float32", system_prompt=prompt) if work.choices.verify else None
    files = []
    with made_whole(work.out / "gguf") as draft:
        draft.mkdir()
        for precision in work.choices.precisions:
            file = _write(work, config, draft / f"{work.trained.run}-{precision}.gguf", precision)
            if model is not None:
                n_context = min(longest, _CHECKED_CONTEXT)
                check = check_gguf(file, precision, model, work.trained.prompts, parts, n_context, work.progress)
                work.checks[file.name] = asdict(check)
            files.append(file.name)
    if parts is not None:
        tokenizer = load_tokenizer(merged)
        generation = read_json(merged / "generation_config.json")
        stops = [
            tokenizer.decode([token]) for token in sorted(stop_tokens_of(tokenizer, generation.get("eos_token_id")))
        ]
        write_modelfile(work.out, f"gguf/{files[0]}", parts, prompt, stops, min(longest, _OLLAMA_CONTEXT))


def _write(work: _Work, config: Mapping[str, Any], file: Path, precision: str) -> Path:
    (architecture, *_), merged = config["architectures"], work.out / "merged"
    folder = work.choices.llama_cpp
    if precision in OWN_PRECISIONS and (architecture in LAYOUTS or folder is None):
        own = next(name for name in OWN_PRECISIONS if name == precision)
        return write_gguf(merged, file, own, work.trained.run, work.progress)
    if folder is None:
        raise InputError(f"{precision} of a {architecture} needs --llama-cpp FOLDER.")
    return convert_with_tools(find_tools(folder), merged, file, precision)


def _longest_as_trained(config: Mapping[str, Any]) -> int:
    """Tokens up to which llama.cpp stretches rotary frequencies as transformers did in training.

    For Phi-4-mini's two sets of factors llama.cpp decides by the size of the context, transformers by the length of the text.
    """
    longest, rope = int(config["max_position_embeddings"]), config.get("rope_parameters") or {}
    original = rope.get("original_max_position_embeddings") if rope.get("rope_type") == "longrope" else None
    return min(longest, int(original or longest))
