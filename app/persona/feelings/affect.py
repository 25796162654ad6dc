"""What feeling the words of a text carry: arithmetic on a lexicon, no understanding. Pure.

The formulas are in docs/reference/feelings.md. Linear in the text, of which the first MiB is read.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.persona.feelings.lexicon import Lexicon, Role, Term, straightened
from app.persona.feelings.scope import Unit, turned
from app.persona.feelings.values import MIDDLE, NEUTRAL, Affect, clamped

MOST_CHARACTERS = 1024 * 1024
MOST_WORDS_SHOWN = 50
_SHOUTED = 1.25
_SIGN_WEIGHT = 0.5
_AFTER_CONTRAST = 2.0
_WORDS_PER_FEELING = 50
_TRIMMED = 10
_FROM_SENTENCES = 5

_TOKEN = re.compile(
    r"(?P<word>[^\W\d_]+(?:'[^\W\d_]+)*)"
    r"|(?P<sign>(?<!\S)[:;=]'?-?[()D](?!\w)|[\u2600-\u27bf\U0001f300-\U0001faff])"
    r"|(?P<marks>[!?]+)"
    r"|(?P<end>[.…]+(?!\w)|\n[ \t]{0,20}(?:\n|[-*+#>]|\d{1,3}[.)]))"
    r"|(?P<pause>[,;:()\[\]—–|\"“”]+)"
)
Deviation = tuple[float, float, float]
"""How far a feeling is from neutral, in valence, arousal and dominance."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The affect of a text: from `count` words that carry feeling, out of `total`.

    `words` are the different ones as they were found, at most fifty, with how each was counted:
    its valence after negation and strength.
    """

    affect: Affect = NEUTRAL
    count: int = 0
    total: int = 0
    words: Sequence[tuple[str, float]] = ()


@dataclass(frozen=True, kw_only=True)
class _Felt:
    """A feeling as it stands in its sentence."""

    text: str
    deviation: Deviation
    weight: float


class _Sentence:
    """Clauses of words, and how it ends."""

    def __init__(self) -> None:
        self.clauses: list[list[str]] = [[]]
        self.total = self.exclaimed = self.asked = self._shouted = 0
        self.ended = False

    def take(self, word: str) -> None:
        self.clauses[-1].append(word)
        self.total += 1
        self._shouted += _is_shouted(word)

    def pause(self) -> None:
        if self.clauses[-1]:
            self.clauses.append([])

    def end(self, marks: str) -> None:
        self.ended = True
        self.exclaimed += marks.count("!")
        self.asked += marks.count("?")

    @property
    def energy(self) -> float:
        """How much arousal the way of writing adds: marks and capitals."""
        share = self._shouted / self.total if self._shouted > 1 else 0.0
        again = max(self.asked - 1, 0)
        return 0.04 * min(self.exclaimed, 3) + 0.04 * min(again, 3) + 0.15 * share


def read_affect(text: str, lexicon: Lexicon) -> Reading:
    """Return the affect of a text; neutral where no word of it carries feeling. Never raises."""
    means: list[Deviation] = []
    shown: dict[str, float] = {}
    count = total = sentences = 0
    energy = 0.0
    for sentence in _sentences(straightened(text[:MOST_CHARACTERS])):
        sentences += 1
        total += sentence.total
        energy += sentence.energy
        found = _felt(sentence, lexicon)
        if found:
            count += len(found)
            means.append(_mean(found))
            if len(shown) < MOST_WORDS_SHOWN:
                shown |= {felt.text: _shown(felt.deviation[0]) for felt in found}
    valence, arousal, dominance = _robust_mean(means)
    density = count / (count + total / _WORDS_PER_FEELING) if count else 0.0
    return Reading(
        affect=clamped(
            valence * density,
            MIDDLE + arousal * density + energy / max(sentences, 1),
            MIDDLE + dominance * density,
        ),
        count=count,
        total=total,
        words=list(shown.items())[:MOST_WORDS_SHOWN],
    )


def _sentences(text: str) -> Iterator[_Sentence]:
    sentence = _Sentence()
    for match in _TOKEN.finditer(text):
        if match.lastgroup in {"word", "sign"}:
            if sentence.ended:
                yield sentence
                sentence = _Sentence()
            sentence.take(match.group())
        elif match.lastgroup == "pause":
            sentence.pause()
        elif sentence.total:
            sentence.end(match.group())
    if sentence.total:
        yield sentence


def _felt(sentence: _Sentence, lexicon: Lexicon) -> list[_Felt]:
    louder = 1.0 + 0.1 * min(sentence.exclaimed, 3)
    found: list[_Felt] = []
    weight = 1.0
    for clause in sentence.clauses:
        units = _units(clause, lexicon)
        for unit, factor in turned(units):
            if unit.role is Role.CONTRAST:
                weight = _AFTER_CONTRAST
            elif unit.feeling is not None:
                scale = factor * louder * (_SHOUTED if unit.shouted else 1.0)
                found.append(
                    _Felt(
                        text=unit.text,
                        deviation=_deviation(unit.feeling, scale),
                        weight=weight * (_SIGN_WEIGHT if unit.is_sign else 1.0),
                    )
                )
    return found


def _units(words: Sequence[str], lexicon: Lexicon) -> list[Unit]:
    plain = [word.lower() for word in words]
    units: list[Unit] = []
    at = 0
    while at < len(plain):
        unit, length = _unit_at(plain, words, at, lexicon)
        units.append(unit)
        at += length
    return units


def _unit_at(
    plain: Sequence[str], words: Sequence[str], at: int, lexicon: Lexicon
) -> tuple[Unit, int]:
    for length in range(lexicon.longest.get(plain[at], 0), 0, -1):
        term = tuple(plain[at : at + length])
        if len(term) == length and (term in lexicon.feelings or term in lexicon.turns):
            return _unit(term, words[at : at + length], lexicon), length
    owned = plain[at].removesuffix("'s")
    if (owned,) in lexicon.feelings:
        return _unit((owned,), words[at : at + 1], lexicon), 1
    if not plain[at][0].isalpha() and (words[at],) in lexicon.feelings:
        return _unit((words[at],), words[at : at + 1], lexicon), 1
    return Unit(text=plain[at]), 1


def _unit(term: Term, words: Sequence[str], lexicon: Lexicon) -> Unit:
    return Unit(
        text=" ".join(term),
        feeling=lexicon.feelings.get(term),
        turn=lexicon.turns.get(term),
        is_sign=not term[0][0].isalpha(),
        shouted=all(_is_shouted(word) for word in words),
    )


def _is_shouted(word: str) -> bool:
    return len(word) > 1 and word.isupper()


def _deviation(feeling: Affect, scale: float) -> Deviation:
    neutral = NEUTRAL
    return (
        (feeling.valence - neutral.valence) * scale,
        (feeling.arousal - neutral.arousal) * scale,
        (feeling.dominance - neutral.dominance) * scale,
    )


def _mean(found: Sequence[_Felt]) -> Deviation:
    total = sum(felt.weight for felt in found)
    valence, arousal, dominance = (
        sum(felt.deviation[number] * felt.weight for felt in found) / total for number in range(3)
    )
    return valence, arousal, dominance


def _shown(valence: float) -> float:
    return round(min(max(valence, -1.0), 1.0), 2) + 0.0


def _robust_mean(means: Sequence[Deviation]) -> Deviation:
    """Return the mean of sentences; of five and more the outermost tenth on each side is left out,
    at least one, by each dimension."""
    if not means:
        return 0.0, 0.0, 0.0
    cut = max(len(means) // _TRIMMED, 1) if len(means) >= _FROM_SENTENCES else 0
    valence, arousal, dominance = (
        _trimmed(sorted(column), cut) for column in zip(*means, strict=True)
    )
    return valence, arousal, dominance


def _trimmed(values: Sequence[float], cut: int) -> float:
    kept = values[cut : len(values) - cut]
    return sum(kept) / len(kept)
