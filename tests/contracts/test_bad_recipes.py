"""Every mistake in a recipe is found in one go, with its place, the value and what is allowed."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from osler.errors import InputError, RecipeError
from osler.recipe import load_recipe, parse_recipe

BAD = yaml.safe_load(Path(__file__).with_name("bad_recipes.yaml").read_text(encoding="utf-8"))

NOT_YAML = {
    "a tab for indenting": "name: a\ncollect:\n\tsources: [medquad]\n",
    "an open bracket": "name: a\ncollect: {sources: [medquad}\n",
    "a key given twice": "name: a\nname: b\ncollect: {sources: [medquad]}\n",
    "only text": "just some words",
    "a list": "- name: a",
    "nothing": "",
}


def test_there_are_forty_bad_recipes():
    assert len(BAD) >= 40
    assert len({case["name"] for case in BAD}) == len(BAD)


@pytest.mark.parametrize("case", BAD, ids=lambda case: case["name"])
def test_bad_recipe_is_explained(case, tmp_path):
    with pytest.raises(RecipeError) as caught:
        parse_recipe(case["recipe"].encode(), "bad.yaml", tmp_path)
    message = str(caught.value)
    for words in case["says"]:
        assert words in message, message
    assert "Value error" not in message
    assert "Traceback" not in message
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("text", NOT_YAML.values(), ids=NOT_YAML.keys())
def test_text_that_is_no_recipe_is_explained(text, tmp_path):
    with pytest.raises(InputError) as caught:
        parse_recipe(text.encode(), "bad.yaml", tmp_path)
    assert "bad.yaml" in str(caught.value)


def test_missing_recipe_names_those_that_ship(tmp_path):
    with pytest.raises(InputError, match=r"demo\.yaml"):
        load_recipe(tmp_path / "absent.yaml")
    with pytest.raises(InputError, match=r"Did you mean /.*recipes/demo\.yaml\?"):
        load_recipe(Path("demo.yaml"))


def test_recipe_in_another_encoding_is_explained(tmp_path):
    with pytest.raises(InputError, match="UTF-8"):
        parse_recipe("name: é".encode("latin-1"), "bad.yaml", tmp_path)


def test_command_line_gives_five_messages_without_traceback_and_exits_with_2(tmp_path):
    recipe = tmp_path / "five.yaml"
    recipe.write_text(BAD[0]["recipe"], encoding="utf-8")
    finished = subprocess.run(
        [sys.executable, "-m", "osler", "run", str(recipe)], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert finished.returncode == 2, finished.stderr
    assert "5 mistakes" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert finished.stdout == ""
    assert not (tmp_path / "runs").exists()


def test_settings_are_checked_like_the_file(tmp_path):
    text = b"{name: a, collect: {sources: [medquad]}}"
    with pytest.raises(RecipeError) as caught:
        parse_recipe(text, "a.yaml", tmp_path, ["train.max_steps=0", "nonsense", "train.lr=1"])
    message = str(caught.value)
    assert "3 mistakes" in message
    assert "train.max_steps: is 0; must be more than 0" in message
    assert "'nonsense' is not of the form section.key=value" in message
    assert 'unknown key "lr"' in message


def test_settings_change_the_recipe(tmp_path):
    recipe = parse_recipe(
        b"{name: a, collect: {sources: [medquad]}}", "a.yaml", tmp_path, ["train.max_steps=12", "seed=3"]
    )
    assert recipe.train is not None
    assert recipe.train.max_steps == 12
    assert recipe.seed == 3


def test_a_policy_is_looked_for_beside_the_recipe_before_anything_starts(tmp_path):
    text = b"{name: a, collect: {sources: [medquad]}, guard: {policy: ward.yaml}}"
    with pytest.raises(RecipeError, match=r"guard\.policy \(line 1\): there is no policy 'ward\.yaml'"):
        parse_recipe(text, "a.yaml", tmp_path)
    (tmp_path / "ward.yaml").touch()
    assert parse_recipe(text, "a.yaml", tmp_path).guard.policy == str(tmp_path / "ward.yaml")


def test_scientific_notation_is_a_number(tmp_path):
    text = b"{name: a, collect: {sources: [medquad]}, train: {learning_rate: 2e-4}}"
    recipe = parse_recipe(text, "a.yaml", tmp_path)
    assert recipe.train is not None
    assert recipe.train.learning_rate == pytest.approx(2e-4)


def test_empty_section_takes_the_defaults(tmp_path):
    recipe = parse_recipe(b"name: a\ncollect: {sources: [medquad]}\ncurate:\n", "a.yaml", tmp_path)
    assert recipe.curate is not None
    assert recipe.train is None
