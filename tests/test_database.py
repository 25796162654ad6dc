"""Transactions that mean it, and migrations both ways, on both databases."""

import os
import signal
import sqlite3
import threading
import time
from multiprocessing import get_context
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import IntegrityError, OperationalError

from app import migrations
from app.core.errors import LedgerUnavailable
from app.database import Database
from app.tasks.tables import registry_clock
from tests.conftest import on_sqlite


def test_migrations_lead_up_and_down_and_match_the_code(database: Database) -> None:
    assert migrations.current(database) == migrations.newest()
    migrations.check(database)
    migrations.downgrade(database, "base")
    assert migrations.current(database) is None
    migrations.upgrade(database)
    migrations.upgrade(database)
    migrations.check(database)
    assert migrations.current(database) == migrations.newest()


@on_sqlite
def test_a_database_of_a_newer_version_is_left_as_it_is(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'newer'"))
    with pytest.raises(migrations.NotMigrated, match="'newer'"):
        migrations.upgrade(database)
    assert migrations.current(database) == "newer"


def test_sqlite_keeps_what_was_committed_through_a_power_cut(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'x.sqlite3'}")
    with database.read() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
    database.close()


def test_a_writer_has_sqlite_for_itself_from_the_start_and_a_reader_never(tmp_path: Path) -> None:
    """Others may write to the file too, without the lock file of this service."""
    path = tmp_path / "x.sqlite3"
    database = Database(f"sqlite:///{path}")
    stranger = sqlite3.connect(path, timeout=0, isolation_level=None)
    with database.write(), pytest.raises(sqlite3.OperationalError, match="locked"):
        stranger.execute("BEGIN IMMEDIATE")
    with database.read():
        stranger.execute("BEGIN IMMEDIATE")
        stranger.execute("ROLLBACK")
    stranger.close()
    database.close()


def test_errors_of_the_database_do_not_tell_what_was_written(database: Database) -> None:
    clock = {"id": 1, "version": 0, "default_timezone": "a secret prompt"}
    with pytest.raises(IntegrityError) as caught, database.write() as connection:
        connection.execute(insert(registry_clock), [clock])
    assert "secret" not in str(caught.value)


def test_services_that_start_at_once_migrate_one_after_the_other(
    database: Database, database_url: str
) -> None:
    migrations.downgrade(database, "base")
    database.close()
    failures: list[BaseException] = []
    barrier = threading.Barrier(3)

    def start() -> None:
        own = Database(database_url)
        barrier.wait()
        try:
            migrations.upgrade(own)
        except BaseException as error:
            failures.append(error)
        own.close()

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert migrations.current(database) == migrations.newest()


def test_writers_that_read_first_wait_for_each_other(database: Database) -> None:
    """Deferred transactions would fail here with a lock error, or lose one of the two."""
    barrier = threading.Barrier(4)
    failures: list[BaseException] = []

    def add_ten() -> None:
        barrier.wait()
        for _ in range(10):
            try:
                with database.write() as connection:
                    query = select(registry_clock.c.version).with_for_update()
                    version = connection.execute(query).scalar_one()
                    connection.execute(update(registry_clock).values(version=version + 1))
            except BaseException as error:
                failures.append(error)

    threads = [threading.Thread(target=add_ten) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with database.read() as connection:
        assert connection.execute(select(registry_clock.c.version)).scalar_one() == 40


def test_an_error_undoes_the_whole_transaction(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.write() as connection:
        connection.execute(update(registry_clock).values(version=7))
        raise ZeroDivisionError
    with database.read() as connection:
        assert connection.execute(select(registry_clock.c.version)).scalar_one() == 0


@pytest.mark.parametrize(
    "url",
    ["sqlite:////nowhere/at/all/x.sqlite3", "postgresql://nobody@127.0.0.1:1/nothing"],
)
def test_a_database_that_does_not_answer_is_said_to_be_unavailable(url: str) -> None:
    database = Database(url)
    with pytest.raises(LedgerUnavailable) as caught, database.read():
        raise AssertionError("there is nothing to open")
    assert caught.value.transient
    assert isinstance(caught.value.__cause__, OperationalError)
    database.close()


def test_a_glance_sees_what_was_committed_since_and_survives_a_lost_connection(
    database: Database,
) -> None:
    statement = "SELECT version FROM registry_clock"
    assert database.glance(statement) == 0
    with database.write() as connection:
        connection.execute(update(registry_clock).values(version=7))
    assert database.glance(statement) == 7
    database._glass.dbapi_connection.close()
    with database.write() as connection:
        connection.execute(update(registry_clock).values(version=8))
    assert database.glance(statement) == 8
    database.close()
    assert database.glance(statement) == 8


@on_sqlite
def test_a_glance_is_kept_while_nobody_writes_but_not_for_long(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    statement, now = "SELECT version FROM registry_clock", time.monotonic()
    monkeypatch.setattr("app.database.time.monotonic", lambda: now)
    with database.write() as connection:
        connection.execute(update(registry_clock).values(version=7))
    assert database.glance(statement) == 7
    # a shell of SQLite takes no turns
    with sqlite3.connect(str(database.url.database)) as shell:
        shell.execute("UPDATE registry_clock SET version = 8")
    assert database.glance(statement) == 7
    now += 0.99
    assert database.glance(statement) == 7
    now += 0.01
    assert database.glance(statement) == 8


@pytest.fixture
def standing_still(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A database that has had a turn, and for which no time passes: no look grows old."""
    now = time.monotonic()
    monkeypatch.setattr("app.database.time.monotonic", lambda: now)
    with database.write():
        pass
    return database


@on_sqlite
def test_a_glance_sees_what_a_writer_committed_that_was_killed_before_its_turn_was_over(
    standing_still: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, statement = standing_still, "SELECT version FROM registry_clock"
    assert database.glance(statement) == 0
    killed = os.fork()
    if killed == 0:
        monkeypatch.setattr(
            "app.core.file_turn.FileTurn.give_back", lambda _: os.kill(os.getpid(), signal.SIGKILL)
        )
        with database.write() as connection:
            connection.execute(update(registry_clock).values(version=1))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(killed, 0)[1]) == -signal.SIGKILL
    assert database.glance(statement) == 1
    with database.write() as connection:
        connection.execute(update(registry_clock).values(version=2))
    assert database.glance(statement) == 2


@on_sqlite
def test_a_glance_sees_at_once_what_another_process_committed(standing_still: Database) -> None:
    database, statement = standing_still, "SELECT version FROM registry_clock"
    other = Database(str(database.url))
    for version in range(1, 50):
        with other.write() as connection:
            connection.execute(update(registry_clock).values(version=version))
            assert database.glance(statement) == version - 1
        assert database.glance(statement) == version
    other.close()


def test_a_path_that_is_not_absolute_is_of_the_folder_in_which_it_was_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    database = Database("sqlite:///x.sqlite3")
    with database.write() as connection:
        connection.exec_driver_sql("CREATE TABLE t (v INTEGER)")
    monkeypatch.chdir("/")
    time.sleep(1.01)
    with database.write() as connection:
        connection.exec_driver_sql("INSERT INTO t VALUES (1)")
    assert database.is_in_place()
    database.close()


def test_a_glance_at_a_database_that_does_not_answer_says_so() -> None:
    database = Database("sqlite:////nowhere/at/all/x.sqlite3")
    with pytest.raises(LedgerUnavailable):
        database.glance("SELECT 1")
    database.close()


def test_writers_of_several_processes_take_turns_by_a_lock_file(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite3"
    here, there = Database(f"sqlite:///{path}"), Database(f"sqlite:///{path}")
    order: list[str] = []

    def write() -> None:
        with there.write():
            order.append("there")

    with here.write():
        thread = threading.Thread(target=write)
        thread.start()
        thread.join(0.1)
        order.append("here")
    thread.join()
    assert order == ["here", "there"]
    assert (tmp_path / "x.sqlite3.turn").exists()
    here.close()
    there.close()


def test_a_database_that_was_used_before_a_fork_works_in_the_child(database: Database) -> None:
    database.glance("SELECT version FROM registry_clock")
    with database.write() as connection:
        connection.execute(update(registry_clock).values(version=1))
    child = get_context("fork").Process(target=_count_on, args=(database,))
    child.start()
    child.join()
    assert child.exitcode == 0
    assert database.glance("SELECT version FROM registry_clock") == 2


def test_a_child_does_not_wait_for_what_a_thread_of_its_parent_held_at_the_fork(
    database: Database,
) -> None:
    database.glance("SELECT version FROM registry_clock")
    with database._lock, database._glancing, database._queue:
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(20)
            try:
                assert database.glance("SELECT version FROM registry_clock") == 0
                with database.write() as connection:
                    connection.execute(update(registry_clock).values(version=1))
                database.close()
                os._exit(0)
            finally:
                os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert database.glance("SELECT version FROM registry_clock") == 1


def test_a_child_does_not_keep_the_turn_of_a_parent_that_was_killed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.sqlite3'}"
    told, tells = os.pipe()
    parent = os.fork()
    if parent == 0:
        with Database(url).write():
            if os.fork() == 0:
                os.write(tells, os.getpid().to_bytes(4, "big"))
            time.sleep(60)
        os._exit(0)
    child = int.from_bytes(os.read(told, 4), "big")
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    other, began = Database(url), time.monotonic()
    try:
        with other.write():
            assert time.monotonic() - began < 5
    finally:
        os.kill(child, signal.SIGKILL)
        other.close()
        os.close(told)
        os.close(tells)


def _count_on(database: Database) -> None:
    with database.write() as connection:
        connection.execute(update(registry_clock).values(version=registry_clock.c.version + 1))
    assert database.glance("SELECT version FROM registry_clock") == 2
    database.close()


def test_whoever_waits_for_a_lock_gives_up_in_the_end(database: Database) -> None:
    if database.is_sqlite:
        pytest.skip("SQLite has its own patience, which is tested above")
    with database.read() as connection:
        assert connection.exec_driver_sql("SHOW lock_timeout").scalar_one() == "15s"
