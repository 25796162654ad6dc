"""the history of the space"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

instant = sa.String(length=27).with_variant(sa.TIMESTAMP(timezone=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "changed_paths",
        sa.Column("space", sa.String(length=40), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("run_id", sa.String(length=26), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("before", sa.String(length=40), nullable=True),
        sa.Column("after", sa.String(length=40), nullable=True),
        sa.Column("mode", sa.Integer(), nullable=True),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("at", instant, nullable=False),
        sa.Column("ended_at", instant, nullable=True),
        sa.Column("undone_at", instant, nullable=True),
        sa.PrimaryKeyConstraint("space", "path", "number", name=op.f("pk_changed_paths")),
        comment="the history of each file, step by step; before and after name contents",
    )
    op.create_index("ix_changed_paths_at", "changed_paths", ["at"], unique=False)
    op.create_index("ix_changed_paths_run_id", "changed_paths", ["run_id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_changed_paths_run_id", table_name="changed_paths")
    op.drop_index("ix_changed_paths_at", table_name="changed_paths")
    op.drop_table("changed_paths")
