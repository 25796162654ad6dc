"""The runs that go on in this process, each from its claim until its outcome is stored.

A run waits for its turn, asks its persona, and is closed: what it changed in the space is looked
at, for all together that ended meanwhile. It holds a place only while it asks.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from datetime import timedelta

from app.core.clock import Clock
from app.runs.ledger import Claim
from app.runs.run import Outcome
from app.runs.runner import Answered, Runner

_QUICK = timedelta(seconds=1)
_AHEAD = 4
_MOST_LEAVING = 3
_UNKNOWN = timedelta(days=1).total_seconds()
_WEIGHT_OF_LAST = 0.2
_REST = timedelta(milliseconds=100)


class Attempts:
    """Runs claims on `pool`, which has a thread for each place; closes them on `closers`.

    `on_progress` is called whenever a place is free or an outcome is there. Safe to use by several
    threads.
    """

    def __init__(
        self,
        runner: Runner,
        clock: Clock,
        *,
        pool: Executor,
        closers: Executor,
        on_progress: Callable[[], None],
    ) -> None:
        self._runner = runner
        self._clock = clock
        self._pool = pool
        self._closers = closers
        self._on_progress = on_progress
        self._lock = threading.Lock()
        self._going_on: dict[str, tuple[Claim, threading.Event]] = {}
        self._asking = 0
        self._places = 0
        self._next: deque[Claim] = deque()
        self._answered: list[Answered] = []
        self._looking = False
        self._ended: deque[tuple[Claim, Outcome]] = deque()
        self._storing: list[tuple[Claim, Outcome]] = []
        self._usual = _UNKNOWN

    def held(self) -> set[str]:
        """Return the ids of the runs that go on here, or whose end is still to be stored."""
        with self._lock:
            ended = [*self._ended, *self._storing]
            return {*self._going_on, *(claim.run_id for claim, _ in ended)}

    def goes_on(self, run_id: str) -> bool:
        """Say whether a run goes on here."""
        return run_id in self._going_on

    @property
    def count(self) -> int:
        """How many runs go on here."""
        return len(self._going_on)

    @property
    def is_idle(self) -> bool:
        """Whether nothing goes on and nothing is to be stored."""
        with self._lock:
            return not self._going_on and not self._ended

    @property
    def is_ahead(self) -> bool:
        """Whether runs wait here for a place, so that none is empty for a while."""
        return bool(self._next)

    # ---- places

    def wanted(self, places: int) -> tuple[int, int]:
        """Return how many claims are wanted where so many runs may ask at one time, and how many
        of those that go on here take no place.

        Of personas that answer within a second a quarter more is claimed ahead, so that no place
        is empty while the ledger is written. None is wanted while many wait to be closed.
        """
        with self._lock:
            self._places = places
            ahead = places // _AHEAD if self._usual <= _QUICK.total_seconds() else 0
            leaving = len(self._going_on) - self._asking - len(self._next)
            free = places + ahead - self._asking - len(self._next)
            if leaving > _MOST_LEAVING * places:
                free = 0
            return max(free, 0), ahead + leaving + len(self._ended)

    def begin(self, claims: Iterable[Claim]) -> None:
        """Let runs ask as soon as there is a place."""
        starting: list[Claim] = []
        with self._lock:
            for claim in claims:
                self._going_on[claim.run_id] = (claim, threading.Event())
                self._next.append(claim)
            while (first := self._taken()) is not None:
                starting.append(first)
        for claim in starting:
            self._pool.submit(self._ask, claim)

    def _taken(self) -> Claim | None:
        """Take the place of the next one, if there is one; the caller holds the lock."""
        if not self._next or self._asking >= self._places:
            return None
        self._asking += 1
        return self._next.popleft()

    # ---- from thread to thread

    def _ask(self, first: Claim) -> None:
        claim: Claim | None = first
        while claim is not None:
            began = self._clock.monotonic()
            answered = self._runner.ask(claim, self._going_on[claim.run_id][1])
            took = self._clock.monotonic() - began
            with self._lock:
                self._asking -= 1
                self._answered.append(answered)
                usual = min(self._usual, 2 * _QUICK.total_seconds())
                self._usual = usual + _WEIGHT_OF_LAST * (took - usual)
                claim = self._taken()
            self._on_progress()
            self._closers.submit(self._close)

    def _close(self) -> None:
        while closing := self._those_to_close():
            began = self._clock.monotonic()
            outcomes = self._runner.close(closing)
            with self._lock:
                for answered, outcome in zip(closing, outcomes, strict=True):
                    self._ended.append((answered.claim, outcome))
                    del self._going_on[answered.claim.run_id]
            self._on_progress()
            if closing[0].is_silent:
                self._rest(len(closing), timedelta(seconds=self._clock.monotonic() - began))
                self._looking = False

    def _rest(self, closed: int, took: timedelta) -> None:
        """In a crowd let more runs come together for the next look at the space."""
        if closed > 1:
            self._clock.wait(threading.Event(), max(_REST, took))

    def _those_to_close(self) -> list[Answered]:
        """Take all for which one look at the space does, unless somebody looks already; else one of
        the others."""
        with self._lock:
            together = [] if self._looking else [each for each in self._answered if each.is_silent]
            if together:
                self._looking = True
            else:
                together = [each for each in self._answered if not each.is_silent][:1]
            chosen = {each.claim.run_id for each in together}
            self._answered = [each for each in self._answered if each.claim.run_id not in chosen]
            return together

    # ---- outcomes

    def take_ended(self, most: int | None = None) -> list[tuple[Claim, Outcome]]:
        """Take outcomes to store them; they are held until `stored` is called."""
        # an outcome is in one list or the other at any time, or it would be taken for lost
        with self._lock:
            count = len(self._ended) if most is None else min(most, len(self._ended))
            self._storing = [self._ended.popleft() for _ in range(count)]
            return self._storing

    def stored(self) -> None:
        """Forget what was taken."""
        self._storing = []

    def give_back(self, ended: Sequence[tuple[Claim, Outcome]]) -> None:
        """Let outcomes be taken again first."""
        with self._lock:
            self._ended.extendleft(reversed(ended))

    # ---- the end

    def cancel(self) -> list[Claim]:
        """Tell all runs that go on to end; return them."""
        with self._lock:
            left = list(self._going_on.values())
        for _, cancelled in left:
            cancelled.set()
        return [claim for claim, _ in left]

    def shut(self) -> None:
        """Take no more work."""
        self._pool.shutdown(wait=False)
        self._closers.shutdown(wait=False)
