"""`osler review` from the command line: what it prints, what it writes, how it leaves."""

import json

import orjson
import pytest

from osler.cli.main import run_command
from osler.evaluate.review.plan import read_plan
from osler.evaluate.review.ratings import Rating, append_rating


def test_a_review_goes_from_answers_to_curation(tmp_path, capsys):
    file, folder, out = tmp_path / "answers.jsonl", tmp_path / "review", tmp_path / "out"
    rows = [{"question": f"Invented {n}?", "answer": f"Answer {n}.", "arm": "tuned"} for n in range(6)]
    file.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    make = ["review", "make", str(file), "--out", str(folder), "--rater", "anna", "--rater", "ben", "--json"]
    assert run_command(make) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["items"], facts["planted"], facts["cards"]["anna"]) == (6, 9, 16)

    assert run_command(["review", "agreement", str(folder)]) == 1
    assert "6 items wait for a rater" in capsys.readouterr().err
    assert run_command(["review", "export", str(folder), "--out", str(out)]) == 2

    plan = read_plan(folder)
    for rater in plan.raters:
        for card in range(1, len(plan.decks[rater]) + 1):
            scores = dict.fromkeys(plan.rubric.names, 4)
            append_rating(folder, rater, Rating(card=card, seq=1, scores=scores, helpful="yes"))
    capsys.readouterr()
    assert run_command(["review", "agreement", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "arm tuned: rated 4.00 of 5" in shown
    assert "found 0 of 6 planted bad" in shown
    assert run_command(["review", "export", str(folder), "--out", str(out)]) == 0
    assert "kept 6, corrected 0, dropped 0" in capsys.readouterr().out


@pytest.mark.parametrize("only", [["arm"], ["arm=a", "arm=b"]])
def test_a_choice_of_rows_names_each_column_once(only, tmp_path, capsys):
    chosen = [part for one in only for part in ("--only", one)]
    asked = ["review", "make", "x.jsonl", "--out", str(tmp_path), "--rater", "anna", *chosen]
    assert run_command(asked) == 2
    assert f"--only '{only[-1]}': expected COLUMN=VALUE" in capsys.readouterr().err


def test_a_folder_without_a_review_is_named(tmp_path, capsys):
    assert run_command(["review", "agreement", str(tmp_path)]) == 2
    assert "holds no review; make one with `osler review make" in capsys.readouterr().err
