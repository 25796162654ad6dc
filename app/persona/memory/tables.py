"""The tables of the memories.

Beside them the migration makes what finds words: on SQLite the FTS5 table `memories_words`, kept in
step by triggers; on PostgreSQL the generated column `memories.document` and its index. A later
migration that makes the SQLite table anew has to make its triggers anew, too.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
)

from app.database import Instant, Json, metadata

memories = Table(
    "memories",
    metadata,
    # the second in which it was lived, times 2**24, and a number within that second: so the order
    # of the key, and of the rows that a word finds, is the order of life
    Column(
        "place",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("id", String(26), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("at", Instant, nullable=False),
    Column("origin", String(20), nullable=False),
    Column("run_id", String(26), nullable=True),
    Column("task_id", String(64), nullable=True),
    Column("digest", String(64), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("metadata", Json, nullable=False),
    Column("text", Text, nullable=False),
    Column("words", Text, nullable=False, comment="the text as it is searched"),
    Index("uq_memories_id", "id", unique=True),
    Index("uq_memories_digest", "digest", unique=True),
    Index("ix_memories_kind_place", "kind", "place"),
)

memory_vectors = Table(
    "memory_vectors",
    metadata,
    Column(
        "memory_id", String(26), ForeignKey("memories.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("model", String(200), primary_key=True),
    Column("vector", LargeBinary, nullable=False, comment="float32, little endian, of length one"),
)
