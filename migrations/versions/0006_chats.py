"""chats that may be asked for twice"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

instant = sa.String(length=27).with_variant(sa.TIMESTAMP(timezone=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "chats",
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("turn", sa.String(length=26), nullable=False),
        sa.Column("holder", sa.String(length=26), nullable=False),
        sa.Column("created_at", instant, nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_chats")),
        comment="chats that may be asked for twice; without an answer while the holder works on it",
    )
    op.create_index("ix_chats_created_at", "chats", ["created_at"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_chats_created_at", table_name="chats")
    op.drop_table("chats")
