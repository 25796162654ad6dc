"""Runs whose process died: found, ended as `interrupted`, run again or left."""

from collections.abc import Callable, Mapping, Sequence, Set
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog
from sqlalchemy import Connection, Row, literal_column, select

from app.core.clock import Clock
from app.core.errors import RevisionNotFound, SpaceError
from app.database import Database
from app.persona.errors import HistoryLost
from app.runs import statements
from app.runs.history import run_of
from app.runs.ledger import Ledger
from app.runs.processes import STALE_AFTER, Processes
from app.runs.results import ResultFolder
from app.runs.tables import runs
from app.tasks.record import Snapshot
from app.tasks.task import OnInterrupt, Task

log = structlog.get_logger(__name__)

MOST_ATTEMPTS = 2
NOT_PUT_BACK = "not_put_back"
_STAYS = "; what it had changed in the space could not be put back"
_SETTLED_AFTER = timedelta(seconds=15)
_STEP_OF_THE_CLOCK = timedelta(seconds=5)
_STANDSTILL = timedelta(seconds=10)
_PROCESSES_EVERY = timedelta(seconds=6)
"""How often the processes are looked at while none of them runs anything."""
_BATCH = 200

Holder = tuple[int, str | None]
"""The attempt and the process that hold a run."""


class Definitions(Protocol):
    """Knows the task of a run as it was defined."""

    def task_at(self, task_id: str, revision: int) -> Task:
        """Return the task as that revision defined it; raise RevisionNotFound."""

    def snapshot(self) -> Snapshot:
        """Return the tasks that are in force."""


class Undoing(Protocol):
    """Knows what attempts changed in the space and of the tasks, and takes it back."""

    def is_needed(self, connection: Connection, run_id: str, attempt: int) -> bool:
        """Say whether the attempt made or announced changes that were not taken back."""

    def rollback(self, run_id: str, attempt: int, alive_until: datetime | None) -> object:
        """Take them back; raise HistoryLost where nobody can, SpaceError where it may go later."""

    def give_up(self, connection: Connection, run_id: str, attempt: int) -> None:
        """Note that they stay."""

    def unlive(self, connection: Connection, run_id: str, since: datetime) -> None:
        """Remove what an attempt that began then remembered and felt."""


