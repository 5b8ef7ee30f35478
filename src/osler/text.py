"""Normalising, shingling and hashing of text: one copy, shared by curation, evaluation and the guard.

Matching keys are for comparing only. Nothing here changes text that people read.
"""

import difflib
import hashlib
import re
import unicodedata
from collections.abc import Iterable

import xxhash

NEGATIONS = frozenset(
    (
        "no not nor none never neither without cannot denies denied absent absence negative lack lacks avoid except "
        "unless stop contraindicated unlikely rarely fail fails safe unsafe t"
    ).split()  # "t" is what words() leaves of "don't"
)
"""Words of negation and prohibition, as `words` gives them: texts that differ in one do not say the same."""
_WORD = re.compile(r"\w+", re.UNICODE)
_CJK = re.compile(r"([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af])")


def words(text: str) -> list[str]:
    """Lower-cased words of `text` after NFKC; each Chinese, Japanese or Korean character counts as a word."""
    if text.isascii():
        return _WORD.findall(text.lower())
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _WORD.findall(_CJK.sub(r" \1 ", folded))


def match_key(text: str) -> str:
    """`text` reduced to its words with one space between them: equal for texts that differ in case, space or marks."""
    return " ".join(words(text))


def hash64(text: str) -> int:
    """64-bit xxh3 of the UTF-8 bytes; the same on every machine and run."""
    return xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass"))


def hash_hex(text: str) -> str:
    """128-bit xxh3 of the UTF-8 bytes as 32 hex digits."""
    return xxhash.xxh3_128_hexdigest(text.encode("utf-8", "surrogatepass"))


def digest_bytes(text: str) -> bytes:
    """128-bit xxh3 of the UTF-8 bytes."""
    return xxhash.xxh3_128_digest(text.encode("utf-8", "surrogatepass"))


def sha1_key(text: str) -> str:
    """SHA-1 of the lower-cased text with one space for every run of non-word characters: how MedQA's relabels name a question."""
    return hashlib.sha1(re.sub(r"\W+", " ", text.lower()).strip().encode(), usedforsecurity=False).hexdigest()


def shingles(tokens: list[str], n: int) -> set[int]:
    """Hashes of all runs of `n` words. A text shorter than `n` words gives one shingle, an empty one none."""
    if not tokens:
        return set()
    if len(tokens) <= n:
        return {hash64(" ".join(tokens))}
    return {hash64(" ".join(tokens[i : i + n])) for i in range(len(tokens) - n + 1)}


def jaccard(left: set[int], right: set[int]) -> float:
    """Share of common members, 0 to 1. Two empty sets give 0: nothing is known to be alike."""
    if not left or not right:
        return 0.0
    common = len(left & right)
    return common / (len(left) + len(right) - common)


def shortened(text: str, most: int) -> str:
    """The text, with an ellipsis for its end where it has more than `most` characters."""
    return text if len(text) <= most else text[: max(1, most - 1)] + "…"


def separator_of(header: str) -> str:
    """What stands between the columns of a CSV: commas, unless its first line has only semicolons or tabs, as where commas are decimal."""
    plain = re.sub(r'"[^"]*"', "", header)
    return "," if "," in plain else max(",;\t", key=plain.count)


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """A sentence, with a space before it, that offers the allowed word most like `word`; empty when nothing is near."""
    near = nearest(word, allowed)
    return f" Did you mean {near!r}?" if near else ""


def nearest(word: str, allowed: Iterable[str]) -> str | None:
    """The allowed word most like `word`, for "did you mean"; None when nothing is near."""
    found = difflib.get_close_matches(word, list(allowed), n=1, cutoff=0.6)
    return found[0] if found else None
