"""From one item and its reply to a record with its lineage, or to the reason why there is none."""

from dataclasses import dataclass, replace
from typing import Any

import jinja2

from osler.records.record import Access, Message, Origin, Record, record_id
from osler.synth.ask import Answer
from osler.synth.config import GeneratorConfig, SynthConfig
from osler.synth.generator import Generator, render
from osler.synth.items import Item
from osler.synth.reply import parse_reply
from osler.synth.verify import Blocked, Quote, find_quote, foreign_numbers, is_copied, leans_on_page

_FAMILY_TERMS = {
    "medgemma": "LicenseRef-HAI-DEF-terms",
    "gemma": "LicenseRef-Gemma-terms",
    "llama": "LicenseRef-Llama-community",
}
"""Families of models whose license says something of what they write (https://ai.google.dev/gemma/terms, https://www.llama.com/llama3_1/license/)."""


@dataclass(frozen=True, slots=True)
class Built:
    """A record, and where it comes from."""

    record: Record
    lineage: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Failed:
    """Why an item gave no record."""

    reason: str
    detail: str = ""


def output_terms(config: SynthConfig) -> str:
    """License or terms of what the model writes; empty where none are known."""
    model = config.endpoint.model.casefold()
    return config.endpoint.terms or next((terms for family, terms in _FAMILY_TERMS.items() if family in model), "")


def build(
    generator: Generator,
    use: GeneratorConfig,
    config: SynthConfig,
    item: Item,
    key: str,
    answer: Answer,
    blocked: Blocked,
) -> Built | Failed:
    """The record of a reply that passed every check of its generator that looks at one record alone."""
    if answer.completion is None:
        return Failed("refused_by_endpoint", f"status {answer.status}")
    if answer.completion.finish == "length":
        return Failed("reply_cut", "the reply ended at the token limit")
    reply, problem = parse_reply(answer.completion.text, generator.reply_schema)
    if reply is None:
        return Failed("bad_reply", problem)
    values = {"item": item.text, "record": item.facts, "reply": reply}
    try:
        question, text, quoted = (
            render(part, values)
            for part in (generator.record.question, generator.record.answer, generator.record.quote)
        )
    except jinja2.UndefinedError as error:
        return Failed("bad_reply", f"the record's template: {error.message}")
    quote = find_quote(quoted, item.passages, config.quote_similarity)
    if quote is None:
        return Failed("quote_not_found", "the quote does not stand in a passage that was shown")
    failed = _failed_check(generator, question or item.text, text, quote, blocked)
    if failed is not None:
        return failed
    origin = _origin(use, generator, item, quote, config)
    record = _record(generator, item, question, text, origin, f"passage:{quote.passage.id}")
    return Built(record, _lineage(record, generator, quote, item, key))


def _failed_check(generator: Generator, question: str, answer: str, quote: Quote, blocked: Blocked) -> Failed | None:
    said = f"{question}\n{answer}"
    for check in generator.checks:
        if check == "numbers":
            foreign = foreign_numbers(answer, quote.passage.text, generator.allowed_numbers)
            if foreign:
                return Failed(
                    "number_not_in_passage", f"{len(foreign)} of the answer's numbers: {', '.join(foreign[:5])}"
                )
        elif check == "copied" and is_copied(answer, quote.passage.text):
            return Failed("copied_whole", "nearly all of the answer is the passage's own text")
        elif check == "standalone" and leans_on_page(said):
            return Failed("needs_the_page", "it speaks of the passage, page or table")
        elif check == "directive" and (rule := blocked(question, answer)):
            return Failed("unsafe_answer", rule)
    return None


def _license(item: Item, config: SynthConfig) -> str:
    """All that was shown may be in what was written: every license holds, and so do the terms of the model's output."""
    parts = {passage.license for passage in item.passages if passage.license}
    parts |= {item.record.origin.license} if item.record is not None and item.record.origin.license else set()
    terms = output_terms(config)
    return " AND ".join([*sorted(parts), *([terms] if terms else [])])


def _origin(use: GeneratorConfig, generator: Generator, item: Item, quote: Quote, config: SynthConfig) -> Origin:
    """Document, page and place of the quote stand in the native row; all that was shown decides license and access."""
    passage = quote.passage
    page = f"#page={passage.page}" if passage.page else ""
    asked = item.record.id if item.record is not None else item.text or passage.id
    shown = {one.access for one in item.passages}
    strictest: tuple[Access, ...] = ("credentialed", "application", "unclear")
    return Origin(
        source=use.source,
        row=f"{passage.document}{page}&quote={quote.start}-{quote.end}&{generator.name}={asked}",
        revision=f"{generator.name} {generator.version}",
        license=_license(item, config),
        access=next((access for access in strictest if access in shown), "open"),
        generator=config.endpoint.model,
    )


def _record(generator: Generator, item: Item, question: str, answer: str, origin: Origin, group: str) -> Record:
    name = record_id(origin.source, origin.row)
    if item.record is not None and generator.record.task == "choice":
        return replace(item.record, id=name, origin=origin, rationale=answer)
    turns = (Message("user", question or item.text), Message("assistant", answer))
    return Record(name, generator.record.task, turns, origin, group=group)


def _lineage(record: Record, generator: Generator, quote: Quote, item: Item, key: str) -> dict[str, Any]:
    passage = quote.passage
    return {
        "id": record.id,
        "source": record.origin.source,
        "synthetic": True,
        "generator": generator.name,
        "generator_version": generator.version,
        "model": record.origin.generator,
        "license": record.origin.license,
        "document": passage.document,
        "page": passage.page,
        "quote": [quote.start, quote.end],
        "quote_similarity": quote.similarity,
        "quoted": passage.text[quote.start - passage.start : quote.end - passage.start],
        "passages": [{"id": one.id, "document": one.document, "page": one.page} for one in item.passages],
        "asked_about": item.record.id if item.record is not None else item.text,
        "request": key,
    }
