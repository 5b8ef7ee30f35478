"""docs/reference is made from the code and cannot fall behind it."""

import os
from pathlib import Path

import pytest
from tools.reference import pages


@pytest.mark.parametrize("name", sorted(pages()))
def test_the_page_is_the_golden_one(name: str, repository: Path):
    path = repository / "docs" / "reference" / name
    if os.environ.get("OSLER_GOLDEN") == "write":
        path.write_text(pages()[name], encoding="utf-8")
    assert path.read_text(encoding="utf-8") == pages()[name], "run `make golden` and look at the difference"
