"""Run folders: finished stages are skipped, interrupted ones continued, changed ones made anew."""

import subprocess
import sys
from pathlib import Path

import pytest

from osler.errors import InputError
from osler.runs.files import made_whole, read_json, sha256_file, write_bytes, write_json
from osler.runs.folder import Stage, finish_stage, is_done, open_stage, stage_files
from osler.runs.lock import only_writer
from osler.runs.metrics import append_metric, keep_metrics, read_metrics


def _stage(folder: Path, **changes) -> Stage:
    return Stage(**{"folder": folder, "options": {"a": 1}, "inputs": {"in": "digest"}, "seed": 7} | changes)


def test_a_finished_stage_is_done_and_an_unfinished_one_is_not(tmp_path):
    stage = _stage(tmp_path / "train")
    assert not is_done(stage)
    assert open_stage(stage) is False
    (stage.folder / "x.txt").write_text("result")
    assert not is_done(stage)
    finish_stage(stage)
    assert is_done(stage)
    assert stage_files(stage.folder) == {"x.txt": sha256_file(stage.folder / "x.txt")}


@pytest.mark.parametrize("changes", [{"options": {"a": 2}}, {"inputs": {"in": "other"}}, {"seed": 8}, {"version": 2}])
def test_another_option_input_seed_or_version_is_not_done(tmp_path, changes):
    open_stage(_stage(tmp_path / "train"))
    finish_stage(_stage(tmp_path / "train"))
    assert not is_done(_stage(tmp_path / "train", **changes))


def test_a_deleted_file_makes_the_stage_unfinished(tmp_path):
    stage = _stage(tmp_path / "train")
    open_stage(stage)
    (stage.folder / "x.txt").write_text("result")
    finish_stage(stage)
    (stage.folder / "x.txt").unlink()
    assert not is_done(stage)


def test_an_interrupted_stage_keeps_its_files_and_a_changed_one_is_cleared(tmp_path):
    stage = _stage(tmp_path / "train")
    open_stage(stage)
    (stage.folder / "half.txt").write_text("half")
    assert open_stage(stage) is True
    assert (stage.folder / "half.txt").exists()
    assert open_stage(_stage(tmp_path / "train", seed=8)) is False
    assert not (stage.folder / "half.txt").exists()


def test_run_json_holds_options_seed_and_versions(tmp_path):
    open_stage(_stage(tmp_path / "train"))
    facts = read_json(tmp_path / "train" / "run.json")
    assert facts["options"] == {"a": 1}
    assert facts["seed"] == 7
    assert "osler" in facts["environment"]


def test_a_second_process_cannot_write_to_the_same_run(tmp_path):
    code = f"from pathlib import Path\nfrom osler.runs.lock import only_writer\nwith only_writer(Path({str(tmp_path)!r})):\n    pass"
    with only_writer(tmp_path):
        finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "another process is writing" in finished.stderr
    with only_writer(tmp_path):
        pass


def test_equal_values_give_equal_bytes(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": [1.5, "é"]})
    write_json(tmp_path / "b.json", {"a": [1.5, "é"], "b": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_a_file_that_is_not_json_is_named(tmp_path):
    write_bytes(tmp_path / "a.json", b"{")
    with pytest.raises(InputError, match=r"a\.json is not JSON"):
        read_json(tmp_path / "a.json")
    with pytest.raises(InputError, match="does not exist"):
        read_json(tmp_path / "b.json")


def test_a_line_cut_off_by_a_kill_is_left_out_and_a_resumed_run_goes_on_from_its_step(tmp_path):
    path = tmp_path / "metrics.jsonl"
    for step in range(1, 5):
        append_metric(path, {"step": step, "loss": 1.0 / step})
    with path.open("ab") as stream:
        stream.write(b'{"step": 5, "lo')
    assert [row["step"] for row in read_metrics(path)] == [1, 2, 3, 4]
    keep_metrics(path, 2)
    assert [row["step"] for row in read_metrics(path)] == [1, 2]
    assert read_metrics(tmp_path / "absent.jsonl") == []


@pytest.mark.parametrize("is_folder", [False, True])
def test_what_is_made_whole_replaces_the_old_or_leaves_it_as_it_was(tmp_path, is_folder):
    made, partial = tmp_path / "a" / "made", tmp_path / "a" / "made.partial"

    def make(words: str, fails: bool = False) -> None:
        with made_whole(made) as draft:
            if is_folder:
                draft.mkdir()
            (draft / "in it" if is_folder else draft).write_text(words)
            if fails:
                raise KeyboardInterrupt

    def held() -> str:
        return (made / "in it" if is_folder else made).read_text()

    make("old")
    with pytest.raises(KeyboardInterrupt):
        make("half", fails=True)
    assert (held(), partial.exists()) == ("old", False)
    if is_folder:  # as a kill leaves it
        partial.mkdir()
        (partial / "half").write_text("half")
    else:
        partial.write_text("half")
    make("new")
    assert (held(), partial.exists()) == ("new", False)
    assert not is_folder or [path.name for path in made.iterdir()] == ["in it"]
