"""runs that somebody has asked to cancel"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

instant = sa.String(length=27).with_variant(sa.TIMESTAMP(timezone=True), "postgresql")


def upgrade() -> None:
    op.add_column("runs", sa.Column("cancel_asked_at", instant, nullable=True))


def downgrade() -> None:
    op.drop_column("runs", "cancel_asked_at")
