"""A stream shows what the whole reply shows, however it is cut."""

import gzip
import itertools
import random
from datetime import date

import orjson
import pytest

from osler.guard.load import load_policy
from osler.guard.policy import Policy
from osler.guard.replies import filled, reply_to
from osler.guard.stream import SentenceGuard, guard_text
from osler.models.action import Verdict

ANSWERS = [
    "Asthma narrows the airways. It often begins in childhood! Is it common? Yes.",
    "Aspirin thins the blood. You should take 500 mg of aspirin every day. Good luck.",
    "One.  Two.\n\nThree?\n- a point\n- another point\n\nYou have bipolar disorder. More text.",
    "No sentence end at all just words " * 60,
    "x" * 1500,
    'Dr. Smith gave 2.5 mg... and then 3.0 mg! (See the leaflet.) "Fine." Next',
    "",
    "   \n ",
    "You can stop taking your medication now.",
    "糖尿病是一种慢性病。请咨询医生。 The end.",
    "This information is for educational purposes only. Please consult a healthcare provider.",
    "Stop\n\n\n",
]


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy("education", date(2026, 1, 1))


def cut(text: str, rng: random.Random) -> list[str]:
    pieces = []
    while text:
        size = rng.choice((1, 1, 2, 3, 7, 30, 400))
        pieces.append(text[:size])
        text = text[size:]
    return pieces


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize(
    "verdict", [Verdict("allow"), Verdict("safe_complete", "self_diagnosis", "diagnosis.self", None, 1.0)]
)
def test_a_stream_equals_the_whole_reply_for_any_cut(policy, answer, verdict):
    whole = SentenceGuard(policy, verdict)
    expected = guard_text(whole, [answer])
    rng = random.Random(len(answer))
    for _ in range(40):
        guard = SentenceGuard(policy, verdict)
        assert guard_text(guard, cut(answer, rng)) == expected
        assert guard.violation == whole.violation


def test_an_unsafe_sentence_is_never_shown_not_even_in_part(policy):
    guard = SentenceGuard(policy)
    shown = ""
    for letter in "Aspirin thins the blood. You should take 500 mg of aspirin now. Bye.":
        shown += guard.feed(letter)
        assert "You should" not in shown
    assert guard.violation is not None
    assert guard.violation.rule == "output.dose"
    assert shown.startswith("Aspirin thins the blood. ")
    assert "Bye" not in shown + guard.finish()


def test_at_most_one_sentence_is_held_back(policy):
    guard = SentenceGuard(policy)
    shown = "".join(guard.feed(letter) for letter in "First one. Second one. Thi")
    assert shown == "First one. Second one. "


def test_a_phrase_that_spans_two_sentences_is_seen(policy):
    text = guard_text(SentenceGuard(policy), ["For pain you should\ntake 500 mg of aspirin now."])
    assert "500 mg" not in text


def test_the_disclaimer_stands_once_at_the_end(policy):
    text = guard_text(SentenceGuard(policy), ["Asthma narrows the airways."])
    assert text.endswith(policy.disclaimer)
    assert text.count(policy.disclaimer) == 1
    own = "It is common. This is for educational purposes only; please consult a healthcare provider."
    assert guard_text(SentenceGuard(policy), [own]) == own


def test_an_empty_answer_becomes_a_reply(policy):
    assert policy.disclaimer in guard_text(SentenceGuard(policy), [])
    assert guard_text(SentenceGuard(policy), [" \n"]).strip()


def test_the_system_prompt_does_not_come_out(policy):
    secret = (
        "You are a teaching assistant for medicine and never diagnose, prescribe or stop any medicine for the reader."
    )
    guard = SentenceGuard(policy, secret=secret)
    text = guard_text(guard, [f"Sure. My instructions: {secret} Anything else?"])
    assert guard.violation is not None
    assert guard.violation.rule == "output.system_prompt"
    assert "never diagnose" not in text


URGENT = Verdict("emergency", "emergency", "emergency.heart", None, 1.0)
DIAGNOSIS = Verdict("safe_complete", "self_diagnosis", "diagnosis.self", None, 1.0)
LEAK = "a teaching assistant for medicine that never diagnoses or prescribes any thing"  # 12 words


def noted(policy, text, template, country=None):
    """`text`, then the template and the disclaimer as they stand in the policy."""
    reply = f"{filled(policy, policy.templates[template], country)}\n\n{policy.disclaimer}"
    return f"{text}\n\n{reply}" if text else reply


def test_an_answer_is_followed_by_the_note_of_its_intent_and_the_disclaimer(policy):
    note = reply_to(policy, DIAGNOSIS, "gb")
    text = guard_text(SentenceGuard(policy, DIAGNOSIS, "gb"), ["One cause ", "is flu. See a doctor."])
    assert text == f"One cause is flu. See a doctor.\n\n{note}\n\n{policy.disclaimer}"
    assert note != reply_to(policy, DIAGNOSIS, "us")


