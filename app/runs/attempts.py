"""The runs that go on in this process, each from its claim until its outcome is stored.

A run waits for its turn, asks its persona, and is closed: what it changed in the space is looked
at, for all together that ended meanwhile. It holds a place only while it asks.
"""

import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import timedelta

import structlog

from app.core.clock import Clock
from app.runs.crew import Crew
from app.runs.ledger import Claim
from app.runs.run import Outcome
from app.runs.runner import Answered, Runner

log = structlog.get_logger(__name__)

MANY_LEAVING = 500
_LEAVING_A_PLACE = 3
_SHORTEST_REST = timedelta(milliseconds=100)
_LONGEST_REST = timedelta(seconds=1)

_Going = tuple[Claim, threading.Event]
"""A run that goes on, and what tells it to end."""


@dataclass(frozen=True, kw_only=True)
class Room:
    """How many runs may begin here now, and how many that go on here take no place."""

    free: int
    beside: int


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
        pool: Crew | Executor,
        closers: Executor,
        on_progress: Callable[[], None],
    ) -> None:
        self._runner = runner
        self._clock = clock
        self._pool = pool
        self._closers = closers
        self._on_progress = on_progress
        self._lock = threading.Lock()
        # a process that stood still may claim a run again whose attempt it has not ended yet
        self._going_on: dict[tuple[str, int], _Going] = {}
        self._asking = 0
        self._hurry = threading.Event()
        self._answered: list[Answered] = []
        self._looking = False
        self._ended: deque[tuple[Claim, Outcome]] = deque()
        self._storing: list[tuple[Claim, Outcome]] = []

    def held(self) -> set[str]:
        """Return the ids of the runs that go on here, or whose end is still to be stored."""
        with self._lock:
            ended = [*self._ended, *self._storing]
            return {claim.run_id for claim, _ in (*self._going_on.values(), *ended)}

    def goes_on(self, run_id: str) -> bool:
        """Say whether a run goes on here."""
        with self._lock:
            return any(claim.run_id == run_id for claim, _ in self._going_on.values())

    @property
    def count(self) -> int:
        """How many runs go on here."""
        return len(self._going_on)

    @property
    def is_idle(self) -> bool:
        """Whether nothing goes on and nothing is to be stored."""
        with self._lock:
            return not (self._going_on or self._ended or self._storing)

    # ---- places

    def room(self, places: int) -> Room:
        """Return what room there is where so many runs may ask at one time.

        There is none while many wait to be closed.
        """
        with self._lock:
            leaving = len(self._going_on) - self._asking
            is_crowded = leaving > max(MANY_LEAVING, _LEAVING_A_PLACE * places)
            free = 0 if is_crowded else max(places - self._asking, 0)
            return Room(free=free, beside=leaving + len(self._ended))

    def begin(self, claims: Sequence[Claim]) -> None:
        """Let runs ask."""
        starting = [(claim, threading.Event()) for claim in claims]
        with self._lock:
            for going in starting:
                self._going_on[_key(going[0])] = going
            self._asking += len(starting)
        for going in starting:
            try:
                self._pool.submit(self._ask, going)
            except RuntimeError:
                # the machine has no more threads: it waits until one of those there are is free
                log.exception("run.waits_for_a_thread", run_id=going[0].run_id)

    # ---- from thread to thread

    def _ask(self, going: _Going) -> None:
        answered = self._runner.ask(*going)
        with self._lock:
            self._asking -= 1
            self._answered.append(answered)
            # who looks at the space goes on with those that came meanwhile
            is_seen_to = self._looking and answered.is_silent
        self._on_progress()
        if not is_seen_to:
            self._closers.submit(self.close)

    def close(self) -> None:
        """Give outcomes to those that have answered, unless somebody does already."""
        while closing := self._those_to_close():
            together = closing[0].is_silent
            began = self._clock.monotonic()
            try:
                for answered, outcome in self._runner.close(closing, self._hurry):
                    with self._lock:
                        self._ended.append((answered.claim, outcome))
                        self._going_on.pop(_key(answered.claim), None)
                    self._on_progress()
                if together and len(closing) > 1:
                    # in a crowd more runs come together for the next look at the space
                    took = timedelta(seconds=self._clock.monotonic() - began)
                    rest = min(max(_SHORTEST_REST, took), _LONGEST_REST)
                    self._clock.wait(self._hurry, rest)
            finally:
                if together:
                    self._looking = False

    def _those_to_close(self) -> list[Answered]:
        """Take all for which one look at the space does, unless somebody looks already; else one of
        the others."""
        with self._lock:
            silent = [each for each in self._answered if each.is_silent]
            others = [each for each in self._answered if not each.is_silent]
            if silent and not self._looking:
                self._looking, self._answered = True, others
                return silent
            self._answered = silent + others[1:]
            return others[:1]

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

    def cancel_some(self, run_ids: Collection[str]) -> None:
        """Tell these runs to end, those of them that go on here."""
        with self._lock:
            told = [each for each in self._going_on.values() if each[0].run_id in run_ids]
        for _, cancelled in told:
            cancelled.set()

    def cancel(self) -> list[Claim]:
        """Tell all runs that go on to end; return them."""
        self._hurry.set()
        with self._lock:
            left = list(self._going_on.values())
        for _, cancelled in left:
            cancelled.set()
        return [claim for claim, _ in left]

    def shut(self) -> None:
        """Take no more work."""
        self._pool.shutdown(wait=False)
        self._closers.shutdown(wait=False)


def _key(claim: Claim) -> tuple[str, int]:
    return claim.run_id, claim.attempt
