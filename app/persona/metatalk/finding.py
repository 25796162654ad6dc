"""Finds the sentences in which a persona talks about being a machine instead of living. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.persona.metatalk.canonical import canonical, unquoted
from app.persona.metatalk.rules import RULES, Rule
from app.persona.metatalk.sentences import blocks

_SAYS = (
    "(?:said|says|say|told|tells|tell|asked|asks|ask|thinks|thought|think|believes|believed|believe|"
    "assumes|assumed|assume|claims|claimed|claim|insists|insisted|insist|suggests|suggested|wrote|"
    "writes|write|explained|explains|fears|hopes|imagines|argues|argued)"
)
_REPORTED = re.compile(
    f" (?!i |you )\\w{{1,30}} {_SAYS}(?: (?:me|us|him|her|them|you))?"
    "(?: ,| :)?(?: that| if| whether)?$"
)
_UNSURE = re.compile(" (?:if|whether|than|like|though)$")
_ATTRIBUTED = re.compile(f" , (?!i )(?:the |my |her |his )?\\w{{1,30}} {_SAYS} ")
_WINDOW = 120
_APART = "\n"
"""Stands in no sentence, so nothing is found, or missed, across two of them."""

_SHORTEST = len("I'm an AI")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A sentence of meta-talk and the first rule that it falls under; its place in the text."""

    rule: str
    sentence: str
    start: int
    end: int


def find_metatalk(text: str, rules: Sequence[Rule] = RULES) -> list[Finding]:
    """Return the sentences in which the persona itself does meta-talk, in order.

    What others are quoted or reported to say, and code, is not the persona's own talk.
    """
    sentences = [(start, end, canonical(own)) for start, end, own in _own_sentences(text)]
    # nearly no text has any: that is to cost no more than one search a rule
    together = _APART.join(sentence for *_, sentence in sentences)
    likely = [rule for rule in rules if rule.pattern.search(together) is not None]
    return [
        Finding(rule=rule.name, sentence=text[start:end], start=start, end=end)
        for start, end, sentence in sentences
        if (rule := _rule_of(sentence, likely)) is not None
    ]


def _own_sentences(text: str) -> Iterator[tuple[int, int, str]]:
    for block in blocks(text):
        if block.end - block.inside < _SHORTEST:
            continue
        spoken = unquoted(text[block.inside : block.end])
        for start, end in block.sentences:
            if end - start >= _SHORTEST:
                yield start, end, spoken[start - block.inside : end - block.inside]


def _rule_of(sentence: str, rules: Sequence[Rule]) -> Rule | None:
    return next((rule for rule in rules if _breaks(sentence, rule)), None)


def _breaks(sentence: str, rule: Rule) -> bool:
    return any(_is_own(sentence, match) for match in rule.pattern.finditer(sentence))


def _is_own(sentence: str, match: re.Match[str]) -> bool:
    """Say whether the persona states it, rather than somebody else or a question."""
    before = sentence[max(0, match.start() - _WINDOW) : match.start()]
    after = sentence[match.end() - 1 : match.end() + _WINDOW]
    return not (_REPORTED.search(before) or _UNSURE.search(before) or _ATTRIBUTED.search(after))
