"""Affect: three numbers for a feeling, and what can be done with them. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

DIMENSIONS = ("valence", "arousal", "dominance")
MIDDLE = 0.5
_PLEASANT = ((0.6, "very pleasant"), (0.2, "pleasant"), (-0.2, "neither pleasant nor unpleasant"))
_AROUSED = ((0.7, "agitated"), (0.58, "lively"), (0.42, "even"), (0.3, "quiet"))
_STRONG = ((0.65, "strong"), (0.42, "steady"), (0.3, "unsure"))


@dataclass(frozen=True, kw_only=True)
class Affect:
    """A feeling: valence -1 (bad) to 1 (good), arousal 0 (calm) to 1, dominance 0 (weak) to 1.

    Raises ValueError for what is outside of that, or no number.
    """

    valence: float
    arousal: float
    dominance: float

    def __post_init__(self) -> None:
        ranges = ((self.valence, -1.0), (self.arousal, 0.0), (self.dominance, 0.0))
        for value, least in ranges:
            if not least <= value <= 1.0:  # nan is not either
                raise ValueError(f"{value!r} is not between {least:g} and 1")

    def as_dict(self) -> dict[str, float]:
        """Return the three numbers by name, rounded to three places."""
        return {name: round(getattr(self, name), 3) + 0.0 for name in DIMENSIONS}

    def in_words(self) -> str:
        """Say it in three words or so."""
        return ", ".join(
            (
                _band(self.valence, _PLEASANT, "unpleasant")
                if self.valence > -0.6
                else "very unpleasant",
                _band(self.arousal, _AROUSED, "calm"),
                _band(self.dominance, _STRONG, "powerless"),
            )
        )

    def in_numbers(self) -> str:
        """Say it in numbers."""
        return ", ".join(f"{name} {value:.2f}" for name, value in self.as_dict().items())


NEUTRAL = Affect(valence=0.0, arousal=MIDDLE, dominance=MIDDLE)


def clamped(valence: float, arousal: float, dominance: float) -> Affect:
    """Return the nearest affect; what is no number counts as neutral."""
    return Affect(
        valence=_within(valence, -1.0, 0.0),
        arousal=_within(arousal, 0.0, MIDDLE),
        dominance=_within(dominance, 0.0, MIDDLE),
    )


def blend(parts: Sequence[tuple[Affect, float]]) -> Affect:
    """Return the mean of affects by weight; neutral where nothing weighs anything."""
    total = sum(weight for _, weight in parts)
    if total <= 0:
        return NEUTRAL
    means = (
        sum(getattr(affect, name) * weight for affect, weight in parts) / total
        for name in DIMENSIONS
    )
    return clamped(*means)


def distance(one: Affect, other: Affect) -> float:
    """Return how far two affects are apart: 0 the same, 1 opposite corners."""
    gaps = differences(one, other)
    squares = (gaps["valence"] / 2) ** 2 + gaps["arousal"] ** 2 + gaps["dominance"] ** 2
    return min(math.sqrt(squares / 3), 1.0)


def differences(one: Affect, other: Affect) -> Mapping[str, float]:
    """Return by how much the first is above the other, by dimension."""
    return {name: getattr(one, name) - getattr(other, name) for name in DIMENSIONS}


def _within(value: float, least: float, otherwise: float) -> float:
    return otherwise if math.isnan(value) else min(max(value, least), 1.0)


def _band(value: float, bands: Sequence[tuple[float, str]], lowest: str) -> str:
    return next((word for least, word in bands if value >= least), lowest)
