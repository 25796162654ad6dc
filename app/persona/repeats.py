"""What was said more than once in nearly the same words: merged, with how often. Pure."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from app.persona.memory.terms import words_of
from app.persona.textrank import share
from app.persona.themes import Source, keywords

_NEARLY = 0.7
_HALF = 0.5
_MOST_TEXT = 4000
_LEAST_WORDS = 3
_TURNS = re.compile(r"\b(?:no|not|never|nobody|nothing|none|without|\w{1,10}n['’]t)\b|\d+", re.I)


@dataclass(frozen=True, kw_only=True)
class Repeat:
    """Texts that say nearly the same, oldest first; at least two."""

    said: Sequence[Source]


@dataclass(frozen=True, kw_only=True)
class _Group:
    """Texts that say nearly the same, and what the first of them consists of."""

    telling: set[str]
    turns: set[str]
    words: set[str]
    said: list[Source]


def merged(sources: Sequence[Source]) -> tuple[list[Source], list[Repeat]]:
    """Return the sources with one, the last, of those that say nearly the same, and the repeats.

    Nearly the same is what shares 70 % of the words that say something, half of all words, and all
    negations and numbers: what contradicts or counts otherwise is not merged. The most frequent
    come first.
    """
    groups: list[_Group] = []
    by_word: dict[str, set[int]] = defaultdict(set)
    for source in sorted(sources, key=lambda source: source.at):
        text = source.text[:_MOST_TEXT]
        new = _Group(
            telling=keywords(text),
            turns=turns_of(text),
            words=set(words_of(text)),
            said=[source],
        )
        near = {number for word in new.telling for number in by_word[word]}
        found = _best([groups[number] for number in sorted(near)], new)
        if found is not None:
            found.said.append(source)
            continue
        for word in new.telling:
            by_word[word].add(len(groups))
        groups.append(new)
    repeats = [Repeat(said=group.said) for group in groups if len(group.said) > 1]
    repeats.sort(key=lambda repeat: (-len(repeat.said), -repeat.said[-1].at.timestamp()))
    single = sorted((group.said[-1] for group in groups), key=lambda source: source.at)
    return single, repeats


def turns_of(text: str) -> set[str]:
    """Return the negations and numbers of a text: with others it says something else."""
    return {turn.lower() for turn in _TURNS.findall(text)}


def _best(groups: Sequence[_Group], new: _Group) -> _Group | None:
    """Return the group that says nearly the same; None where there is none."""
    if len(new.telling) < _LEAST_WORDS:
        return None
    alike = [
        group
        for group in groups
        if group.turns == new.turns
        and share(group.telling, new.telling) >= _NEARLY
        and share(group.words, new.words) >= _HALF
    ]
    return max(alike, key=lambda group: share(group.telling, new.telling), default=None)
