"""What tests of all tiers share: databases, settings, services, a client."""

import os
import shutil
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from flask.testing import FlaskClient
from sqlalchemy import insert
from sqlalchemy.engine import make_url

from app import create_app
from app.config import Settings, read_settings
from app.core.clock import Clock, FakeClock
from app.database import Database, metadata
from app.log import configure_logging
from app.migrations import upgrade
from app.persona.client import Persona
from app.persona.fakes import ScriptedPersona
from app.tasks.tables import registry_clock
from app.wiring import Services, build

POSTGRES_URL = os.environ.get("TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
EVENING = datetime(2026, 11, 23, 23, tzinfo=UTC)

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""Marks tests that need a database of any kind, not both."""


@pytest.fixture(autouse=True)
def plain_log() -> None:
    """Write the log as the service does, also after a test that sent it elsewhere."""
    configure_logging(read_settings({}))


def _migrate(url: str) -> None:
    database = Database(url)
    upgrade(database)
    database.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied."""
    path = tmp_path_factory.mktemp("template") / "ledger.sqlite3"
    _migrate(f"sqlite:///{path}")
    return path


def _on_server(statement: str) -> None:
    with psycopg.connect(POSTGRES_URL, autocommit=True, connect_timeout=5) as connection:
        connection.execute(statement)


def _url_of(name: str) -> str:
    return make_url(POSTGRES_URL).set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def postgres_database() -> Iterator[str]:
    """The URL of a migrated PostgreSQL database for one test after the other.

    Without a server the tests that need one are skipped; where CI is true they fail.
    """
    name = f"test_{uuid.uuid4().hex}"
    try:
        _on_server(f"CREATE DATABASE {name}")
    except psycopg.OperationalError as error:
        reason = f"no PostgreSQL at TEST_POSTGRES_URL: {error}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    _migrate(_url_of(name))
    yield _url_of(name)
    _on_server(f"DROP DATABASE {name} WITH (FORCE)")


def _empty(url: str) -> None:
    """Take a database back to how the migrations left it."""
    database = Database(url)
    with database.write() as connection:
        tables = ", ".join(table.name for table in metadata.sorted_tables)
        connection.exec_driver_sql(f"TRUNCATE {tables}")
        connection.execute(insert(registry_clock).values(id=1, version=0, default_timezone="UTC"))
    database.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty, migrated database: SQLite, then PostgreSQL."""
    if request.param == "sqlite":
        path = tmp_path / "ledger.sqlite3"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        return f"sqlite:///{path}"
    url: str = request.getfixturevalue("postgres_database")
    _empty(url)
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A fresh, migrated database."""
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still: Monday 23 November 2026, 23:00 UTC, unless a test moves it."""
    return FakeClock(EVENING)


@pytest.fixture
def persona() -> Persona:
    """A persona that answers `Done.` unless a test gives it a script."""
    return ScriptedPersona()


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings of a service that keeps all it has below the test's own folder."""
    return read_settings(
        {
            "DATABASE_URL": database_url,
            "PERSONA_SPACE": str(tmp_path / "space"),
            "DRAIN_TIMEOUT": "1s",
        }
    )


@pytest.fixture
def services(settings: Settings, clock: Clock, persona: Persona) -> Iterator[Services]:
    """The services of one process with the five default tasks; nothing is started."""
    services = build(settings, clock=clock, persona=persona)
    services.prepare()
    yield services
    services.stop()


def work(services: Services) -> None:
    """Let services run what is queued, without a clock of their own."""
    services.processes.beat(ticked_at=None, state="working")
    services.engine.start()


@pytest.fixture
def client(settings: Settings, services: Services) -> FlaskClient:
    """A client of an app that serves from `services`."""
    return create_app(settings, services_factory=lambda: services).test_client()
