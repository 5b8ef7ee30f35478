"""The filter drops what is no sound answer, and leaves what only looks like it."""

import gzip
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from osler.curate.answers import contradicts_key, is_cut, is_refusal, repeated_share
from osler.curate.config import FilterConfig
from osler.curate.filter import Filter, read_verdicts
from osler.curate.language import language_of

_LONG = "Rest, fluids and time are what most colds need."


def _drops(records, **options):
    step = Filter(FilterConfig.model_validate(options))
    return [outcome.drop for outcome in map(step, records) if outcome.drop is not None]


def _reasons(records, **options):
    return [drop.reason for drop in _drops(records, **options)]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What are the symptoms of the flu, and how is it treated in a child that has had it for a week?", "en"),
        ("Was sind die Anzeichen der Grippe und wie wird sie bei einem Kind behandelt, das sie seit einer Woche hat?", "de"),
        ("¿Cuáles son los síntomas de la gripe y cómo se trata en un niño que la tiene desde hace una semana?", "es"),
        ("Quels sont les symptômes de la grippe et comment est-elle traitée chez un enfant qui est malade ?", "fr"),
        ("流感的症状是什么?如何治疗?", "zh"),
        ("インフルエンザの症状は何ですか。", "ja"),
        ("독감의 증상은 무엇입니까?", "ko"),
        ("Каковы симптомы гриппа?", "ru"),
        ("What is influenza (流感), and how is it treated in a child that has had it for a week or more?", "en"),
        ("Abacavir lamivudine zidovudine dolutegravir rilpivirine cabotegravir efavirenz nevirapine tenofovir etravirine darunavir atazanavir", None),
        ("Zinc", None),
        ("", None),
    ],
)  # fmt: skip
def test_the_language_is_told_or_left_open(text, language):
    assert language_of(text) == language


def test_only_languages_known_to_be_others_are_dropped(record):
    spanish = "Lo mejor es que el niño descanse y beba agua, y que una persona lo acompañe para que no esté solo."
    records = [
        record("1", "What helps?", _LONG),
        record("2", "¿Qué ayuda?", spanish),
        record("3", "Drug?", "Abacavir, zinc"),
    ]
    assert _reasons(records) == []
    assert _reasons(records, languages=("en",)) == ["other_language"]
    assert _reasons(records, languages=("en", "es")) == []


@pytest.mark.parametrize(
    ("text", "refuses"),
    [
        ("I'm sorry, but I cannot provide guidance on that.", True),
        ("I’m sorry, but I can’t help with that request.", True),
        ("As an AI language model, I cannot answer this.", True),
        ("As an AI, I can't diagnose a cold. However, rest helps most people.", False),
        ("I'm sorry to hear that you are unwell. Rest and drink.", False),
        ("I can't imagine what you feel.", False),
        ("I cannot provide a dose. " + " ".join(f"Ask about kidney number {i}." for i in range(20)), False),
    ],
)
def test_a_refusal_only_refuses(record, text, refuses):
    assert is_refusal(text) is refuses
    assert _reasons([record("1", "What helps?", text)]) == []
    assert _reasons([record("1", "What helps?", text)], drop_refusals=True) == (["refusal"] if refuses else [])


@pytest.mark.parametrize(
    ("text", "limit", "cut"),
    [
        ("Rest helps, and the", None, True),
        ("Rest, fluids,", None, True),
        ("It is given with (", None, True),
        ("It is rich in vitamin A", None, False),
        ("The group is OR", None, False),
        ("- Sinus pain\n- Visual changes", None, False),
        ("Rest helps.", None, False),
        ("", None, False),
        ("x" * 1000, 1000, True),
        ("x" * 999 + ".", 1000, False),
        ("x" * 900, 1000, False),
        ("x" * 1001, 1000, False),
    ],
)
def test_a_cut_answer_stops_in_mid_sentence(text, limit, cut):
    assert is_cut(text, limit) is cut


def test_cut_answers_are_dropped_unless_kept(record):
    cut = [record("1", "What helps?", "Most colds pass with rest and the")]
    assert _reasons(cut) == ["cut_answer"]
    assert _reasons(cut, drop_cut_answers=False) == []
    at_limit = [record("1", "What helps?", _LONG.rstrip("."))]
    assert _reasons(at_limit, cut_at_chars={"invented": len(_LONG) - 1}) == ["cut_answer"]


def test_an_answer_that_goes_round_in_circles_is_dropped(record):
    loop = "Rest and drink water and call a doctor if it gets worse today. " * 20
    assert repeated_share(loop) > 0.9
    assert repeated_share(" ".join(f"word{i}" for i in range(100))) == 0
    assert _reasons([record("1", "What helps?", loop)]) == ["repeated_text"]
    assert _reasons([record("1", "What helps?", loop)], max_repeated_share=1.0) == []


