"""A file of the ledger that is removed while it is in use: nothing more goes into it, and no new
one is made in its place."""

import shutil
import time
from pathlib import Path

import pytest
from sqlalchemy import select, update

from app.core.errors import LedgerRemoved, LedgerUnavailable
from app.database import Database
from app.tasks.tables import registry_clock
from tests.conftest import on_sqlite
from tests.house import House

pytestmark = on_sqlite


def version_of(database: Database) -> int:
    with database.read() as connection:
        return int(connection.execute(select(registry_clock.c.version)).scalar_one())


def count(database: Database) -> None:
    with database.write() as connection:
        connection.execute(update(registry_clock).values(version=registry_clock.c.version + 1))


def moved_away(database: Database) -> Path:
    """Move the file away, and wait until that must have been noticed."""
    path = Path(str(database.url.database))
    path.rename(path.with_name("aside"))
    time.sleep(1.01)
    return path


def test_nothing_is_written_to_a_file_that_is_gone_until_it_is_put_back(
    database: Database,
) -> None:
    count(database)
    path = moved_away(database)
    for _ in range(2):
        with pytest.raises(LedgerRemoved, match="was removed or replaced"):
            count(database)
    assert not database.is_in_place()
    assert version_of(database) == 1
    assert not path.exists()
    path.with_name("aside").rename(path)
    time.sleep(1.01)
    assert database.is_in_place()
    count(database)
    assert version_of(database) == 2


def test_a_copy_in_its_place_is_another_file(database: Database) -> None:
    count(database)
    path = moved_away(database)
    shutil.copy(path.with_name("aside"), path)
    with pytest.raises(LedgerRemoved):
        count(database)
    database.close()
    count(database)
    assert version_of(database) == 2


def test_no_new_file_is_made_where_another_connection_is_needed(database: Database) -> None:
    count(database)
    path = moved_away(database)
    with database.read(), pytest.raises(LedgerUnavailable), database.read():
        raise AssertionError("there is one connection only")
    assert not path.exists()


def test_how_a_run_ended_waits_until_the_file_is_back(database: Database, tmp_path: Path) -> None:
    house = House(database, tmp_path)
    house.add()
    house.executions.start("daily_reflection")
    assert house.engine.step()
    path = moved_away(database)
    with pytest.raises(LedgerRemoved):
        house.engine.step()
    path.with_name("aside").rename(path)
    time.sleep(1.01)
    house.settle()
    assert house.outcomes() == [("succeeded", None)]


def test_a_log_that_is_gone_is_noticed_as_well(database: Database) -> None:
    """What was written lately is in it alone."""
    count(database)
    path = Path(str(database.url.database))
    log = path.with_name(f"{path.name}-wal")
    log.rename(path.with_name("aside"))
    time.sleep(1.01)
    with pytest.raises(LedgerRemoved):
        count(database)
    path.with_name("aside").rename(log)
    time.sleep(1.01)
    count(database)
    assert version_of(database) == 2


def test_another_process_does_not_remove_the_log_of_a_file_that_is_moved_away(
    database: Database,
) -> None:
    count(database)
    path = moved_away(database)
    other = Database(str(database.url))
    for _ in range(2):
        with pytest.raises(LedgerRemoved, match=r"is gone, but the log of it, .*-wal, is there"):
            count(other)
    assert not path.exists()
    path.with_name("aside").rename(path)
    time.sleep(1.01)
    count(database)
    assert version_of(other) == 2
    other.close()