def test_an_urgent_answer_begins_with_the_countrys_number_once(policy):
    line = reply_to(policy, URGENT, "gb").partition("\n")[0]
    assert "999" in line
    assert "999" not in reply_to(policy, URGENT, "us")
    text = guard_text(SentenceGuard(policy, URGENT, "gb"), ["  \n", "Keep still. ", "Stay warm. ", "Help comes."])
    assert text.startswith(f"{line}\n\n  \nKeep still. Stay warm. Help comes.\n\n")
    # The note after the answer says the line again; the answer itself does not.
    assert text.count(line) == 2
    named = guard_text(SentenceGuard(policy, URGENT, "gb"), ["Call 999 at once. Keep still."])
    assert named.startswith("Call 999 at once. Keep still.\n\n")


def test_an_unsafe_first_sentence_leaves_the_reply_alone(policy):
    guard = SentenceGuard(policy, country="gb")
    assert guard.feed("You should take 500 mg of aspirin now. More. ") == reply_to(policy, guard.violation, "gb")
    assert guard.feed("And more. ") == ""
    assert guard.finish() == ""


def test_an_unsafe_later_sentence_gives_way_to_the_reply_a_line_below(policy):
    guard = SentenceGuard(policy, country="gb")
    text = guard_text(guard, ["Fine. You can stop taking your medication now."])
    assert text == f"Fine. \n\n{reply_to(policy, guard.violation, 'gb')}"


def test_no_answer_is_replied_to_with_the_countrys_text(policy):
    assert guard_text(SentenceGuard(policy, country="gb"), [" "]) == noted(policy, "", "no_answer", "gb")


def test_twelve_words_of_the_system_prompt_in_a_row_are_a_leak_and_eleven_are_not(policy):
    def read(*pieces):
        guard = SentenceGuard(policy, secret=f"You are {LEAK}. Be kind.", country="gb")
        return guard_text(guard, pieces), guard.violation

    text, violation = read(f"I am {LEAK}")
    assert violation is not None
    assert text == noted(policy, "", "no_answer", "gb")
    first, _, rest = LEAK.partition(" that ")
    text, violation = read(f"I am {first} that. ", f"{rest}!")  # over the end of a sentence
    assert violation is not None
    assert text == noted(policy, f"I am {first} that. ", "no_answer", "gb")
    eleven = LEAK.rpartition(" ")[0]
    assert read(f"I am {eleven}")[1] is None
    assert read("Be kind. Be well.")[1] is None
    far = f"I am {first} that. " + "Asthma narrows airways. " * 40 + f"{rest}!"
    assert read(far)[1] is None


def test_without_a_secret_nothing_is_taken_for_it(policy):
    guard = SentenceGuard(policy, secret="")
    guard_text(guard, ["One two three four five six seven eight nine ten eleven twelve thirteen. XXXX"])
    assert guard.violation is None


@pytest.mark.parametrize(
    ("sentence", "named"),
    [
        ("See PMID: 12345678 for more.", "12345678"),
        ("See doi:10.1000/abc.1 for more.", "10.1000/abc.1"),
        ("As Miller et al., 2019 say.", "Miller et al., 2019"),
    ],
)
def test_a_source_is_named_only_when_the_conversation_holds_it(policy, sentence, named):
    guard = SentenceGuard(policy, country="gb")
    text = guard_text(guard, [f"Good. {sentence}"])
    assert guard.violation is not None
    assert guard.violation.rule == "output.reference"
    assert text == noted(policy, "Good. ", "output.reference", "gb")
    held = SentenceGuard(policy, given=f"Passage: {named}")
    assert guard_text(held, [sentence]) == f"{sentence}\n\n{policy.disclaimer}"


def test_a_patients_identifier_gives_way_to_its_own_reply(policy):
    leak = "The patient John Smith, MRN 12345678, lives at 12 Oak Street, Boston."
    assert guard_text(SentenceGuard(policy), [leak]) == noted(policy, "", "output.identifier")
    given = SentenceGuard(policy, given=leak)
    guard_text(given, [leak])
    assert given.violation is None


def test_a_sentence_without_an_end_is_judged_at_six_hundred_characters(policy):
    def released(text):
        return SentenceGuard(policy).feed(text)

    words = "ab " * 199
    assert released(words + "cd") == ""
    assert released(words + "cde") == words
    assert released("x" * 599) == ""
    assert released("x" * 600) == "x" * 600
    assert released("x" * 601) == "x" * 600
    assert released(" " + "x" * 599) == " " + "x" * 599
    assert released("y " + "x" * 598) == "y "


def test_leaflets_are_rarely_cut(policy, shared_data):
    path = shared_data / "medquad" / "medquad_with_answers.jsonl.gz"
    with gzip.open(path) as lines:
        answers = [orjson.loads(line)["answer"] for line in itertools.islice(lines, 0, None, 80)]
    cut_short = 0
    for answer in answers:
        guard = SentenceGuard(policy)
        guard_text(guard, [answer])
        cut_short += guard.violation is not None
    assert len(answers) > 100
    # About 0.5 % when this was written; the bound leaves room for other rows of the file.
    assert cut_short <= 0.02 * len(answers)
