"""The pages in a real Chromium, wide and as narrow as a phone, checked by axe-core.

OSLER_SHOTS=FOLDER keeps pictures of every state.
"""

import json
import threading
import time
from datetime import UTC, datetime

import pytest

from osler.guard.audit import AuditLog
from osler.guard.load import load_policy
from osler.guard.wrap import Guard
from osler.models.scripted import ScriptedModel
from osler.serve.backend import Source
from osler.serve.config import ServeConfig
from osler.serve.facts import ServerFacts
from osler.serve.gateway import Answerer
from osler.serve.inprocess import InProcess
from osler.serve.keys import key_ring
from osler.serve.permit import Permit
from osler.serve.run import serve

pytestmark = pytest.mark.browser

ASTHMA = "Asthma narrows the airways. <b>Not markup.</b> It often begins in childhood and comes and goes."
URGENT = "I have crushing chest pain and my left arm is numb"
ADMIN_KEY = "osler-test-admin-key-0123456789"
WIDTHS = pytest.mark.parametrize("width", [1280, 390])
NARROW = pytest.mark.parametrize("width", [pytest.param(1280, marks=pytest.mark.slow), 390])


class Slow(ScriptedModel):
    """Takes its time over one question."""

    def stream(self, conversation, max_tokens):
        if "slowly" in conversation[-1].content:
            for number in range(400):
                time.sleep(0.02)
                yield f"Sentence {number} of a long answer about asthma. "
        yield from super().stream(conversation, max_tokens)


class Cited(InProcess):
    """Names a source with each answer."""

    def draft(self, *arguments, **options):
        draft = super().draft(*arguments, **options)
        draft.sources = (
            Source("medquad-12", "MedlinePlus", "public domain", "https://medlineplus.gov/asthma.html"),
            Source("local-3", "House leaflet", "CC BY 4.0", ""),
        )
        return draft


@pytest.fixture(scope="module")
def policy():
    return load_policy("education", datetime.now(UTC).date())


@pytest.fixture
def address(tmp_path, policy):
    """A running server's one-time address."""
    stop, ready, found = threading.Event(), threading.Event(), []

    def on_ready(url):
        found.append(url)
        ready.set()

    model = Slow({"What is asthma?": ASTHMA})
    numbers = {country: one.emergency for country, one in policy.numbers.items()}
    facts = ServerFacts(Permit("a" * 64), policy.name, policy.sha256, tmp_path, numbers=numbers)
    audit = AuditLog(tmp_path / "audit.jsonl", b"k" * 32)
    ring = key_ring([ADMIN_KEY])
    arguments = (Answerer(Guard(policy), Cited(model)), audit, ServeConfig(port=0), facts, on_ready, ring, stop)
    thread = threading.Thread(target=serve, args=arguments)
    thread.start()
    assert ready.wait(20)
    yield found[0]
    stop.set()
    thread.join(20)


def rows(folder, event):
    lines = (folder / "audit.jsonl").read_text().splitlines()
    return [row for row in map(json.loads, lines) if row["event"] == event]


def accept(page, address):
    page.goto(address)
    page.get_by_label("I have read this and accept it").check()
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("Your question").wait_for()


def ask(page, question):
    page.get_by_label("Your question").fill(question)
    page.get_by_role("button", name="Ask", exact=True).click()


@WIDTHS
def test_consent_comes_first_then_an_answer_with_its_sources(address, open_page, check_page, width, tmp_path):
    page = open_page(width, locale="en-GB")
    page.goto(address)
    assert "token" not in page.url
    assert page.get_by_text("Not medical advice.").is_visible()
    assert "call 999 now" in page.locator("header").inner_text()
    check_page(page, "consent")
    page.goto(page.url + "chat")
    assert page.get_by_role("heading", name="Before you ask").is_visible()  # no way around
    page.get_by_role("button", name="Continue").click()
    assert page.get_by_role("heading", name="Before you ask").is_visible()  # nor without the tick
    assert rows(tmp_path, "consent") == []
    accept(page, page.url)
    assert len(rows(tmp_path, "consent")) == 1
    check_page(page, "empty")

    page.get_by_label("Your question").fill("What is asthma?")
    page.get_by_label("Your question").press("Enter")
    page.get_by_text("<b>Not markup.</b>").wait_for()
    link = page.get_by_role("link", name="MedlinePlus")
    assert link.get_attribute("href") == "https://medlineplus.gov/asthma.html"
    assert "House leaflet, CC BY 4.0" in page.locator(".sources").inner_text()
    assert "999" in page.locator("header").inner_text()
    page.get_by_text("Writing an answer").wait_for(state="detached")
    check_page(page, "answer")
    assert page.complaints == []


