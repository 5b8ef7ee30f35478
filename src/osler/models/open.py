"""A model by what the user wrote: a folder or hub id, with or without an adapter, a GGUF file, or an endpoint's address."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from osler.errors import InputError
from osler.models.protocol import Model, Scorer
from osler.runs.files import digest_folder, sha256_file, sha256_json

_AT_ONCE = 8
"""Requests under way at an endpoint; servers batch them."""


@dataclass(frozen=True, slots=True)
class Opened:
    """One model, ready to be asked."""

    model: Model | Scorer
    identity: str
    """Digest of all that decides its answers; for an endpoint of its address and name, as its weights cannot be seen."""


def open_models(
    model: str,
    adapter: Path | None = None,
    *,
    name: str = "",
    key: str = "",
    dtype: Literal["auto", "float32", "bfloat16"] = "auto",
    token_budget: int = 1024,
) -> Mapping[str, Opened]:
    """The models by arm: `base` and `tuned` from one load where there is an adapter, else `model` alone.

    Args:
        name: which model an endpoint is asked for.
        key: an endpoint's bearer key.

    Raises:
        InputError: nothing can be opened under this name, or an adapter cannot be put on it.
        EnvironmentLacks: a package or a hub model is missing.
    """
    is_endpoint = model.startswith(("http://", "https://"))
    if adapter is not None and (is_endpoint or model.endswith(".gguf")):
        raise InputError("an endpoint or a GGUF file has its own adapter in it; leave out --adapter")
    if is_endpoint:
        from osler.models.http import HttpModel

        endpoint = HttpModel(model, key, model=name or "osler", n_at_once=_AT_ONCE)
        return {"model": Opened(endpoint, sha256_json(["endpoint", model, name]))}
    if model.endswith(".gguf"):
        from osler.models.gguf import load_gguf

        path = Path(model).expanduser()
        return {"model": Opened(load_gguf(path), sha256_json(["gguf", sha256_file(path), ""]))}
    return _local(model, adapter, dtype, token_budget)


def _local(
    model: str,
    adapter: Path | None,
    dtype: Literal["auto", "float32", "bfloat16"],
    token_budget: int,
) -> Mapping[str, Opened]:
    from osler.models.local import load_local

    folder = Path(model).expanduser()
    if not folder.is_dir() and model.startswith(("/", ".", "~")):
        raise InputError(
            f"there is no folder {model!r}; give a model's folder, a hub id (org/name), a .gguf file or a URL"
        )
    loaded = load_local(folder if folder.is_dir() else model, adapter, dtype=dtype, name=model.rstrip("/"))
    loaded.token_budget = token_budget
    base = digest_folder(folder) if folder.is_dir() else {"hub": model}
    facts = [base, str(loaded.weights.dtype), loaded.fingerprint, loaded.system_prompt]
    if adapter is None:
        return {"model": Opened(loaded, sha256_json(facts))}
    return {
        "base": Opened(loaded.bare(), sha256_json(facts)),
        "tuned": Opened(loaded, sha256_json([*facts, digest_folder(adapter)])),
    }
