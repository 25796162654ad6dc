"""From "this task is due" to rows of the ledger: one transaction for many tasks.

Every process rings for every task and calls this; who locks the rows first writes the slots down,
the others find the cursor moved and shrug. That, and the unique key of a slot, is all the
coordination there is.
"""

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import islice

import structlog

from app.core.clock import Clock
from app.core.errors import LedgerUnavailable
from app.database import Database
from app.schedule.settling import Settling
from app.tasks import rows as task_rows
from app.tasks.registry import Registry

log = structlog.get_logger(__name__)

_BATCH = 500
_AT_ONCE = 200
_RESTS_FOR = timedelta(seconds=3)
_AHEAD = timedelta(minutes=5)
_RETRY_AFTER = timedelta(seconds=1)


class Planner:
    """Records due slots and queues their runs."""

    def __init__(
        self, database: Database, registry: Registry, settling: Settling, clock: Clock
    ) -> None:
        self._database = database
        self._registry = registry
        self._settling = settling
        self._clock = clock
        self._furthest = (-1, clock.now())

    def plan(self, task_ids: Sequence[str]) -> list[str]:
        """Record all that these tasks owe by now; return the ids of the runs that were queued."""
        queued: list[str] = []
        for start in range(0, len(task_ids), _BATCH):
            queued += self._plan_some(task_ids[start : start + _BATCH])
        return queued

    def plan_all_due(self) -> list[str]:
        """Record all that any task owes by now; return the ids of the runs that were queued."""
        now = self._clock.now()
        due = [
            task_id
            for task_id, record in self._registry.snapshot().records.items()
            if (slot := self._registry.next_run(record)) is not None and slot <= now
        ]
        return self.plan(due)

    def mend_clock_ahead(self) -> list[str]:
        """Bring back tasks whose slots are recorded far into the future; return their ids.

        A wall clock that was years ahead, and was put right, would otherwise leave them silent for
        years. What has run keeps its row, so nothing runs twice.
        """
        now = self._clock.now()
        snapshot = self._registry.snapshot()
        if snapshot.version != self._furthest[0]:
            cursors = (record.cursor for record in snapshot.records.values())
            self._furthest = (snapshot.version, max(cursors, default=now))
        if self._furthest[1] <= now + _AHEAD:
            return []
        ahead = [
            task_id for task_id, record in snapshot.records.items() if record.cursor > now + _AHEAD
        ]
        with self._database.write() as connection:
            held = task_rows.lock_states(connection, ahead)
            task_ids = [row.id for row in held if row.cursor > now + _AHEAD]
            rewound = self._settling.unsettle(connection, task_ids, now)
            task_rows.rewind(connection, rewound, now)
        log.warning("clock.was_ahead", tasks=len(task_ids))
        return task_ids

    def _plan_some(self, task_ids: Sequence[str]) -> list[str]:
        with self._database.write() as connection:
            now = self._clock.now()
            records = self._registry.locked(connection, task_ids)
            cursors, queued = self._settling.write_down(connection, records, now)
            task_rows.advance(connection, cursors)
        if cursors:
            log.info("slots.recorded", tasks=len(cursors), queued=len(queued))
        return queued


class PlanningThread:
    """Plans, off the clock's own thread, what the clock rings for."""

    def __init__(self, planner: Planner, clock: Clock, *, on_queued: Callable[[], None]) -> None:
        self._planner = planner
        self._clock = clock
        self._on_queued = on_queued
        self._rung: set[str] = set()
        self._lock = threading.Lock()
        self._work = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to plan."""
        self._thread = threading.Thread(target=self._loop, name="planning", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the step at hand and stop."""
        self._stopping.set()
        self._work.set()
        if self._thread is not None:
            self._thread.join(5.0)

    def ring(self, task_id: str) -> None:
        """Note that a task is due; returns at once."""
        with self._lock:
            self._rung.add(task_id)
        if not self._work.is_set():
            self._work.set()

    def step(self) -> bool:
        """Plan some of what was rung for; say whether there was anything.

        Not all at once: the first runs of a crowded midnight begin while the rest is planned.
        """
        with self._lock:
            rung = set(islice(self._rung, _AT_ONCE))
            self._rung -= rung
        if not rung:
            return False
        try:
            self._planner.plan(sorted(rung))
        except BaseException:
            # the slots are still owed: ring again, so that not one of them depends on a retry
            # by somebody else
            with self._lock:
                self._rung |= rung
            raise
        # even if another process was first: its runs are for whoever has a free place
        self._on_queued()
        return True

    def plan_all(self) -> None:
        """Plan all that was rung for; where it is much, rest between the steps for a few seconds.

        The runs that have begun meanwhile need the ledger as well. What is left then is planned
        without a rest, for a slot that is recorded late may count as missed.
        """
        began = step_began = self._clock.monotonic()
        while self.step() and self._rung and not self._stopping.is_set():
            now = self._clock.monotonic()
            if now - began < _RESTS_FOR.total_seconds():
                self._clock.wait(self._stopping, timedelta(seconds=now - step_began))
            step_began = self._clock.monotonic()

    def _loop(self) -> None:
        while not self._stopping.is_set():
            self._work.wait()
            self._work.clear()
            try:
                self.plan_all()
            except LedgerUnavailable as error:
                log.warning("planning.waits_for_ledger", error=error.detail)
                self._try_again()
            except Exception:
                log.exception("planning.step_broke")
                self._try_again()

    def _try_again(self) -> None:
        self._clock.wait(self._stopping, _RETRY_AFTER)
        self._work.set()
