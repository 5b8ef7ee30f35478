"""The review's page in a real Chromium: by keyboard alone, for a screen reader, and while the server is away."""

import threading
from contextlib import contextmanager

import orjson
import pytest

from osler.evaluate.review.items import Columns, read_answers
from osler.evaluate.review.plan import Design, make_review
from osler.evaluate.review.ratings import read_ratings
from osler.evaluate.review.rubric import load_rubric
from osler.serve.review.run import serve_review

pytestmark = pytest.mark.browser


@pytest.fixture
def plan(tmp_path):
    rows = [{"question": f"Invented {n}?", "answer": f"<b>Answer</b> {n}.\nSecond line.", "arm": "x"} for n in range(5)]
    file = tmp_path / "in.jsonl"
    file.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    design = Design(("anna", "ben"), None, seed=1, repeated_share=0.0)
    return make_review(read_answers([file], Columns()), (), load_rubric(), design, tmp_path / "review")


@contextmanager
def served(plan, port=0):
    """Anna's link and the port, while the server runs."""
    stop, ready, found = threading.Event(), threading.Event(), {}

    def on_ready(links):
        found.update(links)
        ready.set()

    thread = threading.Thread(target=serve_review, args=(plan.folder, "127.0.0.1", port, on_ready, stop))
    thread.start()
    try:
        assert ready.wait(20)
        yield found["anna"], int(found["anna"].split(":")[2].split("/")[0])
    finally:
        stop.set()
        thread.join(20)


def complete(plan):
    return read_ratings(plan.folder, "anna").complete(plan)


def test_answers_given_while_the_server_is_away_survive_a_reload_and_arrive(plan, open_page):
    page = open_page(1280)
    with served(plan) as (link, port):
        page.goto(link)
        page.get_by_text("Card 1 of 5, 0 done").wait_for()
        assert "token" not in page.url
        page.keyboard.type("4502y")
        page.keyboard.press("Enter")
        page.get_by_text("Card 2 of 5, 1 done").wait_for()
        page.get_by_text("All saved.").wait_for()
        page.evaluate("navigator.serviceWorker.ready")
    (first,) = complete(plan).values()
    assert first.scores == {"accuracy": 4, "safety": 5, "clarity": 0, "completeness": 2}
    assert first.helpful == "yes"

    page.keyboard.type("33333")  # the last key is none of "helpful"
    page.keyboard.press("n")
    page.keyboard.press("c")
    page.get_by_label("Comment", exact=True).fill("Kept without a server.")
    page.get_by_text("No connection. 1 card is kept in this browser and will be sent.").wait_for()
    page.reload()
    page.get_by_text("Card 3 of 5, 2 done").wait_for()
    assert len(complete(plan)) == 1

    with served(plan, port):
        page.get_by_text("All saved.").wait_for()
        assert complete(plan)[2].comment == "Kept without a server."
        page.get_by_role("button", name="Back").click()
        assert page.get_by_role("group", name="Helpful").get_by_role("radio", name="No", exact=True).is_checked()
    assert page.complaints == []


def test_all_saved_is_not_said_and_nothing_can_be_cleared_while_a_save_is_under_way(plan, open_page):
    page = open_page(1280)
    with served(plan) as (link, _):
        page.route("**/api/ratings", lambda _: None)  # the server's answer does not come yet
        page.goto(link)
        page.get_by_text("Card 1 of 5").wait_for()
        assert page.locator("#status").inner_text() == "All saved."
        for _ in range(5):
            page.keyboard.type("4444y")
            page.keyboard.press("Enter")
        page.get_by_text("All cards are rated. Thank you.").wait_for()
        assert page.locator("#status").inner_text() == "Saving."
        assert page.locator("#clear").is_disabled()
        page.unroute("**/api/ratings")
        page.locator("#clear:enabled").wait_for()
        assert len(complete(plan)) == 5
    assert page.complaints == []


@pytest.mark.parametrize("width", [1280, 390])
def test_a_screen_reader_finds_names_and_an_order_that_makes_sense(plan, open_page, width):
    page = open_page(width)
    with served(plan) as (link, _):
        page.goto(link)
        page.get_by_text("Card 1 of 5").wait_for()
        assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Question, card 1 of 5"
        assert "<b>Answer</b>" in page.locator("#answer").inner_text()  # text, never markup
        names = {
            "Accuracy Are the facts right?": "1 Incorrect facts",
            "Safety Is it safe to act on?": "5 Safe with clear disclaimers",
            "Clarity Would a patient understand it?": "3 Somewhat clear",
            "Completeness Is anything important missing?": "Cannot judge",
        }
        for group, choice in names.items():
            page.get_by_role("group", name=group).get_by_role("radio", name=choice, exact=True).wait_for(
                state="attached"
            )
        reached = []
        for _ in range(8):
            page.keyboard.press("Tab")
            reached.append(
                page.evaluate("(e => e.name || e.id || e.textContent.trim().split(' ')[0])(document.activeElement)")
            )
        assert reached == ["accuracy", "safety", "clarity", "completeness", "helpful", "Comment", "next", "Keys"]
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.complaints == []


def test_a_narrow_page_can_be_rated_by_touch_and_left_clean(plan, open_page):
    page = open_page(390)
    with served(plan) as (link, _):
        page.goto(link)
        for card in range(5):
            page.get_by_text(f"Card {card + 1} of 5").wait_for()
            for name in ("accuracy", "safety", "clarity", "completeness"):
                page.locator(f'fieldset[data-name="{name}"] label').nth(3).click()
            page.locator('fieldset[data-name="helpful"] label').first.click()
            page.get_by_role("button", name="Next").click()
        page.get_by_text("All cards are rated. Thank you.").wait_for()
        page.locator("#clear:enabled").click()
        page.get_by_text("Please open the link that you were given").wait_for()
        assert page.evaluate("localStorage.length") == 0
        assert page.context.cookies() == []
        assert {tuple(one.scores.values()) for one in complete(plan).values()} == {(4, 4, 4, 4)}
        assert len(complete(plan)) == 5
