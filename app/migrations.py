"""Brings the schema of the database up to date, or back."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from app.core.errors import PersonaTasksError
from app.database import Database

_SCRIPTS = Path(__file__).parent.parent / "migrations"


class NotMigrated(PersonaTasksError):
    """The database cannot be brought to that revision."""

    problem = "not-migrated"
    title = "Database not migrated"


def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the schema up to a revision; several processes may do it at once.

    Raises NotMigrated, as where the database is at a revision of a newer version.
    """
    with _migrating(database) as config:
        command.upgrade(config, revision)


def begin(database: Database) -> None:
    """Make the tables of an empty database; raise NotMigrated for one at another revision."""
    at = current(database)
    if at is None:
        upgrade(database)
    elif at != newest():
        raise NotMigrated(
            f"the database is at revision {at} and this program needs {newest()}: start the "
            "service, which brings it up to date, or say `persona-tasks migrate`"
        )


def downgrade(database: Database, revision: str) -> None:
    """Take the schema back to a revision; `base` removes every table. Raises NotMigrated."""
    with _migrating(database) as config:
        command.downgrade(config, revision)


def check(database: Database) -> None:
    """Raise where the tables of the code and those of the migrations differ."""
    with database.write() as connection:
        command.check(_config(connection))


def current(database: Database) -> str | None:
    """Return the revision that the database is at; None for an empty one."""
    with database.read() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def newest() -> str | None:
    """Return the revision that the code needs."""
    return ScriptDirectory(str(_SCRIPTS)).get_current_head()


@contextmanager
def _migrating(database: Database) -> Iterator[Config]:
    try:
        with database.write() as connection:
            database.take_turns(connection, "migrate")
            yield _config(connection)
    except CommandError as error:
        raise NotMigrated(f"the database cannot be migrated: {error}") from error


def _config(connection: object) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    return config
