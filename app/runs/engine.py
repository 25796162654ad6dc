"""Where runs execute in this process: threads for the persona, one thread for the ledger.

The ledger thread writes down everything that ended since it last looked and claims what may begin
next, all in one transaction, so a thousand runs that end together cost a few commits, and a place
is empty only for as long as one commit takes.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from datetime import timedelta
from math import ceil

import structlog

from app.core.clock import Clock
from app.core.errors import LedgerUnavailable, SpaceError
from app.database import Database
from app.runs.history import History
from app.runs.ledger import Claim, Ledger
from app.runs.results import ResultFolder
from app.runs.run import Origin, Outcome, Run, Status
from app.runs.runner import Runner

log = structlog.get_logger(__name__)

_LOOK_EVERY = timedelta(seconds=1)
_RETRY_AFTER = timedelta(milliseconds=500)
_POLL = timedelta(milliseconds=250)
_STOP_WITHIN = timedelta(seconds=3)
_MOST_ENDED = 500


class Engine:
    """Claims queued runs, has them run, and stores how they ended.

    `places` is how many runs may go on at one time over all processes of the ledger; no process
    takes more than its even share of them, as `sharing` tells how many do, or whoever came first
    would keep all of them. Personas are asked on `pool`, result files written on `filers`.
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
        pool: Executor,
        filers: Executor,
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._history = history
        self._runner = runner
        self._results = results
        self._clock = clock
        self._owner = owner
        self._places = places
        self._sharing = sharing
        self._lock = threading.Lock()
        self._work = threading.Event()
        self._stopping = threading.Event()
        self._draining = threading.Event()
        self._running: dict[str, tuple[Claim, threading.Event]] = {}
        self._ended: deque[tuple[Claim, Outcome]] = deque()
        self._filed: deque[str] = deque()
        self._storing: list[tuple[Claim, Outcome]] = []
        self._unfiled: set[str] = set()
        self._waiting: dict[str, threading.Event] = {}
        self._pool = pool
        self._filers = filers
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
        with self._lock:
            ended = [*self._ended, *self._storing]
            return {*self._running, *(claim.run_id for claim, _ in ended)}

    def begin_drain(self) -> None:
        """Start nothing new from now on; safe to call in a signal handler."""
        self._draining.set()

    def drain(self, grace: timedelta, on_wait: Callable[[], None] = lambda: None) -> list[Claim]:
        """Let running runs finish for `grace`, stop the rest, and stop; return what was stopped.

        What was stopped is still held: the caller releases it. `on_wait` is called all along.
        """
        self.begin_drain()
        self._wait_until(self._is_idle, grace, on_wait)
        # the ledger thread must not take the end of what is stopped now for an outcome
        self._stop_ledger_thread()
        with self._lock:
            left = list(self._running.values())
        for _, cancelled in left:
            cancelled.set()
        self._wait_until(lambda: not self._running, _STOP_WITHIN, on_wait)
        self._pool.shutdown(wait=False)
        self._filers.shutdown(wait=True)
        return self._finish_drain([claim for claim, _ in left])

    def _stop_ledger_thread(self) -> None:
        self._stopping.set()
        self._work.set()
        if self._thread is not None:
            self._thread.join(_STOP_WITHIN.total_seconds())

    def _is_idle(self) -> bool:
        with self._lock:
            return not self._running and not self._ended

    def _finish_drain(self, stopped: Sequence[Claim]) -> list[Claim]:
        """Store what ended by itself; give back what ended only because it was told to."""
        told = {claim.run_id for claim in stopped}
        real = [
            (claim, outcome)
            for claim, outcome in self._take_ended(len(self._ended))
            if not (claim.run_id in told and outcome.status is Status.CANCELLED)
        ]
        try:
            with self._database.write() as connection:
                accepted = self._ledger.finish(connection, real)
        except LedgerUnavailable:
            raise
        except Exception:
            log.exception("engine.batch_refused", runs=len(real))
            accepted = self._store_one_by_one(real)
        finally:
            self._storing = []
        self._file(accepted)
        with self._database.write() as connection:
            self._ledger.mark_filed(connection, self._take_filed())
        return [claim for claim in stopped if claim.run_id not in {c.run_id for c, _ in real}]

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
        """Wait until a run is finished and its result file written, at most for the span.

        Returns the run as it is then, open if the time was not enough.
        """
        done = self._waiting.setdefault(run_id, threading.Event())
        end = self._clock.monotonic() + span.total_seconds()
        try:
            while True:
                ended_here = self._clock.wait(done, _POLL)
                run = self._history.run(run_id)
                is_here = run_id in self._running or run_id in self._unfiled
                if not run.status.is_open and (ended_here or not is_here):
                    return run
                if self._clock.monotonic() >= end or self.is_draining:
                    return run
        finally:
            self._waiting.pop(run_id, None)

    # ---- working

    def _loop(self) -> None:
        while not self._stopping.is_set():
            self._clock.wait(self._work, _LOOK_EVERY)
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
        """Store what ended and claim what may begin, in one transaction; say if there was any."""
        ended, filed = self._take_ended(_MOST_ENDED), self._take_filed()
        now = self._clock.now()
        places = 0 if self.is_draining else self._share() - len(self._running)
        if not ended and not filed and not (places > 0 and self._history.is_due(now)):
            return False
        self._unfiled.update(claim.run_id for claim, _ in ended)
        try:
            with self._database.write() as connection:
                accepted = self._ledger.finish(connection, ended)
                self._ledger.mark_filed(connection, filed)
                claims = self._ledger.claim(
                    connection,
                    owner=self._owner,
                    now=now,
                    places=places,
                    most_running=self._places,
                )
        except LedgerUnavailable:
            self._give_back(ended)
            self._filed.extendleft(reversed(filed))
            raise
        except Exception:
            # one outcome that the database refuses must not keep all the others from being stored
            log.exception("engine.batch_refused", runs=len(ended))
            accepted, claims = self._store_one_by_one(ended), []
            self._filed.extendleft(reversed(filed))
        finally:
            self._storing = []
        self._begin(claims)
        self._note_refused(ended, accepted)
        if accepted:
            self._filers.submit(self._file, accepted)
        return bool(ended or claims)

    def _share(self) -> int:
        return ceil(self._places / self._sharing())

    def _store_one_by_one(
        self, ended: Sequence[tuple[Claim, Outcome]]
    ) -> list[tuple[Claim, Outcome]]:
        """Store outcomes each by itself, so that none costs another."""
        accepted: list[tuple[Claim, Outcome]] = []
        for claim, outcome in ended:
            try:
                accepted += self._store(claim, outcome)
            except LedgerUnavailable:
                self._give_back([(claim, outcome)])
            except Exception:
                # nobody holds it here any more: recovery ends it
                log.exception("run.outcome_lost", run_id=claim.run_id)
        return accepted

    def _store(self, claim: Claim, outcome: Outcome) -> list[tuple[Claim, Outcome]]:
        """Store an outcome, if need be without what belongs to it, or as a failure."""
        refused = ""
        for with_all in (True, False):
            try:
                with self._database.write() as connection:
                    return self._ledger.finish(connection, [(claim, outcome)], with_all=with_all)
            except LedgerUnavailable:
                raise
            except Exception as error:
                log.exception("run.outcome_unstorable", run_id=claim.run_id, with_all=with_all)
                refused = type(error).__name__
        failure = Outcome(
            status=Status.FAILED,
            completed_at=outcome.completed_at,
            reason="internal",
            error=f"the outcome could not be stored: {refused}",
        )
        with self._database.write() as connection:
            return self._ledger.finish(connection, [(claim, failure)], with_all=False)

    def _begin(self, claims: Sequence[Claim]) -> None:
        for claim in claims:
            cancelled = threading.Event()
            with self._lock:
                self._running[claim.run_id] = (claim, cancelled)
            self._pool.submit(self._run, claim, cancelled)

    def _run(self, claim: Claim, cancelled: threading.Event) -> None:
        outcome = self._runner.run(claim, cancelled)
        with self._lock:
            self._ended.append((claim, outcome))
            self._running.pop(claim.run_id, None)
        self._work.set()

    def _file(self, accepted: Sequence[tuple[Claim, Outcome]]) -> None:
        runs = [_run_of(claim, outcome) for claim, outcome in accepted]
        try:
            self._results.write(runs)
            self._filed.extend(run.id for run in runs)
        except SpaceError as error:
            # the ledger has the results; recovery writes the files when the space works again
            log.error("results.not_written", error=error.detail, runs=len(runs))
        finally:
            for run in runs:
                self._unfiled.discard(run.id)
                log.info("run.finished", run_id=run.id, task_id=run.task_id, status=str(run.status))
                done = self._waiting.get(run.id)
                if done is not None:
                    done.set()

    def _note_refused(
        self,
        ended: Sequence[tuple[Claim, Outcome]],
        accepted: Sequence[tuple[Claim, Outcome]],
    ) -> None:
        kept = {claim.run_id for claim, _ in accepted} | self.held_here()
        for claim, outcome in ended:
            if claim.run_id not in kept:
                self._unfiled.discard(claim.run_id)
                log.warning(
                    "run.outcome_refused",
                    run_id=claim.run_id,
                    attempt=claim.attempt,
                    status=str(outcome.status),
                )

    def _take_ended(self, most: int) -> list[tuple[Claim, Outcome]]:
        # an outcome is in one list or the other at any time, or it would be taken for lost
        with self._lock:
            self._storing = [self._ended.popleft() for _ in range(min(most, len(self._ended)))]
            return self._storing

    def _give_back(self, ended: Sequence[tuple[Claim, Outcome]]) -> None:
        with self._lock:
            self._ended.extendleft(reversed(ended))

    def _take_filed(self) -> list[str]:
        return [self._filed.popleft() for _ in range(len(self._filed))]


def _run_of(claim: Claim, outcome: Outcome) -> Run:
    return Run(
        id=claim.run_id,
        task_id=claim.task_id,
        task_name=claim.task_name,
        revision=claim.revision,
        origin=Origin(claim.origin),
        status=outcome.status,
        reason=outcome.reason,
        scheduled_for=claim.scheduled_for,
        recorded_at=claim.started_at,
        started_at=claim.started_at,
        completed_at=outcome.completed_at,
        response=outcome.response,
        error=outcome.error,
        attempt=claim.attempt,
        metadata=outcome.metadata,
    )
