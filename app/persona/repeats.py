"""What was said more than once in nearly the same words: merged, with how often. Pure."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
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


def merged(sources: Sequence[Source]) -> tuple[list[Source], list[Repeat]]:
    """Return the sources with one, the last, of those that say nearly the same, and the repeats.

    Nearly the same is what shares 70 % of the words that say something, negations and numbers among
    them, so that what contradicts is not merged, and half of all words. The most frequent come
    first.
    """
    groups: list[tuple[set[str], list[Source]]] = []
    by_word: dict[str, set[int]] = defaultdict(set)
    for source in sorted(sources, key=lambda source: source.at):
        words = _signature(source.text)
        found = _group(source.text, words, groups, by_word)
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
    text: str,
    words: set[str],
    groups: Sequence[tuple[set[str], Sequence[Source]]],
    by_word: Mapping[str, set[int]],
) -> int | None:
    """Return the number of the group that says nearly the same; None where there is none."""
    if len(words) < _LEAST_WORDS:
        return None
    near = {number for word in words for number in by_word.get(word, ())}
    found = [(share(words, groups[number][0]), -number) for number in near]
    alike = sorted((one for one in found if one[0] >= _NEARLY), reverse=True)
    all_words = set(words_of(text[:_MOST_TEXT]))
    for _, number in alike:
        other = groups[-number][1][0].text
        if share(all_words, set(words_of(other[:_MOST_TEXT]))) >= _HALF:
            return -number
    return None


def _signature(text: str) -> set[str]:
    turns = {turn.lower() for turn in _TURNS.findall(text[:_MOST_TEXT])}
    return keywords(text[:_MOST_TEXT]) | turns
