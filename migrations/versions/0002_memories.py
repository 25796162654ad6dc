"""memories"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

instant = sa.String(length=27).with_variant(sa.TIMESTAMP(timezone=True), "postgresql")
place = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "memories",
        sa.Column("place", place, autoincrement=False, nullable=False),
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("at", instant, nullable=False),
        sa.Column("origin", sa.String(length=20), nullable=False),
        sa.Column("run_id", sa.String(length=26), nullable=True),
        sa.Column("task_id", sa.String(length=64), nullable=True),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("created_at", instant, nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False, comment="the text as it is searched"),
        sa.PrimaryKeyConstraint("place", name=op.f("pk_memories")),
    )
    op.create_index("uq_memories_id", "memories", ["id"], unique=True)
    op.create_index("uq_memories_digest", "memories", ["digest"], unique=True)
    op.create_index("ix_memories_kind_place", "memories", ["kind", "place"], unique=False)
    op.create_table(
        "memory_vectors",
        sa.Column("memory_id", sa.String(length=26), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column(
            "vector",
            sa.LargeBinary(),
            nullable=False,
            comment="float32, little endian, of length one",
        ),
        sa.ForeignKeyConstraint(
            ["memory_id"],
            ["memories.id"],
            name=op.f("fk_memory_vectors_memory_id_memories"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("memory_id", "model", name=op.f("pk_memory_vectors")),
    )
    for statement in _SEARCH[op.get_bind().dialect.name]:
        op.execute(statement)


def downgrade() -> None:
    for statement in _NO_SEARCH[op.get_bind().dialect.name]:
        op.execute(statement)
    op.drop_table("memory_vectors")
    op.drop_index("ix_memories_kind_place", table_name="memories")
    op.drop_index("uq_memories_digest", table_name="memories")
    op.drop_index("uq_memories_id", table_name="memories")
    op.drop_table("memories")


_SEARCH = {
    "sqlite": (
        """CREATE VIRTUAL TABLE memories_words USING fts5(
            words, kind, content='memories', content_rowid='place', tokenize='porter unicode61'
        )""",
        """CREATE TRIGGER memories_words_insert AFTER INSERT ON memories BEGIN
            INSERT INTO memories_words(rowid, words, kind) VALUES (new.place, new.words, new.kind);
        END""",
        """CREATE TRIGGER memories_words_delete AFTER DELETE ON memories BEGIN
            INSERT INTO memories_words(memories_words, rowid, words, kind)
            VALUES ('delete', old.place, old.words, old.kind);
        END""",
        """CREATE TRIGGER memories_words_update AFTER UPDATE OF place, words, kind ON memories BEGIN
            INSERT INTO memories_words(memories_words, rowid, words, kind)
            VALUES ('delete', old.place, old.words, old.kind);
            INSERT INTO memories_words(rowid, words, kind) VALUES (new.place, new.words, new.kind);
        END""",
    ),
    # the same stemming as SQLite's, and no stop words, for the words are chosen before
    "postgresql": (
        "CREATE TEXT SEARCH DICTIONARY memory_stems (TEMPLATE = snowball, LANGUAGE = porter)",
        "CREATE TEXT SEARCH CONFIGURATION memory_words (COPY = simple)",
        """ALTER TEXT SEARCH CONFIGURATION memory_words
            ALTER MAPPING FOR asciiword, word WITH memory_stems""",
        """ALTER TABLE memories ADD COLUMN document tsvector GENERATED ALWAYS AS
            (to_tsvector('memory_words'::regconfig, words)) STORED NOT NULL""",
        # without a list of what is yet to be indexed, which every search would have to read
        """CREATE INDEX ix_memories_document ON memories USING gin (document)
            WITH (fastupdate = off)""",
    ),
}
_NO_SEARCH = {
    "sqlite": (
        "DROP TRIGGER memories_words_update",
        "DROP TRIGGER memories_words_delete",
        "DROP TRIGGER memories_words_insert",
        "DROP TABLE memories_words",
    ),
    "postgresql": (
        "DROP INDEX ix_memories_document",
        "ALTER TABLE memories DROP COLUMN document",
        "DROP TEXT SEARCH CONFIGURATION memory_words",
        "DROP TEXT SEARCH DICTIONARY memory_stems",
    ),
}
