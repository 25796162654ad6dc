"""What comes back in several texts: words and pairs of words, with a sentence for each. Pure."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

_WORD = re.compile(r"[^\W\d_]{3,30}(?:['’][a-z]{1,2})?")
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+")
_LINE_MARKS = " \t#>*+-|"
_BOX = re.compile(r"^\[[ xX]\]\s*")
_SHORTEST = 4
_COMMON_WORDS = """
about above after again against almost alone along already also although always among another
anything around away back became because become been before began behind being below better between
both came cannot come could does doing done down during each either else enough even ever every
everything few find first found from further gave give given goes going gone good have having here
hers herself himself however into itself just keep kept know last later least less like little long
look made make makes many maybe mean might more most much must myself near need neither never next
none nothing often once only onto other others ours over perhaps quite rather really said same seem
seemed seems several shall should since some someone something soon still such take taken tell than
that their theirs them themselves then there these they thing things think this those though through
thus time today together told tomorrow took toward under until upon used uses using very want wanted
well went were what when where whether which while whole whose will with within without would write
wrote year years yesterday your yours yourself
"""
_COMMON = frozenset(_COMMON_WORDS.split())


@dataclass(frozen=True, kw_only=True)
class Source:
    """A text, and how to name it where it is quoted."""

    label: str
    at: datetime
    text: str


@dataclass(frozen=True, kw_only=True)
class Quote:
    """A sentence and where it stands."""

    source: Source
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Theme:
    """A word or a pair of words that several sources hold; a sentence of each, newest first."""

    term: str
    quotes: Sequence[Quote]


def keywords(text: str) -> set[str]:
    """Return the words of a text that say something, in a form that ignores plurals."""
    return {stem for stem, _ in _significant(text)}


def sentences(text: str) -> list[str]:
    """Return the sentences and items of a text without their Markdown marks."""
    found = []
    for line in text.splitlines():
        bare = _BOX.sub("", line.strip(_LINE_MARKS))
        found += [part for part in _SENTENCE_END.split(bare) if part]
    return found


def best_sentences(sources: Sequence[Source], wanted: set[str], most: int) -> list[Quote]:
    """Return the sentences that share most with the wanted keywords; at least two, if there are."""
    least = min(2, len(wanted))
    ranked = [
        (-len(shared), number, Quote(source=source, sentence=sentence))
        for source in sources
        for number, sentence in enumerate(sentences(source.text))
        if len(shared := keywords(sentence) & wanted) >= least > 0
    ]
    ranked.sort(key=lambda entry: (entry[0], -entry[2].source.at.timestamp(), entry[1]))
    return [quote for _, _, quote in ranked[:most]]


def find_themes(sources: Sequence[Source], most: int) -> list[Theme]:
    """Return what stands in at least two sources, the most widespread first.

    A pair of words goes before its words, and of terms that stand in the same sentences only the
    first is kept.
    """
    places: dict[str, dict[int, dict[str, None]]] = defaultdict(lambda: defaultdict(dict))
    shown: dict[str, Counter[str]] = defaultdict(Counter)
    for number, source in enumerate(sources):
        for sentence in sentences(source.text):
            for term, surface in _terms(sentence):
                shown[term][surface] += 1
                places[term][number][sentence] = None
    recurring = {term: held for term, held in places.items() if len(held) > 1}
    return _distinct(sources, recurring, shown, most)


def _distinct(
    sources: Sequence[Source],
    recurring: Mapping[str, Mapping[int, Mapping[str, None]]],
    shown: Mapping[str, Counter[str]],
    most: int,
) -> list[Theme]:
    def rank(term: str) -> tuple[int, int, int, str]:
        held = recurring[term]
        return -len(held), -term.count(" "), -sum(map(len, held.values())), term

    themes: list[Theme] = []
    taken: list[set[str]] = []
    for term in sorted(recurring, key=rank):
        held = recurring[term]
        support = {sentence for found in held.values() for sentence in found}
        if any(support <= other for other in taken):
            continue
        taken.append(support)
        quotes = [
            Quote(source=sources[number], sentence=_richest(found, recurring))
            for number, found in held.items()
        ]
        quotes.sort(key=lambda quote: quote.source.at, reverse=True)
        surface = min(shown[term].items(), key=lambda item: (-item[1], item[0]))[0]
        themes.append(Theme(term=surface, quotes=quotes))
        if len(themes) == most:
            break
    return themes


def _richest(found: Mapping[str, None], recurring: Mapping[str, object]) -> str:
    return max(found, key=lambda sentence: len(keywords(sentence) & recurring.keys()))


def _terms(sentence: str) -> Iterator[tuple[str, str]]:
    before: tuple[str, str] | None = None
    for stem, surface in _significant(sentence):
        yield stem, surface
        if before is not None:
            yield f"{before[0]} {stem}", f"{before[1]} {surface}"
        before = stem, surface


def _significant(text: str) -> Iterator[tuple[str, str]]:
    for match in _WORD.finditer(text):
        word = match.group().casefold()
        bare = re.split("['’]", word, maxsplit=1)[0]
        if len(bare) < _SHORTEST or bare in _COMMON:
            continue
        plural = len(bare) > _SHORTEST and bare.endswith("s") and not bare.endswith("ss")
        yield (bare[:-1] if plural else bare), bare
