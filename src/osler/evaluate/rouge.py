"""ROUGE-L: the longest run of words, with gaps, that an answer shares with the reference (C.-Y. Lin, 2004). Words, no stemming.

Optional, and never in the gate: it counts words, not truth.
"""

from osler.text import words


def rouge_l(answer: str, reference: str) -> float:
    """F1 of the longest common subsequence of words; 0 when either is empty."""
    given, wanted = words(answer), words(reference)
    row = [0] * (len(wanted) + 1)
    for word in given:
        before = 0
        for place, other in enumerate(wanted, start=1):
            above = row[place]
            row[place] = before + 1 if word == other else max(above, row[place - 1])
            before = above
    return 2 * row[-1] / (len(given) + len(wanted)) if row[-1] else 0.0
