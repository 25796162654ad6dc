"""registry and ledger"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

instant = sa.String(length=27).with_variant(sa.TIMESTAMP(timezone=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "desk",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("seen", sa.Text(), nullable=True),
        sa.Column("held", sa.Text(), nullable=True),
        sa.Column("errors", sa.Text(), nullable=False),
        sa.Column("errors_at", instant, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_desk")),
        comment="one row: the text of tasks.json as last merged or written, and its faults",
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("scope", sa.String(length=120), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("created_at", instant, nullable=False),
        sa.PrimaryKeyConstraint("scope", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(
        "ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"], unique=False
    )

    op.create_table(
        "processes",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("host", sa.String(length=200), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("pid_started", sa.String(length=40), nullable=False),
        sa.Column("started_at", instant, nullable=False),
        sa.Column("heartbeat_at", instant, nullable=False),
        sa.Column("ticked_at", instant, nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_processes")),
        comment="processes that tick and run; one whose heartbeat is stale holds nothing any more",
    )
    op.create_table(
        "registry_clock",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("default_timezone", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registry_clock")),
        comment="one row; its version rises with every change of a task or its run state",
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("task_id", sa.String(length=64), nullable=False),
        sa.Column("task_name", sa.Text(), nullable=False),
        sa.Column("origin", sa.String(length=10), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("scheduled_for", instant, nullable=True),
        sa.Column("covers_from", instant, nullable=True),
        sa.Column("slots", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("recorded_at", instant, nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("due_at", instant, nullable=False),
        sa.Column("exclusive", sa.Boolean(), nullable=False),
        sa.Column("started_at", instant, nullable=True),
        sa.Column("completed_at", instant, nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=26), nullable=True),
        sa.Column("response", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("metadata", sa.Text(), nullable=True),
        sa.Column("size", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("filed", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
    )
    op.create_index("ix_runs_completed_at", "runs", ["completed_at", "id"], unique=False)
    op.create_index(
        "ix_runs_filed",
        "runs",
        ["completed_at", "size"],
        unique=False,
        sqlite_where=sa.text("filed = 1"),
        postgresql_where=sa.text("filed = 1"),
    )
    op.create_index(
        "ix_runs_open",
        "runs",
        ["status", "task_id"],
        unique=False,
        sqlite_where=sa.text("status IN ('queued', 'running')"),
        postgresql_where=sa.text("status IN ('queued', 'running')"),
    )
    op.create_index(
        "ix_runs_queue",
        "runs",
        ["rank", "due_at", "id"],
        unique=False,
        sqlite_where=sa.text("status = 'queued'"),
        postgresql_where=sa.text("status = 'queued'"),
    )
    op.create_index(
        "ix_runs_task_id_completed_at", "runs", ["task_id", "completed_at", "id"], unique=False
    )
    op.create_index("ix_runs_task_id_id", "runs", ["task_id", "id"], unique=False)
    op.create_index(
        "ix_runs_unfiled",
        "runs",
        ["completed_at"],
        unique=False,
        sqlite_where=sa.text("filed = 0"),
        postgresql_where=sa.text("filed = 0"),
    )
    op.create_index(
        "uq_runs_task_id_scheduled_for", "runs", ["task_id", "scheduled_for"], unique=True
    )

    op.create_table(
        "task_revisions",
        sa.Column("task_id", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("at", instant, nullable=False),
        sa.Column("effective_from", instant, nullable=False),
        sa.Column("author", sa.String(length=200), nullable=False),
        sa.Column("action", sa.String(length=20), nullable=False),
        sa.Column("definition", sa.Text(), nullable=True),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("task_id", "revision", name=op.f("pk_task_revisions")),
    )
    op.create_index("ix_task_revisions_version", "task_revisions", ["version"], unique=False)

    op.create_table(
        "tasks",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("deleted_at", instant, nullable=True),
        sa.Column("cursor", instant, nullable=False),
        sa.Column("last_run", instant, nullable=True),
        sa.Column("run_count", sa.Integer(), nullable=False),
        sa.Column("last_status", sa.String(length=12), nullable=True),
        sa.Column("last_reason", sa.String(length=40), nullable=True),
        sa.Column("last_completed_at", instant, nullable=True),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.Column("created_at", instant, nullable=False),
        sa.Column("updated_at", instant, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
    )
    op.create_index("ix_tasks_changed", "tasks", ["changed"], unique=False)

    op.create_table(
        "attempts",
        sa.Column("run_id", sa.String(length=26), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=26), nullable=True),
        sa.Column("started_at", instant, nullable=True),
        sa.Column("ended_at", instant, nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name=op.f("fk_attempts_run_id_runs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "attempt", name=op.f("pk_attempts")),
        comment="attempts that ended without ending their run; the last one stands in runs itself",
    )
    op.bulk_insert(
        sa.table(
            "registry_clock",
            sa.column("id", sa.Integer),
            sa.column("version", sa.Integer),
            sa.column("default_timezone", sa.String),
        ),
        [{"id": 1, "version": 0, "default_timezone": "UTC"}],
    )


def downgrade() -> None:
    op.drop_table("attempts")
    op.drop_index("ix_tasks_changed", table_name="tasks")

    op.drop_table("tasks")
    op.drop_index("ix_task_revisions_version", table_name="task_revisions")

    op.drop_table("task_revisions")
    op.drop_index("uq_runs_task_id_scheduled_for", table_name="runs")
    op.drop_index(
        "ix_runs_unfiled",
        table_name="runs",
        sqlite_where=sa.text("filed = 0"),
        postgresql_where=sa.text("filed = 0"),
    )
    op.drop_index("ix_runs_task_id_id", table_name="runs")
    op.drop_index("ix_runs_task_id_completed_at", table_name="runs")
    op.drop_index(
        "ix_runs_queue",
        table_name="runs",
        sqlite_where=sa.text("status = 'queued'"),
        postgresql_where=sa.text("status = 'queued'"),
    )
    op.drop_index(
        "ix_runs_open",
        table_name="runs",
        sqlite_where=sa.text("status IN ('queued', 'running')"),
        postgresql_where=sa.text("status IN ('queued', 'running')"),
    )
    op.drop_index(
        "ix_runs_filed",
        table_name="runs",
        sqlite_where=sa.text("filed = 1"),
        postgresql_where=sa.text("filed = 1"),
    )
    op.drop_index("ix_runs_completed_at", table_name="runs")

    op.drop_table("runs")
    op.drop_table("registry_clock")
    op.drop_table("processes")
    op.drop_index("ix_idempotency_keys_created_at", table_name="idempotency_keys")

    op.drop_table("idempotency_keys")
    op.drop_table("desk")
