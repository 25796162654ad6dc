"""The tables of the registry: the truth about which tasks are in force."""

from sqlalchemy import Boolean, Column, Index, Integer, String, Table, Text

from app.database import Instant, Json, metadata

registry_clock = Table(
    "registry_clock",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("default_timezone", String(64), nullable=False),
    comment="one row; its version rises with every change of a task or its run state",
)

tasks = Table(
    "tasks",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("definition", Json, nullable=False),
    Column("timezone", String(64), nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("deleted_at", Instant, nullable=True),
    Column("cursor", Instant, nullable=False),
    Column("last_run", Instant, nullable=True),
    Column("run_count", Integer, nullable=False),
    Column("last_status", String(12), nullable=True),
    Column("last_reason", String(40), nullable=True),
    Column("last_completed_at", Instant, nullable=True),
    Column("changed", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Index("ix_tasks_changed", "changed"),
)

task_revisions = Table(
    "task_revisions",
    metadata,
    Column("task_id", String(64), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("effective_from", Instant, nullable=False),
    Column("author", String(200), nullable=False),
    Column("action", String(20), nullable=False),
    Column("definition", Json, nullable=True),
    Column("timezone", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("reason", Text, nullable=True),
    Index("ix_task_revisions_version", "version"),
    Index("ix_task_revisions_at", "at"),
    Index("ix_task_revisions_author", "author"),
)

desk = Table(
    "desk",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("path", Text, nullable=False),
    Column("seen", Text, nullable=True),
    Column("held", Json, nullable=True),
    Column("errors", Json, nullable=False),
    Column("errors_at", Instant, nullable=True),
    comment="one row: the text of tasks.json as last merged or written, and its faults",
)
