"""Sentences with negations: the rules are written from one half and judged by the other."""

import json
from dataclasses import dataclass
from pathlib import Path

from app.persona.feelings.affect import read_affect
from app.persona.feelings.lexicon import english

LEAST = 0.02
"""So far from neutral is what has a sign at all."""

MOST_EVEN = 0.2
"""No farther from neutral is what is neither pleasant nor unpleasant."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A sentence; `valence` is 1, -1 or 0, `arousal` high or low where that is clear."""

    text: str
    valence: int
    arousal: str | None = None

    @property
    def is_read_right(self) -> bool:
        """Whether the signs of what it reads as are those of what it says."""
        affect = read_affect(self.text, english()).affect
        stirred = {"high": affect.arousal - 0.5, "low": 0.5 - affect.arousal, None: 1.0}
        return stirred[self.arousal] > LEAST and (
            abs(affect.valence) < MOST_EVEN
            if self.valence == 0
            else affect.valence * self.valence > LEAST
        )


def negations(part: str) -> list[Sample]:
    """Return the half called `development` or `held_out`."""
    path = Path(__file__).with_name(f"negation_{part}.jsonl")
    return [Sample(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
