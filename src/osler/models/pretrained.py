"""What transformers makes of a folder or a hub id, with advice where it makes nothing.

Whether the hub can be reached is found out once, before its libraries ask: without a network they try each file again for half a
minute, even one that lies in their cache. Loaded is then what the cache holds.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from osler.errors import EnvironmentLacks, InputError

_CONNECT_S = 4.0
"""For a connection to the hub. What takes longer once it is connected is slow, not absent."""
_PAUSE_S = 1.0


def load_pretrained(what: str, loader: Callable[..., Any], base: Path | str, revision: str, **options: Any) -> Any:
    """What a loader of transformers makes of a folder or hub id.

    Args:
        what: it is, for the message.

    Raises:
        EnvironmentLacks: a hub model cannot be had.
        InputError: a folder holds no such thing.
    """
    if isinstance(base, Path) or Path(base).is_dir():
        try:
            return loader(str(base), trust_remote_code=False, **options)
        except (OSError, ValueError) as error:
            raise InputError(
                f"The folder {base} holds no {what} that transformers can load ({type(error).__name__}). It needs "
                "config.json, the weights as safetensors, and the tokenizer's files."
            ) from error
    no_hub = why_no_hub()
    try:
        with _offline() if no_hub else nullcontext():
            return loader(base, trust_remote_code=False, revision=revision, **options)
    except (OSError, ValueError) as error:
        raise EnvironmentLacks(_advice(what, base, revision, no_hub, error)) from error


def check_whole(base: Path | str, missing: Iterable[str]) -> None:
    """Refuse a model that came without these weights.

    Raises:
        InputError: there are any.
    """
    if names := sorted(missing):
        raise InputError(
            f"{base} lacks {len(names)} of the weights that its config.json asks for ({', '.join(names[:3])}, ...); "
            "transformers would put random numbers there. Copy the whole model again."
        )


def why_no_hub() -> str:
    """Why the Hugging Face hub cannot be asked; empty where it answers, however slowly."""
    from huggingface_hub import constants

    return "HF_HUB_OFFLINE is set" if constants.is_offline_mode() else _why_unreachable(constants.ENDPOINT)


@cache
def _why_unreachable(address: str) -> str:
    from huggingface_hub import get_session

    session = get_session()
    # The client's package is called httpx2 since huggingface_hub 2, httpx before.
    errors: Any = import_module(type(session).__module__.partition(".")[0])
    reason = ""
    for pause_s in (_PAUSE_S, 0.0):  # one lost packet is no lost network
        try:
            session.head(address, timeout=_CONNECT_S)
        except (errors.ConnectError, errors.ConnectTimeout, errors.ProxyError) as error:
            reason = f"{address} cannot be reached: {error}"
            time.sleep(pause_s)
        except errors.HTTPError:
            return ""
        else:
            return ""
    return reason


@contextmanager
def _offline() -> Iterator[None]:
    """Within it, the hub's libraries ask nobody; `local_files_only` is not passed on to everything that they look for."""
    from huggingface_hub import constants

    before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _advice(what: str, base: str, revision: str, no_hub: str, error: Exception) -> str:
    from huggingface_hub import constants

    wanted = f"The {what} of {base} (revision {revision})"
    if not no_hub:
        return (
            f"{wanted} could not be had from {constants.ENDPOINT} ({type(error).__name__}). Is the name right, and has access "
            "been granted to your account (HF_TOKEN)? Or download it elsewhere, copy the folder here and give its path."
        )
    return (
        f"{wanted} is not whole in the local cache {constants.HF_HUB_CACHE}, and {no_hub}. Download it where there is a network; "
        "then copy the folder here and give its path, or set HF_HOME to the cache that holds it, and HF_HUB_OFFLINE=1 so that "
        "no hub is asked."
    )
