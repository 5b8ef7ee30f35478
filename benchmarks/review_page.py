"""Two raters and an adjudicator go through 60 cards in a real Chromium: is anything lost, does anything tell the arm?

    python benchmarks/review_page.py [--shots FOLDER]

The questions and answers are the invented sample that ships; of two arms one has each question's own answer, the other that of
another question. The raters are programs that know the right answer and err at random; they show that the page, the agreement and
the export hold together, and nothing about clinicians. One rater uses the keyboard alone, the other the mouse on a screen 390 px
wide; the server is stopped in the middle, the page loaded again without it, and the server started again. With the package
axe-playwright-python (axe-core, MPL-2.0, not a dependency) every state of the page is checked by axe. Needs Chromium.
Writes benchmarks/results/review_page.json.
"""

import argparse
import json
import platform
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from playwright.sync_api import Page, Response, sync_playwright

from osler.evaluate.review.export import export_review
from osler.evaluate.review.items import Columns, read_answers
from osler.evaluate.review.plan import Design, Plan, make_review
from osler.evaluate.review.ratings import read_ratings
from osler.evaluate.review.rubric import load_planted, load_rubric
from osler.evaluate.review.summary import summarise_review
from osler.serve.review.run import serve_review

REPOSITORY = Path(__file__).resolve().parent.parent
RESULT = REPOSITORY / "benchmarks" / "results" / "review_page.json"
ARMS = ("arm-own", "arm-other")
N_QUESTIONS = 23
NAMES = ("accuracy", "safety", "clarity", "completeness")
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shots", type=Path, default=None)
    shots = parser.parse_args().shots
    with tempfile.TemporaryDirectory() as name:
        result = _measure(Path(name), shots)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))
    return 0


def _measure(folder: Path, shots: Path | None) -> dict:
    rows = json.loads((REPOSITORY / "src/osler/sources/sample/pubmedqa/ori_pqal.json").read_text())
    asked = list(rows.values())[:N_QUESTIONS]
    answers = folder / "answers.jsonl"
    with answers.open("w") as stream:
        for number, row in enumerate(asked):
            other = asked[(number + 7) % len(asked)]
            for arm, one in zip(ARMS, (row, other), strict=True):
                value = {"id": f"q{number}", "question": row["QUESTION"], "answer": one["LONG_ANSWER"], "arm": arm}
                stream.write(json.dumps(value) + "\n")
    design = Design(("anna", "ben"), "cleo", seed=11)
    plan = make_review(read_answers([answers], Columns()), load_planted(), load_rubric(), design, folder / "review")
    secrets = [*ARMS, "planted", *plan.arms, *plan.planted]
    seen: list[str] = []
    checks: dict[str, object] = {}
    began = time.monotonic()
    with sync_playwright() as engine:
        browser = engine.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )

        def opened(size: dict) -> Page:
            page = browser.new_context(viewport=size).new_page()
            page.on("response", lambda reply: seen.append(reply.url + str(reply.headers) + _body(reply)))
            page.on("pageerror", lambda error: checks.setdefault("errors", []).append(str(error)))
            return page

        anna, ben = opened(WIDE), opened(NARROW)
        with _server(plan.folder) as (links, port):
            anna.goto(links["anna"])
            checks["axe_card_1280"] = _axe(anna)
            _rate(plan, anna, "anna", range(30), by_keyboard=True)
            anna.get_by_role("button", name="Back").click()
            _shot(anna, shots, "card-1280")
            anna.get_by_role("button", name="Next").click()
            ben.goto(links["ben"])
            checks["axe_card_390"] = _axe(ben)
            checks["wider_than_screen"] = ben.evaluate("document.documentElement.scrollWidth") > NARROW["width"]
            _rate(plan, ben, "ben", range(20), by_keyboard=False)
            ben.evaluate("scrollTo(0, 0)")
            _shot(ben, shots, "card-390", full=True)
            anna.wait_for_function("navigator.serviceWorker.controller !== null || navigator.serviceWorker.ready")
        n_before = len(read_ratings(plan.folder, "anna").complete(plan))
        _rate(plan, anna, "anna", range(30, 35), by_keyboard=True)
        anna.get_by_text("No connection.").wait_for()
        checks["axe_offline"] = _axe(anna)
        _shot(anna, shots, "offline-1280")
        anna.reload()
        anna.get_by_text("Card 36 of 60, 35 done").wait_for()
        _rate(plan, anna, "anna", range(35, 40), by_keyboard=True)
        n_away = len(read_ratings(plan.folder, "anna").complete(plan)) - n_before
        with _server(plan.folder, port) as (links, _):
            anna.get_by_text("All saved.").wait_for(timeout=20_000)
            n_back = len(read_ratings(plan.folder, "anna").complete(plan)) - n_before
            _rate(plan, anna, "anna", range(40, 60), by_keyboard=True)
            _rate(plan, ben, "ben", range(20, 60), by_keyboard=False)
            for page, who in ((anna, "1280"), (ben, "390")):
                page.get_by_text("All cards are rated. Thank you.").wait_for()
                page.get_by_text("All saved.").wait_for()
                _shot(page, shots, f"done-{who}")
            checks["axe_done"] = _axe(anna)
            cleo = opened(WIDE)
            cleo.goto(links["cleo"])
            cleo.locator("#work:visible").wait_for()
            n_disputed = cleo.evaluate("deck.cards.length")
            _rate(plan, cleo, "cleo", range(n_disputed), by_keyboard=True)
            cleo.get_by_text("All saved.").wait_for()
            anna.get_by_role("button", name="Clear this browser and leave").click()
            anna.get_by_text("Please open the link that you were given").wait_for()
            left_behind = anna.evaluate("localStorage.length") + len(anna.context.cookies())
        browser.close()
    summary = summarise_review(plan)
    exported = export_review(plan, folder / "export")
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": platform.platform(),
        "seconds": round(time.monotonic() - began, 1),
        "cards_each": len(plan.decks["anna"]),
        "items": len(plan.arms),
        "planted": len(plan.planted),
        "rated": {person: len(read_ratings(plan.folder, person).complete(plan)) for person in ("anna", "ben", "cleo")},
        "saves": {
            path.stem: len(path.read_bytes().splitlines()) for path in sorted((plan.folder / "ratings").iterdir())
        },
        "wrong_on_disk": _wrong_on_disk(plan),
        "cards_rated_without_server": 10,
        "of_these_on_disk_before_and_after_it_came_back": [n_away, n_back],
        "responses_seen": len(seen),
        "responses_that_hold_an_arm_or_an_id": sum(any(secret in text for secret in secrets) for text in seen),
        "left_in_browser_after_clearing": left_behind,
        "disputed": n_disputed,
        **checks,
        "complete": summary["complete"],
        "agreement": {
            one["criterion"]: {"alpha": one["alpha"], "ac": one["ac"], "n": one["n_units"]}
            for one in summary["agreement"]
        },
        "arms": {one["arm"]: one["rating"] for one in summary["arms"]},
        "planted_bad_found": {one["rater"]: one["planted"]["bad_found"]["k"] for one in summary["raters"]},
        "export": {name: exported[name] for name in ("reviewed", "kept", "corrected", "dropped")},
    }


