"""How a benchmark is asked.

A score's name carries the mode (`medqa@letters-0shot`): one model differs by up to 31 points between modes, so scores of two
modes are never averaged and never compared.

- `letters-0shot`, `letters-5shot`: log-likelihood of the option's letter (or of yes, no, maybe), after so many examples;
- `text`: log-likelihood of the option's text by character, options not shown (lm-eval's `acc_norm`);
- `generate`: a free reply, from which the answer is read;
- `cot-sc5`: so many sampled chains of thought, and the answer that most of them reach. `cot-sc1` is one greedy chain.
"""

import re
from dataclasses import dataclass
from typing import Literal

from osler.errors import InputError

Way = Literal["letters", "text", "generate", "cot"]

_MAX_CHAINS = 64
_SHAPES: tuple[tuple[Way, re.Pattern[str]], ...] = (
    ("letters", re.compile(r"letters-(\d)shot")),
    ("text", re.compile(r"text")),
    ("generate", re.compile(r"generate")),
    ("cot", re.compile(r"cot-sc(\d{1,2})")),
)


@dataclass(frozen=True, slots=True)
class Mode:
    """One way of asking."""

    name: str
    way: Way
    n: int
    """Examples before the question (letters), or chains of thought (cot)."""

    @property
    def needs_likelihoods(self) -> bool:
        """Whether it asks for log-likelihoods, which endpoints do not give."""
        return self.way in {"letters", "text"}

    @property
    def n_shots(self) -> int:
        """Examples before the question."""
        return self.n if self.way == "letters" else 0

    @property
    def n_replies(self) -> int:
        """Replies to one question."""
        return self.n if self.way == "cot" else 1


def parse_mode(name: str) -> Mode:
    """The mode of this name.

    Raises:
        InputError: there is none.
    """
    for way, shape in _SHAPES:
        found = shape.fullmatch(name)
        if found:
            n = int(found[1]) if found.groups() else 0
            if way != "cot" or 1 <= n <= _MAX_CHAINS:
                return Mode(name, way, n)
    raise InputError(
        f"unknown mode {name!r}; known: letters-0shot (0 to 9 examples), text, generate, cot-sc5 (1 to {_MAX_CHAINS} chains)."
    )


LETTERS_0SHOT = parse_mode("letters-0shot")
GENERATE = parse_mode("generate")
