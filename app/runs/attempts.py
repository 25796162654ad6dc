"""The runs that go on in this process, each from its claim until its outcome is stored.

A run waits for its turn, asks its persona, and is closed: what it changed in the space is looked
at, for all together that ended meanwhile. It holds a place only while it asks. Where answers come
quickly a few runs are claimed ahead of the places that are about to be free.
"""

import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import timedelta
from math import inf

import structlog

from app.core.clock import Clock
from app.runs.crew import Crew
from app.runs.run import Claim, Outcome
from app.runs.runner import Answered, Runner

log = structlog.get_logger(__name__)

MANY_LEAVING = 500
_LEAVING_A_PLACE = 3
_SHORTEST_REST = timedelta(milliseconds=100)
_LONGEST_REST = timedelta(seconds=1)
_QUICK = timedelta(milliseconds=500)
"""Of personas that take longer nothing is claimed ahead: it would wait, and is to begin at once."""
_LATELY = timedelta(milliseconds=50)
"""As long as it takes to claim: as many places become free meanwhile as in the same time before."""

_Going = tuple[Claim, threading.Event]
"""A run that goes on, and what tells it to end."""


@dataclass(frozen=True, kw_only=True)
class Room:
    """How many runs may be claimed here now, and how many that go on here need no place yet, or no
    longer."""

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
        self._places = inf
        self._ahead: deque[tuple[float, _Going]] = deque()
        self._quick_answers: deque[float] = deque()
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

        There is none while many wait to be closed. Where places become free quickly there is more:
        what begins beyond the places waits for the next one that is free.
        """
        with self._lock:
            self._places = places
            waiting, soon = len(self._ahead), min(self._free_soon(), places)
            leaving = len(self._going_on) - self._asking - waiting
            is_crowded = leaving > max(MANY_LEAVING, _LEAVING_A_PLACE * places)
            # several are claimed at a time, for a claim costs the same for one and for many
            is_enough = 2 * waiting > soon
            free = 0 if is_crowded or is_enough else places + soon - self._asking - waiting
            return Room(free=max(free, 0), beside=leaving + len(self._ended) + soon)

    def begin(self, claims: Sequence[Claim]) -> None:
        """Let runs ask, those for which there is no place as soon as there is one."""
        now = self._clock.monotonic()
        with self._lock:
            for claim in claims:
                going = (claim, threading.Event())
                self._going_on[_key(claim)] = going
                self._ahead.append((now, going))
            starting = list(iter(self._next, None))
        for going in starting:
            try:
                self._pool.submit(self._ask, going)
            except RuntimeError:
                # the machine has no more threads: it waits until one of those there are is free
                log.exception("run.waits_for_a_thread", run_id=going[0].run_id)

    def give_up(self, span: timedelta) -> list[Claim]:
        """Return those that have waited for a place for so long: they will not begin here.

        They are held until `forget` is called.
        """
        end = self._clock.monotonic() - span.total_seconds()
        given_up = []
        with self._lock:
            while self._ahead and self._ahead[0][0] <= end:
                given_up.append(self._ahead.popleft()[1][0])
        return given_up

    def forget(self, claims: Sequence[Claim]) -> None:
        """Hold these no longer."""
        with self._lock:
            for claim in claims:
                self._going_on.pop(_key(claim), None)

    def _free_soon(self) -> int:
        """Return how many places may be free by the time that a run is claimed."""
        end = self._clock.monotonic() - _LATELY.total_seconds()
        while self._quick_answers and self._quick_answers[0] < end:
            self._quick_answers.popleft()
        return len(self._quick_answers)

    def _next(self) -> _Going | None:
        """Give the run that waits longest a place, if there are both."""
        if not self._ahead or self._asking >= self._places:
            return None
        self._asking += 1
        return self._ahead.popleft()[1]

    # ---- from thread to thread

    def _ask(self, going: _Going | None) -> None:
        while going is not None:
            began = self._clock.monotonic()
            answered = self._runner.ask(*going)
            took = timedelta(seconds=self._clock.monotonic() - began)
            going, is_seen_to = self._leave(answered, took)
            self._on_progress()
            if not is_seen_to:
                self._closers.submit(self.close)

    def _leave(self, answered: Answered, took: timedelta) -> tuple[_Going | None, bool]:
        """Give the place to the run that waits for it; return that, and whether somebody closes
        the one that answered."""
        with self._lock:
            self._asking -= 1
            if took < _QUICK:
                self._quick_answers.append(self._clock.monotonic())
            self._answered.append(answered)
            # who looks at the space goes on with those that came meanwhile
            is_seen_to = self._looking and answered.is_silent
            following = self._next()
            if following is not None:
                claim, cancelled = following
                following = replace(claim, started_at=self._clock.now()), cancelled
        return following, is_seen_to

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
