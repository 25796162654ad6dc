"""why a task was changed, and changes found by their time"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("task_revisions", sa.Column("reason", sa.Text(), nullable=True))
    op.create_index("ix_task_revisions_at", "task_revisions", ["at"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_task_revisions_at", table_name="task_revisions")
    op.drop_column("task_revisions", "reason")
