"""The history of each file in the database: step after step, each made by one run or one undoing.

A step is written down before the file is changed, with what it held, and ended when its run ends.
The next step of the file by somebody else bounds it as well.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Update,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from app.database import Database
from app.runs import statements
from app.runs.run import Run, Status
from app.runs.tables import changed_paths as steps
from app.runs.tables import runs

EVERYTHING = "."
"""The path of a step that may change any file: `before` and `after` are commits then."""

_TURN = "changed_paths"
_BATCH = 500
_STEP = [column for column in steps.c if column.name != "space"]


class Kind(StrEnum):
    """Who made a step: a run, the rollback of its dead attempt, or the owner who reverts it.

    A step of a dead attempt is `left` where the file was changed by somebody else since.
    """

    RUN = "run"
    LEFT = "left"
    ROLLBACK = "rollback"
    REVERT = "revert"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step in the history of a file.

    `run_id` is the run that made it or that was taken back by it; `before` and `after` are ids of
    contents, None for no file; `mode` is that of the file before. `shared` says that other runs
    changed files at the same time, so that it may have been one of them.
    """

    path: str
    number: int = 0
    run_id: str
    attempt: int
    kind: Kind
    before: str | None
    after: str | None = None
    mode: int | None = None
    shared: bool = False
    at: datetime
    ended_at: datetime | None = None
    undone_at: datetime | None = None

    @property
    def is_change(self) -> bool:
        """Whether the file was changed, as far as is known."""
        return self.ended_at is None or self.before != self.after


@dataclass(frozen=True, kw_only=True)
class Beside:
    """A run that goes on beside another one."""

    run_id: str
    task_id: str
    revision: int
    started_at: datetime


