"""the mood over time"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

instant = sa.String(length=27).with_variant(sa.TIMESTAMP(timezone=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "moods",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("at", instant, nullable=False),
        sa.Column("valence", sa.Double(), nullable=False),
        sa.Column("arousal", sa.Double(), nullable=False),
        sa.Column("dominance", sa.Double(), nullable=False),
        sa.Column("run_id", sa.String(length=26), nullable=True),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("origin", sa.String(length=10), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_moods")),
        comment="the mood after each answer that moved it; between two rows it fades",
    )
    op.create_index("uq_moods_at", "moods", ["at"], unique=True)


def downgrade() -> None:
    op.drop_index("uq_moods_at", table_name="moods")
    op.drop_table("moods")