@pytest.mark.parametrize(
    ("target", "task", "answer", "contradicts"),
    [
        ("A. Zinc", "choice", 0, False),
        ("B. Iron", "choice", 0, True),
        ("Iron", "choice", 0, True),
        ("Zinc", "choice", 0, False),
        ("The answer is B.", "choice", 0, True),
        ("(a) Zinc is right.", "choice", 0, False),
        ("A balanced diet has zinc.", "choice", 1, False),
        ("B12 is a vitamin", "choice", 0, False),
        ("J. Neither", "choice", 0, False),
        ("", "choice", 0, False),
        ("Iron", "classify", 0, True),
        ("Zinc. It was found to help.", "yesno", 0, False),
        ("Iron. It was found to help.", "yesno", 0, True),
        ("It was found to help.", "yesno", 0, False),
    ],
)
def test_the_last_turn_and_the_key_agree(record, target, task, answer, contradicts):
    made = record("1", "Which?", target, task=task, choices=("Zinc", "Iron"), answer=answer)
    assert contradicts_key(made) is contradicts
    assert _reasons([made]) == (["contradicts_key"] if contradicts else [])
    assert _reasons([made], drop_key_conflicts=False) == []


def test_one_limit_for_all_sources_and_what_it_costs(record, run, tmp_path):
    records = [
        record("1", "What helps?", " ".join(f"Rest for day{i}." for i in range(150))),
        record("2", "What else?", _LONG),
    ]
    result = run(records, tmp_path / "a")
    assert result.counts["outside_guide_lengths"] == {"invented": 1}
    result = run(records, tmp_path / "b", {"filter": {"max_answer_chars_else": 1500}})
    assert result.reason(records[0]) == "long_answer"
    result = run(
        records, tmp_path / "c", {"filter": {"max_answer_chars_else": 1500, "max_answer_chars": {"invented": 5000}}}
    )
    assert not result.dropped


def test_of_real_answers_hardly_one_is_taken_for_unsound(shared_data, record):
    with gzip.open(shared_data / "chatdoctor5k" / "chatdoctor5k.json.gz", "rt", encoding="utf-8") as stream:
        rows = json.load(stream)
    records = [record(str(number), row["input"], row["output"]) for number, row in enumerate(rows)]
    found = _reasons(records, languages=("en",), drop_refusals=True, min_answer_chars=0)
    assert len(found) <= 0.001 * len(records)


@settings(deadline=None)
@given(st.text(max_size=200), st.sampled_from(["qa", "choice", "yesno", "note"]))
def test_no_text_makes_the_filter_raise(record, text, task):
    text = text.encode("utf-8", "replace").decode()
    made = record("1", text, text, task=task, choices=("Zinc", "Iron"), answer=1)
    options = FilterConfig(languages=("en",), drop_refusals=True, cut_at_chars={"invented": 100})
    assert Filter(options)(made).record is made


def test_limits_hold_for_a_source_before_its_task(record):
    records = [
        record("1", "Nutrient?", "Zinc", source="short"),
        record("2", "Nutrient?", "Zinc", source="other"),
        record("3", "Nutrient?", _LONG * 3, source="other", task="dialogue"),
        record("4", "Nutrient?", _LONG * 3, source="short", task="dialogue"),
    ]
    drops = _drops(records, min_answer_chars={"short": 2}, max_answer_chars={"dialogue": 100, "short": 500})
    assert [drop.reason for drop in drops] == ["short_answer", "long_answer"]
    assert [drop.source for drop in drops] == ["other", "other"]


def test_tokens_are_those_of_the_tokenizer_named(record, tmp_path):
    tokenizers = pytest.importorskip("tokenizers", reason="tokenizers (the extra `train`) is not installed")
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    options = {"tokenizer": str(tmp_path / "tokenizer.json"), "max_answer_tokens": {"qa": 10}}
    records = [
        record("1", "What helps?", "one two three four five six seven eight nine ten"),
        record("2", "What helps?", "a b c d e f g h i j k"),
    ]
    (drop,) = _drops(records, **options)
    assert (drop.id, drop.detail) == (records[1].id, "11 tokens, at most 10")
    with pytest.raises(ValidationError, match="needs tokenizer"):
        FilterConfig(max_answer_tokens={"qa": 10})
    with pytest.raises(ValidationError, match="there is no file"):
        FilterConfig(tokenizer=str(tmp_path / "none.json"))


@pytest.mark.parametrize(
    ("answer", "has"),
    [
        ("You can write to me: anna.kowalsky@example.org for more.", True),
        ("Call my office, (202) 555-0142, and we will talk.", True),
        ("Call my office, [PHONE], and we will talk.", True),
        ("In an emergency call 911 or the poison line at 1-800-222-1222.", False),
        ("Doses of 200 to 555 mg were given to 0142 patients.", False),
    ],
)  # fmt: skip
def test_answers_with_contact_data_of_persons_go_when_asked(record, answer, has):
    records = [record("1", "What helps?", answer)]
    assert _reasons(records, drop_contacts=True) == (["contact_data"] if has else [])
    assert _reasons(records) == []


def test_answers_that_the_policy_blocks_go_with_the_rule_named(record, tmp_path):
    records = [record("1", "What helps?", _LONG), record("2", "What else helps?", _LONG)]
    assert read_verdicts(tmp_path) == {}
    (tmp_path / "verdicts.jsonl").write_text(json.dumps({"id": records[1].id, "rule": "output.dose"}) + "\n")
    first, second = map(Filter(FilterConfig(), read_verdicts(tmp_path)), records)
    drop = second.drop
    assert first.drop is None
    assert (drop.id, drop.reason, drop.detail) == (records[1].id, "blocked_by_policy", "rule output.dose")
