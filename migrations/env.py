"""Runs migrations on the connection that app.migrations hands over."""

from alembic import context

import app.persona.feelings.series
import app.persona.kept_answers
import app.persona.memory.tables
import app.runs.tables
import app.tasks.tables  # noqa: F401  the tables register themselves
from app.database import metadata

_OF_FULL_TEXT = ("memories_words", "ix_memories_document")


def _is_compared(item: object, name: str, kind: str, reflected: bool, _: object) -> bool:
    """Leave out what finds words: each database has its own, and the code names it in SQL only."""
    if not reflected:
        return True
    if kind == "column":
        return (item.table.name, name) != ("memories", "document")
    return not name.startswith(_OF_FULL_TEXT)


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    compare_type=True,
    include_object=_is_compared,
)
context.run_migrations()
