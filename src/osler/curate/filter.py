"""Filtering: what may become training material, by published split, presence, length, language and soundness of the answer.

Its tallies count, whatever the options, how many answers lie outside the 10 to 1,500 characters that guides recommend: what
that limit would cost stands in `counts.json` before anyone sets it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from osler.curate.answers import contradicts_key, is_cut, is_refusal, repeated_share
from osler.curate.config import FilterConfig
from osler.curate.language import language_of
from osler.curate.step import Outcome
from osler.errors import missing_package
from osler.phi import find
from osler.records.drop import Drop
from osler.records.io import read_jsonl
from osler.records.record import Record

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_OPTION_TASKS = frozenset({"choice", "classify", "yesno"})
_EXAMINATION_SPLITS = frozenset({"validation", "test"})
_GUIDE_CHARS = (10, 1500)
_CONTACTS = frozenset({"EMAIL", "PHONE", "FAX"})
_CONTACT_TAGS = tuple(f"[{kind}]" for kind in sorted(_CONTACTS))
VERDICTS_FILE = "verdicts.jsonl"
"""In the stage's folder, written before curation: `{"id", "rule"}` of each record whose answer the guard's policy blocks."""


def read_verdicts(folder: Path) -> dict[str, str]:
    """The rule that blocks each record named in `verdicts.jsonl`; none where there is no such file."""
    path = folder / VERDICTS_FILE
    return {row["id"]: row["rule"] for _, row in read_jsonl(path)} if path.is_file() else {}


@dataclass(frozen=True, slots=True)
class Filter:
    """The filter step. Its tallies are the answers outside the guides' lengths, by source."""

    config: FilterConfig
    verdicts: Mapping[str, str] = field(default_factory=dict)
    """Rule of the guard's policy that blocks the answer, by record id."""
    name: str = "filter"

    def __call__(self, record: Record) -> Outcome:
        """Keep a record that may be trained on; changes nothing."""
        found = self._fault(record)
        if found is None:
            within = _GUIDE_CHARS[0] <= len(record.target.strip()) <= _GUIDE_CHARS[1] or record.task in _OPTION_TASKS
            return Outcome(record, tallies={} if within else {record.origin.source: 1})
        reason, detail = found
        return Outcome(record, drop=Drop(record.id, record.origin.source, self.name, reason, detail))

    def _fault(self, record: Record) -> tuple[str, str] | None:
        """Reason code and words for the reviewer, or None."""
        if record.split in _EXAMINATION_SPLITS and not self.config.keep_published_splits:
            return f"published_{record.split}_split", ""
        question = len(record.question.strip())
        if question == 0 and not record.context:
            return "empty_question", ""
        if question < self.config.min_question_chars and not record.context:
            return "short_question", f"{question} characters, at least {self.config.min_question_chars}"
        return self._length_fault(record) or self._language_fault(record) or self._answer_fault(record)

    def _length_fault(self, record: Record) -> tuple[str, str] | None:
        has_option = record.task in _OPTION_TASKS and record.answer is not None
        answer = len(record.target.strip())
        if answer == 0:
            return None if has_option else ("empty_answer", "")
        least = self.config.min_answer_chars
        shortest = least if isinstance(least, int) else _limit(record, least, _GUIDE_CHARS[0])
        if answer < (shortest or 0) and record.task not in _OPTION_TASKS:
            return "short_answer", f"{answer} characters, at least {shortest}"
        longest = _limit(record, self.config.max_answer_chars, self.config.max_answer_chars_else)
        if longest is not None and answer > longest:
            return "long_answer", f"{answer} characters, at most {longest}"
        longest = _limit(record, self.config.max_answer_tokens)
        if longest is not None and (tokens := _n_tokens(self.config.tokenizer or "", record.target)) > longest:
            return "long_answer", f"{tokens} tokens, at most {longest}"
        return None

    def _language_fault(self, record: Record) -> tuple[str, str] | None:
        if not self.config.languages:
            return None
        found = language_of(f"{record.question}\n{record.target}")
        if found is None or found in self.config.languages:
            return None
        return "other_language", f"{found}, not {', '.join(self.config.languages)}"

    def _answer_fault(self, record: Record) -> tuple[str, str] | None:
        config = self.config
        if rule := self.verdicts.get(record.id):
            return "blocked_by_policy", f"rule {rule}"
        if config.drop_contacts and _has_contact(record.target):
            return "contact_data", ""
        if config.drop_key_conflicts and contradicts_key(record):
            return "contradicts_key", f"the last turn gives another option than number {record.answer}"
        if record.task in _OPTION_TASKS:
            return None
        if config.drop_refusals and is_refusal(record.target):
            return "refusal", ""
        if config.drop_cut_answers and is_cut(record.target, config.cut_at_chars.get(record.origin.source)):
            return "cut_answer", f"{len(record.target)} characters, ends in mid-sentence"
        repeated = repeated_share(record.target)
        if repeated > config.max_repeated_share:
            return (
                "repeated_text",
                f"{repeated:.0%} of its runs of words stood before, at most {config.max_repeated_share:.0%}",
            )
        return None


def _limit(record: Record, limits: Mapping[str, int], otherwise: int | None = None) -> int | None:
    return limits.get(record.origin.source, limits.get(record.task, otherwise))


def _has_contact(text: str) -> bool:
    """Whether a person can be written to or called by it; de-identification, where it is on, has left tags."""
    return any(tag in text for tag in _CONTACT_TAGS) or any(span.type in _CONTACTS for span in find(text))


def _n_tokens(tokenizer: str, text: str) -> int:
    return len(_tokenizer(tokenizer).encode(text, add_special_tokens=False).ids)


@cache
def _tokenizer(path: str) -> "Tokenizer":
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise missing_package("tokenizers", "curate.filter.max_answer_tokens", "train") from error
    return Tokenizer.from_file(path)
