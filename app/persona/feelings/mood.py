"""How a mood fades towards its baseline, and how an answer moves it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.persona.feelings.values import DIMENSIONS, NEUTRAL, Affect, blend, clamped

HALF_LIVES = {
    "valence": timedelta(hours=12),
    "arousal": timedelta(hours=4),
    "dominance": timedelta(hours=24),
}
_MOST_PULL = 0.5
_HALF_PULL = 2.0
_MOVED = 0.1


@dataclass(frozen=True, kw_only=True)
class Mood:
    """A mood at an instant; what brought it about, where that is known."""

    at: datetime
    affect: Affect
    run_id: str | None = None
    source: str | None = None
    origin: str | None = None


def decayed(mood: Affect, span: timedelta, baseline: Affect = NEUTRAL) -> Affect:
    """Return what is left of a mood after a span: half of its distance from the baseline after
    each half-life. A negative span (the clock was put back) changes nothing."""
    seconds = max(span.total_seconds(), 0.0)
    left = (
        getattr(baseline, name)
        + (getattr(mood, name) - getattr(baseline, name))
        * 0.5 ** (seconds / HALF_LIVES[name].total_seconds())
        for name in DIMENSIONS
    )
    return clamped(*left)


def pull(evidence: float) -> float:
    """Return how far an answer moves the mood towards itself, 0 to 0.5, by the words (or words'
    worth) of feeling in it: two of them move it a quarter of the way."""
    evidence = max(evidence, 0.0)
    return _MOST_PULL * evidence / (evidence + _HALF_PULL)


def moved(mood: Affect, towards: Affect, weight: float) -> Affect:
    """Return the mood moved by this share of the way."""
    return blend([(mood, 1.0 - weight), (towards, weight)])


def recent_pattern(moods: Sequence[Affect]) -> str:
    """Say in a sentence where the last moods were going; they are oldest first."""
    if len(moods) < 2:
        return "There are too few moods for a pattern."
    half = len(moods) // 2
    before, after = (
        sum(mood.valence for mood in part) / len(part) for part in (moods[:half], moods[half:])
    )
    way = "holds" if abs(after - before) < _MOVED else "rises" if after > before else "falls"
    return (
        f"Valence {way} over the last {len(moods)} moods: "
        f"{before:.2f} on average in the older half, {after:.2f} in the newer."
    )
