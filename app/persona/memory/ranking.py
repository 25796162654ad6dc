"""Which memories come first: relevance blended with recency, near-duplicates left out. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from itertools import islice
from math import exp2
from statistics import fmean
from typing import TypeVar

from app.persona.memory.terms import words_of

HALF_LIFE = timedelta(days=30)
_RECENCY_COUNTS = 0.25
_SCHEDULED_COUNTS = 0.5
_SHINGLE = 3
_MOST_WORDS = 400
_NEARLY = 0.7
_LEAST_DISTANCE = 0.05
T = TypeVar("T")


def blend(relevance: float, age: timedelta, *, scheduled: bool = False) -> float:
    """Return the score of a memory, 0 to 1: three quarters relevance, one quarter recency.

    Recency halves every thirty days. Relevance of `scheduled` output counts half.
    """
    recency = exp2(min(-age / HALF_LIFE, 0.0))
    if scheduled:
        relevance *= _SCHEDULED_COUNTS
    return (1 - _RECENCY_COUNTS) * relevance + _RECENCY_COUNTS * recency


def relative(scores: Mapping[T, float]) -> dict[T, float]:
    """Return the scores as shares of the best one, 0 to 1."""
    best = max(scores.values(), default=0.0)
    return {key: max(score, 0.0) / best if best > 0 else 1.0 for key, score in scores.items()}


def standing_out(cosines: Mapping[T, float]) -> dict[T, float]:
    """Return by how much each comes nearer than the average, as a share of the best, 0 to 1.

    What unrelated texts have in common differs from model to model, so only the distance from it
    says something. Where none stands out, nothing is returned.
    """
    if not cosines:
        return {}
    average, best = fmean(cosines.values()), max(cosines.values())
    if best - average < _LEAST_DISTANCE:
        return {}
    return {key: max(cos - average, 0.0) / (best - average) for key, cos in cosines.items()}


def together(words: Mapping[T, float], meaning: Mapping[T, float]) -> dict[T, float]:
    """Return relevance by words and by meaning as one: the mean of both where both are known."""
    both = {key: (words.get(key, 0.0) + share) / 2 for key, share in meaning.items()}
    return {**words, **both}


class Distinct:
    """Tells texts that say nearly the same as an earlier one: 70 % of their word triples are alike.

    Of long texts the first 400 words are compared.
    """

    def __init__(self) -> None:
        self._seen: list[frozenset[tuple[str, ...]]] = []

    def is_new(self, text: str) -> bool:
        """Say whether no earlier text was nearly the same, and keep this one."""
        shingles = frozenset(_shingles(text))
        if any(_jaccard(shingles, other) >= _NEARLY for other in self._seen):
            return False
        self._seen.append(shingles)
        return True

    def of(self, items: Iterable[T], text: Callable[[T], str]) -> Iterator[T]:
        """Yield the items whose text is new."""
        return (item for item in items if self.is_new(text(item)))


def _shingles(text: str) -> Iterator[tuple[str, ...]]:
    words = list(islice(words_of(text), _MOST_WORDS))
    if len(words) < _SHINGLE:
        yield tuple(words)
    for place in range(len(words) - _SHINGLE + 1):
        yield tuple(words[place : place + _SHINGLE])


def _jaccard(one: frozenset[tuple[str, ...]], other: frozenset[tuple[str, ...]]) -> float:
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)
