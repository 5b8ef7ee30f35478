"""What a published abstract becomes; shared by PubMed, PMC, the preprint servers and the abstract collections.

The usual mapping gives the title and asks for the abstract: that rewards invented methods, numbers and results. Here the
abstract is given and what the authors themselves made of it is asked for: their conclusion where a section is labelled so
(the rest of the abstract is the passage, as in PubMedQA), else their title. Nothing is asked for that the passage lacks.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from osler.errors import RowError
from osler.records.record import Record
from osler.sources.shape import one_record
from osler.sources.source import Place

_CONCLUSION = "What do the authors conclude from this study?"
_TITLE = "What would be a fitting title for this abstract?"
_CONCLUDES = re.compile(r"conclu|interpretation|\bimplications?\b|^significance$", re.IGNORECASE)
_INLINE = re.compile(
    r"(?:^|(?<=[.!?)\]\s]))((?:AIMS?|BACKGROUND|CASE|CONCLUSIONS?|CONTEXT|DATA|DESIGN|DISCUSSION|FINDINGS|FUNDING|HYPOTHESIS"
    r"|IMPORTANCE|INTERPRETATION|INTERVENTIONS?|INTRODUCTION|KEYWORDS|LIMITATIONS|MAIN|MATERIALS?|MEASUREMENTS?|METHODS?"
    r"|OBJECTIVES?|OUTCOMES?|PARTICIPANTS|PATIENTS|PURPOSE|RATIONALE|RESULTS?|SETTING|SIGNIFICANCE|STUDY|SUBJECTS|TRIAL)"
    r"(?:[ /,&-]+[A-Z]+){0,5})\s*:\s+"
)
"""A label inside running text, in capitals: `RESULTS: `, `MATERIALS AND METHODS: `."""
_MARKUP = re.compile(r"(?<=\d)(<sup>)(?=[-\u2212\u2013]?\d)|</?(?:i|b|u|sup|sub)>")


@dataclass(frozen=True, slots=True)
class Section:
    """One part of an abstract; the label is empty where the abstract is one piece."""

    label: str
    text: str
    concludes: bool = False

    @property
    def passage(self) -> str:
        """As it is shown to a model."""
        return f"{self.label}: {self.text}" if self.label else self.text


def labelled(label: str, text: str, category: str = "") -> Section:
    """A section as published.

    Args:
        category: the library's own label (`NlmCategory`), which is more even than the authors'.
    """
    return Section(label, text, bool(_CONCLUDES.search(label)) or category == "CONCLUSIONS")


def sections_in(text: str) -> list[Section]:
    """The sections of an abstract in one piece, cut at the labels that stand in it."""
    marks = list(_INLINE.finditer(text))
    before = text[: marks[0].start()] if marks else text
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    found = (
        [labelled(mark[1], text[mark.end() : end].strip()) for mark, end in zip(marks, ends, strict=True)]
        if marks
        else []
    )
    return [section for section in (Section("", before.strip()), *found) if section.text]


def abstract_record(
    title: str, sections: Sequence[Section], place: Place, url: str = "", group: str = "", remark: str = ""
) -> list[Record]:
    """The record of an abstract.

    Args:
        remark: a sentence that is shown before the abstract (that it is a preprint).

    Raises:
        RowError: `no_abstract`, or `no_conclusion` when there is neither a labelled conclusion nor a title to ask for.
    """
    if len(sections) == 1 and not sections[0].label:
        sections = sections_in(sections[0].text)
    if not sections:
        raise RowError("no_abstract", "there is no abstract", "abstract")
    rest = [section.passage for section in sections if not section.concludes]
    conclusion = " ".join(section.text for section in sections if section.concludes)
    if conclusion and rest:
        question, target, passages = _CONCLUSION, conclusion, [title, *rest]
    elif title:
        question, target, passages = _TITLE, title, [section.passage for section in sections]
    else:
        raise RowError("no_conclusion", "has no labelled conclusion, and there is no title to ask for", "abstract")
    return one_record(
        place,
        question,
        target,
        url,
        task="summary",
        context=tuple(passage for passage in (remark, *passages) if passage),
        split="",
        group=group,
    )


def plain_title(title: str) -> str:
    """The title without the brackets that mark a translation; empty where PubMed writes `[Not Available]`."""
    bare = title.strip()
    if bare.startswith("[") and bare.rstrip(".").endswith("]"):
        bare = bare.rstrip(".")[1:-1].strip()
    return "" if bare.rstrip(".").casefold() == "not available" else bare


def flat_text(element: Element | None) -> str:
    """The text of an element with its inner markup taken off and white space evened.

    A power keeps a sign: `10<sup>6</sup>` is 10^6, because 106 is another number.
    """
    return "" if element is None else " ".join("".join(_pieces(element)).split())


def flat_markup(text: str) -> str:
    """As `flat_text`, for text in which the markup stands as text."""
    return " ".join(_MARKUP.sub(lambda mark: "^" if mark[1] else "", text).split())


def _pieces(element: Element) -> Iterator[str]:
    before = element.text or ""
    yield before
    for child in element:
        name = child.tag.rpartition("}")[2] if isinstance(child.tag, str) else ""
        text = "" if name in {"tex-math", ""} else "".join(_pieces(child))
        is_power = name == "sup" and before[-1:].isdigit() and text.lstrip("-\u2212\u2013")[:1].isdigit()
        yield f"^{text}" if is_power else text
        before = child.tail or ""
        yield before
