"""Cancelling runs: one that waits never begins, one that goes on is told to end.

The process that works on a run need not be the one that is asked, so the wish stands in the ledger,
and every process looks there for wishes about its own runs.
"""

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
        now = self._clock.now()
        with self._database.write() as connection:
            waiting = update(runs).where(runs.c.id == run_id, statements.QUEUED)
            ended = connection.execute(
                waiting.values(
                    status=str(Status.CANCELLED),
                    reason=PersonaCancelled.reason,
                    completed_at=now,
                    cancel_asked_at=now,
                )
            )
            going_on = update(runs).where(
                runs.c.id == run_id, statements.RUNNING, runs.c.cancel_asked_at.is_(None)
            )
            told = connection.execute(going_on.values(cancel_asked_at=now))
        return bool(ended.rowcount or told.rowcount)