def _intended(plan: Plan, person: str, card: int) -> tuple[dict[str, int], str]:
    """What a rater means to say of a card: the truth, with an error of one or two now and then."""
    item = plan.decks[person][card - 1]
    rng = random.Random(f"{person} {card}")
    expected = plan.planted.get(item) or ("good" if plan.arms[item][0]["arm"] == ARMS[0] else "bad")
    centre = 5 if expected == "good" else 2
    scores = {name: min(5, max(1, centre + rng.choice((-2, -1, 0, 0, 0, 0, 1)))) for name in NAMES}
    if plan.planted.get(item) == "bad":
        scores["safety"] = 1
    return scores, "yes" if expected == "good" else "no"


def _rate(plan: Plan, page: Page, person: str, places: range, *, by_keyboard: bool) -> None:
    page.set_default_timeout(10_000)
    for place in places:
        card = page.evaluate(f"deck.cards[{place}].card")
        page.wait_for_function(f"place === {place} && !document.getElementById('work').hidden")
        scores, helpful = _intended(plan, person, card)
        if by_keyboard:
            page.keyboard.type("".join(str(scores[name]) for name in NAMES) + helpful[0])
            page.keyboard.press("Enter")
            continue
        for name in NAMES:
            page.locator(f'fieldset[data-name="{name}"] label', has_text=str(scores[name])).first.click()
        page.locator('fieldset[data-name="helpful"] label', has_text=helpful.capitalize()).first.click()
        page.get_by_role("button", name="Next").click()


def _wrong_on_disk(plan: Plan) -> int:
    """Cards whose rating on disk is not what the rater meant."""
    wrong = 0
    for person in ("anna", "ben", "cleo"):
        for card, rating in read_ratings(plan.folder, person).by_card.items():
            wrong += (rating.scores, rating.helpful) != _intended(plan, person, card)
    return wrong


@contextmanager
def _server(folder: Path, port: int = 0) -> Generator[tuple[dict[str, str], int]]:
    stop, ready, links = threading.Event(), threading.Event(), {}

    def on_ready(found: Mapping[str, str]) -> None:
        links.update(found)
        ready.set()

    thread = threading.Thread(target=serve_review, args=(folder, "127.0.0.1", port, on_ready, stop))
    thread.start()
    try:
        if not ready.wait(30):
            raise RuntimeError("the server did not start")
        yield links, int(next(iter(links.values())).split(":")[2].split("/")[0])
    finally:
        stop.set()
        thread.join()


def _axe(page: Page) -> object:
    found = find_spec("axe_playwright_python")
    if found is None or found.origin is None:
        return "not run: axe-playwright-python is not installed"
    page.evaluate((Path(found.origin).parent / "axe.min.js").read_text(encoding="utf-8"))
    outcome = page.evaluate("axe.run()")
    return {
        "passed_rules": len(outcome["passes"]),
        "violations": [f"{one['id']} x{len(one['nodes'])}" for one in outcome["violations"]],
    }


def _body(reply: Response) -> str:
    return reply.text() if reply.ok and reply.status != 204 else ""


def _shot(page: Page, shots: Path | None, name: str, *, full: bool = False) -> None:
    if shots is not None:
        page.screenshot(path=shots / f"{name}.png", full_page=full)


if __name__ == "__main__":
    raise SystemExit(main())
