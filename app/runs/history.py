"""What is read from the ledger: runs by time, by task, by status; always by an index."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, func, literal_column, select

from app.core.errors import RunNotFound
from app.core.ids import first_id
from app.database import Database
from app.persona.client import PastRun
from app.runs import statements
from app.runs.run import WORKED, Origin, Run, Status
from app.runs.tables import attempts, runs

_CHUNK = 1000
MOST_OF_A_PAST_RUN = 4096
MOST_BYTES = 16 * 1024 * 1024
"""How much text of answers and errors is read at once, however many runs are asked for."""

_AT_A_TIME = 16
_MILLISECOND = timedelta(milliseconds=1)
_WORKED = [str(status) for status in WORKED]


@dataclass(frozen=True, kw_only=True)
class RunFilter:
    """Which runs are wanted; since is inclusive, until exclusive, both of `recorded_at`."""

    task_id: str | None = None
    status: Status | None = None
    origin: Origin | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some runs, newest first, and where the next page begins."""

    runs: Sequence[Run]
    next_cursor: str | None


@dataclass(frozen=True, kw_only=True)
class SlotRow:
    """What the ledger has about one slot, or about the slots of one summary row."""

    task_id: str
    scheduled_for: datetime
    covers_from: datetime | None
    count: int


@dataclass(frozen=True, kw_only=True)
class _Found:
    """Runs that a query found, and whether they are all that it would have found."""

    runs: list[Run]
    are_all: bool


