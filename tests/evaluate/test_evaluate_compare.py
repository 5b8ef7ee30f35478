"""Two models on the same questions, from the files that an evaluation leaves."""

import json

import pytest

from osler.errors import InputError
from osler.evaluate.compare import compare, read_evaluated
from osler.evaluate.stats import mcnemar_exact


def evaluated(folder, rights, arm="tuned", benchmark="medqa@letters-0shot", subjects=None, contaminated=()):
    folder.mkdir()
    with (folder / "samples.jsonl").open("w") as stream:
        for number, right in enumerate(rights):
            row = {
                "benchmark": benchmark, "model": arm, "id": f"q{number}", "log_likelihoods": [-1.0, -2.0],
                "answer": 0 if right else 1, "gold": 0, "right": bool(right), "matched": "log_likelihood",
            }  # fmt: skip
            if subjects:
                row["subject"] = subjects[number]
            stream.write(json.dumps(row) + "\n")
    (folder / "contaminated.jsonl").write_text(
        "".join(json.dumps({"benchmark": benchmark, "id": one}) + "\n" for one in contaminated)
    )
    return read_evaluated(folder, None)


def test_won_lost_and_the_exact_test_are_those_of_the_pairs(tmp_path):
    first = evaluated(tmp_path / "a", [1] * 30 + [0] * 30 + [1] * 5 + [0] * 15)
    second = evaluated(tmp_path / "b", [1] * 30 + [0] * 30 + [0] * 5 + [1] * 15)
    (row,) = compare(first, second, seed=1)["benchmarks"]
    assert (row["only_first"], row["only_second"], row["n"]) == (5, 15, 80)
    assert row["p_mcnemar"] == row["p_holm"] == mcnemar_exact(5, 15)
    assert row["won"] == [f"q{number}" for number in range(65, 80)]
    assert row["lost"] == [f"q{number}" for number in range(60, 65)]
    assert row["difference"] == 10 / 80
    assert row["ci95"][0] < row["bootstrap95"][1]
    assert row["calibration"][0]["ece"] == pytest.approx(abs(35 / 80 - 0.7310585786300049))


def test_questions_of_either_training_set_leave_the_comparison(tmp_path):
    first = evaluated(tmp_path / "a", [1, 1, 1, 1], contaminated=["q0"])
    second = evaluated(tmp_path / "b", [0, 0, 0, 0], contaminated=["q3"])
    (row,) = compare(first, second, seed=1)["benchmarks"]
    assert row["n"] == 2
    assert row["lost"] == ["q1", "q2"]


def test_open_answers_and_questions_about_another_person_are_no_claims(tmp_path):
    evaluated(tmp_path / "a", [1, 0])
    samples = tmp_path / "a" / "samples.jsonl"
    rows = [json.loads(line) for line in samples.read_text().splitlines()]
    rows += [{**row, "benchmark": "medqa+sex@letters-0shot"} for row in rows[:2]]
    rows += [{**row, "benchmark": "k-qa@generate", "gold": -1, "right": False} for row in rows[:2]]
    samples.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert list(read_evaluated(tmp_path / "a", None).rows) == ["medqa@letters-0shot"]


def test_subjects_are_held_to_the_false_discovery_rate(tmp_path):
    subjects = ["heart"] * 40 + ["skin"] * 40
    first = evaluated(tmp_path / "a", [0] * 20 + [1] * 60, subjects=subjects)
    second = evaluated(tmp_path / "b", [1] * 80, subjects=subjects)
    (row,) = compare(first, second, seed=1)["benchmarks"]
    heart, skin = row["subjects"]
    assert heart["p_fdr"] == pytest.approx(2 * mcnemar_exact(0, 20))
    assert (skin["subject"], skin["p_fdr"], skin["difference"]) == ("skin", 1.0, 0.0)


def test_modes_are_never_compared_with_each_other(tmp_path):
    first = evaluated(tmp_path / "a", [1, 1])
    second = evaluated(tmp_path / "b", [1, 1], benchmark="medqa@generate")
    with pytest.raises(InputError, match="same mode"):
        compare(first, second, seed=1)


def test_claims_must_have_been_asked(tmp_path):
    first, second = evaluated(tmp_path / "a", [1, 0]), evaluated(tmp_path / "b", [1, 1])
    with pytest.raises(InputError, match="pubmedqa"):
        compare(first, second, 1, ["pubmedqa@letters-0shot"])
    assert compare(first, second, 1, ["medqa@letters-0shot"])["claims"] == ["medqa@letters-0shot"]


def test_questions_whose_keys_changed_in_between_are_not_compared(tmp_path):
    first, second = evaluated(tmp_path / "a", [1, 0]), evaluated(tmp_path / "b", [1, 1])
    samples = tmp_path / "b" / "samples.jsonl"
    samples.write_text(samples.read_text().replace('"gold": 0', '"gold": 1'))
    with pytest.raises(InputError, match="keys of some questions differ"):
        compare(first, read_evaluated(tmp_path / "b", None), seed=1)
    assert compare(first, second, seed=1)["benchmarks"]


def test_answers_that_a_kill_cut_off_are_named_by_their_line(tmp_path):
    evaluated(tmp_path / "a", [1, 0])
    samples = tmp_path / "a" / "samples.jsonl"
    samples.write_bytes(samples.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"samples\.jsonl, line 2: not JSON"):
        read_evaluated(tmp_path / "a", None)


def test_an_arm_that_is_not_there_names_those_that_are(tmp_path):
    evaluated(tmp_path / "a", [1], arm="base")
    with pytest.raises(InputError, match="there are base"):
        read_evaluated(tmp_path / "a", "tuned")
