"""The texts a guard looks at: what was written, and what it may stand for when somebody tried to hide it.

A *view* is one reading of a text in canonical form: lower-case words with one space between them, sentences separated by
a line break, short forms written out ("can't" is "can not"). Rules are written against this form alone. Next to the plain
view there are folded ones (look-alike letters, leetspeak, spaced letters) and decoded ones (base64, hex, rot13, reversed),
made only where the text gives reason to.

Not covered: ciphers other than the above, text in pictures.
"""

import base64
import binascii
import codecs
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from osler.guard.vocabulary import Vocabulary

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|\d+(?:[.,]\d+)*")
_BREAK = re.compile(
    r"([.!?…。！？\n\x1e:*](?:(?<=[.!?…。！？])[.!?…。！？]*(?=[\s\"')\]]|$)|(?<=\n)\s*\n|(?<=[。！？\x1e])|(?<=:)\s*[\"'*<]|(?<=\*)\*+))"
)
"""What ends a sentence, never inside a word. The first character stands alone because a search then skips to it, ten times as fast."""
_ASCII_WORD = re.compile(r"[a-z]+(?:'[a-z]+)*|\d+(?:[.,]\d+)*", re.ASCII)
_ASCII_BREAK = re.compile(
    r"([.!?\n\x1e:*](?:(?<=[.!?])[.!?]*(?=[\s\"')\]]|$)|(?<=\n)\s*\n|(?<=\x1e)|(?<=:)\s*[\"'*<]|(?<=\*)\*+))", re.ASCII
)
"""The same for lower-case text in ASCII, twice as fast."""
_ENDED = re.compile(r"([a-z]+)[.!?][\"')\]]?\s+$", re.ASCII | re.IGNORECASE)
_ENDED_CHARS = 40
_RUN_ON = re.compile(
    r" (?=(?:By|In|Please|Also|Do|Don't|Never|Answer|Respond|Reply|Remember|Now|Then|Thanks?|The|This|My|It|We|You|"
    r"Start|Begin|Write|Give|Just|Only|Have|Hope|Anyway|Oh|And|But|No) [a-z])(?<=[a-z0-9?] )(?<!\b[A-Z][a-z] )"
)
"""A space where a new sentence begins although nothing ends the one before."""
_QUOTED = re.compile(r"[\"*<«`]+\s*([^\"*<>«»`]{12,600}?)\s*[\"*>»`]")
_MAX_QUOTED = 3
_ZERO_WIDTH = re.compile(
    r"[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)
_QUOTES = str.maketrans("‘’ʼ`´“”", "'''''\"\"")
_ABBREVIATIONS = frozenset({"dr", "mr", "mrs", "ms", "st", "vs", "eg", "ie", "approx", "prof"})
_IS_AFTER = frozenset(
    {"he", "she", "it", "that", "what", "who", "where", "there", "how", "here", "when", "why", "everyone", "everything"}
)
_SHORT_FORMS = {
    "im": "i am", "ive": "i have", "dont": "do not", "cant": "can not", "cannot": "can not", "wont": "will not",
    "isnt": "is not", "doesnt": "does not", "didnt": "did not", "couldnt": "could not", "shouldnt": "should not",
    "hasnt": "has not", "havent": "have not", "wasnt": "was not", "arent": "are not", "aint": "is not",
    "hes": "he is", "shes": "she is", "thats": "that is", "whats": "what is", "theres": "there is",
    "gonna": "going to", "wanna": "want to", "gotta": "got to", "u": "you", "ur": "your", "pls": "please",
    "can't": "can not", "won't": "will not", "shan't": "shall not", "ain't": "is not", "let's": "let us",
}  # fmt: skip
_ENDINGS = (("n't", " not"), ("'re", " are"), ("'ll", " will"), ("'ve", " have"), ("'m", " am"), ("'d", " would"))

_CONFUSABLE = str.maketrans(
    "аеорсухіјѕԁһԛԝкмтвнпгбзАЕОРСУХІЈЅКМТВНαβγεηικνορτυχωΑΒΕΖΗΙΚΜΝΟΡΤΥΧɑɡıℓⅼｌ",
    "aeopcyxijsdhqwkmtbnnrbzaeopcyxijskmtbhabyenikvoptuxwabezhikmnoptyxagilll",
)
_LEET = str.maketrans("0134578@$!|+", "oieastbasilt")
_LEET_L = str.maketrans("0134578@$!|+", "oleastbaslit")
_LEET_HINT = re.compile(r"[0134578@$!|+](?:(?<=[A-Za-z].)|(?=[A-Za-z]))")
_LEET_RUN = re.compile(r"(?=[A-Za-z269']*[0134578@$!|+])[A-Za-z0-9@$!|+']{2,}")
_MAX_LEET_CHARS = 40
_DOSE_WORD = re.compile(
    r"(?:\d+(?:mg|mcg|ug|g|kg|ml|l|iu|units?|x|h|hr|hrs|d|w|wk|wks|m|mo|y|yo|yr|yrs|am|pm|st|nd|rd|th|lb|lbs|oz|cm|mm|c|f|k))+"
    r"|[a-z]{1,2}\d{1,3}|covid19",
    re.IGNORECASE,
)
_SPACED = re.compile(r"(?<![A-Za-z])[A-Za-z](?:[ .\-_*·•]{1,2}[A-Za-z]){3,}(?![A-Za-z])")
_ONLY_SPACED = re.compile(r"[A-Za-z](?:[ .\-_*·•][A-Za-z])*[.?!,]?")
_BETWEEN = re.compile(r"[ .\-_*·•]")
_WIDE_GAP = re.compile(r"[ \t]{2,}")
_BASE64 = re.compile(r"[A-Za-z0-9+/]{16,}={0,2}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}[ :]?){8,}")
_ANNOUNCED_ROT13 = re.compile(r"rot[\s\-]?13|caesar", re.IGNORECASE)
_ANNOUNCED_REVERSE = re.compile(r"\breversed?\b|\bbackwards?\b", re.IGNORECASE)
_FOLLOWS = re.compile(r"[:\n]\s*")
_MIN_FOLLOWING = 8
_MAX_DECODED = 8


@dataclass(frozen=True, slots=True)
class View:
    """One reading of a text, in canonical form."""

    name: str
    """plain, quoted, folded, spaced, base64, hex, rot13 or reversed."""
    text: str
    """Canonical text; private-use characters (marks) behind the words that stand in a policy's long word lists."""
    sentences: tuple[tuple[str, ...], ...]
    """Its words without marks, sentence by sentence."""
    source: str | None
    """The text as given, where places in it can be told; None for a text that was rewritten first."""
    questions: frozenset[int] = frozenset()
    """Places of the sentences that end in a question mark."""


def views(text: str, marks: Mapping[str, str], vocabulary: Vocabulary) -> list[View]:
    """The plain view first, then the folded and decoded ones that differ from it.

    Args:
        marks: mark characters by word.
        vocabulary: known words, for spelled-out text without gaps between its words.
    """
    found = [plain_view(text, marks)]
    cleaned = _cleaned(text)
    seen = {found[0].text}
    raw = {cleaned}
    for name, reading in _readings(cleaned, vocabulary):
        if reading in raw:
            continue
        raw.add(reading)
        view = _canonical(name, reading, marks, None)
        if view.text not in seen:
            seen.add(view.text)
            found.append(view)
    return found


def plain_view(text: str, marks: Mapping[str, str]) -> View:
    """The text as given, in canonical form."""
    cleaned = _cleaned(text)
    # Lower case changes the length of a few letters, and places behind them would be wrong.
    same = cleaned is text or (cleaned == text.translate(_QUOTES) and len(cleaned.lower()) == len(cleaned))
    return _canonical("plain", cleaned, marks, cleaned if same else None)


def is_ended(text: str) -> bool:
    """Whether a sentence surely ends where this text does, so that what comes stands in one of its own."""
    found = _ENDED.search(text[-_ENDED_CHARS:])
    return found is not None and found[1].lower() not in _ABBREVIATIONS


def _cleaned(text: str) -> str:
    return text if text.isascii() else _ZERO_WIDTH.sub("", unicodedata.normalize("NFKC", text).translate(_QUOTES))


def mended(view: View, marks: Mapping[str, str], vocabulary: Vocabulary) -> View | None:
    """The sentences with mistyped words, mended; None when nothing was to mend. Sentences without any are left out."""
    repairs = vocabulary.mend_all(word for words in view.sentences for word in words)
    if not repairs:
        return None
    # Through the same door again, so that repaired words get their marks.
    text = "\n\n".join(
        " ".join(repairs.get(word, word) for word in words) + "?" * (place in view.questions)
        for place, words in enumerate(view.sentences)
        if not repairs.keys().isdisjoint(words)
    )
    return _canonical("mended", text, marks, None)


def place_of(view: View, start: int, end: int) -> tuple[int, int] | None:
    """Start and end in the text as given of a match in `view.text`; None when the view has no places there."""
    if view.source is None or end <= start:
        return None
    # The canonical text holds the same words in the same order, so the count of words before the match names its place.
    first = len(view.text[:start].split())
    last = first + len(view.text[start:end].split()) - 1
    begin = stop = n_words = 0
    for token in (_ASCII_WORD if view.source.isascii() else _WORD).finditer(view.source.lower()):
        if n_words <= first:
            begin = token.start()
        stop = token.end()
        word = token[0]
        n_words += len(_written_out(word)) if "'" in word or word in _SHORT_FORMS else 1
        if n_words > last:
            break
    return begin, stop


def _canonical(name: str, text: str, marks: Mapping[str, str], source: str | None) -> View:
    """Words and sentence breaks of `text`."""
    expression, breaks = (_ASCII_WORD, _ASCII_BREAK) if text.isascii() else (_WORD, _BREAK)
    sentences: list[list[str]] = []
    questions: set[int] = set()
    sentence: list[str] = []
    previous = ""
    parts = breaks.split(_RUN_ON.sub("\x1e", text).lower())
    for part, end in zip(parts[::2], [*parts[1::2], ""], strict=True):
        words = expression.findall(part)
        previous = words[-1] if words else previous
        is_plain = "'" not in part and _SHORT_FORMS.keys().isdisjoint(words)
        sentence += words if is_plain else [one for word in words for one in _written_out(word)]
        if sentence and not (end == "." and previous in _ABBREVIATIONS):
            if "?" in end or "？" in end:
                questions.add(len(sentences))
            sentences.append(sentence)
            sentence = []
    if sentence:
        sentences.append(sentence)
    marked = "\n".join(
        " ".join([word + marks[word] if word in marks else word for word in sentence]) for sentence in sentences
    )
    return View(name, marked, tuple(map(tuple, sentences)), source, frozenset(questions))


def _written_out(word: str) -> list[str]:
    """The words that a short form stands for; a possessive loses its ending."""
    if word in _SHORT_FORMS:
        return _SHORT_FORMS[word].split()
    if "'" not in word:
        return [word]
    if word.endswith("'s"):
        stem = word[:-2]
        return [stem, "is"] if stem in _IS_AFTER else [stem]
    for ending, full in _ENDINGS:
        if word.endswith(ending) and len(word) > len(ending):
            return (word[: -len(ending)] + full).split()
    return [word]


def _readings(text: str, vocabulary: Vocabulary) -> Iterator[tuple[str, str]]:
    """What the text may stand for, raw; more than one reading of a kind where a character is ambiguous."""
    for _, quoted in zip(range(_MAX_QUOTED), _QUOTED.finditer(text), strict=False):
        yield "quoted", quoted[1]
    straight = text if text.isascii() else _without_accents(text.translate(_CONFUSABLE))
    if straight != text:
        yield "folded", straight
    read = _unleet(straight, _LEET)
    if read != straight:
        yield "folded", read
        yield "folded", _unleet(straight, _LEET_L)
    if _SPACED.search(straight):
        joined = _joined(straight, vocabulary)
        yield "spaced", joined
        yield "spaced", _unleet(joined, _LEET)
    yield from _decoded(straight)


def _without_accents(text: str) -> str:
    """Letters without combining marks, so that accents put on English words do not hide them."""
    return "".join(ch for ch in unicodedata.normalize("NFD", text) if not unicodedata.combining(ch))


def _unleet(text: str, table: dict[int, int]) -> str:
    """Digits and signs inside words read as letters; doses (500mg), vitamins (b12) and ages (3yo) stay."""

    def read(match: re.Match[str]) -> str:
        word = match[0].rstrip("!+|")
        if len(word) > _MAX_LEET_CHARS or not _LEET_HINT.search(word) or _DOSE_WORD.fullmatch(word):
            return match[0]
        return word.translate(table) + match[0][len(word) :]

    return _LEET_RUN.sub(read, text) if _LEET_HINT.search(text) else text


def _joined(text: str, vocabulary: Vocabulary) -> str:
    """Spelled-out words put together; gaps of two or more spaces are taken as the gaps between words."""

    def read(run: re.Match[str]) -> str:
        return " ".join(vocabulary.part(_BETWEEN.sub("", run[0]).lower()))

    blocks = _WIDE_GAP.split(text)
    return " ".join(
        _BETWEEN.sub("", block) if _ONLY_SPACED.fullmatch(block) and len(blocks) > 1 else _SPACED.sub(read, block)
        for block in blocks
    )


def _decoded(text: str) -> Iterator[tuple[str, str]]:
    """Readable text inside base64 and hex; rot13 and reversed text when the words announce it."""
    for match in list(_BASE64.finditer(text))[:_MAX_DECODED]:
        block = match[0].rstrip("=")
        try:
            content = base64.b64decode(block + "=" * (-len(block) % 4), validate=True)
        except (binascii.Error, ValueError):
            continue
        yield from _readable("base64", content)
    for match in list(_HEX.finditer(text))[:_MAX_DECODED]:
        digits = re.sub(r"[ :]", "", match[0])
        yield from _readable("hex", bytes.fromhex(digits[: len(digits) // 2 * 2]))
    lowered = text.lower()
    if ("rot" in lowered or "caesar" in lowered) and (announced := _ANNOUNCED_ROT13.search(text)):
        yield "rot13", codecs.encode(_behind(announced), "rot13")
    if ("reverse" in lowered or "backward" in lowered) and (announced := _ANNOUNCED_REVERSE.search(text)):
        yield "reversed", _behind(announced)[::-1]


def _behind(announced: re.Match[str]) -> str:
    """What follows the announcement, from the next colon or line on; the whole text where that is nothing."""
    text = announced.string
    follows = _FOLLOWS.search(text, announced.end())
    return text[follows.end() :] if follows and len(text) - follows.end() >= _MIN_FOLLOWING else text


def _readable(name: str, content: bytes) -> Iterator[tuple[str, str]]:
    """The bytes as text when they are mostly letters and spaces."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return
    n_plain = sum(ch.isalpha() or ch == " " for ch in text)
    if text and n_plain / len(text) >= 0.8:
        yield name, text
