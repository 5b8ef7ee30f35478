"""Which language a text is in, by its letters and its commonest words.

Small and plain: for telling the languages apart that a medical mix holds, not those of the world.
"""

import unicodedata
from collections import Counter
from typing import Literal

from osler.text import words

Language = Literal["ar", "de", "en", "es", "fr", "hi", "it", "ja", "ko", "nl", "pt", "ru", "zh"]

_SCRIPTS: dict[str, Language] = {
    "HIRAGANA": "ja", "KATAKANA": "ja", "HANGUL": "ko", "CJK": "zh", "CYRILLIC": "ru", "ARABIC": "ar", "DEVANAGARI": "hi",
}  # fmt: skip
_COMMON: dict[Language, str] = {
    "en": "the of and to is in that it with for are be this or have not can you your what how which does was by on if from",
    "de": "der die und das ist nicht ein eine mit den von zu wie für auf bei sich dem des auch sind werden oder ich",
    "es": "el los las que y del una por con para es se su como más qué cómo pero este esta son puede",
    "fr": "le les des et est une du dans que qui pour pas sur avec ce au sont vous plus être peut ou aux comment",
    "it": "il di che è della per una non sono con del gli si dei nel anche come più questo può alla",
    "nl": "het een van en dat niet op te zijn voor met aan er ook bij maar kan wordt of deze",
    "pt": "o os não uma para com em do da que é por mais como dos das ser são pode ou você ao",
}  # fmt: skip
_COMMON_WORDS = {language: frozenset(common.split()) for language, common in _COMMON.items()}
_MIN_WORDS = 12
"""A text of fewer words may be a list of names, which are Latin in every language."""
_MIN_COMMON_SHARE = 0.08
"""Of running text a quarter to a half are such words; a list of drugs has hardly any."""
_MIN_SCRIPT_SHARE = 0.3
"""Share of letters from which another script decides: Japanese and Chinese texts hold Latin terms."""


def language_of(text: str) -> Language | None:
    """The language of a text, or None where it cannot be told (too short, a list of names, another language)."""
    scripts = Counter() if text.isascii() else Counter(_script(letter) for letter in text if letter > "\x7f")
    other = {script: n for script, n in scripts.items() if script in _SCRIPTS}
    if other and sum(other.values()) >= _MIN_SCRIPT_SHARE * sum(map(str.isalpha, text)):
        # Kana tell Japanese from Chinese, though most letters are the ideographs both write.
        kana = other.get("HIRAGANA", 0) + other.get("KATAKANA", 0)
        return "ja" if kana > 0.1 * sum(other.values()) else _SCRIPTS[max(sorted(other), key=lambda name: other[name])]
    tokens = words(text)
    if len(tokens) < _MIN_WORDS:
        return None
    counts = {language: sum(token in common for token in tokens) for language, common in _COMMON_WORDS.items()}
    best = max(counts, key=lambda language: counts[language])
    return best if counts[best] >= _MIN_COMMON_SHARE * len(tokens) else None


def _script(letter: str) -> str:
    return unicodedata.name(letter, "").split(" ")[0].split("-")[0] if letter.isalpha() else ""
