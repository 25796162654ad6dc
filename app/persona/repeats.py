"""What was said more than once in nearly the same words: merged, with how often. Pure."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from app.persona.textrank import share
from app.persona.themes import Source, keywords

_NEARLY = 0.7
_LEAST_WORDS = 3
_TURNS = re.compile(r"\b(?:no|not|never|nobody|nothing|none|without|\w{1,10}n['’]t)\b|\d+", re.I)


@dataclass(frozen=True, kw_only=True)
class Repeat:
    """Texts that say nearly the same, oldest first; at least two."""

    said: Sequence[Source]


def merged(sources: Sequence[Source]) -> tuple[list[Source], list[Repeat]]:
    """Return the sources with one, the last, of those that say nearly the same, and the repeats.

    Nearly the same is what shares 70 % of its words; negations and numbers count as words, so that
    what contradicts is not merged. The most frequent repeats come first.
    """
    groups: list[tuple[set[str], list[Source]]] = []
    by_word: dict[str, set[int]] = defaultdict(set)
    for source in sorted(sources, key=lambda source: source.at):
        words = _signature(source.text)
        found = _group(words, groups, by_word)
        if found is None:
            found = len(groups)
            groups.append((words, []))
            for word in words:
                by_word[word].add(found)
        groups[found][1].append(source)
    repeats = [Repeat(said=said) for _, said in groups if len(said) > 1]
    repeats.sort(key=lambda repeat: (-len(repeat.said), -repeat.said[-1].at.timestamp()))
    single = sorted((said[-1] for _, said in groups), key=lambda source: source.at)
    return single, repeats


def _group(
    words: set[str], groups: Sequence[tuple[set[str], object]], by_word: dict[str, set[int]]
) -> int | None:
    if len(words) < _LEAST_WORDS:
        return None
    candidates = sorted({number for word in words for number in by_word[word]})
    near = ((share(words, groups[number][0]), -number) for number in candidates)
    best = max(near, default=(0.0, 0))
    return -best[1] if best[0] >= _NEARLY else None


def _signature(text: str) -> set[str]:
    return keywords(text) | {turn.lower() for turn in _TURNS.findall(text[:4000])}