class Trail:
    """Reads and writes steps of one space, on the connection of the caller's transaction.

    Hosts that share a ledger each have a space of their own; `space` tells which one this is.
    Raises SpaceBusy where that cannot be told.
    """

    def __init__(self, database: Database, space: Callable[[], str]) -> None:
        self._database = database
        self._space = space

    def holds(
        self, connection: Connection, run_id: str, attempt: int, owner: str, *, lock: bool = True
    ) -> bool:
        """Say whether this attempt and owner hold the run; it stays so until the end if locked."""
        query = select(runs.c.attempt, runs.c.owner).where(runs.c.id == run_id, statements.RUNNING)
        row = connection.execute(query.with_for_update(read=True) if lock else query).one_or_none()
        return row is not None and (row.attempt, row.owner) == (attempt, owner)

    def add(self, connection: Connection, new: Sequence[Step]) -> list[Step]:
        """Write steps down, each after the last one of its file; return them with their numbers."""
        self._database.take_turns(connection, _TURN)
        added, space = [], self._space()
        for step in new:
            query = select(func.max(steps.c.number)).where(
                steps.c.space == space, steps.c.path == step.path
            )
            numbered = replace(step, number=(connection.execute(query).scalar() or 0) + 1)
            connection.execute(
                insert(steps).values(space=space, **{**asdict(numbered), "kind": str(step.kind)})
            )
            added.append(numbered)
        return added

    def end(self, connection: Connection, step: Step, after: str | None, now: datetime) -> None:
        """Note what the file held when the step was over."""
        connection.execute(self._this(step).values(after=after, ended_at=now))

    def leave(self, connection: Connection, step: Step, after: str | None, now: datetime) -> None:
        """Note that a step of a dead attempt stays; where its end is not known it is `shared`."""
        values: dict[str, Any] = {"kind": str(Kind.LEFT)}
        if step.ended_at is None:
            values.update(after=after, ended_at=now, shared=True)
        connection.execute(self._this(step).values(values))

    def undone(self, connection: Connection, done: Iterable[Step], now: datetime) -> None:
        """Note that steps were taken back."""
        for step in done:
            connection.execute(self._this(step).values(undone_at=now))

    def of_run(self, connection: Connection, run_id: str, *, reverted: bool = False) -> list[Step]:
        """Return the steps of a run that were not taken back; on demand, those reverted too."""
        query = select(*_STEP).where(
            self._is_here(),
            steps.c.run_id == run_id,
            steps.c.kind.in_([str(Kind.RUN), str(Kind.LEFT)]),
        )
        if not reverted:
            query = query.where(steps.c.undone_at.is_(None))
        return self._found(connection, query.order_by(steps.c.at, steps.c.path, steps.c.number))

    def is_elsewhere(self, connection: Connection, run_id: str) -> bool:
        """Say whether all that is known of what a run changed is of another space than this."""
        spaces = select(steps.c.space).where(steps.c.run_id == run_id).distinct()
        found = set(connection.execute(spaces).scalars())
        return bool(found) and self._space() not in found

    def of_attempt(self, connection: Connection, run_id: str, attempt: int) -> list[Step]:
        """Return the steps of an attempt that were neither taken back nor left."""
        return [
            step
            for step in self.of_run(connection, run_id)
            if step.attempt == attempt and step.kind is Kind.RUN
        ]

    def of_path(
        self, connection: Connection, path: str, *, since: int = 0, limit: int | None = None
    ) -> list[Step]:
        """Return the steps of a file from a number on, oldest first; the newest `limit` of them."""
        query = select(*_STEP).where(self._is_here(), steps.c.path == path, steps.c.number >= since)
        query = query.order_by(steps.c.number.desc()).limit(limit)
        return self._found(connection, query)[::-1]

    def last(self, connection: Connection, path: str) -> Step | None:
        """Return the newest step of a file."""
        found = self.of_path(connection, path, limit=1)
        return found[0] if found else None

    def meanwhile(
        self, connection: Connection, paths: Collection[str], since: datetime
    ) -> dict[str, Step]:
        """Return the newest step of each of the files that went on then or later."""
        going_on = or_(steps.c.at >= since, steps.c.ended_at >= since, steps.c.ended_at.is_(None))
        ordered, found = sorted(paths), dict[str, Step]()
        for start in range(0, len(ordered), _BATCH):
            some = steps.c.path.in_(ordered[start : start + _BATCH])
            query = select(*_STEP).where(self._is_here(), some, going_on)
            for step in self._found(connection, query.order_by(steps.c.number)):
                found[step.path] = step
        return found

    def others_everywhere(self, connection: Connection, run_id: str, since: datetime) -> bool:
        """Say whether another run might change any file, unannounced, then or later."""
        query = select(steps.c.number).where(
            self._is_here(),
            steps.c.path == EVERYTHING,
            steps.c.run_id != run_id,
            or_(steps.c.ended_at.is_(None), steps.c.ended_at >= since),
        )
        return connection.execute(query.limit(1)).first() is not None

    def others_running(self, connection: Connection, run_id: str, since: datetime) -> bool:
        """Say whether another run worked later than then."""
        ended_later = (runs.c.completed_at > since) & runs.c.started_at.is_not(None)
        # one query for both would use the index of neither
        return any(
            connection.execute(
                select(runs.c.id).where(runs.c.id != run_id, condition).limit(1)
            ).first()
            is not None
            for condition in (statements.RUNNING, ended_later)
        )

    def running_beside(self, connection: Connection, run_id: str) -> list[Beside]:
        """Return all other runs that go on."""
        query = select(
            runs.c.id.label("run_id"), runs.c.task_id, runs.c.revision, runs.c.started_at
        )
        found = connection.execute(query.where(runs.c.id != run_id, statements.RUNNING))
        return [Beside(**row._mapping) for row in found]

    def forget(self, connection: Connection, before: datetime, limit: int) -> int:
        """Remove steps of any space that ended before that time; return how many, up to limit."""
        key = (steps.c.space, steps.c.path, steps.c.number)
        old = select(*key).where(steps.c.at < before, steps.c.ended_at < before)
        gone = [tuple(row) for row in connection.execute(old.limit(limit))]
        for each in gone:
            same = [column == value for column, value in zip(key, each, strict=True)]
            connection.execute(delete(steps).where(*same))
        return len(gone)

    def contents(self, connection: Connection) -> set[str]:
        """Return the ids of all contents that a step needs."""
        found: set[str] = set()
        for column in (steps.c.before, steps.c.after):
            found.update(
                connection.execute(
                    select(column).where(self._is_here(), column.is_not(None)).distinct()
                ).scalars()
            )
        return found

    def _is_here(self) -> ColumnElement[bool]:
        return steps.c.space == self._space()

    def _this(self, step: Step) -> Update:
        return update(steps).where(
            self._is_here(), steps.c.path == step.path, steps.c.number == step.number
        )

    def _found(self, connection: Connection, query: Select[Any]) -> list[Step]:
        return [
            Step(**{**row._mapping, "kind": Kind(row.kind)}) for row in connection.execute(query)
        ]


def is_rolled_back(step: Step, run: Run) -> bool:
    """Say whether a step was undone because its attempt died; only finished runs are reverted."""
    is_dead = step.attempt < run.attempt or run.status.is_open or run.status is Status.INTERRUPTED
    return step.kind is Kind.RUN and step.undone_at is not None and is_dead


def end_of(step: Step, trail: Sequence[Step], current: str | None) -> str | None:
    """Return what a file held at the end of a step, given all later ones and what it holds now."""
    if step.ended_at is not None:
        return step.after
    return next((later.before for later in trail if later.number > step.number), current)
