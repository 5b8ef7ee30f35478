"""The adapter to Presidio, in both directions."""

import importlib.util
from dataclasses import dataclass

import pytest

from osler.errors import EnvironmentLacks
from osler.phi import find, replace
from osler.phi.presidio import finder, recognizer

_HAS_PRESIDIO = importlib.util.find_spec("presidio_analyzer") is not None


@dataclass(frozen=True, slots=True)
class _Result:
    entity_type: str
    start: int
    end: int
    score: float


class _Analyzer:
    """An analyzer that finds one word, as one with a language model may."""

    def __init__(self, word: str, score: float = 0.85) -> None:
        self._word = word
        self._score = score

    def analyze(self, text: str, language: str) -> list[_Result]:
        start = text.find(self._word)
        return [_Result("PERSON", start, start + len(self._word), self._score)] if start >= 0 else []


def test_a_second_opinion_is_added_and_running_twice_changes_nothing():
    text = "The gloomy fellow is zorblax the younger."
    also = [finder(_Analyzer("zorblax"))]
    assert replace(text, find(text, also)) == "The gloomy fellow is [NAME] the younger."
    assert find(replace(text, find(text, also)), also) == []


def test_a_second_opinion_below_the_score_or_on_an_allowed_place_counts_nothing():
    assert find("Nothing zorblax here", [finder(_Analyzer("zorblax", 0.3))]) == []
    text = "Parkinson's disease; call 988."
    assert find(text, [finder(_Analyzer("Parkinson"))]) == []


@pytest.mark.skipif(_HAS_PRESIDIO, reason="presidio-analyzer is installed")
@pytest.mark.parametrize("make", [recognizer, finder])
def test_without_presidio_the_error_names_the_extra(make):
    with pytest.raises(EnvironmentLacks, match="presidio"):
        make()


@pytest.mark.skipif(not _HAS_PRESIDIO, reason='presidio-analyzer is not installed: pip install -e ".[presidio]"')
def test_our_recognizer_runs_in_presidio():
    import spacy
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    nlp = SpacyNlpEngine()
    nlp.nlp = {"en": spacy.blank("en")}
    registry = RecognizerRegistry()
    registry.add_recognizer(recognizer())
    engine = AnalyzerEngine(registry=registry, nlp_engine=nlp, supported_languages=["en"])
    text = "Mr. Kowalsky, MRN 1234567, called on 3/4/2019."
    found = {(text[r.start : r.end], r.entity_type) for r in engine.analyze(text=text, language="en")}
    assert found == {("Kowalsky", "PERSON"), ("1234567", "MRN"), ("3/4/2019", "DATE_TIME")}
