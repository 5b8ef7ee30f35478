"""A policy proves itself before it is used; a broken one is refused and named."""

import re
import time
from datetime import date
from pathlib import Path

import pytest
import yaml

from osler.errors import InputError
from osler.guard import policy as policy_module
from osler.guard.check import check, matches
from osler.guard.config import SHIPPED_POLICIES
from osler.guard.load import load_policy
from osler.guard.policy import Policy
from osler.guard.replies import reply_to
from osler.models.action import ACTIONS, Verdict

TODAY = date(2026, 1, 1)

SMALL = """
policy: {id: small, version: 0.1.0, locale: en-US}
numbers:
  expires: 2027-12-31
  default: us
  countries: {us: {emergency: "911", crisis: "988", poison: "1-800-222-1222", abuse: "1-800-799-7233"}}
disclaimer: {text: "For education only; consult a healthcare provider.", unless: "education only"}
templates:
  urgent: "Call {emergency} now.\\nStay with the person."
  refusal: "I cannot help with that."
  guard_error: "Call {emergency} in an emergency."
  no_answer: "I have no answer."
lexicons:
  who: my dad, my mom, i
facts: {}
intents:
  emergency_symptoms:
    action: emergency
    template: urgent
    rules:
      - id: small.chest
        any: ['{who} ~4 chest pain']
        unless: ['years ago']
        tests: {match: ['My dad has chest pain'], no_match: ['What is chest pain?']}
  self_procedure:
    action: refuse
    template: refusal
    rules:
      - id: small.surgery
        any: ['cure for', 'surgery ~2 at home']
        tests: {match: ['surgery at home', 'a cure for it'], no_match: ['surgery']}
output:
  output_violation:
    action: redirect
    template: refusal
    rules:
      - id: small.dose
        any: ['you should take \\d+ mg']
        tests: {match: ['You should take 500 mg.'], no_match: ['Adults take 500 mg.']}
languages: {}
gates: {}
"""


@pytest.fixture(scope="module")
def education() -> Policy:
    return load_policy("education", TODAY)


def small(tmp_path: Path, old: str = "", new: str = "") -> Path:
    assert old in SMALL
    path = tmp_path / "small.yaml"
    path.write_text(SMALL.replace(old, new) if old else SMALL, "utf-8")
    return path


def refusal(path: Path, today: date = TODAY) -> str:
    with pytest.raises(InputError) as caught:
        load_policy(path, today)
    return str(caught.value)


@pytest.mark.parametrize("name", SHIPPED_POLICIES)
def test_every_policy_that_ships_loads_and_passes_its_own_tests(name):
    policy = load_policy(name, TODAY)
    assert policy.rules
    assert policy.output_rules
    for rule in (*policy.rules, *policy.output_rules):
        assert rule.tests.match
        assert rule.tests.no_match


@pytest.mark.parametrize("name", SHIPPED_POLICIES)
def test_a_policy_reads_the_same_without_the_c_loader(name):
    text = (Path(policy_module.__file__).parent / "policies" / f"{name}.yaml").read_text("utf-8")
    assert yaml.safe_load(text) == yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def test_a_small_policy_loads(tmp_path):
    policy = load_policy(small(tmp_path), TODAY)
    assert policy.name == "small@0.1.0"
    assert re.fullmatch(r"[0-9a-f]{64}", policy.sha256)
    assert check(policy, "My dad has bad chest pain").action == "emergency"


def test_a_failing_test_is_refused_with_policy_rule_and_test(tmp_path):
    message = refusal(small(tmp_path, "no_match: ['surgery']", "no_match: ['surgery at home']"))
    assert "policy small, rule small.surgery: test no_match 1 failed" in message
    message = refusal(small(tmp_path, "match: ['surgery at home',", "match: ['gardening',"))
    assert "policy small, rule small.surgery: test match 1 failed" in message


def test_expired_numbers_are_refused_from_the_next_day_on(tmp_path):
    path = small(tmp_path)
    load_policy(path, date(2027, 12, 31))
    message = refusal(path, date(2028, 1, 1))
    assert "2027-12-31" in message
    assert "small" in message


