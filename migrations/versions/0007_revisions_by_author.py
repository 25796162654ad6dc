"""changes of tasks found by their author"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_task_revisions_author", "task_revisions", ["author"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_task_revisions_author", table_name="task_revisions")
