"""How much work a benchmark does."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, kw_only=True)
class Scale:
    """`few` and `many` tasks, `results` in the ledger, `repeats` of what is short.

    `places` are the sizes of the pool of a slow persona that answers after `patience`, `span` is
    how long something is watched, `firings` how many single ones.
    """

    few: int
    many: int
    results: int
    repeats: int
    places: tuple[int, ...]
    patience: timedelta
    span: timedelta
    firings: int


FULL = Scale(
    few=1_000,
    many=10_000,
    results=100_000,
    repeats=3,
    places=(64, 256),
    patience=timedelta(milliseconds=200),
    span=timedelta(seconds=10),
    firings=20,
)
QUICK = Scale(
    few=200,
    many=1_000,
    results=10_000,
    repeats=1,
    places=(64,),
    patience=timedelta(milliseconds=200),
    span=timedelta(seconds=2),
    firings=3,
)
TINY = Scale(
    few=5,
    many=20,
    results=100,
    repeats=1,
    places=(4,),
    patience=timedelta(milliseconds=10),
    span=timedelta(seconds=0.3),
    firings=1,
)
