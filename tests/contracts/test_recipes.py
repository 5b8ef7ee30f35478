"""The recipes that ship, the template of `osler init` and the JSON Schema agree with the code."""

import json
import os
from pathlib import Path

import jsonschema
import pytest
import yaml

from osler.errors import RecipeError
from osler.recipe import load_recipe, parse_recipe, shipped_recipes
from osler.recipe.template import recipe_schema, recipe_template

GOLDEN = Path(__file__).parent.parent / "golden"
NEEDS_LOCAL_COPIES = {"biomistral-medical.yaml", "medical-84k.yaml", "medquad-tiny.yaml"}


def test_recipes_ship():
    assert {"demo.yaml", "medquad-tiny.yaml"} <= set(shipped_recipes())


@pytest.mark.parametrize("name", sorted(shipped_recipes()))
def test_shipped_recipe_is_valid(name: str, tmp_path: Path):
    settings = [f"collect.root={tmp_path}"] if name in NEEDS_LOCAL_COPIES else []
    recipe = load_recipe(shipped_recipes()[name], settings)
    assert recipe.name == name.removesuffix(".yaml")


def test_a_recipe_that_needs_local_copies_says_how_to_come_by_them(tmp_path: Path):
    copy = tmp_path / "medquad-tiny.yaml"
    copy.write_bytes(shipped_recipes()[copy.name].read_bytes())
    with pytest.raises(RecipeError, match=r"collect\.root .*osler collect NAME.*--set collect\.root=FOLDER"):
        load_recipe(copy)


@pytest.mark.parametrize("name", sorted(shipped_recipes()))
def test_shipped_recipe_fits_the_schema(name: str):
    content = yaml.safe_load(shipped_recipes()[name].read_text(encoding="utf-8"))
    filled = {key: {} if value is None else value for key, value in content.items()}
    assert list(jsonschema.Draft202012Validator(json.loads(recipe_schema())).iter_errors(filled)) == []


def test_template_is_a_recipe_and_states_every_default(tmp_path: Path):
    written = parse_recipe(recipe_template().encode(), "recipe.yaml", tmp_path)
    short = parse_recipe(
        b"{name: my-run, collect: {sources: [medquad, medqa, medmcqa, pubmedqa, first_aid, symptom_to_diagnosis]},"
        b" curate: {}, train: {bad_rows: {contradictory: keep}}, evaluate: {}, redteam: {}, gate: {}}",
        "recipe.yaml",
        tmp_path,
    )
    assert written == short


def test_schema_is_the_golden_one():
    path = GOLDEN / "recipe.schema.json"
    if os.environ.get("OSLER_GOLDEN") == "write":
        path.write_text(recipe_schema(), encoding="utf-8")
    assert path.read_text(encoding="utf-8") == recipe_schema(), "run `make golden` and look at the difference"