def test_a_chat_longer_than_the_server_takes_goes_on_from_a_question(address, open_page):
    page = open_page(390)
    accept(page, address)
    page.evaluate("turns = Array.from({length: 20}, (_, n) => ({role: n % 2 ? 'assistant' : 'user', content: 'x'}))")
    with page.expect_request("**/v1/chat/completions") as sent:
        ask(page, "What is asthma?")
    messages = sent.value.post_data_json["messages"]
    assert (len(messages), messages[0]["role"], messages[-1]["role"]) == (19, "user", "user")
    page.locator("#send:enabled").wait_for()


@WIDTHS
def test_an_emergency_shows_its_number_in_sight_and_a_refusal_says_why(address, open_page, check_page, width):
    page = open_page(width)
    accept(page, address)
    ask(page, URGENT)
    urgent = page.locator(".turn.urgent", has_text="911")
    urgent.wait_for()
    assert "can be an emergency" in urgent.locator(".why").inner_text()
    page.locator("#send:enabled").wait_for()
    header, box = page.locator("header").bounding_box(), urgent.bounding_box()
    assert box["width"] <= width
    assert header["y"] + header["height"] <= box["y"] < page.viewport_size["height"] - 200
    check_page(page, "emergency")
    ask(page, "Should I stop taking my lisinopril?")
    why = page.locator(".turn .why", has_text="a decision for you and your doctor")
    why.wait_for()
    check_page(page, "refusal")
    page.get_by_role("link", name="New chat").click()
    assert page.locator("#talk .turn").count() == 0
    assert page.complaints == []


@NARROW
def test_stop_ends_the_answer_and_the_model_and_keeps_what_was_shown(address, open_page, check_page, width, tmp_path):
    page = open_page(width)
    accept(page, address)
    ask(page, "What is asthma, slowly?")
    page.get_by_text("Sentence 3 of").wait_for()
    check_page(page, "writing")
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Stopped.").wait_for()
    assert page.get_by_role("button", name="Stop").is_hidden()
    shown = page.locator(".assistant .text").inner_text()
    time.sleep(0.3)
    assert page.locator(".assistant .text").inner_text() == shown
    assert "Sentence 3 of" in shown
    ends = time.monotonic() + 3
    while not rows(tmp_path, "answer") and time.monotonic() < ends:
        time.sleep(0.05)
    assert rows(tmp_path, "answer")[-1]["finish"] == "cancelled"


@NARROW
def test_a_report_holds_the_chat_only_when_it_is_ticked(address, open_page, check_page, width, tmp_path):
    page = open_page(width)
    accept(page, address)
    for number, is_ticked in enumerate((False, True)):
        ask(page, "What is asthma?")
        reply = page.locator(".assistant").nth(number)
        reply.get_by_text("Report a problem").click()
        reply.get_by_label("It could harm somebody").check()
        reply.get_by_label("Note, without names").fill("too short")
        if is_ticked:
            reply.get_by_label("Send this question").check()
        else:
            check_page(page, "report")
        reply.get_by_role("button", name="Send report").click()
        reply.get_by_text("Thank you. Your report was kept.").wait_for()
    kept = [json.loads(line) for line in (tmp_path / "reports.jsonl").read_text().splitlines()]
    assert [row.get("question") for row in kept] == [None, "What is asthma?"]
    assert "Asthma narrows" in kept[1]["answer"]
    assert "answer" not in kept[0]
    assert {row["kind"] for row in kept} == {"unsafe"}
    logged = rows(tmp_path, "report")
    assert [row["with_text"] for row in logged] == [False, True]
    assert "too short" not in (tmp_path / "audit.jsonl").read_text()
    assert {row["request"] for row in logged} == {f"chatcmpl-{row['request']}" for row in rows(tmp_path, "answer")}


