"""Cancelling runs: one that waits never begins, one that goes on is told to end.

The process that works on a run need not be the one that is asked, so the wish stands in the ledger,
and every process looks there for wishes about its own runs.
"""

from typing import Any

import structlog
from sqlalchemy import select, update

from app.core.clock import Clock
from app.core.errors import RunFinished
from app.database import Database
from app.persona.errors import PersonaCancelled
from app.runs import statements
from app.runs.engine import Engine
from app.runs.history import History
from app.runs.run import Run, Status
from app.runs.tables import runs

log = structlog.get_logger(__name__)


class Cancelling:
    """Cancels runs; `owner` is this process, as the ledger names it."""

    def __init__(
        self, database: Database, history: History, engine: Engine, clock: Clock, *, owner: str
    ) -> None:
        self._database = database
        self._history = history
        self._engine = engine
        self._clock = clock
        self._owner = owner

    def cancel(self, run_id: str) -> Run:
        """Cancel a run and return it: `cancelled`, or still open where it goes on.

        One that goes on ends within seconds, `cancelled` unless its persona has answered already;
        what it changed stays, and it is not made again. Safe to repeat. Raises RunNotFound, and
        RunFinished for a run that ended otherwise.
        """
        is_changed = self._note(run_id)
        self._engine.cancel([run_id])
        run = self._history.run(run_id)
        if is_changed:
            log.info("run.cancel_asked", run_id=run_id, task_id=run.task_id, status=str(run.status))
        elif not run.status.is_open and run.status is not Status.CANCELLED:
            raise RunFinished(run_id, str(run.status))
        return run

    def step(self) -> None:
        """Tell the runs of this process to end that somebody wants cancelled."""
        if not self._database.glance(statements.ANY_TO_CANCEL):
            return
        query = select(runs.c.id).where(
            statements.RUNNING, runs.c.cancel_asked_at.is_not(None), runs.c.owner == self._owner
        )
        with self._database.read() as connection:
            wanted = list(connection.execute(query).scalars())
        self._engine.cancel(wanted)

    def _note(self, run_id: str) -> bool:
        """Write the wish down; return whether it changes anything."""
        now = self._clock.now()
        this = runs.c.id == run_id
        with self._database.write() as connection:
            # held from here on: a run may go back into the queue at any moment
            query = select(runs.c.status, runs.c.cancel_asked_at).where(this).with_for_update()
            held = connection.execute(query).one_or_none()
            if held is None or not Status(held.status).is_open or held.cancel_asked_at is not None:
                return False
            values: dict[str, Any] = {"cancel_asked_at": now}
            if held.status == Status.QUEUED:
                values.update(
                    status=str(Status.CANCELLED), reason=PersonaCancelled.reason, completed_at=now
                )
            connection.execute(update(runs).where(this).values(values))
        return True
