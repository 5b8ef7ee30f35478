"""Presidio both ways: our finder as a Presidio recognizer, and a Presidio analyzer as a second opinion for `find`.

Presidio is not needed by anything else and is imported late (`pip install ".[presidio]"`). The analyzer's language model is the
user's: without one that is installed, Presidio itself says so.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from osler.errors import missing_package
from osler.phi.find import Finder, find
from osler.phi.spans import Span

if TYPE_CHECKING:
    from presidio_analyzer import EntityRecognizer

_TO_PRESIDIO = {
    "NAME": "PERSON", "DOCTOR": "PERSON", "DATE": "DATE_TIME", "PHONE": "PHONE_NUMBER", "FAX": "PHONE_NUMBER", "EMAIL": "EMAIL_ADDRESS",
    "SSN": "US_SSN", "IP": "IP_ADDRESS", "CITY": "LOCATION", "ADDRESS": "LOCATION", "ZIP": "LOCATION", "HOSPITAL": "ORGANIZATION",
    "ORGANIZATION": "ORGANIZATION", "AGE": "AGE", "LICENSE": "MEDICAL_LICENSE", "MRN": "MRN", "PROFESSION": "TITLE",
}  # fmt: skip
_FROM_PRESIDIO = {
    "PERSON": "NAME", "PHONE_NUMBER": "PHONE", "EMAIL_ADDRESS": "EMAIL", "US_SSN": "SSN", "IP_ADDRESS": "IP", "LOCATION": "CITY",
    "ORGANIZATION": "ORGANIZATION", "US_DRIVER_LICENSE": "LICENSE", "US_PASSPORT": "LICENSE", "MEDICAL_LICENSE": "LICENSE",
    "CREDIT_CARD": "ACCOUNT", "IBAN_CODE": "ACCOUNT", "US_BANK_NUMBER": "ACCOUNT", "UK_NHS": "MRN",
}  # fmt: skip
"""What is taken over of a second opinion. Dates are not: most that Presidio finds are spans of time ("two weeks")."""


def recognizer() -> "EntityRecognizer":
    """Our finder as one recognizer for `AnalyzerEngine.registry.add_recognizer`.

    Raises:
        EnvironmentLacks: presidio-analyzer is not installed.
    """
    try:
        from presidio_analyzer import EntityRecognizer, RecognizerResult
    except ImportError as error:
        raise missing_package("presidio-analyzer", "the Presidio adapter", "presidio") from error

    class OslerRecognizer(EntityRecognizer):  # type: ignore[misc]
        """Finds what `osler.phi.find` finds, under Presidio's names of entities."""

        def load(self) -> None:
            """Nothing to load: the tagger ships with the package."""

        def analyze(self, text: str, entities: list[str], nlp_artifacts: Any = None) -> list[Any]:  # noqa: ARG002  Presidio's signature
            """The identifiers of `text` among `entities`; all of them where `entities` is empty."""
            found = ((span, presidio_type(span.type)) for span in find(text))
            return [
                RecognizerResult(entity_type=kind, start=span.start, end=span.end, score=span.score)
                for span, kind in found
                if not entities or kind in entities
            ]

    return OslerRecognizer(supported_entities=sorted({*_TO_PRESIDIO.values(), "ID"}), name="OslerRecognizer")


def presidio_type(kind: str) -> str:
    """Presidio's word for one of our types; `ID` for numbers that Presidio has none for."""
    return _TO_PRESIDIO.get(kind, "ID")


def finder(analyzer: Any = None, least_score: float = 0.5, language: str = "en") -> Finder:
    """A second opinion for `find(text, also=[...])` from a Presidio `AnalyzerEngine`.

    Args:
        analyzer: the user's engine; left out, Presidio's default one, which needs a spaCy model.
        least_score: results below are left aside, 0 to 1.

    Raises:
        EnvironmentLacks: presidio-analyzer is not installed.
    """
    if analyzer is None:
        try:
            from presidio_analyzer import AnalyzerEngine
        except ImportError as error:
            raise missing_package("presidio-analyzer", "a second opinion by Presidio", "presidio") from error
        analyzer = AnalyzerEngine()

    def found(text: str) -> Sequence[Span]:
        results = analyzer.analyze(text=text, language=language)
        return [
            Span(
                result.start,
                result.end,
                _FROM_PRESIDIO[result.entity_type],
                round(float(result.score) * 0.5, 3),
                "presidio",
            )
            for result in results
            if result.entity_type in _FROM_PRESIDIO
            and result.score >= least_score
            and text[result.start : result.end].strip()
        ]

    return found
