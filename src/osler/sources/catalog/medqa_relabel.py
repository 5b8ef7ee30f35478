"""Physicians' relabels of the MedQA test questions. No source of records: it holds ratings, no question and no option.

What it is for: telling which test questions lack information or have a doubtful key, so that a score can be given without
them too. Join by the SHA-1 of the question with `text.sha1_key`.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from osler.errors import InputError, RowError
from osler.sources.fields import as_object, filled_text, literal_of, text_of
from osler.sources.read import read_csv
from osler.sources.source import SourceFile


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the raters of one question said."""

    n_raters: int
    n_info_missing: int
    """Raters who missed information that matters."""
    n_key_doubted: int
    """Raters whose last answers leave the key out, or who held the question for unanswerable."""

    @property
    def is_doubted(self) -> bool:
        """Whether most raters miss information or doubt the key."""
        return 2 * max(self.n_info_missing, self.n_key_doubted) > self.n_raters


def read_verdicts(file: SourceFile) -> dict[str, Verdict]:
    """The verdict on each question of the publisher's `labels.csv`, by `text.sha1_key`.

    Raises:
        InputError: a row cannot be read; a part of the ratings would tell something else than all of them.
    """
    ratings: defaultdict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for native in read_csv(file):
        try:
            if isinstance(native.value, RowError):
                raise native.value
            row = as_object(native.value)
            ratings[filled_text(row, "question_sha1", "no_key")].append(_rating(row))
        except RowError as error:
            raise InputError(f"{file.path}, row {native.row}: {error}. Fetch the publisher's file again.") from error
    return {
        key: Verdict(len(given), sum(missing for missing, _ in given), sum(doubted for _, doubted in given))
        for key, given in sorted(ratings.items())
    }


def _rating(row: dict[str, Any]) -> tuple[bool, bool]:
    """Whether one rater misses information that matters, and whether they doubt the key."""
    stage = "seen" if text_of(row, "seen_change") == "TRUE" else "blind"
    answers = text_of(row, f"{stage}_answers")
    given = literal_of(answers, f"{stage}_answers") if answers and text_of(row, f"{stage}_answerable") == "TRUE" else []
    return text_of(row, "important_info_missing") == "TRUE", filled_text(row, "answer_idx", "no_key") not in given