@NARROW
def test_consent_and_a_question_work_without_javascript(address, open_page, check_page, width, tmp_path):
    page = open_page(width, java_script_enabled=False)
    accept(page, address)
    ask(page, "What is asthma?")
    page.get_by_text("<b>Not markup.</b>").wait_for()
    assert page.get_by_role("link", name="MedlinePlus").is_visible()
    page.get_by_text("Report a problem").click()
    page.get_by_label("It is wrong or misleading").check()
    page.get_by_role("button", name="Send report").click()
    page.get_by_text("Thank you. Your report was kept.").wait_for()
    assert "question" not in json.loads((tmp_path / "reports.jsonl").read_text())
    ask(page, URGENT)
    assert "911" in page.locator(".turn.urgent .text").inner_text()


def test_the_chat_can_be_used_by_keyboard_alone_and_in_the_dark(address, open_page, check_page):
    page = open_page(1280, color_scheme="dark")
    page.goto(address)
    check_page(page, "consent-dark")
    reached = []
    for _ in range(2):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.name || document.activeElement.textContent"))
    assert reached == ["accept", "Continue"]
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_label("Your question").wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the question"
    page.keyboard.press("Enter")
    page.keyboard.type("What is asthma?")
    page.keyboard.press("Enter")
    page.get_by_text("<b>Not markup.</b>").wait_for()
    page.locator("#send:enabled").wait_for()
    check_page(page, "answer-dark")
    assert page.complaints == []


@WIDTHS
def test_the_operator_stops_and_starts_answers_and_checks_the_log(address, open_page, check_page, width, tmp_path):
    page = open_page(width)
    accept(page, address)
    ask(page, "Should I stop taking my lisinopril?")
    page.locator(".why", has_text="a decision for you").wait_for()
    admin = page.context.new_page()
    admin.set_default_timeout(10_000)
    admin.goto(f"{address.partition('/?')[0]}/admin")
    check_page(admin, "admin-enter")
    admin.get_by_role("textbox", name="Key").fill("osler-wrong")
    admin.get_by_role("button", name="Enter").click()
    admin.get_by_text("This key does not open the page.").wait_for()
    admin.get_by_role("textbox", name="Key").fill(ADMIN_KEY)
    admin.get_by_role("button", name="Enter").click()
    admin.get_by_text("Off: questions are answered").wait_for()
    assert "med.stop" in admin.locator("main").inner_text()
    check_page(admin, "admin")
    admin.get_by_role("button", name="Check every row").click()
    admin.get_by_text("rows hold").wait_for()

    ask(page, "What is asthma, slowly?")
    page.get_by_text("Sentence 3 of").wait_for()
    admin.get_by_label("Why").fill("wrong dose seen")
    admin.get_by_role("button", name="Stop answering").click()
    admin.get_by_text("On, halt").wait_for()
    assert "wrong dose seen" in admin.locator("main").inner_text()
    check_page(admin, "admin-on")
    page.get_by_text("switched this service off").wait_for(timeout=1500)
    ask(page, URGENT)
    page.locator(".turn.urgent", has_text="911").wait_for()
    admin.get_by_label("Why").fill("mended")
    admin.get_by_role("button", name="Let it answer again").click()
    admin.get_by_text("Off: questions are answered").wait_for()
    turns = [(row["level"], row["reason"]) for row in rows(tmp_path, "switch")]
    assert turns == [("halt", "wrong dose seen"), ("off", "mended")]
    admin.get_by_role("button", name="Leave").click()
    admin.get_by_role("textbox", name="Key").wait_for()
