"""The review's paths: who gets in, what a deck holds, what is kept."""

import orjson
import pytest
from starlette.testclient import TestClient

from osler.errors import EnvironmentLacks
from osler.evaluate.review.items import Columns, read_answers
from osler.evaluate.review.plan import Design, make_review
from osler.evaluate.review.ratings import Rating, append_rating, read_ratings
from osler.evaluate.review.rubric import load_planted, load_rubric
from osler.serve.review.access import open_access
from osler.serve.review.app import create_review_app
from osler.serve.review.run import serve_review

SCORES = {"accuracy": 4, "safety": 5, "clarity": 3, "completeness": 0}


@pytest.fixture
def plan(tmp_path):
    rows = [
        {"question": f"Invented {n}?", "answer": f"Answer {n} {v}.", "arm": arm}
        for n in range(6)
        for v, arm in enumerate(("arm-red", "arm-blue"))
    ]
    file = tmp_path / "in.jsonl"
    file.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    design = Design(("anna", "ben"), "cleo", seed=1)
    return make_review(read_answers([file], Columns()), load_planted(), load_rubric(), design, tmp_path / "review")


@pytest.fixture
def open_as(plan):
    """A client that has entered with a person's token."""
    tokens = open_access(plan.folder, ["anna", "ben", "cleo"])
    app = create_review_app(plan, tokens)

    def enter(person, token=None):
        client = TestClient(app, base_url="http://127.0.0.1:8720", follow_redirects=False)
        client.entered = client.post("/api/enter", json={"token": token or tokens[person]}).status_code
        return client

    return enter


def test_nobody_gets_in_without_a_token(open_as):
    stranger = open_as("anna", "guess")
    assert stranger.entered == 401
    assert stranger.get("/api/deck").status_code == 401
    assert stranger.post("/api/ratings", json={"card": 1, "seq": 1, "scores": {}}).status_code == 401
    assert stranger.get("/").status_code == 200


def test_a_token_opens_ones_own_deck_and_no_other(open_as, plan):
    anna, ben = open_as("anna"), open_as("ben")
    assert (anna.get("/api/deck").json()["person"], ben.get("/api/deck").json()["person"]) == ("anna", "ben")
    anna.post("/api/ratings", json={"card": 1, "seq": 1, "scores": SCORES})
    assert read_ratings(plan.folder, "anna").by_card[1].scores == SCORES
    assert read_ratings(plan.folder, "ben").by_card == {}
    assert anna.get("/api/deck").json()["ratings"][0]["scores"] == SCORES
    assert anna.post("/api/leave").status_code == 204
    assert anna.get("/api/deck").status_code == 401


def test_a_deck_tells_nothing_but_number_question_and_answer(open_as, plan):
    reply = open_as("anna").get("/api/deck")
    assert set(reply.json()) == {"review", "person", "rubric", "cards", "ratings"}
    assert all(set(card) == {"card", "question", "answer"} for card in reply.json()["cards"])
    assert [card["card"] for card in reply.json()["cards"]] == list(range(1, len(plan.decks["anna"]) + 1))
    for word in ("arm-red", "arm-blue", "planted", "artefact", "expected", *plan.arms, *plan.planted):
        assert word not in reply.text
        assert word not in str(reply.headers)


def test_planted_and_repeated_cards_look_like_all_others(open_as, plan):
    cards = open_as("ben").get("/api/deck").json()["cards"]
    texts = plan.items()
    assert [(one["question"], one["answer"]) for one in cards] == [
        (texts[item].question, texts[item].answer) for item in plan.decks["ben"]
    ]


def test_tokens_last_and_only_the_owner_reads_them(plan):
    tokens = open_access(plan.folder, ["anna", "ben"])
    assert open_access(plan.folder, ["anna", "ben"]) == tokens
    assert (plan.folder / "access.json").stat().st_mode & 0o077 == 0
    assert len(set(tokens.values())) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"card": 999, "seq": 1, "scores": {}},
        {"card": 1, "seq": 1, "scores": {"accuracy": 6}},
        {"card": 1, "seq": 1, "scores": {"beauty": 3}},
        {"card": 1, "seq": 1, "scores": {}, "arm": "tuned"},
        {"card": 1, "seq": 0, "scores": {}, "comment": "secret words"},
    ],
)
def test_what_is_no_rating_is_refused_without_repeating_it(open_as, plan, wrong):
    reply = open_as("anna").post("/api/ratings", json=wrong)
    assert reply.status_code == 400
    assert "secret" not in reply.text
    assert read_ratings(plan.folder, "anna").by_card == {}


def test_another_sites_page_cannot_rate(open_as, plan):
    anna = open_as("anna")
    body = {"card": 1, "seq": 1, "scores": SCORES}
    assert anna.post("/api/ratings", json=body, headers={"origin": "http://evil.example"}).status_code == 401
    assert anna.post("/api/ratings", content=orjson.dumps(body)).status_code == 415
    assert anna.get("/api/deck", headers={"host": "evil.example"}).status_code == 400


def test_the_page_loads_nothing_from_elsewhere(open_as):
    anna = open_as("anna")
    page = anna.get("/")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    for path in ("/", "/sw.js", "/static/page.js", "/static/page.css"):
        text = anna.get(path).text
        assert "http://" not in text
        assert "https://" not in text
    for path in ("/static/../app.py", "/static/nothing.js", "/docs", "/key.json"):
        assert anna.get(path).status_code == 404


def test_the_adjudicator_sees_what_is_disputed_and_no_ratings(open_as, plan):
    cleo = open_as("cleo")
    assert cleo.get("/api/deck").json()["cards"] == []
    first = plan.decks["cleo"][2]
    for rater, score in (("anna", 5), ("ben", 2)):
        scores = dict.fromkeys(SCORES, 5) | {"accuracy": score}
        card = plan.decks[rater].index(first) + 1
        append_rating(plan.folder, rater, Rating(card=card, seq=1, scores=scores, helpful="yes", comment="why"))
    deck = cleo.get("/api/deck")
    assert [card["card"] for card in deck.json()["cards"]] == [3]
    assert "why" not in deck.text


def test_an_address_that_others_reach_is_refused(plan):
    with pytest.raises(EnvironmentLacks, match="travel in clear"):
        serve_review(plan.folder, "0.0.0.0", 0, print)
