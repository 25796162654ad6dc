"""The runs that go on in this process, each from its claim until its outcome is stored.

A run waits for its turn, asks its persona, and is closed: what it changed in the space is looked
at, for all together that ended meanwhile. It holds a place only while it asks. Where answers come
quickly a few runs are claimed ahead of the places that are about to be free.
"""

import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
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
WAITS_FOR_A_PLACE = timedelta(seconds=1)

_Going = tuple[Claim, threading.Event]
"""A run that goes on, and what tells it to end."""


@dataclass(frozen=True, kw_only=True)
class Room:
    """How many runs ask here, how many more could, and how many may be claimed ahead.

    `beside` is how many go on here and take no place: they wait for one, or have left it.
    """

    asking: int
    idle: int
    ahead: int
    beside: int


class Attempts:
    """Runs claims on `pool`, which has a thread for each place; closes them on `closers`.

    `on_progress` is called whenever a place is free or an outcome is there. Once `draining` is set
    nothing begins any more. Safe to use by several threads.
    """

    def __init__(
        self,
        runner: Runner,
        clock: Clock,
        *,
        pool: Crew | Executor,
        closers: Executor,
        draining: threading.Event,
        on_progress: Callable[[], None],
    ) -> None:
        self._runner = runner
        self._clock = clock
        self._pool = pool
        self._closers = closers
        self._draining = draining
        self._on_progress = on_progress
        self._lock = threading.Lock()
        # a process that stood still may claim a run again whose attempt it has not ended yet
        self._going_on: dict[tuple[str, int], _Going] = {}
        self._asking = 0
        self._places = inf
        self._waiting: deque[tuple[float, _Going]] = deque()
        self._given_up: list[Claim] = []
        self._to_ask: deque[_Going] = deque()
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

    def begun(self) -> Mapping[str, datetime | None]:
        """Return when the runs that go on here began; None for those that wait for a place.

        The ledger has when they were claimed, until they have ended.
        """
        with self._lock:
            waiting = {claim.run_id for claim in self._given_up}
            waiting |= {claim.run_id for _, (claim, _) in self._waiting}
            waiting |= {claim.run_id for claim, _ in self._to_ask}
            return {
                claim.run_id: None if claim.run_id in waiting else claim.started_at
                for claim, _ in self._going_on.values()
            }

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
        """Return what room there is where so many runs may ask here at one time.

        There is none while many wait to be closed. Where places become free quickly, runs may be
        claimed ahead: they wait for the next place that is free.
        """
        with self._lock:
            self._places = places
            idle, waiting = max(places - self._asking, 0), len(self._waiting)
            soon = self._free_soon()
            # several are claimed at a time, for a claim costs the same for one and for many
            ahead = soon - waiting if idle or 2 * waiting <= soon else 0
            beside = len(self._going_on) - self._asking
            leaving = beside - waiting - len(self._given_up)
            if leaving > max(MANY_LEAVING, _LEAVING_A_PLACE * places):
                idle = ahead = 0
            beside += len(self._ended)
            return Room(asking=self._asking, idle=idle, ahead=ahead, beside=beside)

    def begin(self, claims: Sequence[Claim], at_once: int) -> None:
        """Let so many runs ask at once, those that wait first, and the others when one is answered.

        `at_once` is how many places nobody asks in, of all processes, so that waiting runs only
        ever take over a place of this one.
        """
        now, begun = self._clock.monotonic(), 0
        with self._lock:
            for claim in claims:
                going = (claim, threading.Event())
                self._going_on[_key(claim)] = going
                self._waiting.append((now, going))
            while begun < at_once and self._hand_on():
                begun += 1
        for _ in range(begun):
            try:
                self._pool.submit(self._ask)
            except RuntimeError:
                # the machine has no more threads: it waits until one of those there are is free
                log.exception("run.waits_for_a_thread")

    def give_up(self, span: timedelta) -> list[Claim]:
        """Return those that have waited for a place for so long: they will not begin here.

        They are held, and returned again, until `forget` is called.
        """
        end = self._clock.monotonic() - span.total_seconds()
        with self._lock:
            while self._waiting and self._waiting[0][0] <= end:
                self._given_up.append(self._waiting.popleft()[1][0])
            return list(self._given_up)

    def forget(self) -> None:
        """Hold those that were given up no longer."""
        with self._lock:
            for claim in self._given_up:
                self._going_on.pop(_key(claim), None)
            self._given_up = []

    def _free_soon(self) -> int:
        """Return how many places may be free by the time that a run is claimed."""
        end = self._clock.monotonic() - _LATELY.total_seconds()
        while self._quick_answers and self._quick_answers[0] < end:
            self._quick_answers.popleft()
        return len(self._quick_answers)

    def _hand_on(self) -> bool:
        """Give the run that waits longest a place, if there are both.

        Not after a second: by then others may have it, if this process stood still.
        """
        if not self._waiting or self._asking >= self._places or self._draining.is_set():
            return False
        since, going = self._waiting[0]
        if self._clock.monotonic() - since >= WAITS_FOR_A_PLACE.total_seconds():
            return False
        self._waiting.popleft()
        self._asking += 1
        self._to_ask.append(going)
        return True

    # ---- from thread to thread

    def _ask(self) -> None:
        """Ask for one run, and then for those that take over its place."""
        while (going := self._next()) is not None:
            began = self._clock.monotonic()
            answered = self._runner.ask(*going)
            took = timedelta(seconds=self._clock.monotonic() - began)
            is_seen_to = self._leave(answered, took)
            self._on_progress()
            if not is_seen_to:
                self._have_closed()

    def _next(self) -> _Going | None:
        with self._lock:
            if not self._to_ask:
                return None
            claim, cancelled = self._to_ask.popleft()
            begun = replace(claim, started_at=self._clock.now()), cancelled
            self._going_on[_key(claim)] = begun
        return begun

    def _leave(self, answered: Answered, took: timedelta) -> bool:
        """Free the place, or hand it on; say whether somebody closes this run already."""
        with self._lock:
            self._asking -= 1
            self._answered.append(answered)
            if took < _QUICK:
                self._quick_answers.append(self._clock.monotonic())
            self._hand_on()
            # who looks at the space goes on with those that came meanwhile
            return self._looking and answered.is_silent

    def _have_closed(self) -> None:
        try:
            self._closers.submit(self.close)
        except RuntimeError:
            # the machine has no more threads, and this one still has runs to ask for
            log.exception("run.waits_for_a_thread")

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
