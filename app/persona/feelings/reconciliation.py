"""The inner view and the outer view of one answer, weighed against each other. Pure.

The dict keeps the keys that older tools know, in plain sentences, and adds the numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.core.instants import write_instant
from app.persona.feelings.affect import Reading, read_affect
from app.persona.feelings.assessment import Inner
from app.persona.feelings.lexicon import Lexicon
from app.persona.feelings.values import (
    DIMENSIONS,
    NEUTRAL,
    Affect,
    blend,
    clamped,
    differences,
    distance,
)

OUTER_WEIGHT = 0.6
INNER_WEIGHT = 0.4
INNER_EVIDENCE = 4
"""An inner view moves the mood as so many words of feeling do."""

_MOST_TEXT = 2_000
_MOST_WORDS = 8
_GAP = 0.2
_ALIGNED = (
    (0.1, "The inner and the outer view agree"),
    (0.25, "The inner and the outer view are near each other"),
    (0.45, "The inner and the outer view are apart"),
)
_FAR = "The inner and the outer view contradict each other"
_MORE = {
    "valence": ("more pleasant", "less pleasant"),
    "arousal": ("more stirred", "calmer"),
    "dominance": ("more in control", "less in control"),
}


@dataclass(frozen=True, kw_only=True)
class View:
    """One view of a state: its affect, None where it says nothing that counts, and its words.

    `evidence` is how many words of feeling it is worth.
    """

    affect: Affect | None
    text: str
    evidence: int = 0


@dataclass(frozen=True, kw_only=True)
class Reconciliation:
    """What came of weighing; `distance` is that of the two views, None where one is missing."""

    internal_assessment: str
    external_assessment: str
    alignment: str
    gaps: Sequence[str]
    reconciled_state: str
    learning_signal: str
    timestamp: str
    inner: Affect | None
    outer: Affect | None
    reconciled: Affect
    distance: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "internal_assessment": self.internal_assessment,
            "external_assessment": self.external_assessment,
            "alignment": self.alignment,
            "gaps": list(self.gaps),
            "reconciled_state": self.reconciled_state,
            "learning_signal": self.learning_signal,
            "timestamp": self.timestamp,
            "inner": _numbers(self.inner),
            "outer": _numbers(self.outer),
            "reconciled": _numbers(self.reconciled),
            "distance": None if self.distance is None else round(self.distance, 3),
        }


def inner_view(inner: Inner, lexicon: Lexicon) -> View:
    """Return what a persona says of itself: its numbers, and for missing ones what its prose reads
    as, more or less of it by the strength that it names."""
    reading = read_affect(" ".join(inner.prose.values()) or inner.text, lexicon)
    given = {name: getattr(inner, name) for name in DIMENSIONS}
    if not reading.count and all(value is None for value in given.values()):
        return View(affect=None, text=inner.text)
    scale = 1.0 if inner.strength is None else 0.5 + inner.strength
    read = {
        name: getattr(NEUTRAL, name) + away * scale
        for name, away in differences(reading.affect, NEUTRAL).items()
    }
    values = (read[name] if given[name] is None else given[name] for name in DIMENSIONS)
    return View(affect=clamped(*values), text=inner.text, evidence=INNER_EVIDENCE)


def outer_view(reading: Reading, told: str | None, lexicon: Lexicon) -> View:
    """Return how an answer looks from outside: what its words read as and, half of it, what was
    told about it by somebody who was asked."""
    told = (told or "").strip()
    counted = [one for one in (reading, read_affect(told, lexicon)) if one.count]
    text = _read_as(reading)
    if told:
        text += f" Asked for it, a model says: {told[:_MOST_TEXT]}"
    affect = blend([(one.affect, 1.0) for one in counted]) if counted else None
    return View(affect=affect, text=text, evidence=sum(one.count for one in counted))


def reconcile(
    inner: View | None, outer: View, at: datetime, previous_mood: Affect
) -> Reconciliation:
    """Weigh both views, 60 % outer and 40 % inner; where one says nothing, take the other one."""
    felt = inner.affect if inner is not None else None
    seen = outer.affect
    apart = distance(felt, seen) if felt is not None and seen is not None else None
    parts = [(one, weight) for one, weight in ((seen, OUTER_WEIGHT), (felt, INNER_WEIGHT)) if one]
    reconciled = blend(parts)
    gaps = _gaps(felt, seen) if felt is not None and seen is not None else []
    return Reconciliation(
        internal_assessment=inner.text[:_MOST_TEXT] if inner else "No inner view was given.",
        external_assessment=outer.text,
        alignment=_alignment(inner is not None, felt, seen),
        gaps=gaps,
        reconciled_state=f"{reconciled.in_words()} ({reconciled.in_numbers()}); {_how(felt, seen)}",
        learning_signal=_signal(gaps, reconciled, previous_mood),
        timestamp=write_instant(at),
        inner=felt,
        outer=seen,
        reconciled=reconciled,
        distance=apart,
    )


def _read_as(reading: Reading) -> str:
    if not reading.count:
        return "No word of the answer carries a feeling that is known."
    strongest = sorted(reading.words, key=lambda word: -abs(word[1]))[:_MOST_WORDS]
    words = ", ".join(f"{word} ({valence:+.2f})" for word, valence in strongest)
    return (
        f"The words of the answer read as {reading.affect.in_words()} "
        f"({reading.affect.in_numbers()}): {words}."
    )


def _alignment(was_given: bool, felt: Affect | None, seen: Affect | None) -> str:
    if felt is None or seen is None:
        if not was_given:
            return "There is only an outer view; no inner view was given to compare it with."
        missing = "inner" if felt is None else "outer"
        return f"There is nothing to compare: the {missing} view names no feeling that is known."
    apart = distance(felt, seen)
    said = next((text for most, text in _ALIGNED if apart < most), _FAR)
    return f"{said}: their distance is {apart:.2f} of 1."


def _gaps(felt: Affect, seen: Affect) -> list[str]:
    gaps = []
    for name, away in differences(felt, seen).items():
        if abs(away) >= _GAP:
            more, less = _MORE[name]
            gaps.append(
                f"From inside it is {more if away > 0 else less} than it looks: "
                f"{name} {getattr(felt, name):.2f} against {getattr(seen, name):.2f}."
            )
    return gaps


def _how(felt: Affect | None, seen: Affect | None) -> str:
    if felt is not None and seen is not None:
        return f"weighed {OUTER_WEIGHT:.0%} outer view, {INNER_WEIGHT:.0%} inner view."
    if felt is None and seen is None:
        return "neither view names a feeling, so it counts as neutral."
    return f"from the {'outer' if felt is None else 'inner'} view only."


def _signal(gaps: Sequence[str], reconciled: Affect, previous_mood: Affect) -> str:
    away = differences(reconciled, previous_mood)
    moved = [
        f"{_MORE[name][0] if value > 0 else _MORE[name][1]} ({name} {value:+.2f})"
        for name, value in away.items()
        if abs(value) >= _GAP
    ]
    then = (
        f"Compared with the mood before it is {', '.join(moved)}."
        if moved
        else "It is close to the mood before."
    )
    if gaps:
        return f"What is shown differs from what is felt in {len(gaps)} of 3 measures. {then}"
    return then


def _numbers(affect: Affect | None) -> Mapping[str, float] | None:
    return affect.as_dict() if affect is not None else None