class History:
    """Reads the ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def run(self, run_id: str) -> Run:
        """Return one run; raise RunNotFound."""
        with self._database.read() as connection:
            row = connection.execute(select(runs).where(runs.c.id == run_id)).one_or_none()
        if row is None:
            raise RunNotFound(run_id)
        return run_of(row)

    def is_unfiled(self, run_id: str) -> bool:
        """Say whether the result file of a finished run is still to be written."""
        query = select(runs.c.filed).where(runs.c.id == run_id)
        with self._database.read() as connection:
            return connection.execute(query).scalar() == 0

    def is_any_unfiled(self, before: datetime) -> bool:
        """Say whether a run that ended before an instant has no result file yet."""
        if not self._database.glance(statements.ANY_UNFILED):
            return False
        query = select(runs.c.id).where(
            literal_column("runs.filed = 0"), runs.c.completed_at < before
        )
        with self._database.read() as connection:
            return connection.execute(query.limit(1)).first() is not None

    def attempts(self, run_id: str) -> list[dict[str, Any]]:
        """Return the attempts of a run that ended without ending it, oldest first."""
        query = select(attempts).where(attempts.c.run_id == run_id).order_by(attempts.c.attempt)
        with self._database.read() as connection:
            return [dict(row._mapping) for row in connection.execute(query)]

    def page(self, wanted: RunFilter, *, limit: int, cursor: str | None = None) -> Page:
        """Return up to `limit` runs, newest first; `cursor` is the `next_cursor` of a page.

        Fewer, at least one, where their answers are more than 16 MiB.
        """
        query = select(runs).where(*_conditions(wanted))
        if cursor is not None:
            query = query.where(runs.c.id < cursor)
        found = self._that_fit(query.order_by(runs.c.id.desc()).limit(limit + 1))
        shown = found.runs[:limit]
        is_last = found.are_all and len(found.runs) <= limit
        return Page(runs=shown, next_cursor=None if is_last else shown[-1].id)

    def results(self, *, limit: int, task_id: str | None = None) -> list[Run]:
        """Return the newest runs that really ran and are finished, newest first.

        Fewer than `limit`, at least one, where their answers are more than 16 MiB.
        """
        query = _finished(select(runs))
        if task_id is not None:
            query = query.where(runs.c.task_id == task_id)
        return self._that_fit(query.limit(max(limit, 0))).runs

    def recent(self, limit: int) -> list[Run]:
        """Return the newest results of all tasks, newest first, their answers cut short."""
        return self._runs(_finished(_cut_short()).limit(max(limit, 0)))

    def runs_since(self, since: datetime, limit: int) -> list[PastRun]:
        """Return runs that worked and ended since then, newest first, their answers cut short."""
        query = (
            _cut_short()
            .where(runs.c.completed_at > since, runs.c.status.in_(_WORKED))
            .order_by(runs.c.completed_at.desc(), runs.c.id.desc())
            .limit(limit)
        )
        return [_past(run) for run in self._runs(query)]

    def slots(self, since: datetime, until: datetime) -> Iterator[SlotRow]:
        """Yield what is recorded of the slots in (since, until], by task and age.

        Summary rows that only touch the window are among them.
        """
        query = (
            select(runs.c.task_id, runs.c.scheduled_for, runs.c.covers_from, runs.c.slots)
            .where(
                runs.c.scheduled_for > since,
                func.coalesce(runs.c.covers_from, runs.c.scheduled_for) <= until,
            )
            .order_by(runs.c.task_id, runs.c.scheduled_for)
            .execution_options(yield_per=_CHUNK)
        )
        with self._database.read() as connection:
            for row in connection.execute(query):
                yield SlotRow(
                    task_id=row.task_id,
                    scheduled_for=row.scheduled_for,
                    covers_from=row.covers_from,
                    count=row.slots,
                )

    def is_due(self, now: datetime) -> bool:
        """Say whether a queued run may begin: cheap, asked every second."""
        if not self._database.glance(statements.ANY_QUEUED):
            return False
        with self._database.read() as connection:
            return bool(connection.execute(statements.ANY_DUE, {"now": now}).scalar_one())

    def _runs(self, query: Select[Any]) -> list[Run]:
        with self._database.read() as connection:
            return [run_of(row) for row in connection.execute(query)]

    def _that_fit(self, query: Select[Any]) -> _Found:
        found: list[Run] = []
        size = 0
        bit_by_bit = query.execution_options(yield_per=_AT_A_TIME)
        with self._database.read() as connection, connection.execute(bit_by_bit) as rows:
            for row in rows:
                size += row.size
                if found and size > MOST_BYTES:
                    return _Found(runs=found, are_all=False)
                found.append(run_of(row))
        return _Found(runs=found, are_all=True)


def _finished(query: Select[Any]) -> Select[Any]:
    return query.where(
        runs.c.completed_at.is_not(None),
        runs.c.status.in_(_WORKED),
        runs.c.started_at.is_not(None),
    ).order_by(runs.c.completed_at.desc(), runs.c.id.desc())


def _cut_short() -> Select[Any]:
    columns = [column for column in runs.c if column.name != "response"]
    beginning = func.substr(runs.c.response, 1, MOST_OF_A_PAST_RUN).label("response")
    return select(*columns, beginning)


def run_of(row: Row[Any]) -> Run:
    """Make the value of a row of `runs`."""
    return Run(
        id=row.id,
        task_id=row.task_id,
        task_name=row.task_name,
        revision=row.revision,
        origin=Origin(row.origin),
        status=Status(row.status),
        reason=row.reason,
        scheduled_for=row.scheduled_for,
        recorded_at=row.recorded_at,
        started_at=row.started_at,
        completed_at=row.completed_at,
        response=row.response,
        error=row.error,
        attempt=row.attempt,
        metadata=row.metadata or {},
        count=row.slots,
        covers_from=row.covers_from,
    )


def _conditions(wanted: RunFilter) -> list[Any]:
    conditions: list[Any] = []
    if wanted.task_id is not None:
        conditions.append(runs.c.task_id == wanted.task_id)
    if wanted.status is not None:
        conditions.append(runs.c.status == str(wanted.status))
    if wanted.origin is not None:
        conditions.append(runs.c.origin == str(wanted.origin))
    if wanted.since is not None:
        conditions.append(runs.c.id >= first_id(wanted.since))
        conditions.append(runs.c.recorded_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(runs.c.id <= first_id(wanted.until + _MILLISECOND))
        conditions.append(runs.c.recorded_at < wanted.until)
    return conditions


def _past(run: Run) -> PastRun:
    return PastRun(
        run_id=run.id,
        task_id=run.task_id,
        task_name=run.task_name,
        task_type=str(run.metadata.get("task_type", "custom")),
        status=str(run.status),
        reason=run.reason,
        origin=str(run.origin),
        scheduled_for=run.scheduled_for,
        completed_at=run.completed_at or run.recorded_at,
        text=run.response or run.error or "",
        tools=[str(call["name"]) for call in run.metadata.get("tool_calls") or ()],
    )
