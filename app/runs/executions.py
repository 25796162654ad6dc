"""Runs by hand: started regardless of the schedule, never moving or satisfying a slot."""

from app.core.clock import Clock
from app.core.errors import Draining, RunOverlap, TaskNotFound
from app.core.ids import Ids
from app.database import Database
from app.runs.engine import Engine
from app.runs.history import History
from app.runs.keys import Keys
from app.runs.ledger import Ledger
from app.runs.run import Entry, Origin, Run, Status
from app.tasks import rows as task_rows
from app.tasks.registry import Also
from app.tasks.task import Overlap


class Executions:
    """Starts runs by hand."""

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        history: History,
        engine: Engine,
        keys: Keys,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._history = history
        self._engine = engine
        self._keys = keys
        self._clock = clock
        self._ids = ids

    def start(
        self,
        task_id: str,
        *,
        key: str | None = None,
        fingerprint: str = "",
        first: Also | None = None,
    ) -> Run:
        """Queue a run of a task, a disabled one too, ahead of what the schedule queued.

        With a `key` that was used for the same task before, the run of then is returned, unless
        that was cancelled with the task, which somebody has brought back since. `first` comes
        before all in the same transaction, and what it raises prevents the start. Raises
        TaskNotFound, RunOverlap where a run of the task is open and may not be joined by another,
        KeyReused, and Draining.
        """
        if self._engine.is_draining:
            raise Draining
        run_id = self._queue(task_id, key, fingerprint, first)
        # read after the transaction: a second connection within it could wait for ever for one
        # that waits for this transaction
        return self._history.run(run_id)

    def _queue(
        self,
        task_id: str,
        key: str | None,
        fingerprint: str,
        first: Also | None,
    ) -> str:
        now = self._clock.now()
        scope = f"execute {task_id}"
        with self._database.write() as connection:
            held = task_rows.lock_rows(connection, [task_id])
            if first is not None:
                first(connection)
            if key is not None:
                known = self._keys.find(
                    connection, scope=scope, key=key, fingerprint=fingerprint, now=now
                )
                if known is not None and not self._ledger.is_withdrawn(connection, known):
                    return known
            if not held or held[0].deleted_at is not None:
                raise TaskNotFound(task_id)
            task = task_rows.record_of(held[0]).task
            exclusive = task.overlap is Overlap.SKIP
            other = self._ledger.open_runs(connection, [task_id]).get(task_id)
            if exclusive and other is not None:
                raise RunOverlap(task_id, other)
            entry = Entry(
                id=self._ids.new(now),
                task_id=task_id,
                task_name=task.name,
                revision=held[0].revision,
                origin=Origin.MANUAL,
                status=Status.QUEUED,
                recorded_at=now,
                due_at=now,
                exclusive=exclusive,
            )
            self._ledger.record(connection, [entry])
            if key is not None:
                self._keys.keep(
                    connection,
                    scope=scope,
                    key=key,
                    fingerprint=fingerprint,
                    subject=entry.id,
                    now=now,
                )
        self._engine.wake()
        return entry.id
