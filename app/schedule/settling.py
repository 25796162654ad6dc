"""How owed slots become rows of the ledger, within a transaction of the caller.

This is the only place where slots are written down: for the clock, for `execute-due`, and for an
edit that changes when a task fires.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from app.core.errors import ScheduleError
from app.core.ids import Ids
from app.runs.ledger import Ledger
from app.runs.run import Entry, Origin, Status
from app.schedule.book import ScheduleBook
from app.schedule.planning import Plan, plan_owed
from app.tasks.record import TaskRecord
from app.tasks.task import Overlap

log = structlog.get_logger(__name__)

ON_TIME = timedelta(seconds=10)


class Settling:
    """Writes down every slot that tasks owe.

    Runs that come late begin one after the other, `pace` apart, so a catch-up after an outage
    never arrives at the persona all at once.
    """

    def __init__(self, ledger: Ledger, book: ScheduleBook, ids: Ids, *, pace: timedelta) -> None:
        self._ledger = ledger
        self._book = book
        self._ids = ids
        self._pace = pace

    def settle(
        self, connection: Connection, records: Sequence[TaskRecord], at: datetime
    ) -> dict[str, datetime]:
        """Record every slot owed until `at`; return the new cursor of each task that owed any.

        The caller holds the rows of these tasks and moves their cursors in the same transaction.
        """
        cursors, _ = self.write_down(connection, records, at)
        return cursors

    def withdraw(self, connection: Connection, task_ids: Sequence[str], at: datetime) -> None:
        """Cancel what is queued, but not begun, of tasks that are being deleted."""
        self._ledger.withdraw(connection, task_ids, at)

    def write_down(
        self, connection: Connection, records: Sequence[TaskRecord], at: datetime
    ) -> tuple[dict[str, datetime], list[str]]:
        """Record every slot owed until `at`; return the new cursors and the ids of queued runs."""
        plans = [(record, self._plan(record, at)) for record in records]
        owed = [(record, plan) for record, plan in plans if plan is not None]
        if not owed:
            return {}, []
        busy = self._ledger.open_runs(connection, [record.id for record, _ in owed])
        late = _Pace(self._ledger.last_catch_up(connection, at), at, self._pace)
        entries = [
            entry
            for record, plan in owed
            for entry in self._entries(record, plan, at, late, busy=record.id in busy)
        ]
        written = self._ledger.record(connection, entries)
        cursors = {record.id: plan.cursor for record, plan in owed}
        return cursors, [entry.id for entry in written if entry.status is Status.QUEUED]

    def unsettle(
        self, connection: Connection, task_ids: Sequence[str], now: datetime
    ) -> dict[str, datetime]:
        """Take back what was recorded of slots to come that did not run; return the new cursors."""
        return {
            task_id: self._ledger.forget_ahead(connection, task_id, now) for task_id in task_ids
        }

    def _plan(self, record: TaskRecord, at: datetime) -> Plan | None:
        task = record.task
        if not task.enabled:
            return None
        try:
            trigger = self._book.schedule_of(task).trigger
        except ScheduleError as error:
            # a zone that this machine does not know; the other tasks go on
            log.error("schedule.unreadable", task_id=task.id, error=error.detail)
            return None
        return plan_owed(
            trigger,
            record.cursor,
            at,
            missed=task.missed,
            missed_window=task.missed_window,
            on_time=ON_TIME,
        )

    def _entries(
        self, record: TaskRecord, plan: Plan, at: datetime, late: "_Pace", *, busy: bool
    ) -> Iterator[Entry]:
        skips = busy and record.task.overlap is Overlap.SKIP
        for slot, reason in plan.missed:
            yield self._entry(record, at, slot=slot, status=Status.MISSED, reason=reason)
        if plan.summary is not None:
            yield self._entry(
                record,
                at,
                slot=plan.summary.last,
                status=Status.MISSED,
                reason="summary",
                covers_from=plan.summary.first,
                count=plan.summary.count,
            )
        for slot in plan.run:
            if skips:
                yield self._entry(record, at, slot=slot, status=Status.SKIPPED, reason="overlap")
            else:
                yield self._entry(
                    record, at, slot=slot, status=Status.QUEUED, due_at=late.begin(slot)
                )

    def _entry(
        self,
        record: TaskRecord,
        at: datetime,
        *,
        slot: datetime,
        status: Status,
        reason: str | None = None,
        due_at: datetime | None = None,
        covers_from: datetime | None = None,
        count: int = 1,
    ) -> Entry:
        return Entry(
            id=self._ids.new(at),
            task_id=record.id,
            task_name=record.task.name,
            revision=record.revision,
            origin=Origin.SCHEDULE,
            status=status,
            reason=reason,
            recorded_at=at,
            due_at=due_at or at,
            exclusive=record.task.overlap is Overlap.SKIP,
            scheduled_for=slot,
            covers_from=covers_from,
            count=count,
        )


class _Pace:
    """Gives each late run its own moment to begin, after those that are queued already."""

    def __init__(self, queued_until: datetime | None, now: datetime, pace: timedelta) -> None:
        self._now = now
        self._pace = pace
        waiting = queued_until is not None and queued_until > now
        self._next = queued_until + pace if waiting and queued_until else now

    def begin(self, slot: datetime) -> datetime:
        """Return when the run of this slot may begin."""
        if self._now - slot <= ON_TIME:
            return self._now
        begins, self._next = self._next, self._next + self._pace
        return begins
