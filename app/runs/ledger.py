"""What is written down about runs, each step guarded and repeatable.

Every method takes the connection of a transaction that the caller opened, so that what belongs
together is committed together. Order of locks: rows of tasks, then rows of runs, then the registry
version; a claim takes only queued runs that nobody holds, so it waits for no row.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update
from sqlalchemy.exc import DBAPIError

from app.core.errors import PersonaTasksError
from app.database import Database
from app.persona.client import PreviousRun
from app.runs import statements
from app.runs.run import WORKED, Claim, Entry, Origin, Outcome, Status
from app.runs.tables import attempts, runs
from app.tasks import rows as task_rows
from app.tasks.task import LastRun

_BATCH = 500
_CLAIM_TURN = "claim"
TASK_DELETED = "task_deleted"


class NotStoredWithOutcome(PersonaTasksError):
    """What belongs to the outcome of a run cannot be stored with it."""


Also = Callable[[Connection, Sequence[tuple[Claim, Outcome]]], None]
"""Writes what belongs to outcomes that were accepted, in the same transaction."""


class Ledger:
    """Writes down slots, claims and outcomes; `also` writes with each batch of outcomes."""

    def __init__(self, database: Database, *, also: Also | None = None) -> None:
        self._database = database
        self._also = also

    def record(self, connection: Connection, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Write entries down and return them; a slot that has a row keeps that one instead."""
        if not entries:
            return entries
        result = statements.RECORD.execute(connection, [entry.values() for entry in entries])
        if result.rowcount == len(entries):
            return entries
        query = select(runs.c.id).where(runs.c.recorded_at == entries[0].recorded_at)
        written = set(connection.execute(query).scalars())
        return [entry for entry in entries if entry.id in written]

    def forget_ahead(self, connection: Connection, task_id: str, now: datetime) -> datetime:
        """Remove the rows of slots to come that did not run: a clock that was ahead made them.

        Returns from when on the task's slots are to be recorded again: from now, or earlier where
        a summary row that went also stood for slots that have passed.
        """
        removed = connection.execute(
            delete(runs)
            .where(
                runs.c.task_id == task_id,
                runs.c.scheduled_for > now,
                runs.c.status.in_([str(Status.MISSED), str(Status.SKIPPED), str(Status.QUEUED)]),
            )
            .returning(runs.c.covers_from)
        ).scalars()
        passed = [first for first in removed if first is not None and first <= now]
        return min(passed) - timedelta(microseconds=1) if passed else now

    def open_runs(self, connection: Connection, task_ids: Iterable[str]) -> dict[str, str]:
        """Return task id -> id of a run of it that is not finished."""
        wanted = set(task_ids)
        found = (
            statements.OPEN_RUNS_OF.fetch(connection, {"task_ids": list(wanted)})
            if len(wanted) <= _BATCH
            else statements.OPEN_RUNS.fetch(connection, {})
        )
        return {row.task_id: row.id for row in found if row.task_id in wanted}

    def last_catch_up(self, connection: Connection, now: datetime) -> datetime | None:
        """Return when the last of the queued runs may begin."""
        return connection.execute(statements.LAST_DUE, {"now": now}).scalar()

    def count_running(self, connection: Connection, owner: str) -> tuple[int, int]:
        """Return how many runs go on in all, and how many of them an owner holds.

        Until the transaction ends nobody else claims any.
        """
        self._database.take_turns(connection, _CLAIM_TURN)
        found = connection.execute(statements.COUNT_RUNNING, {"by": owner}).one()
        return found.running, found.own

    def claim(
        self, connection: Connection, *, owner: str, now: datetime, places: int
    ) -> list[Claim]:
        """Take up to `places` queued runs that are due.

        By hand comes first, then by time. Of an exclusive task one run at a time is taken.
        """
        if places <= 0:
            return []
        queued = statements.NEXT_QUEUED.fetch(connection, {"now": now, "wanted": places})
        chosen = _one_per_exclusive_task(queued)
        if chosen:
            run_ids = [row.id for row in chosen]
            connection.execute(
                statements.BEGIN, {"run_ids": run_ids, "new_owner": owner, "now": now}
            )
        return [_claim_of(row, owner, now) for row in chosen]

    def put_back(self, connection: Connection, claims: Sequence[Claim], now: datetime) -> None:
        """Queue runs again that were claimed and did not begin, as if they had not been claimed.

        One that somebody wants cancelled is, and one whose task is gone.
        """
        states = task_rows.lock_states(connection, [each.task_id for each in claims])
        held = [
            {"run_id": each.run_id, "attempt": each.attempt, "owner": each.owner} for each in claims
        ]
        statements.PUT_BACK.execute(connection, held)
        connection.execute(
            statements.CANCEL_WANTED, {"run_ids": [each.run_id for each in claims], "now": now}
        )
        gone = [state.id for state in states if state.deleted_at is not None]
        self.withdraw(connection, gone, now)

    def finish(
        self,
        connection: Connection,
        finished: Sequence[tuple[Claim, Outcome]],
        *,
        with_all: bool = True,
    ) -> list[tuple[Claim, Outcome]]:
        """Write outcomes down and count the runs; return those that were accepted.

        Not `with_all` leaves out what `also` would write.

        An outcome is accepted only from the attempt and owner that hold the run, so a process that
        was given up for dead cannot overwrite what came after it.
        """
        if not finished:
            return []
        task_rows.hold_rows(connection, [claim.task_id for claim, _ in finished])
        holders = _holders(connection, [claim.run_id for claim, _ in finished])
        accepted = [
            (claim, outcome)
            for claim, outcome in finished
            if holders.get(claim.run_id) == (claim.attempt, claim.owner)
        ]
        if accepted:
            rows = [
                {
                    "run_id": claim.run_id,
                    "started_at": claim.started_at,
                    **_outcome_values(outcome),
                }
                for claim, outcome in accepted
            ]
            statements.WRITE_OUTCOME.execute(connection, rows)
            task_rows.note_runs(
                connection,
                [_last_run(claim.task_id, claim.started_at, done) for claim, done in accepted],
            )
            if self._also is not None and with_all:
                try:
                    self._also(connection, accepted)
                except DBAPIError as error:
                    # else it would pass for a database that is away, and be tried for ever
                    raise NotStoredWithOutcome from error
        return accepted

    def release(
        self,
        connection: Connection,
        held: Row[Any],
        *,
        reason: str,
        rerun: bool,
        now: datetime,
        remark: str = "",
    ) -> Status:
        """End an attempt whose process is gone; the run is queued again or ends `interrupted`.

        What the attempt changed in the space is taken back already, or the remark says otherwise.
        """
        attempt = {
            "run_id": held.id,
            "attempt": held.attempt,
            "owner": held.owner,
            "started_at": held.started_at,
            "ended_at": now,
            "status": str(Status.INTERRUPTED),
            "reason": reason,
        }
        connection.execute(insert(attempts), [attempt])
        if rerun:
            values: dict[str, Any] = {
                "status": str(Status.QUEUED),
                "owner": None,
                "started_at": None,
                "due_at": now,
            }
        else:
            outcome = Outcome(
                status=Status.INTERRUPTED,
                completed_at=now,
                reason=reason,
                error=f"the process that worked on it ended before the run was finished{remark}",
            )
            values = _outcome_values(outcome)
            task_rows.note_runs(connection, [_last_run(held.task_id, held.started_at, outcome)])
        connection.execute(update(runs).where(runs.c.id == held.id).values(values))
        return Status(values["status"])

    def let_go(self, connection: Connection, held: Row[Any], alive_until: datetime) -> None:
        """Let nobody hold a running run, so that its dead attempt changes nothing any more.

        Until when its process may have lived is kept as `due_at`, for whoever goes on with it when
        the row of that process is gone.
        """
        connection.execute(
            update(runs).where(runs.c.id == held.id).values(owner=None, due_at=alive_until)
        )

    def withdraw(self, connection: Connection, task_ids: Sequence[str], now: datetime) -> None:
        """Cancel what is queued, but not begun, of tasks that are being deleted."""
        if task_ids:
            connection.execute(
                update(runs)
                .where(runs.c.task_id.in_(task_ids), statements.QUEUED)
                .values(
                    status=str(Status.CANCELLED),
                    reason=TASK_DELETED,
                    completed_at=now,
                )
            )

    def is_withdrawn(self, connection: Connection, run_id: str) -> bool:
        """Say whether a run was cancelled, before it began, because its task was deleted."""
        query = select(runs.c.reason).where(runs.c.id == run_id)
        return connection.execute(query).scalar() == TASK_DELETED

    def mark_filed(self, connection: Connection, run_ids: Sequence[str]) -> None:
        """Note that the result files of these runs are safely in their folder."""
        for start in range(0, len(run_ids), _BATCH):
            connection.execute(statements.MARK_FILED, {"run_ids": run_ids[start : start + _BATCH]})

    def locked_running(self, connection: Connection, run_ids: Sequence[str]) -> list[Row[Any]]:
        """Return those of the runs that still run, held until the transaction ends."""
        found = list(
            connection.execute(select(runs.c.id, runs.c.task_id).where(runs.c.id.in_(run_ids)))
        )
        task_rows.hold_rows(connection, [row.task_id for row in found])
        query = select(runs).where(runs.c.id.in_(run_ids), statements.RUNNING).order_by(runs.c.id)
        return list(connection.execute(query.with_for_update()))


