"""Runs whose process died: found, ended as `interrupted`, run again or left."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

import structlog
from sqlalchemy import literal_column, select

from app.core.clock import Clock
from app.core.errors import PersonaTasksError
from app.database import Database
from app.runs.history import run_of
from app.runs.ledger import Ledger
from app.runs.processes import Processes
from app.runs.results import ResultFolder
from app.runs.tables import runs
from app.tasks.task import OnInterrupt, Task

log = structlog.get_logger(__name__)

MOST_ATTEMPTS = 2
_SETTLED_AFTER = timedelta(seconds=15)
_STEP_OF_THE_CLOCK = timedelta(seconds=5)
_BATCH = 200


class Definitions(Protocol):
    """Knows the task of a run as it was defined."""

    def task_at(self, task_id: str, revision: int) -> Task:
        """Return the task as that revision defined it."""


class Recovery:
    """Takes care of what dead processes left behind; safe to run in every process at once."""

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        processes: Processes,
        definitions: Definitions,
        results: ResultFolder,
        clock: Clock,
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._processes = processes
        self._definitions = definitions
        self._results = results
        self._clock = clock
        self._seen_wall, self._seen_ticks = clock.now(), clock.monotonic()
        self._trusted_from = self._seen_ticks

    def step(self) -> int:
        """Release the runs of dead processes and write result files that a kill prevented.

        Returns how many runs were released. Right after the wall clock was stepped, or this
        process was stopped and thawed, heartbeats of living processes look stale: then nobody is
        declared dead until all have had time to beat again.
        """
        self._file_the_rest()
        if self._clock_was_stepped():
            log.warning("recovery.clock_stepped")
            return 0
        alive, dead = self._processes.split()
        orphans = self._orphans(alive)
        released = self.release(orphans, reason="process_died") if orphans else 0
        if dead:
            self._processes.forget(sorted(dead))
            log.warning("process.died", processes=sorted(dead), runs=released)
        return released

    def release(self, run_ids: Sequence[str], *, reason: str) -> int:
        """End the attempts that hold these runs, by each task's `on_interrupt`."""
        now = self._clock.now()
        with self._database.write() as connection:
            held = self._ledger.locked_running(connection, run_ids)
            for row in held:
                rerun = row.attempt < MOST_ATTEMPTS and self._reruns(row.task_id, row.revision)
                status = self._ledger.release(connection, row, reason=reason, rerun=rerun, now=now)
                log.warning("run.interrupted", run_id=row.id, reason=reason, now=str(status))
        return len(held)

    def _orphans(self, alive: set[str]) -> list[str]:
        query = select(runs.c.id).where(
            literal_column("runs.status = 'running'"), runs.c.owner.not_in(alive)
        )
        with self._database.read() as connection:
            return list(connection.execute(query).scalars())

    def _reruns(self, task_id: str, revision: int) -> bool:
        try:
            return self._definitions.task_at(task_id, revision).on_interrupt is OnInterrupt.RERUN
        except PersonaTasksError:
            # without its definition it cannot be run again
            return False

    def _file_the_rest(self) -> None:
        query = (
            select(runs)
            .where(
                literal_column("runs.filed = 0"),
                runs.c.completed_at < self._clock.now() - _SETTLED_AFTER,
            )
            .limit(_BATCH)
        )
        with self._database.read() as connection:
            left = [run_of(row) for row in connection.execute(query)]
        if not left:
            return
        self._results.write(left)
        with self._database.write() as connection:
            self._ledger.mark_filed(connection, [run.id for run in left])
        log.info("results.written_late", runs=len(left))

    def _clock_was_stepped(self) -> bool:
        wall, ticks = self._clock.now(), self._clock.monotonic()
        passed = timedelta(seconds=ticks - self._seen_ticks)
        if abs(wall - self._seen_wall - passed) > _STEP_OF_THE_CLOCK:
            self._trusted_from = ticks + _SETTLED_AFTER.total_seconds()
        self._seen_wall, self._seen_ticks = wall, ticks
        return ticks < self._trusted_from
