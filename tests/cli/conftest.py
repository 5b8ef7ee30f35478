"""What the tests of the command line share."""

from collections.abc import Iterator
from functools import cache

import pytest

from osler.guard import load


@pytest.fixture(autouse=True, scope="module")
def policies_are_read_once() -> Iterator[None]:
    """Reading a policy runs its own tests, which takes a second; the tests of a module read it once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load, "load_policy", cache(load.load_policy))
        yield
