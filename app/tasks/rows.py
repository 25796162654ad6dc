"""Rows of the registry's tables as values, and back."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from sys import intern
from typing import Any

import orjson
from sqlalchemy import (
    Connection,
    Row,
    Select,
    Text,
    bindparam,
    func,
    or_,
    select,
    type_coerce,
    update,
)

from app.bulk import BulkRead, BulkWrite
from app.core.instants import read_instant
from app.database import Instant
from app.tasks.record import TaskRecord
from app.tasks.schema import read_task
from app.tasks.tables import registry_clock, task_revisions, tasks
from app.tasks.task import TAKEN_BACK, Author, InForce, LastRun, Revision, Tombstone

_MOST_IN_ONE_QUERY = 500


VERSION = "SELECT version FROM registry_clock"
"""Asked with every request and several times a second, so it is spared the compiler."""


def read_version(connection: Connection) -> int:
    """Return the registry version of this transaction."""
    return int(connection.exec_driver_sql(VERSION).scalar_one())


def newest_revision(connection: Connection) -> int:
    """Return the registry version of the newest revision of any task."""
    return connection.execute(select(func.max(task_revisions.c.version))).scalar_one() or 0


def raise_version(connection: Connection) -> int:
    """Raise the registry version and return it.

    Its row is locked until the end of the transaction, so versions become visible in order and a
    reader that asks for "all changed since" misses none.
    """
    return int(connection.execute(_RAISE_VERSION).scalar_one())


_RAISE_VERSION = (
    update(registry_clock)
    .values(version=registry_clock.c.version + 1)
    .returning(registry_clock.c.version)
)


def record_of(row: Row[Any]) -> TaskRecord:
    """Make the record of a row of `tasks` that has the columns `_RECORD`."""
    task_id, text, timezone, *state, _deleted_at = tuple[Any, ...](row)
    # thousands of tasks have few zones, and not many schedules
    definition = orjson.loads(text)
    schedule, until = intern(definition["schedule"]), definition.get("paused_until")
    paused = None if until is None else read_instant(until)
    return TaskRecord._make((task_id, text, intern(timezone), *state, schedule, paused))


def with_state(held: TaskRecord, state: Row[Any]) -> TaskRecord:
    """Return a record of the same revision with the run state of a row."""
    return held._replace(
        cursor=state.cursor,
        last_run=state.last_run,
        last_status=state.last_status,
        last_reason=state.last_reason,
        last_completed_at=state.last_completed_at,
        run_count=state.run_count,
        changed=state.changed,
    )


def lock_rows(connection: Connection, task_ids: Sequence[str]) -> list[Row[Any]]:
    """Return the rows of these tasks, tombstones included, held until the transaction ends.

    They are taken in the order of their ids, so that two transactions never wait for each other.
    """
    found: list[Row[Any]] = []
    for some in _batches(sorted(set(task_ids))):
        found.extend(_LOCK.fetch(connection, {"task_ids": some}))
    return found


_TEXT = type_coerce(tasks.c.definition, Text).label("text")
# in the order of a record, whose schedule and pause stand in the definition
_RECORD = [
    *(_TEXT if name == "text" else tasks.c[name] for name in TaskRecord._fields[:-2]),
    tasks.c.deleted_at,
]
_STATE = [column for column in _RECORD if column.name not in {"text", "timezone"}]
_LOCK = BulkRead(
    select(*_RECORD)
    .where(tasks.c.id.in_(bindparam("task_ids", expanding=True)))
    .order_by(tasks.c.id)
    .with_for_update()
)


def lock_states(connection: Connection, task_ids: Sequence[str]) -> list[Row[Any]]:
    """Return the rows of these tasks as `lock_rows` does, but without their definitions."""
    found: list[Row[Any]] = []
    for some in _batches(sorted(set(task_ids))):
        found.extend(_LOCK_STATES.fetch(connection, {"task_ids": some}))
    return found


_LOCK_STATES = BulkRead(
    select(*_STATE)
    .where(tasks.c.id.in_(bindparam("task_ids", expanding=True)))
    .order_by(tasks.c.id)
    .with_for_update()
)


def states_changed_since(connection: Connection, version: int) -> list[Row[Any]]:
    """Return the rows that changed after a version, tombstones included, without definitions."""
    return _STATES.fetch(connection, {"version": version})


_STATES = BulkRead(select(*_STATE).where(tasks.c.changed > bindparam("version")))


def all_in_force(connection: Connection) -> list[TaskRecord]:
    """Return the record of every task that is in force, in the order of their creation.

    Not in one piece: a process does this before it is busy, and so it takes half the time.
    """
    query = select(*_RECORD).where(tasks.c.deleted_at.is_(None)).order_by(tasks.c.position)
    return [record_of(row) for row in connection.execute(query)]


def rows_of(connection: Connection, task_ids: Sequence[str]) -> list[Row[Any]]:
    """Return the whole rows of these tasks."""
    found: list[Row[Any]] = []
    for some in _batches(list(task_ids)):
        found.extend(_WHOLE.fetch(connection, {"task_ids": some}))
    return found


_WHOLE = BulkRead(select(*_RECORD).where(tasks.c.id.in_(bindparam("task_ids", expanding=True))))


def hold_rows(connection: Connection, task_ids: Sequence[str]) -> None:
    """Hold the rows of these tasks until the transaction ends, without reading them.

    SQLite lets one writer in at a time anyway.
    """
    if connection.dialect.name == "sqlite":
        return
    for some in _batches(sorted(set(task_ids))):
        query = select(tasks.c.id).where(tasks.c.id.in_(some)).order_by(tasks.c.id)
        connection.execute(query.with_for_update())


def advance(connection: Connection, cursors: Mapping[str, datetime]) -> None:
    """Move tasks past their recorded slots; the caller holds the rows and raises the version."""
    if not cursors:
        return
    version = raise_version(connection)
    _ADVANCE.execute(
        connection,
        [
            {"id": task_id, "cursor": cursor, "changed": version}
            for task_id, cursor in cursors.items()
        ],
    )


_ADVANCE = BulkWrite(
    {name: tasks.c[name].type for name in ("id", "cursor", "changed")},
    lambda given: (
        update(tasks)
        .where(tasks.c.id == given.c.id)
        .values(cursor=given.c.cursor, changed=given.c.changed)
    ),
)


def rewind(connection: Connection, cursors: Mapping[str, datetime], now: datetime) -> None:
    """Let the slots of tasks begin again at these cursors; a clock that was ahead moved them on."""
    advance(connection, cursors)
    connection.execute(
        update(task_revisions)
        .where(task_revisions.c.task_id.in_(list(cursors)), task_revisions.c.effective_from > now)
        .values(effective_from=now)
    )


def note_runs(connection: Connection, ended: Sequence[LastRun]) -> None:
    """Count runs that worked, and note how the newest of each task ended.

    The caller holds the rows of the tasks.
    """
    if not ended:
        return
    counts = Counter(run.task_id for run in ended)
    newest = {run.task_id: run for run in sorted(ended, key=lambda run: run.started_at)}
    version = raise_version(connection)
    _NOTE_RUN.execute(
        connection,
        [
            {
                "id": run.task_id,
                "run_count": counts[run.task_id],
                "last_run": run.started_at,
                "last_completed_at": run.completed_at,
                "last_status": run.status,
                "last_reason": run.reason,
                "changed": version,
            }
            for run in newest.values()
        ],
    )


_NOTED = ("last_run", "last_completed_at", "last_status", "last_reason", "changed")
_NOTE_RUN = BulkWrite(
    {name: tasks.c[name].type for name in ("id", "run_count", *_NOTED)},
    lambda given: (
        update(tasks)
        .where(tasks.c.id == given.c.id)
        .values(
            run_count=tasks.c.run_count + given.c.run_count,
            **{name: given.c[name] for name in _NOTED},
        )
    ),
)


def next_position(connection: Connection) -> int:
    """Return the place of the next new task."""
    highest = connection.execute(select(func.max(tasks.c.position))).scalar_one()
    return (highest or 0) + 1


def revisions_at(version: int) -> Select[Any]:
    """Select the newest revision of each task at a registry version, deletions included."""
    newest = (
        select(task_revisions.c.task_id, func.max(task_revisions.c.revision).label("revision"))
        .where(task_revisions.c.version <= version)
        .group_by(task_revisions.c.task_id)
        .subquery()
    )
    return select(task_revisions).join(
        newest,
        (task_revisions.c.task_id == newest.c.task_id)
        & (task_revisions.c.revision == newest.c.revision),
    )


def in_force_between(connection: Connection, since: datetime, until: datetime) -> Iterator[InForce]:
    """Yield the definitions that were in force at some time in (since, until], by task and age."""
    ends = func.lead(task_revisions.c.effective_from, type_=Instant()).over(
        partition_by=task_revisions.c.task_id, order_by=task_revisions.c.revision
    )
    stretches = select(task_revisions, ends.label("ends")).subquery()
    query = (
        select(stretches)
        .where(
            stretches.c.definition.is_not(None),
            stretches.c.effective_from < until,
            or_(stretches.c.ends.is_(None), stretches.c.ends > since),
        )
        .order_by(stretches.c.task_id, stretches.c.revision)
        .execution_options(yield_per=_MOST_IN_ONE_QUERY)
    )
    for row in connection.execute(query):
        begin = max(row.effective_from, since)
        end = until if row.ends is None else min(row.ends, until)
        if begin < end:
            yield InForce(task=read_task(row.definition, row.timezone), since=begin, until=end)


def revision_of(row: Row[Any]) -> Revision:
    """Make the value of a row of `task_revisions`."""
    return Revision(
        task_id=row.task_id,
        revision=row.revision,
        at=row.at,
        effective_from=row.effective_from,
        author=_author_of(row.author),
        action=row.action,
        definition=row.definition,
        timezone=row.timezone,
        version=row.version,
        reason=row.reason,
    )


def created_since(connection: Connection, kind: str, since: datetime) -> list[datetime]:
    """Return when authors of a kind created tasks after `since`, oldest first.

    Deleted ones too, but none whose creation was taken back.
    """
    columns = task_revisions.c
    query = select(columns.task_id, columns.revision, columns.at, columns.author).where(
        columns.at > since
    )
    created = query.where(columns.action == "created", columns.author.startswith(f"{kind}:"))
    undone = query.where(columns.action == TAKEN_BACK, columns.definition.is_(None))
    latest: dict[tuple[str, str], int] = {}
    for row in connection.execute(undone):
        made = row.task_id, _author_of(row.author).name
        latest[made] = max(row.revision, latest.get(made, 0))
    return [
        row.at
        for row in connection.execute(created.order_by(columns.at))
        if row.revision > latest.get((row.task_id, _author_of(row.author).name), 0)
    ]


def tombstones_since(connection: Connection, since: datetime) -> list[Tombstone]:
    """Return the tasks that were deleted after `since` and are not in force again.

    Where a creation was taken back, nobody has deleted anything.
    """
    query = select(
        tasks.c.definition,
        tasks.c.timezone,
        task_revisions.c.at,
        task_revisions.c.author,
        task_revisions.c.reason,
    ).where(
        tasks.c.deleted_at > since,
        tasks.c.id == task_revisions.c.task_id,
        tasks.c.revision == task_revisions.c.revision,
        task_revisions.c.action != TAKEN_BACK,
    )
    return [
        Tombstone(
            task=read_task(row.definition, row.timezone),
            at=row.at,
            author=_author_of(row.author),
            reason=row.reason,
        )
        for row in connection.execute(query)
    ]


def _author_of(text: str) -> Author:
    kind, _, name = text.partition(":")
    return Author(kind=kind, name=name)


def _batches(ids: list[str]) -> list[list[str]]:
    return [ids[i : i + _MOST_IN_ONE_QUERY] for i in range(0, len(ids), _MOST_IN_ONE_QUERY)]
