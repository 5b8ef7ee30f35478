"""transformers and its relatives as guests: quiet, without telemetry, and without bitsandbytes while nobody asks for 4 bits."""

import importlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from osler.errors import missing_package

_4BIT = "bitsandbytes"


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Within it, transformers and its relatives write no bars, notes or warnings, and send no usage data.

    Raises:
        EnvironmentLacks: transformers or torch is not installed.
    """
    # Read once, when huggingface_hub is imported; a value that the user has set stands.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    # PEFT would load bitsandbytes (2 s) whether it is used or not.
    with warnings.catch_warnings(), _without(_4BIT):
        warnings.simplefilter("ignore")
        try:
            import torch  # noqa: F401 - found missing here, with advice, rather than deep inside transformers

            # transformers looks once; it would load scipy (36 MB) for models that find objects in pictures.
            with _without("scipy"):
                from transformers.utils import is_scipy_available
                from transformers.utils import logging as notes

                is_scipy_available()
        except ImportError as error:
            raise missing_package(error.name or "transformers", "Running a model on this machine", "train") from error
        level, bars = notes.get_verbosity(), notes.is_progress_bar_enabled()
        notes.set_verbosity_error()
        notes.disable_progress_bar()
        try:
            yield
        finally:
            notes.set_verbosity(level)
            if bars:
                notes.enable_progress_bar()


def bring_4bit() -> None:
    """Import bitsandbytes, and let the libraries that did not see it look again.

    Raises:
        EnvironmentLacks: it is not installed.
    """
    logging.getLogger(_4BIT).setLevel(logging.ERROR)  # it misses a package that only makes it faster
    sys.modules.setdefault(_4BIT, None)  # type: ignore[arg-type]
    if sys.modules[_4BIT] is None:
        del sys.modules[_4BIT]
    try:
        importlib.import_module(_4BIT)
    except ImportError as error:
        raise missing_package(_4BIT, "A base in 4 bits", "qlora") from error
    for module, question in (
        ("transformers.utils.import_utils", "is_bitsandbytes_available"),
        ("peft.import_utils", "is_bnb_available"),
        ("peft.import_utils", "is_bnb_4bit_available"),
    ):
        if module in sys.modules:
            getattr(sys.modules[module], question).cache_clear()


@contextmanager
def _without(package: str) -> Iterator[None]:
    """Within it, imports do not find this package unless it is here already."""
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]  # Python's own way to say that there is none
    try:
        yield
    finally:
        if sys.modules.get(package) is None:
            sys.modules.pop(package, None)
