"""Whether two tasks say the same: names and prompts compared by their shingles. Pure."""

import re
from itertools import pairwise

_WORD = re.compile(r"[^\W_]+")
_MOST_COMPARED = 4_000
_SAME_NAME = 0.8
_SAME_PROMPT = 0.6
# fmt: off
_EMPTY_WORDS = frozenset({
    "a", "an", "and", "are", "as", "at", "be", "but", "for", "from", "had", "has", "have", "i",
    "if", "in", "into", "is", "it", "its", "me", "my", "of", "on", "or", "our", "please", "s", "so",
    "that", "the", "them", "then", "there", "this", "to", "was", "what", "whether", "which",
    "will", "with", "you", "your",
})
# fmt: on


def alike(name: str, prompt: str, other_name: str, other_prompt: str) -> bool:
    """Say whether a task of this name and prompt would do what another one does already.

    The names have nearly the same letters, or the prompts share most of their words. Case, signs
    and English words that carry no meaning do not count.
    """
    return (
        _shared(_letters(name), _letters(other_name)) >= _SAME_NAME
        or _shared(_words(prompt), _words(other_prompt)) >= _SAME_PROMPT
    )


def _shared(first: frozenset[str], second: frozenset[str]) -> float:
    """Return how much two sets have in common: 0 nothing, 1 all (Dice's coefficient)."""
    if not first or not second:
        return 0.0
    return 2 * len(first & second) / (len(first) + len(second))


def _letters(text: str) -> frozenset[str]:
    """Return the runs of three letters, over the borders of words too."""
    line = f" {' '.join(_split(text))} "
    return frozenset(line[i : i + 3] for i in range(len(line) - 2))


def _words(text: str) -> frozenset[str]:
    """Return the words and the pairs of neighbouring words."""
    words = _split(text)
    return frozenset(words) | {f"{a} {b}" for a, b in pairwise(words)}


def _split(text: str) -> list[str]:
    words = _WORD.findall(text[:_MOST_COMPARED].casefold())
    return [word for word in words if word not in _EMPTY_WORDS] or words
