"""The tables of the ledger: the truth about what happened."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, text

from app.database import Instant, Json, metadata

processes = Table(
    "processes",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("host", String(200), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("pid_started", String(40), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("heartbeat_at", Instant, nullable=False),
    Column("ticked_at", Instant, nullable=True),
    Column("state", String(10), nullable=False),
    comment="processes that tick and run; one whose heartbeat is stale holds nothing any more",
)

runs = Table(
    "runs",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("task_id", String(64), nullable=False),
    Column("task_name", Text, nullable=False),
    Column("origin", String(10), nullable=False),
    Column("status", String(12), nullable=False),
    Column("reason", String(40), nullable=True),
    Column("scheduled_for", Instant, nullable=True),
    Column("covers_from", Instant, nullable=True),
    Column("slots", Integer, nullable=False, server_default=text("1")),
    Column("revision", Integer, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("rank", Integer, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("exclusive", Boolean, nullable=False),
    Column("started_at", Instant, nullable=True),
    Column("completed_at", Instant, nullable=True),
    Column("attempt", Integer, nullable=False),
    Column("owner", String(26), nullable=True),
    Column("response", Text, nullable=True),
    Column("error", Text, nullable=True),
    Column("metadata", Json, nullable=True),
    Column("size", Integer, nullable=False, server_default=text("0")),
    Column("filed", Integer, nullable=True),
    Column("cancel_asked_at", Instant, nullable=True),
    # the invariant of the ledger: one slot, one row (runs by hand have no slot)
    Index("uq_runs_task_id_scheduled_for", "task_id", "scheduled_for", unique=True),
    Index("ix_runs_completed_at", "completed_at", "id"),
    Index("ix_runs_task_id_completed_at", "task_id", "completed_at", "id"),
    # ids sort by the time they were given out, so they are the order in which runs are listed
    Index("ix_runs_task_id_id", "task_id", "id"),
    Index(
        "ix_runs_open",
        "status",
        "task_id",
        sqlite_where=text("status IN ('queued', 'running')"),
        postgresql_where=text("status IN ('queued', 'running')"),
    ),
    Index(
        "ix_runs_queue",
        "rank",
        "due_at",
        "id",
        sqlite_where=text("status = 'queued'"),
        postgresql_where=text("status = 'queued'"),
    ),
    # 0: its result file is to be written, 1: it is there, null: there is none
    Index(
        "ix_runs_unfiled",
        "completed_at",
        sqlite_where=text("filed = 0"),
        postgresql_where=text("filed = 0"),
    ),
    Index(
        "ix_runs_filed",
        "completed_at",
        "size",
        sqlite_where=text("filed = 1"),
        postgresql_where=text("filed = 1"),
    ),
)

attempts = Table(
    "attempts",
    metadata,
    Column("run_id", String(26), ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("owner", String(26), nullable=True),
    Column("started_at", Instant, nullable=True),
    Column("ended_at", Instant, nullable=False),
    Column("status", String(12), nullable=False),
    Column("reason", String(40), nullable=True),
    comment="attempts that ended without ending their run; the last one stands in runs itself",
)

changed_paths = Table(
    "changed_paths",
    metadata,
    Column("space", String(40), primary_key=True),
    Column("path", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("run_id", String(26), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("kind", String(10), nullable=False),
    Column("before", String(40), nullable=True),
    Column("after", String(40), nullable=True),
    Column("mode", Integer, nullable=True),
    Column("shared", Boolean, nullable=False),
    Column("at", Instant, nullable=False),
    Column("ended_at", Instant, nullable=True),
    Column("undone_at", Instant, nullable=True),
    Index("ix_changed_paths_run_id", "run_id"),
    Index("ix_changed_paths_at", "at"),
    comment="the history of each file, step by step; before and after name contents",
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("scope", String(120), primary_key=True),
    Column("key", String(200), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("created_at", Instant, nullable=False),
    Index("ix_idempotency_keys_created_at", "created_at"),
)