def _one_per_exclusive_task(queued: Iterable[Row[Any]]) -> list[Row[Any]]:
    chosen, taken = [], set()
    for row in queued:
        if row.exclusive and row.task_id in taken:
            continue
        taken.add(row.task_id)
        chosen.append(row)
    return chosen


def _claim_of(row: Row[Any], owner: str, now: datetime) -> Claim:
    previous = None
    if row.last_completed_at is not None:
        previous = PreviousRun(
            status=row.last_status, reason=row.last_reason, completed_at=row.last_completed_at
        )
    return Claim(
        run_id=row.id,
        attempt=row.attempt + 1,
        owner=owner,
        task_id=row.task_id,
        task_name=row.task_name,
        revision=row.revision,
        origin=Origin(row.origin),
        scheduled_for=row.scheduled_for,
        started_at=now,
        number=(row.run_count or 0) + 1,
        previous=previous,
    )


def _holders(connection: Connection, run_ids: Sequence[str]) -> Mapping[str, tuple[int, str]]:
    found: dict[str, tuple[int, str]] = {}
    ordered = sorted(run_ids)
    for start in range(0, len(ordered), _BATCH):
        some = {"run_ids": ordered[start : start + _BATCH]}
        for row in statements.HOLDERS.fetch(connection, some):
            found[row.id] = (row.attempt, row.owner)
    return found


def _last_run(task_id: str, started_at: datetime, outcome: Outcome) -> LastRun:
    return LastRun(
        task_id=task_id,
        status=str(outcome.status),
        reason=outcome.reason,
        started_at=started_at,
        completed_at=outcome.completed_at,
    )


def _outcome_values(outcome: Outcome) -> dict[str, Any]:
    size = len((outcome.response or "").encode()) + len((outcome.error or "").encode())
    return {
        "status": str(outcome.status),
        "reason": outcome.reason,
        "completed_at": outcome.completed_at,
        "response": outcome.response,
        "error": outcome.error,
        "metadata": dict(outcome.metadata),
        "size": size,
        "filed": 0 if outcome.status in WORKED else None,
    }
