"""Statements that may contradict each other: of one speaker, on one thing, turned round. Pure.

Rather nothing is found than something wrong. The rules are in docs/reference/embedded-persona.md.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from app.persona.memory.terms import words_of
from app.persona.themes import LONGEST_QUOTE, Quote, Source, sentences

_FOR = ("like", "love", "enjoy", "prefer", "trust")
_AGAINST = ("dislike", "hate", "detest", "distrust", "avoid")
_ATTITUDE = re.compile(
    r"(?:(?i:and|but|so|now|today|lately|by now|these days),? )?"
    r"(?P<who>I|[A-Z][\w-]{1,30})"
    r"(?P<way>(?: (?:do|does|not|don't|doesn't|never|no longer|really|still|also|always|much))*)"
    rf" (?P<verb>{'|'.join((*_FOR, *_AGAINST))})s? "
    r"(?P<what>[^,.;:!?()]{1,120})"
)
_UNCLEAR = {
    *("he", "she", "it", "they", "you", "him", "them", "one", "some", "this", "that", "these"),
    *("those", "who", "which", "what", "there", "here", "nobody", "none", "nothing", "no", "if"),
    *("everybody", "everyone", "somebody", "someone", "when"),
}
"""Nobody can tell from the sentence alone whom or what they mean."""

_WHAT_ENDS = re.compile(r" (?:but|because|since|although|and|or)\b.*")
_WHAT_FADES = re.compile(r"\b(?:any ?more|at all|very much|so much|a lot|best|most|again|now)\b")
_EMPTY = {"a", "an", "the", "my", "our", "his", "her", "their", "to", "in", "on", "at", "of", "for"}
_NEGATION = re.compile(r"\b(?:not|never|no longer|\w{1,10}n't)\b", re.IGNORECASE)
_NONE = re.compile(r"\b(?:no|none|nobody|nothing|without|hardly|cannot|only)\b", re.IGNORECASE)
_OF_ITS_TIME = re.compile(
    r"\b(?:was|were|had|has|have|did|didn't|will|won't|would|could|should|may|might|must|if|when|"
    r"today|tonight|tomorrow|yesterday|now|again|still|yet|just|soon|ago|since|until|morning|"
    r"afternoon|evening|noon|night|\w+day|weeks?|months?|i|i'm|am|\w{2,}ed)\b|\d",
    re.IGNORECASE,
)
_SAYS_NOTHING = _EMPTY | {"do", "doe", "does", "is", "are", "any", "s", "t"}
_LEAST_WORDS = 3
_SAID = re.compile('["“”«»„]')


@dataclass(frozen=True, kw_only=True)
class Contradiction:
    """Two statements that may contradict each other."""

    earlier: Quote
    later: Quote


@dataclass(frozen=True, kw_only=True)
class _Statement:
    """What somebody holds: on a thing, for it or against it; `about` are all words on the thing."""

    quote: Quote
    about: tuple[str, ...]
    is_for: bool

    @property
    def at(self) -> datetime:
        """When it was said."""
        return self.quote.source.at


def contradictions(speakers: Iterable[Sequence[Source]], since: datetime) -> list[Contradiction]:
    """Return what was said from an instant on against the last thing said before on the same.

    Only texts of one sequence are compared: each is of one speaker. The newest come first.
    """
    found: list[Contradiction] = []
    for sources in speakers:
        held: dict[tuple[str, ...], list[_Statement]] = defaultdict(list)
        for source in sorted(sources, key=lambda source: source.at):
            for sentence in sentences(source.text):
                for key, statement in _statements(Quote(source=source, sentence=sentence)):
                    held[key].append(statement)
        found += [
            Contradiction(earlier=one.quote, later=other.quote)
            for statements in held.values()
            for one, other in pairwise(statements)
            if other.at >= since and one.at < other.at and _contradict(one, other)
        ]
    return sorted(found, key=lambda pair: pair.later.source.at, reverse=True)


def _statements(quote: Quote) -> Iterator[tuple[tuple[str, ...], _Statement]]:
    """Yield what a sentence says for good, by what it has to share to be compared."""
    said = quote.sentence.replace("’", "'")
    if len(said) > LONGEST_QUOTE or said.endswith("?") or _SAID.search(said):
        return
    attitude = _ATTITUDE.match(said)
    if attitude is not None:
        yield from _attitude(quote, attitude)
    elif not _OF_ITS_TIME.search(said):
        bare = _NEGATION.sub(" ", said)
        raw = list(words_of(bare))
        # in their order: who helps whom is not the same the other way round
        words = tuple(word for word in map(_singular, raw) if word not in _SAYS_NOTHING)
        if _UNCLEAR.isdisjoint(raw) and len(words) >= _LEAST_WORDS:
            is_for = len(_NEGATION.findall(said)) % 2 == 0
            yield words, _Statement(quote=quote, about=words, is_for=is_for)


def _attitude(quote: Quote, found: re.Match[str]) -> Iterator[tuple[tuple[str, ...], _Statement]]:
    who, verb, what = found["who"].lower(), found["verb"].lower(), found["what"]
    what = _WHAT_FADES.sub("", _WHAT_ENDS.sub("", what))
    raw = [word for word in words_of(what) if word not in _EMPTY]
    if not raw or not _UNCLEAR.isdisjoint({who, *raw}) or _is_turned(what):
        return
    words = [_singular(word) for word in raw]
    is_for = (verb in _FOR) == (len(_NEGATION.findall(found["way"])) % 2 == 0)
    yield ("holds", who, words[0]), _Statement(quote=quote, about=tuple(words), is_for=is_for)


def _is_turned(text: str) -> bool:
    return bool(_NEGATION.search(text) or _NONE.search(text))


def _singular(word: str) -> str:
    """Return a word without the s of its plural, or of a verb."""
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _contradict(one: _Statement, other: _Statement) -> bool:
    """Say whether they are on the same, or the one against it is on all of what the other is for.

    Who likes tea and does not like tea in the evening contradicts nothing.
    """
    if one.is_for == other.is_for:
        return False
    against, for_it = (other, one) if one.is_for else (one, other)
    return set(against.about) <= set(for_it.about)
