"""Runs migrations on the connection that app.migrations hands over."""

from alembic import context

import app.persona.feelings.series
import app.runs.tables
import app.tasks.tables  # noqa: F401  the tables register themselves
from app.database import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    compare_type=True,
)
context.run_migrations()
