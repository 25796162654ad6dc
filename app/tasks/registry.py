"""The one place that changes a task: who, when, what, and from when on it counts.

Each change is one transaction: the slots that the old definition still owes are recorded first,
then the new revision is written, so every slot belongs to exactly one definition. Reads come from
an immutable snapshot of this process that is brought up to date by difference.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Connection, select, update

from app.core.clock import Clock
from app.core.errors import (
    NothingToRestore,
    RevisionConflict,
    RevisionNotFound,
    ScheduleError,
    TaskExists,
    TaskNotFound,
)
from app.database import Database
from app.tasks import rows
from app.tasks.changes import Change, Put, Remove
from app.tasks.checking import checked, refuse_past_pause
from app.tasks.record import Snapshot, TaskRecord
from app.tasks.revising import Revising
from app.tasks.schema import read_task
from app.tasks.tables import registry_clock, task_revisions
from app.tasks.task import Author, InForce, Revision, Task, Tombstone
from app.tasks.timetable import Slots, Timetable

log = structlog.get_logger(__name__)

Also = Callable[[Connection], None]
Decide = Callable[[Mapping[str, TaskRecord]], Sequence[Change]]


class Registry:
    """Holds the tasks that are in force."""

    def __init__(
        self, database: Database, clock: Clock, timetable: Timetable, slots: Slots
    ) -> None:
        self._database = database
        self._clock = clock
        self._timetable = timetable
        self._revising = Revising(clock, timetable, slots)
        self._lock = threading.Lock()
        self._snapshot = Snapshot(version=0, records={})

    # ---- reading

    def snapshot(self) -> Snapshot:
        """Return the tasks in force now, whichever process changed them last."""
        held = self._snapshot
        if self.version() == held.version:
            return held
        with self._database.read() as connection:
            version = rows.read_version(connection)
            if not held.records:
                everything = rows.all_in_force(connection)
                return self._keep(Snapshot(version=version, records={r.id: r for r in everything}))
            states = rows.states_changed_since(connection, held.version)
            revised = [
                state.id
                for state in states
                if state.deleted_at is None and not _is_current(held.records.get(state.id), state)
            ]
            whole = {row.id: rows.record_of(row) for row in rows.rows_of(connection, revised)}
        records = dict(held.records)
        for state in states:
            if state.deleted_at is not None:
                records.pop(state.id, None)
            elif state.id in whole:
                records[state.id] = whole[state.id]
            else:
                records[state.id] = rows.with_state(records[state.id], state)
        if records.keys() != held.records.keys():
            records = dict(sorted(records.items(), key=lambda item: item[1].position))
        return self._keep(Snapshot(version=version, records=records))

    def _keep(self, fresh: Snapshot) -> Snapshot:
        with self._lock:
            if fresh.version > self._snapshot.version:
                self._snapshot = fresh
        return fresh

    def locked(self, connection: Connection, task_ids: Sequence[str]) -> list[TaskRecord]:
        """Return those of the tasks that are in force, held until the transaction ends."""
        known = self._snapshot.records
        states = [
            state for state in rows.lock_states(connection, task_ids) if state.deleted_at is None
        ]
        revised = [state.id for state in states if not _is_current(known.get(state.id), state)]
        whole = {row.id: rows.record_of(row) for row in rows.rows_of(connection, revised)}
        return [
            whole[state.id] if state.id in whole else rows.with_state(known[state.id], state)
            for state in states
        ]

    def version(self) -> int:
        """Return the version of the registry, which rises with every change of anything in it."""
        return int(self._database.glance(rows.VERSION))

    def defined(self) -> int:
        """Return the version at which a definition changed last; run state does not count."""
        with self._database.read() as connection:
            return rows.newest_revision(connection)

    def get(self, task_id: str) -> TaskRecord:
        """Return a task that is in force; raise TaskNotFound."""
        try:
            return self.snapshot().records[task_id]
        except KeyError:
            raise TaskNotFound(task_id) from None

    def next_run(self, record: TaskRecord) -> datetime | None:
        """Return the first slot that has no row yet; in the past it is due or owed."""
        if not record.enabled:
            return None
        try:
            return self._timetable.next_after(record, record.cursor)
        except ScheduleError:
            # a zone that this machine does not know: there is no slot that it could tell
            return None

    def history(self, task_id: str) -> list[Revision]:
        """Return all revisions of a task, deleted ones too, newest first; raise TaskNotFound."""
        query = (
            select(task_revisions)
            .where(task_revisions.c.task_id == task_id)
            .order_by(task_revisions.c.revision.desc())
        )
        with self._database.read() as connection:
            found = [rows.revision_of(row) for row in connection.execute(query)]
        if not found:
            raise TaskNotFound(task_id)
        return found

    def deleted_since(self, since: datetime) -> list[Tombstone]:
        """Return the tasks that were deleted after `since` and are not in force again."""
        with self._database.read() as connection:
            return rows.tombstones_since(connection, since)

    def in_force_between(self, since: datetime, until: datetime) -> Iterator[InForce]:
        """Yield which definition of each task was in force when in (since, until], by task."""
        with self._database.read() as connection:
            yield from rows.in_force_between(connection, since, until)

    def task_at(self, task_id: str, revision: int) -> Task:
        """Return the task as one of its revisions defined it; raise RevisionNotFound."""
        held = self._snapshot.records.get(task_id)
        if held is not None and held.revision == revision:
            return held.task
        query = select(task_revisions).where(
            task_revisions.c.task_id == task_id, task_revisions.c.revision == revision
        )
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None or row.definition is None:
            raise RevisionNotFound(f"Task '{task_id}' has no revision {revision} to use")
        return read_task(row.definition, row.timezone)

    def definitions_at(self, version: int) -> dict[str, dict[str, Any]] | None:
        """Return the definitions in force at a registry version; None for a version unknown."""
        with self._database.read() as connection:
            if not 0 <= version <= rows.read_version(connection):
                return None
            found = connection.execute(rows.revisions_at(version)).all()
        return {row.task_id: row.definition for row in found if row.definition is not None}

    # ---- changing

    def check(self, definition: Mapping[str, Any], *, previous: TaskRecord | None = None) -> Task:
        """Return the task that a definition means, or raise InvalidInput naming every field."""
        known = previous.task if previous is not None else None
        return checked(definition, known, self._timetable, self._clock.now())

    def create(
        self,
        definition: Mapping[str, Any],
        author: Author,
        *,
        also: Also | None = None,
        first: Also | None = None,
    ) -> TaskRecord:
        """Add a task; raise InvalidInput or TaskExists."""
        task_id = self.check(definition).id

        def decide(current: Mapping[str, TaskRecord]) -> list[Change]:
            if task_id in current:
                raise TaskExists(task_id)
            return [Put(task_id=task_id, definition=definition)]

        return self.change([task_id], decide, author, also, first=first).records[task_id]

    def update(
        self,
        task_id: str,
        changes: Mapping[str, Any],
        author: Author,
        *,
        if_revision: int | None = None,
        first: Also | None = None,
    ) -> TaskRecord:
        """Change fields of a task; None takes an optional field back to its default.

        To enable or disable it ends a pause, unless another is given along with that. Raises
        TaskNotFound, InvalidInput, and RevisionConflict where `if_revision` is given and is not
        the one in force.
        """
        if "enabled" in changes:
            changes = {"paused_until": None, **changes}

        def decide(current: Mapping[str, TaskRecord]) -> list[Change]:
            record = _found(current, task_id, if_revision)
            dropped = {key for key, value in changes.items() if value is None}
            merged = {**record.definition, **changes}
            definition = {key: value for key, value in merged.items() if key not in dropped}
            if definition == record.definition:
                return []
            task = self.check(definition, previous=record)
            refuse_past_pause(task, record.task, self._clock.now())
            return [Put(task_id=task_id, definition=definition)]

        return self.change([task_id], decide, author, first=first).records[task_id]

    def delete(
        self,
        task_id: str,
        author: Author,
        *,
        if_revision: int | None = None,
        reason: str | None = None,
        first: Also | None = None,
    ) -> None:
        """Delete a task and leave a tombstone with the reason; its runs and revisions stay."""

        def decide(current: Mapping[str, TaskRecord]) -> list[Change]:
            _found(current, task_id, if_revision)
            return [Remove(task_id=task_id, reason=reason)]

        self.change([task_id], decide, author, first=first)

    def restore(self, task_id: str, author: Author, *, revision: int | None = None) -> TaskRecord:
        """Put a revision in force again, by default the newest that differs from what is in force.

        Raises TaskNotFound for an id that never was, RevisionNotFound for another revision, and
        NothingToRestore where none differs.
        """
        chosen = _choose(self.history(task_id), revision)

        def decide(current: Mapping[str, TaskRecord]) -> list[Change]:
            self.check(chosen, previous=current.get(task_id))
            return [Put(task_id=task_id, definition=chosen)]

        return self.change([task_id], decide, author, action="restored").records[task_id]

    def apply(
        self, changes: Sequence[Change], author: Author, *, also: Also | None = None
    ) -> Snapshot:
        """Make changes that were checked before, all in one transaction.

        `also` writes in the same transaction. Removing what is gone changes nothing.
        """
        return self.change([change.task_id for change in changes], lambda _: changes, author, also)

    def adopt_default_timezone(self, timezone: str) -> None:
        """Make `timezone` the zone of tasks that name none; a change of it is a revision."""
        if self.default_timezone() == timezone:
            return

        def decide(current: Mapping[str, TaskRecord]) -> list[Change]:
            return [
                Put(task_id=task_id, definition=record.definition)
                for task_id, record in current.items()
                if "timezone" not in record.definition
            ]

        def also(connection: Connection) -> None:
            connection.execute(update(registry_clock).values(default_timezone=timezone))

        author = Author(kind="service", name="DEFAULT_TIMEZONE")
        self.change(list(self.snapshot().records), decide, author, also)

    def default_timezone(self) -> str:
        """Return the zone in which tasks that name none are read."""
        with self._database.read() as connection:
            return str(connection.execute(select(registry_clock.c.default_timezone)).scalar_one())

    def change(
        self,
        task_ids: Sequence[str],
        decide: Decide,
        author: Author,
        also: Also | None = None,
        *,
        action: str | None = None,
        first: Also | None = None,
    ) -> Snapshot:
        """Change tasks in one transaction: `decide` sees them as they stand, locked.

        It gets those of the ids that are in force and returns the changes to make, checked. `also`
        writes in the same transaction, whether there are changes or not; `first` comes before all
        is decided, and what it raises prevents the change.
        """
        with self._database.write() as connection:
            # a task that is only being created has no row yet that could be locked
            self._database.take_turns(connection, "definitions")
            held = rows.lock_rows(connection, task_ids)
            if first is not None:
                first(connection)
            current = {row.id: rows.record_of(row) for row in held if row.deleted_at is None}
            changes = decide(current)
            if changes:
                self._revising.write(connection, changes, held, author, action=action)
            if also is not None:
                also(connection)
        for change in changes:
            what = type(change).__name__.lower()
            log.info("task.changed", task_id=change.task_id, by=str(author), what=what)
        return self.snapshot()


def _is_current(held: TaskRecord | None, state: Any) -> bool:
    return held is not None and held.revision == state.revision


def _found(current: Mapping[str, TaskRecord], task_id: str, if_revision: int | None) -> TaskRecord:
    record = current.get(task_id)
    if record is None:
        raise TaskNotFound(task_id)
    if if_revision is not None and if_revision != record.revision:
        raise RevisionConflict(task_id, if_revision, record.revision)
    return record


def _choose(history: Sequence[Revision], revision: int | None) -> Mapping[str, Any]:
    newest = history[0]
    for candidate in history:
        found = candidate.definition
        is_meant = (
            found != newest.definition if revision is None else candidate.revision == revision
        )
        if found is not None and is_meant:
            return found
    if revision is None:
        raise NothingToRestore(newest.task_id)
    raise RevisionNotFound(f"Task '{newest.task_id}' has no revision {revision} to restore")