class Recovery:
    """Takes care of what dead processes left behind; safe to run in every process at once.

    `held_here` tells which runs this process really works on. One that the ledger ascribes to it
    and that it does not know of, because the answer to a commit was lost, is released as well.
    """

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        processes: Processes,
        definitions: Definitions,
        results: ResultFolder,
        clock: Clock,
        *,
        held_here: Callable[[], Set[str]],
        taking_back: Undoing | None = None,
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._processes = processes
        self._definitions = definitions
        self._results = results
        self._clock = clock
        self._held_here = held_here
        self._taking_back = taking_back
        self._seen_wall, self._seen_ticks = clock.now(), clock.monotonic()
        self._trusted_from = self._processes_seen_until = self._seen_ticks

    def step(self) -> int:
        """Release the runs of dead processes and write result files that a kill prevented.

        Returns how many runs were released. Right after the wall clock was stepped, or everything
        stood still for a while (a suspended machine), and as long as the database takes nothing (a
        lock, a full disk), heartbeats of living processes look stale: then nobody is declared dead
        until all have had time to beat again.
        """
        released = self._release_orphans()
        self._file_the_rest()
        return released

    def release(self, holders: Mapping[str, Holder], *, reason: str) -> int:
        """End the attempts that hold these runs, by each task's `on_interrupt`.

        What they changed, in the space and of the tasks, is taken back before that. A run that
        another attempt or owner holds by now is left alone.
        """
        if not holders:
            return 0
        reruns = self._reruns(list(holders))
        released, changed = self._release(holders, reruns, reason)
        for run_id, (attempt, alive_until) in changed.items():
            ending = self._take_back(run_id, attempt, alive_until, reason)
            if ending is not None:
                # its task may have been one of those that were put back
                reruns = self._reruns([run_id])
                released += self._release({run_id: (attempt, None)}, reruns, ending)[0]
        return released

    def _release(
        self, holders: Mapping[str, Holder], reruns: Mapping[str, bool], reason: str
    ) -> tuple[int, dict[str, tuple[int, datetime | None]]]:
        """End attempts that changed nothing; let go of the others, and return those.

        With each goes until when its process may have lived. With the reason NOT_PUT_BACK those
        that did change something end too, and are not made again on top of what stays.

        Nobody holds a run that was let go of: what its process still says is refused, and whoever
        finds it goes on with taking back.
        """
        now = self._clock.now()
        released, changed = 0, dict[str, tuple[int, datetime | None]]()
        with self._database.write() as connection:
            for row in self._ledger.locked_running(connection, list(holders)):
                if holders[row.id] != (row.attempt, row.owner):
                    continue
                if reason == NOT_PUT_BACK:
                    self._give_up(connection, row)
                elif self._has_changed(connection, row):
                    changed[row.id] = (row.attempt, self._let_go(connection, row))
                    continue
                if self._taking_back is not None:
                    self._taking_back.unlive(connection, row.id, row.started_at)
                may_rerun = row.attempt < MOST_ATTEMPTS and reason != NOT_PUT_BACK
                # read from the row that is held, or a wish of this moment would be overlooked
                is_wanted = row.cancel_asked_at is None
                rerun = may_rerun and is_wanted and reruns.get(row.id, False)
                status = self._ledger.release(
                    connection,
                    row,
                    reason=reason,
                    rerun=rerun,
                    now=now,
                    remark=_STAYS if reason == NOT_PUT_BACK else "",
                )
                log.warning("run.interrupted", run_id=row.id, reason=reason, now=str(status))
                released += 1
        return released, changed

    def _let_go(self, connection: Connection, row: Row[Any]) -> datetime | None:
        if row.owner is None:
            # somebody let go of it before
            return row.due_at  # type: ignore[no-any-return]  # a row has no types
        alive_until = self._processes.alive_until(connection, row.owner)
        self._ledger.let_go(connection, row, alive_until or self._clock.now())
        return alive_until

    def _has_changed(self, connection: Connection, row: Row[Any]) -> bool:
        undoing = self._taking_back
        return undoing is not None and undoing.is_needed(connection, row.id, row.attempt)

    def _give_up(self, connection: Connection, row: Row[Any]) -> None:
        if self._taking_back is not None:
            self._taking_back.give_up(connection, row.id, row.attempt)

    def _take_back(
        self, run_id: str, attempt: int, alive_until: datetime | None, reason: str
    ) -> str | None:
        """Take back what an attempt changed; return the reason of its end, None to try again."""
        try:
            if self._taking_back is not None:
                self._taking_back.rollback(run_id, attempt, alive_until)
        except HistoryLost as error:
            log.error("run.cannot_be_rolled_back", run_id=run_id, error=error.detail)
            return NOT_PUT_BACK
        except SpaceError as error:
            # the run stays as it is, without an owner, and is found again
            log.warning("run.not_rolled_back", run_id=run_id, error=error.detail)
            return None
        return reason

    def _release_orphans(self) -> int:
        if self._heartbeats_may_lie():
            log.warning("recovery.heartbeats_may_lie")
            return 0
        # what is held is read first: of a run that is let go of and claimed again in between it is
        # true still. The runs are read before the processes: one that registers in between holds
        # none of them
        held_here = self._held_here()
        running = self._running()
        if not running and self._clock.monotonic() < self._processes_seen_until:
            return 0
        self._processes_seen_until = self._clock.monotonic() + _PROCESSES_EVERY.total_seconds()
        alive, dead = self._processes.split()
        long_ago = self._clock.now() - STALE_AFTER
        orphans = {
            row.id: (row.attempt, row.owner)
            for row in running
            if row.owner not in alive
            or (
                row.owner == self._processes.id
                and row.id not in held_here
                and row.started_at < long_ago
            )
        }
        released = self.release(orphans, reason="process_died")
        if dead:
            self._processes.forget(sorted(dead))
            log.warning("process.died", processes=sorted(dead), runs=released)
        return released

    def _running(self) -> list[Row[Any]]:
        if not self._database.glance(statements.ANY_RUNNING):
            return []
        query = select(runs.c.id, runs.c.attempt, runs.c.owner, runs.c.started_at)
        with self._database.read() as connection:
            return list(connection.execute(query.where(statements.RUNNING)))

    def _reruns(self, run_ids: Sequence[str]) -> dict[str, bool]:
        """Return which runs may be run again: those whose task wants it and is still there."""
        query = select(runs.c.id, runs.c.task_id, runs.c.revision).where(runs.c.id.in_(run_ids))
        with self._database.read() as connection:
            found = list(connection.execute(query))
        in_force = self._definitions.snapshot().records
        return {
            row.id: row.task_id in in_force and self._wants_rerun(row.task_id, row.revision)
            for row in found
        }

    def _wants_rerun(self, task_id: str, revision: int) -> bool:
        try:
            return self._definitions.task_at(task_id, revision).on_interrupt is OnInterrupt.RERUN
        except RevisionNotFound:
            # without its definition it cannot be run again
            return False

    def _file_the_rest(self) -> None:
        if not self._database.glance(statements.ANY_UNFILED):
            return
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

    def _heartbeats_may_lie(self) -> bool:
        wall, ticks = self._clock.now(), self._clock.monotonic()
        passed = timedelta(seconds=ticks - self._seen_ticks)
        stepped = abs(wall - self._seen_wall - passed) > _STEP_OF_THE_CLOCK
        silence = self._processes.silence
        # where this process cannot write that it lives, neither can the others
        is_silent = silence is not None and silence > _SETTLED_AFTER
        if stepped or passed > _STANDSTILL or is_silent:
            self._trusted_from = ticks + _SETTLED_AFTER.total_seconds()
        self._seen_wall, self._seen_ticks = wall, ticks
        return ticks < self._trusted_from
