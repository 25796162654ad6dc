"""What the ledger says to the database all the time, put together once.

To put a statement together takes longer than to carry it out. Conditions on the status are
literals, because a partial index serves only a query that repeats its condition word by word:
SQLite does not see that what is `running` is one of `queued` and `running`, and would read all.
"""

from sqlalchemy import and_, bindparam, func, literal_column, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from app.bulk import BulkRead, BulkWrite, insert_ignoring
from app.persona.errors import PersonaCancelled
from app.runs.run import Status
from app.runs.tables import runs
from app.tasks.tables import tasks

QUEUED: ColumnElement[bool] = literal_column("runs.status = 'queued'")
RUNNING: ColumnElement[bool] = literal_column(
    "(runs.status IN ('queued', 'running') AND runs.status = 'running')"
)
_OPEN: ColumnElement[bool] = literal_column("runs.status IN ('queued', 'running')")
_THESE = runs.c.id.in_(bindparam("run_ids", expanding=True))
_ATTEMPT = {"run_id": "id", "attempt": "attempt", "owner": "owner"}
_NOW = bindparam("now", type_=runs.c.due_at.type)
# a run that was queued while the clock was ahead may begin, too
_IS_DUE = and_(QUEUED, or_(runs.c.due_at <= _NOW, runs.c.recorded_at > _NOW))
_OTHER = runs.alias("other")
_BUSY = (
    select(literal_column("1"))
    .select_from(_OTHER)
    .where(
        literal_column("other.status IN ('queued', 'running') AND other.status = 'running'"),
        _OTHER.c.task_id == runs.c.task_id,
    )
    .exists()
)

_OPEN_RUNS = select(runs.c.task_id, runs.c.id).where(_OPEN).order_by(runs.c.id.desc())
OPEN_RUNS = BulkRead(_OPEN_RUNS)
OPEN_RUNS_OF = BulkRead(_OPEN_RUNS.where(runs.c.task_id.in_(bindparam("task_ids", expanding=True))))
COUNT_RUNNING = select(
    func.count().label("running"),
    func.count().filter(runs.c.owner == bindparam("by")).label("own"),
).where(RUNNING)
LAST_DUE = select(func.max(runs.c.due_at)).where(QUEUED, runs.c.recorded_at <= _NOW)
ANY_DUE = select(select(runs.c.id).where(_IS_DUE).exists())
# mostly there is none, which a glance tells
ANY_QUEUED = "SELECT EXISTS (SELECT 1 FROM runs WHERE status = 'queued')"
ANY_RUNNING = (
    "SELECT EXISTS (SELECT 1 FROM runs WHERE status IN ('queued', 'running')"
    " AND status = 'running')"
)
ANY_TO_CANCEL = (
    "SELECT EXISTS (SELECT 1 FROM runs WHERE status IN ('queued', 'running')"
    " AND status = 'running' AND cancel_asked_at IS NOT NULL)"
)
ANY_UNFILED = "SELECT EXISTS (SELECT 1 FROM runs WHERE filed = 0)"
NEXT_QUEUED = BulkRead(
    select(
        runs.c.id,
        runs.c.task_id,
        runs.c.task_name,
        runs.c.revision,
        runs.c.origin,
        runs.c.attempt,
        runs.c.exclusive,
        runs.c.scheduled_for,
        tasks.c.run_count,
        tasks.c.last_status,
        tasks.c.last_reason,
        tasks.c.last_completed_at,
    )
    .select_from(runs.outerjoin(tasks, tasks.c.id == runs.c.task_id))
    .where(_IS_DUE, ~and_(runs.c.exclusive, _BUSY))
    .order_by(runs.c.rank, runs.c.due_at, runs.c.id)
    .limit(bindparam("wanted"))
    .with_for_update(of=runs, skip_locked=True)
)
BEGIN = (
    update(runs)
    .where(_THESE, QUEUED)
    .values(
        status=str(Status.RUNNING),
        owner=bindparam("new_owner"),
        attempt=runs.c.attempt + 1,
        started_at=_NOW,
    )
)
PUT_BACK = BulkWrite(
    {name: runs.c[column].type for name, column in _ATTEMPT.items()},
    lambda given: (
        update(runs)
        .where(RUNNING, *(runs.c[column] == given.c[name] for name, column in _ATTEMPT.items()))
        .values(status=str(Status.QUEUED), owner=None, attempt=runs.c.attempt - 1, started_at=None)
    ),
)
CANCEL_WANTED = (
    update(runs)
    .where(_THESE, QUEUED, runs.c.cancel_asked_at.is_not(None))
    .values(status=str(Status.CANCELLED), reason=PersonaCancelled.reason, completed_at=_NOW)
)
HOLDERS = BulkRead(
    select(runs.c.id, runs.c.attempt, runs.c.owner)
    .where(_THESE, RUNNING)
    .order_by(runs.c.id)
    .with_for_update()
)
ENTRY_COLUMNS = (
    "id",
    "task_id",
    "task_name",
    "revision",
    "origin",
    "status",
    "reason",
    "scheduled_for",
    "covers_from",
    "slots",
    "recorded_at",
    "rank",
    "due_at",
    "exclusive",
    "completed_at",
    "attempt",
)
MARK_FILED = update(runs).where(_THESE).values(filed=1)
OUTCOME_COLUMNS = (
    "started_at",
    "status",
    "reason",
    "completed_at",
    "response",
    "error",
    "metadata",
    "size",
    "filed",
)
WRITE_OUTCOME = BulkWrite(
    {"run_id": runs.c.id.type, **{name: runs.c[name].type for name in OUTCOME_COLUMNS}},
    lambda given: (
        update(runs)
        .where(runs.c.id == given.c.run_id)
        .values({name: given.c[name] for name in OUTCOME_COLUMNS})
    ),
)
RECORD = insert_ignoring(runs, ENTRY_COLUMNS)
