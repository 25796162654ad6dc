"""How a change of tasks becomes revisions: the slots owed first, then the new definition."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Connection, Row, bindparam, insert, update

from app.core.clock import Clock
from app.core.instants import write_instant
from app.tasks import rows
from app.tasks.changes import Change, ImportedState, Remove
from app.tasks.record import TaskRecord
from app.tasks.schema import read_task
from app.tasks.tables import task_revisions, tasks
from app.tasks.task import TAKEN_BACK, Author, Task
from app.tasks.timetable import Slots, Timetable

_TRIGGER_FIELDS = ("schedule", "timezone", "enabled", "paused_until")


def trigger_changed(before: Task, after: Task) -> bool:
    """Say whether the slots of a task change with its definition."""
    return any(getattr(before, name) != getattr(after, name) for name in _TRIGGER_FIELDS)


def as_stored(
    definition: Mapping[str, Any], timetable: Timetable, now: datetime
) -> tuple[dict[str, Any], str]:
    """Return a definition as it is stored, with no time that counts from now, and its zone.

    Raises ScheduleError.
    """
    text, timezone = timetable.canonical(definition["schedule"], definition.get("timezone"), now)
    stored = {**definition, "schedule": text}
    if "paused_until" in stored:
        until = timetable.moment(stored["paused_until"], timezone, now)
        stored["paused_until"] = write_instant(until)
    return stored, timezone


@dataclass(frozen=True, kw_only=True)
class _Step:
    """One change, ready to be stored.

    `row` is what stands in the table (a tombstone too), `before` the task in force or None,
    `after` None for a deletion, `moves` whether the slots change, `owed_from` the cursor that
    makes an imported overdue next_run an owed slot.
    """

    task_id: str
    row: Row[Any] | None
    before: TaskRecord | None
    after: Task | None
    definition: Mapping[str, Any] | None
    moves: bool
    imported: ImportedState
    owed_from: datetime | None
    reason: str | None = None

    @property
    def action(self) -> str:
        if self.after is None:
            return "deleted"
        return "created" if self.before is None else "updated"


class Revising:
    """Writes changes as revisions, within a transaction of the caller."""

    def __init__(self, clock: Clock, timetable: Timetable, slots: Slots) -> None:
        self._clock = clock
        self._timetable = timetable
        self._slots = slots

    def write(
        self,
        connection: Connection,
        changes: Sequence[Change],
        held: Sequence[Row[Any]],
        author: Author,
        *,
        action: str | None = None,
    ) -> None:
        """Store the changes; `held` are the locked rows of their tasks.

        A slot up to now belongs to the old definition and is recorded under it; the new one counts
        from now on, or from where the old one has got to if the clock was stepped back.
        """
        now = self._clock.now()
        held_by_id = {row.id: row for row in held}
        steps = [self._step(change, held_by_id.get(change.task_id), now) for change in changes]
        if action != TAKEN_BACK:
            # what is gone is not removed again; that it was gone for nothing is written down
            steps = [step for step in steps if step.before is not None or step.after is not None]
        settled = [step.before for step in steps if step.moves and step.before is not None]
        cursors = {row.id: row.cursor for row in held}
        cursors.update(self._slots.settle(connection, settled, now))
        self._slots.withdraw(connection, [s.task_id for s in steps if s.after is None], now)
        version = rows.raise_version(connection)
        stored = [
            _values(step, now, max(now, cursors.get(step.task_id, now)), cursors, version)
            for step in steps
        ]
        _insert(connection, steps, stored, now)
        _update(connection, steps, stored)
        _remember(connection, steps, stored, author, action)

    def _step(self, change: Change, row: Row[Any] | None, now: datetime) -> _Step:
        before = rows.record_of(row) if row is not None and row.deleted_at is None else None
        if isinstance(change, Remove):
            return _Step(
                task_id=change.task_id,
                row=row,
                before=before,
                after=None,
                definition=None,
                moves=True,
                imported=ImportedState(),
                owed_from=None,
                reason=change.reason,
            )
        definition, timezone = as_stored(change.definition, self._timetable, now)
        after = read_task(definition, timezone)
        imported = (change.imported if row is None else None) or ImportedState()
        return _Step(
            task_id=change.task_id,
            row=row,
            before=before,
            after=after,
            definition=definition,
            moves=before is None or trigger_changed(before.task, after),
            imported=imported,
            owed_from=self._owed_from(after, imported, now),
            reason=change.reason,
        )

    def _owed_from(self, task: Task, imported: ImportedState, now: datetime) -> datetime | None:
        if imported.next_run is None or imported.next_run > now:
            return None
        slot = self._timetable.last_until(task, imported.next_run)
        return slot - timedelta(microseconds=1) if slot is not None else None


def _values(
    step: _Step,
    now: datetime,
    since: datetime,
    cursors: Mapping[str, datetime],
    version: int,
) -> dict[str, Any]:
    effective_from = step.owed_from or since
    kept = step.row.text if step.row is not None else "null"
    return {
        "revision": (step.row.revision if step.row is not None else 0) + 1,
        "definition": step.definition if step.definition is not None else orjson.loads(kept),
        "timezone": step.after.timezone if step.after else getattr(step.row, "timezone", ""),
        "enabled": step.after is not None and step.after.enabled,
        "deleted_at": now if step.after is None else None,
        "cursor": effective_from if step.moves else cursors[step.task_id],
        "changed": version,
        "updated_at": now,
        "effective_from": effective_from,
    }


def _insert(
    connection: Connection,
    steps: Sequence[_Step],
    stored: Sequence[Mapping[str, Any]],
    now: datetime,
) -> None:
    position = rows.next_position(connection)
    fresh: list[dict[str, Any]] = []
    for step, values in zip(steps, stored, strict=True):
        if step.row is not None:
            continue
        fresh.append(
            {
                **_without(values, "effective_from"),
                "id": step.task_id,
                "position": position + len(fresh),
                "created_at": now,
                "last_run": step.imported.last_run,
                "run_count": step.imported.run_count,
            }
        )
    if fresh:
        connection.execute(insert(tasks), fresh)


def _update(
    connection: Connection, steps: Sequence[_Step], stored: Sequence[Mapping[str, Any]]
) -> None:
    changed = [
        {"row_id": step.task_id, **{f"new_{key}": value for key, value in values.items()}}
        for step, values in zip(steps, stored, strict=True)
        if step.row is not None
    ]
    if changed:
        columns = _without(stored[0], "effective_from")
        statement = (
            update(tasks)
            .where(tasks.c.id == bindparam("row_id"))
            .values({column: bindparam(f"new_{column}") for column in columns})
        )
        connection.execute(statement, changed)


def _remember(
    connection: Connection,
    steps: Sequence[_Step],
    stored: Sequence[Mapping[str, Any]],
    author: Author,
    action: str | None,
) -> None:
    revisions = [
        {
            "task_id": step.task_id,
            "revision": values["revision"],
            "at": values["updated_at"],
            "effective_from": values["effective_from"],
            "author": str(author)[:200],
            "action": action or step.action,
            "definition": step.definition,
            "timezone": values["timezone"],
            "version": values["changed"],
            "reason": step.reason,
        }
        for step, values in zip(steps, stored, strict=True)
    ]
    if revisions:
        connection.execute(insert(task_revisions), revisions)


def _without(values: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != key}
