"""An instant that reaches SQLite without its type is an error, not a text of another form."""

import sqlite3
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import DateTime, bindparam, case, func, literal, null, select, text, true
from sqlalchemy.exc import StatementError

from app.database import Database, Instant
from tests.conftest import on_sqlite

pytestmark = on_sqlite

AT = datetime(2026, 11, 30, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    "query",
    [
        select(literal(AT)),
        select(func.coalesce(null(), AT)),
        select(func.max(AT)),
        select(case((true(), AT))),
        select(literal(AT.replace(tzinfo=None))),
    ],
)
def test_one_that_sqlalchemy_would_write_in_its_own_way(database: Database, query: Any) -> None:
    with database.read() as connection, pytest.raises(StatementError, match="as an Instant"):
        connection.execute(query)


@pytest.mark.parametrize("query", [text("SELECT :at"), select(bindparam("at"))])
def test_one_of_which_sqlalchemy_knows_nothing(database: Database, query: Any) -> None:
    with database.read() as connection, pytest.raises(TypeError, match="as an Instant"):
        connection.execute(query, {"at": AT})


def test_one_that_passes_sqlalchemy_by(database: Database) -> None:
    with database.read() as connection, pytest.raises(TypeError, match="as an Instant"):
        connection.exec_driver_sql("SELECT ?", (AT,))
    shell = sqlite3.connect(str(database.url.database))
    with pytest.raises(TypeError, match="as an Instant"):
        shell.execute("SELECT ?", (AT,))
    shell.close()


def test_one_that_has_its_type_is_written_as_all_are(database: Database) -> None:
    with database.read() as connection:
        assert connection.execute(select(literal(AT, Instant()))).scalar_one() == AT
        written = select(func.substr(literal(AT, Instant()), 1))
        assert connection.execute(written).scalar_one() == "2026-11-30T11:00:00.000000Z"
        assert connection.execute(select(literal(None, DateTime()))).scalar_one() is None
