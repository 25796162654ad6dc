"""What a process does with the ledger: one thread claims runs and stores how they ended.

It claims what may begin next, and writes down everything that ended since it last looked, so a
thousand runs that end together cost a few commits.
"""

import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Executor
from contextlib import suppress
from datetime import datetime, timedelta
from math import ceil

import structlog

from app.core.clock import Clock, until_look
from app.core.errors import LedgerUnavailable
from app.database import Database
from app.runs.attempts import WAITS_FOR_A_PLACE, Attempts
from app.runs.crew import Crew
from app.runs.history import History
from app.runs.ledger import Ledger
from app.runs.results import ResultFolder
from app.runs.run import Claim, Run
from app.runs.runner import Runner
from app.runs.storing import Storing

log = structlog.get_logger(__name__)

_LOOK_EVERY = timedelta(seconds=1)
_RETRY_AFTER = timedelta(milliseconds=500)
_POLL = timedelta(milliseconds=250)
_STOP_WITHIN = timedelta(seconds=3)
_STORED_WITHIN = timedelta(seconds=17)
"""Longer than a transaction waits for its turn."""
_FILED_WITHIN = timedelta(minutes=1)
"""By then recovery has written the file that a dead process did not."""


class Engine:
    """Claims queued runs, has them run, and has stored how they ended.

    `places` is how many runs may ask their persona at one time over all processes of the ledger; no
    process takes more than its even share of them, as `sharing` tells how many do, or whoever came
    first would keep all of them. A run gives its place away with the persona's answer and counts as
    running until its outcome is stored. Nothing begins before the others can know that this process
    lives, as `is_known` tells. `pool` has a thread for each place, `closers` look at what runs
    changed, `filers` write result files.
    """

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        history: History,
        runner: Runner,
        results: ResultFolder,
        clock: Clock,
        *,
        owner: str,
        places: int,
        sharing: Callable[[], int] = lambda: 1,
        is_known: Callable[[], bool] = lambda: True,
        pool: Crew | Executor,
        closers: Executor,
        filers: Executor,
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._history = history
        self._results = results
        self._clock = clock
        self._owner = owner
        self._places = places
        self._sharing = sharing
        self._is_known = is_known
        self._work = threading.Event()
        self._stopping = threading.Event()
        self._draining = threading.Event()
        self._attempts = Attempts(
            runner,
            clock,
            pool=pool,
            closers=closers,
            draining=self._draining,
            on_progress=self._work.set,
        )
        self._storing = Storing(
            database, ledger, results, self._attempts, filers=filers, on_filed=self._tell
        )
        self._waiting: dict[str, threading.Event] = {}
        self._thread: threading.Thread | None = None

    # ---- life

    def start(self) -> None:
        """Begin to claim and run."""
        self._thread = threading.Thread(target=self._loop, name="ledger", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether this process claims runs."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def is_draining(self) -> bool:
        """Whether this process starts nothing new any more."""
        return self._draining.is_set()

    def held_here(self) -> set[str]:
        """Return the ids of the runs that this process works on, or whose end it has to store."""
        return self._attempts.held()

    def begun(self) -> Mapping[str, datetime | None]:
        """Return when the runs that go on here began; None for those that wait for a place."""
        return self._attempts.begun()

    def cancel(self, run_ids: Collection[str]) -> None:
        """Tell these runs to end, those of them that go on here."""
        self._attempts.cancel_some(run_ids)

    def begin_drain(self) -> None:
        """Start nothing new from now on; safe to call in a signal handler."""
        self._draining.set()

    def drain(self, grace: timedelta, on_wait: Callable[[], None] = lambda: None) -> list[Claim]:
        """Let running runs finish for `grace`, stop the rest, and stop; return what was stopped.

        What was stopped is still held: the caller releases it. `on_wait` is called all along.
        """
        self.begin_drain()
        self._wait_until(lambda: self._attempts.is_idle, grace, on_wait)
        # the ledger thread must not take the end of what is stopped now for an outcome
        self._stop_ledger_thread(on_wait)
        with suppress(LedgerUnavailable):
            self._put_back()
        left = self._attempts.cancel()
        self._wait_until(lambda: self._attempts.count == 0, _STOP_WITHIN, on_wait)
        self._attempts.shut()
        return self._storing.store_last(left)

    def _stop_ledger_thread(self, on_wait: Callable[[], None]) -> None:
        self._stopping.set()
        self._work.set()
        self._wait_until(lambda: not self.is_running, _STORED_WITHIN, on_wait)

    def _wait_until(
        self, holds: Callable[[], bool], span: timedelta, on_wait: Callable[[], None]
    ) -> None:
        end = self._clock.monotonic() + span.total_seconds()
        never = threading.Event()
        while not holds() and self._clock.monotonic() < end:
            on_wait()
            self._clock.wait(never, timedelta(milliseconds=50))

    # ---- asking

    def wake(self) -> None:
        """Look at once whether something may begin."""
        self._work.set()

    def wait(self, run_id: str, span: timedelta) -> Run:
        """Wait at most for the span until a run is finished, and then for its result file.

        Returns the run as it is then, open if the time was not enough.
        """
        done = self._waiting.setdefault(run_id, threading.Event())
        end = self._clock.monotonic() + span.total_seconds()
        try:
            while True:
                ended_here = self._clock.wait(done, _POLL)
                run = self._history.run(run_id)
                if not run.status.is_open and (ended_here or self.is_filed(run)):
                    return run
                is_late = run.status.is_open and self._clock.monotonic() >= end
                if is_late or self.is_draining:
                    return run
        finally:
            self._waiting.pop(run_id, None)

    def is_filed(self, run: Run) -> bool:
        """Say whether a finished run has its result file, or will have none before long."""
        if self._clock.now() - (run.completed_at or run.recorded_at) >= _FILED_WITHIN:
            return True
        if self._attempts.goes_on(run.id) or self._storing.is_filing(run.id):
            return False
        return self._results.holds(run) or not self._history.is_unfiled(run.id)

    def _tell(self, run_id: str) -> None:
        done = self._waiting.get(run_id)
        if done is not None:
            done.set()

    # ---- working

    def _loop(self) -> None:
        while not self._stopping.is_set():
            self._clock.wait(self._work, until_look(self._clock.now(), _LOOK_EVERY))
            self._work.clear()
            try:
                while self.step():
                    pass
            except LedgerUnavailable as error:
                log.warning("engine.waits_for_ledger", error=error.detail)
                self._clock.wait(self._stopping, _RETRY_AFTER)
                self._work.set()
            except Exception:
                # without this thread no result would be stored any more: note it and go on
                log.exception("engine.step_broke")
                self._clock.wait(self._stopping, _LOOK_EVERY)

    def step(self) -> bool:
        """Claim what may begin, and store what ended; say if there was any.

        Each in a transaction of its own, claims first: a place that is free waits at most for a
        transaction that has begun.
        """
        has_claimed = False
        try:
            self._put_back()
            has_claimed = self._claim()
        except LedgerUnavailable:
            raise
        except Exception:
            # what ended is to be stored all the same
            log.exception("engine.claim_broke")
        return self._storing.store() or has_claimed

    def _put_back(self) -> None:
        """Let others claim what was claimed ahead, and found no place although one was expected.

        Before anything is claimed: it might be the same run, as the same attempt.
        """
        given_up = self._attempts.give_up(timedelta(0) if self.is_draining else WAITS_FOR_A_PLACE)
        if given_up:
            with self._database.write() as connection:
                self._ledger.put_back(connection, given_up, self._clock.now())
            self._attempts.forget()

    def _may_claim(self) -> bool:
        """Say whether runs may begin here; those of a process nobody knows would pass for lost."""
        return self._is_known() and not self.is_draining

    def _claim(self) -> bool:
        now, sharing = self._clock.now(), self._sharing()
        room = self._attempts.room(ceil(self._places / sharing))
        if max(room.idle, room.ahead) <= 0 or not (self._may_claim() and self._history.is_due(now)):
            return False
        with self._database.write() as connection:
            running, own = self._ledger.count_running(connection, self._owner)
            at_once = max(min(room.idle, self._places + room.beside - running), 0)
            # what waits here counts as running for the others, and would keep them from their share
            is_alone = sharing == 1 and running == own
            # who waits takes over a place of this process, so there must be one in use for each
            ahead = min(room.ahead, room.asking + at_once) if is_alone else 0
            claims = self._ledger.claim(
                connection, owner=self._owner, now=now, places=at_once + ahead
            )
        self._attempts.begin(claims, at_once)
        return bool(claims)