@pytest.mark.parametrize(
    "pattern", [r"(a+)+b", r"(\w+\W?)+home!", r"(\d+\.?)+x", r"surgery (\S+ ?)+ at home", r"((a|a)*)*c"]
)
def test_an_expression_that_can_be_stalled_is_refused_in_bounded_time(tmp_path, pattern):
    path = small(
        tmp_path, "any: ['cure for', 'surgery ~2 at home']", f"any: ['cure for', 'surgery ~2 at home', '{pattern}']"
    )
    began = time.perf_counter()
    message = refusal(path)
    assert "small.surgery: test speed failed" in message
    assert time.perf_counter() - began < 20


def test_unknown_keys_are_refused(tmp_path):
    assert "surprise" in refusal(small(tmp_path, "gates: {}", "gates: {}\nsurprise: 1"))


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("template: urgent", "template: missing", "missing"),
        ("'{who} ~4 chest pain'", "'{nobody} ~4 chest pain'", "nobody"),
        ("'{who} ~4 chest pain'", "'{who} ~4'", "gap"),
        ("'{who} ~4 chest pain'", "'{who} (chest'", "regular expression"),
        ("id: small.surgery", "id: small.chest", "two rules"),
        ("Call {emergency} now.", "Stay calm.", "first line"),
        ("Call {emergency} now.", "Call {emergency} or {pager} now.", "pager"),
        ("default: us", "default: xx", "xx"),
        ("version: 0.1.0", "version: newest", "version"),
        ('  no_answer: "I have no answer."\n', "", "no_answer"),
        ("policy: {id", "policy: [id", "not YAML"),
    ],
)
def test_a_broken_policy_is_refused_and_the_fault_is_named(tmp_path, old, new, named):
    assert named in refusal(small(tmp_path, old, new))


def test_a_missing_policy_names_those_that_ship(tmp_path):
    assert "education" in refusal(tmp_path / "none.yaml")


def test_loading_twice_gives_the_same_digest(education):
    assert load_policy("education", TODAY).sha256 == education.sha256


def test_emergency_and_crisis_replies_name_a_number_of_the_country_in_their_first_line(education):
    urgent = [rule for rule in education.rules if rule.action in ("emergency", "crisis")]
    assert len(urgent) > 10
    for country, numbers in education.numbers.items():
        for rule in urgent:
            text = reply_to(education, Verdict(rule.action, rule.intent, rule.id), country)
            first = text.splitlines()[0]
            if rule.action == "emergency":
                assert numbers.emergency in first
            else:
                assert numbers.crisis in first or numbers.abuse in first
            assert numbers.emergency in text
            assert education.disclaimer not in text
            assert len(text) > 200


def test_other_replies_carry_the_disclaimer_once_and_no_open_braces(education):
    for rule in education.rules:
        text = reply_to(education, Verdict(rule.action, rule.intent, rule.id))
        assert "{" not in text
        expected = 0 if rule.action in ("emergency", "crisis", "safe_complete") else 1
        assert text.count(education.disclaimer) == expected


def test_rules_stand_in_the_order_in_which_actions_win(education):
    order = [ACTIONS.index(rule.action) for rule in education.rules]
    assert order == sorted(order)


def test_every_country_is_known_by_a_two_letter_code(education):
    assert {"us", "gb", "de", "fr", "es", "in", "au", "eu"} <= set(education.numbers)
    assert education.numbers["us"].emergency == "911"
    assert education.numbers["gb"].emergency == "999"
    assert education.numbers["us"].poison.startswith("1-800-222-1222")


def test_an_unknown_country_is_refused(education):
    with pytest.raises(InputError, match="zz"):
        reply_to(education, education_verdict(education), "zz")


def education_verdict(policy: Policy) -> Verdict:
    rule = policy.rules[0]
    return Verdict(rule.action, rule.intent, rule.id)


def test_words_match_whole_not_inside_other_words(tmp_path):
    policy = load_policy(small(tmp_path), TODAY)
    rule = next(rule for rule in policy.rules if rule.id == "small.surgery")
    assert matches(policy, rule, "Is there a cure for gout?")
    assert not matches(policy, rule, "obscure for me")
    assert not matches(policy, rule, "a secure format")
    assert not matches(policy, rule, "neurosurgery at home")
