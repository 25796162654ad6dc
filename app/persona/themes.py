"""What comes back in several texts: words and pairs of words, with a sentence for each. Pure."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import log
from zoneinfo import ZoneInfo

_WORD = re.compile(r"[^\W\d_]{3,30}(?:['’][a-z]{1,2})?")
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+")
_LINE_MARKS = " \t#>*+-|"
_BOX = re.compile(r"^\[[ xX]\]\s*")
_SHORTEST = 3
_LEAST_STEM = 3
LONGEST_QUOTE = 200
_RARITY = 0.5
_PAIR = 1.2
_MOSTLY = 0.6
_COMMON_WORDS = """
about above add after afternoon again against ago agree agreed air all almost alone along already
also although always among and another answer answered any anything are around ask asked asking ate
away back bad became because become been before began begin behind being below better between big
bit both bring brought but call called came can cannot carried come comes could cut day days degree
degrees did does doing done down drew due during each early eat eight either eleven else end enough
euro euros even evening ever every everybody everything face far fast feel feeling feels fell felt
few find first five for found four friday from full further gave get gets give given goes going gone
good got had half hall has have having held her here hers herself him himself his hit hour hours how
however hundred ill into its itself just keep keeps kept knew know known large last late later laugh
laughed lay least led left less let lets lie like listen listened little long look looked looks lot
loud low made make makes many may maybe mean met might mine monday month more morning most moved
much must myself name near need needs neither never new next night nine nobody none noon nor not
nothing now off often old once one ones only onto open other others ought our ours out over owes own
part per perhaps pick place promised put quarter quite ran rather read reads really reminded right
run said same sat saturday saw say says second see seem seemed seems sent set seven several shall
she shortly should showed side since sit sits six sixty smiled some somebody someone something soon
sounds speak speaks spoke stands started still stood stop stopped such sunday take taken talk talked
tell ten than thank thanks that the their theirs them themselves then there these they thing things
think third thirty this those though thought three through thursday thus time times today together
told tomorrow tonight too took top toward towards tried try tuesday turn turned twice two under
until upon use used uses using very via wait want wanted wants was way wednesday week weeks well
went were what when where whether which while who whole whose why will wished with within without
won word words would write writes wrote year years yes yesterday yet you your yours yourself
"""
_COMMON = frozenset(_COMMON_WORDS.split())


@dataclass(frozen=True, kw_only=True)
class Source:
    """A text, and how to name it where it is quoted.

    A memory is quoted whole where it is short, and with its time of day; `origin` is where it came
    from.
    """

    label: str
    at: datetime
    text: str
    is_memory: bool = False
    origin: str = ""


@dataclass(frozen=True, kw_only=True)
class Quote:
    """A sentence and where it stands."""

    source: Source
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Said:
    """Something to quote, and its keywords."""

    quote: Quote
    words: set[str]


@dataclass(frozen=True, kw_only=True)
class Theme:
    """A word or a pair of words that several sources hold; a sentence of each, newest first."""

    term: str
    stem: str
    quotes: Sequence[Quote]


def keywords(text: str) -> set[str]:
    """Return the words of a text that say something, without plurals and endings."""
    return {stem for stem, _, _ in _significant(text)}


def surface_of(word: str, text: str) -> str:
    """Return a keyword as it stands in a text that holds it."""
    return next((surface for stem, surface, _ in _significant(text) if stem == word), word)


def sentences(text: str) -> list[str]:
    """Return the sentences and items of a text without their Markdown marks."""
    found = []
    for line in text.splitlines():
        bare = _BOX.sub("", line.strip(_LINE_MARKS))
        found += [part for part in _SENTENCE_END.split(bare) if part]
    return found


def passages(source: Source) -> list[str]:
    """Return what can be quoted of a text: a short memory as a whole, else its sentences."""
    text = source.text.strip()
    if source.is_memory and len(text) <= LONGEST_QUOTE and "\n" not in text:
        return [text]
    return sentences(source.text)


def said_in(sources: Sequence[Source]) -> list[Said]:
    """Return all that can be quoted of texts, each with its keywords."""
    return [
        Said(quote=Quote(source=source, sentence=passage), words=keywords(passage))
        for source in sources
        for passage in passages(source)
    ]


def best_sentences(said: Sequence[Said], wanted: set[str], most: int) -> list[Quote]:
    """Return the sentences that share most with the wanted keywords; at least two, if there are.

    Of those that share as much the newest come first.
    """
    least = min(2, len(wanted))
    ranked = [
        (-len(shared), -one.quote.source.at.timestamp(), number, one.quote)
        for number, one in enumerate(said)
        if len(shared := one.words & wanted) >= least > 0
    ]
    ranked.sort(key=lambda entry: entry[:3])
    return [quote for *_, quote in ranked[:most]]


def find_themes(sources: Sequence[Source], most: int, zone: str = "UTC") -> list[Theme]:
    """Return what stands in at least two sources: the first on most days, and not in every source.

    A pair of words goes before its words, and of terms that mostly stand in the same sentences only
    the first is kept.
    """
    places: dict[str, dict[int, dict[str, None]]] = defaultdict(lambda: defaultdict(dict))
    shown: dict[str, Counter[str]] = defaultdict(Counter)
    for number, source in enumerate(sources):
        for sentence in passages(source):
            for term, surface in _terms(sentence):
                shown[term][surface] += 1
                places[term][number][sentence] = None
    recurring = {term: held for term, held in places.items() if len(held) > 1}
    days = [source.at.astimezone(ZoneInfo(zone)).date() for source in sources]

    def weight(term: str) -> tuple[float, int, str]:
        held = recurring[term]
        rarity = 1 + _RARITY * log(len(sources) / len(held))
        on = len({days[number] for number in held})
        return -on * rarity * (_PAIR if " " in term else 1.0), -len(held), term

    ranked = sorted(recurring, key=weight)
    return _distinct(sources, ranked, recurring, shown, most)


def _distinct(
    sources: Sequence[Source],
    ranked: Sequence[str],
    recurring: Mapping[str, Mapping[int, Mapping[str, None]]],
    shown: Mapping[str, Counter[str]],
    most: int,
) -> list[Theme]:
    themes: list[Theme] = []
    taken: list[set[str]] = []
    for term in ranked:
        held = recurring[term]
        support = {sentence for found in held.values() for sentence in found}
        if any(len(support & other) >= _MOSTLY * len(support) for other in taken):
            continue
        taken.append(support)
        quotes = [
            Quote(source=sources[number], sentence=_richest(found, recurring))
            for number, found in held.items()
        ]
        quotes.sort(key=lambda quote: quote.source.at, reverse=True)
        surface = min(shown[term], key=lambda word: (-shown[term][word], word.swapcase()))
        themes.append(Theme(term=surface, stem=term, quotes=quotes))
        if len(themes) == most:
            break
    return themes


def _richest(found: Mapping[str, None], recurring: Mapping[str, object]) -> str:
    return max(found, key=lambda sentence: len(keywords(sentence) & recurring.keys()))


def _terms(sentence: str) -> Iterator[tuple[str, str]]:
    """Yield words and pairs of neighbouring words, each as it is compared and as it stands."""
    before: tuple[str, str] | None = None
    end = 0
    for stem, surface, start in _significant(sentence):
        yield stem, surface
        if before is not None and not sentence[end:start].strip():
            yield f"{before[0]} {stem}", f"{before[1]} {surface}"
        before, end = (stem, surface), start + len(surface)


def _significant(text: str) -> Iterator[tuple[str, str, int]]:
    for match in _WORD.finditer(text):
        bare = re.split("['’]", match.group(), maxsplit=1)[0]
        word = bare.casefold()
        if len(bare) >= _SHORTEST and word not in _COMMON:
            yield _stem(word), bare, match.start()


def _stem(word: str) -> str:
    """Return what a word shares with its plural and its forms on -ed and -ing, roughly."""
    if word.endswith("ies") and len(word) > _LEAST_STEM + 1:
        word = word[:-3] + "y"
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= _LEAST_STEM:
            word = word if word.endswith("ss") else word.removesuffix(ending)
            break
    word = word.removesuffix("e") if len(word) > _LEAST_STEM else word
    is_doubled = len(word) > _LEAST_STEM and word[-1] == word[-2]
    return word[:-1] if is_doubled else word
