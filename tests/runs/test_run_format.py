"""Recipes and run folders of another version are refused with what to do; those of today are read."""

from pathlib import Path

import pytest

from osler.cli.main import run_command
from osler.errors import InputError
from osler.recipe.load import parse_recipe
from osler.runs.files import read_json, write_json
from osler.runs.format import FORMAT, check_run_format

RECIPE = b"name: invented\ncollect: {root: sample, sources: [medquad], max_rows: 8}\n"


def test_a_recipe_without_a_format_is_of_the_first_and_the_run_folder_names_it(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_bytes(RECIPE)
    command = ["run", str(tmp_path / "recipe.yaml"), "--runs", str(tmp_path / "runs"), "--quiet"]
    assert run_command(command) == 0
    file = tmp_path / "runs/invented/recipe.json"
    assert read_json(file)["format"] == FORMAT
    # As the versions before formats wrote it.
    write_json(file, {name: value for name, value in read_json(file).items() if name != "format"})
    assert run_command(["report", str(file.parent)]) == 0
    assert run_command(command) == 0


@pytest.mark.parametrize("found", [FORMAT + 1, 0, "new", True, None])
def test_a_recipe_of_another_format_is_refused_before_its_keys_are_read(tmp_path: Path, found: object) -> None:
    text = RECIPE + f"format: {found}\na_key_of_the_future: 1\n".encode()
    if found is None:
        text = RECIPE + b"format:\na_key_of_the_future: 1\n"
    with pytest.raises(InputError, match=r"reads format 1\. Install .*osler init") as raised:
        parse_recipe(text, "recipe.yaml", tmp_path)
    assert "a_key_of_the_future" not in str(raised.value)


def test_a_run_folder_of_another_format_is_neither_read_nor_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "recipe.yaml").write_bytes(RECIPE)
    command = ["run", str(tmp_path / "recipe.yaml"), "--runs", str(tmp_path / "runs"), "--quiet"]
    assert run_command(command) == 0
    folder = tmp_path / "runs" / "invented"
    write_json(folder / "recipe.json", {**read_json(folder / "recipe.json"), "format": 2})
    write_json(folder / "collect/run.json", {"environment": {"osler": "7.7.7"}})
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for one in (
        command,
        ["report", str(folder)],
        ["gate", str(folder)],
        ["card", "data", str(folder)],
        ["serve", str(folder)],
    ):
        capsys.readouterr()
        assert run_command(one) == 2
        said = capsys.readouterr().err
        assert "has format 2, written by osler 7.7.7" in said
        assert "--runs" in said
        assert "Traceback" not in said
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_damaged_recipe_of_a_run_is_named(tmp_path: Path) -> None:
    check_run_format(tmp_path)
    write_json(tmp_path / "recipe.json", ["no recipe"])
    with pytest.raises(InputError, match=r"recipe\.json holds no recipe"):
        check_run_format(tmp_path)


def test_a_run_whose_options_this_version_does_not_know_is_refused_by_serve_with_what_to_do(tmp_path: Path) -> None:
    from osler.serve.start import served_sections

    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "done").write_text("{}", encoding="utf-8")
    for recipe in (
        {"model": {"base": "x", "gone": 1}, "guard": {}, "serve": {}},
        {"model": {"base": "x"}},
        {"model": 3},
    ):
        write_json(tmp_path / "recipe.json", recipe)
        with pytest.raises(InputError, match=r"does not fit this version of osler.*run the recipe again"):
            served_sections(tmp_path, {})
