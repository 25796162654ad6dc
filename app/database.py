"""The database: one engine per process, transactions that mean it, instants that stay exact.

SQLite is opened with WAL, `synchronous=FULL` and BEGIN IMMEDIATE for writes, because deferred
read-then-write transactions lose to lock errors and `NORMAL` loses acknowledged commits in a power
cut. PostgreSQL runs the same statements.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import orjson
from sqlalchemy import (
    TIMESTAMP,
    Connection,
    Engine,
    Insert,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect, make_url
from sqlalchemy.exc import DatabaseError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.types import TypeDecorator, TypeEngine

from app.core.errors import LedgerUnavailable
from app.core.file_turn import FileTurn
from app.core.forks import after_fork
from app.core.opened_file import OpenedFile
from app.core.written_instants import refuse_untyped_instants

_PATIENCE = 15.0
_TRUSTED_FOR = 1.0
"""Seconds for which a glance may be kept while no writer had the turn. It bounds what is missed of
a writer that takes no turns, such as a person with a shell of SQLite."""
_KIND_OF_CODE = 0xFF  # SQLite's codes have the particulars above their lowest byte

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime: TIMESTAMPTZ on PostgreSQL, sortable text of fixed width on SQLite."""

    impl = String(27)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(TIMESTAMP(timezone=True))
        return dialect.type_descriptor(String(27))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None or dialect.name == "postgresql":
            return value
        return value.astimezone(UTC).isoformat(timespec="microseconds")[:26] + "Z"

    def result_processor(
        self, dialect: Dialect, coltype: object
    ) -> Callable[[Any], datetime | None]:
        # not process_result_value, which is wrapped in calls that take longer than to read the text
        return _in_utc if dialect.name == "postgresql" else _read


def _in_utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC)


def _read(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


class Json(TypeDecorator[Any]):
    """A JSON value kept as text, on both databases alike, in the order of its keys."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else orjson.dumps(value).decode()

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else orjson.loads(value)


@dataclass(frozen=True, kw_only=True)
class _Glance:
    """What a query returned that began at a moment, when so many turns of writers had passed."""

    passed: int
    at: float
    value: Any


class Database:
    """Opens the database of a URL and hands out transactions.

    Safe to build before a fork: the engine is made on first use and anew in each process, since a
    connection to SQLite or PostgreSQL must never be carried into a child, nor closed there.
    """

    def __init__(self, url: str, *, most_connections: int = 24) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.url.drivername in {"postgresql", "postgres"}:
            self.url = self.url.set(drivername="postgresql+psycopg")
        self._most_connections = most_connections
        self._inherited: list[object] = []
        self._file_turn: FileTurn | None = None
        self._file: OpenedFile | None = None
        self._engine: Engine | None = None
        self._glass: Any = None
        self._seen: dict[str, _Glance] = {}
        self._renew()
        after_fork(self._renew)

    def _renew(self) -> None:
        # what is let go of would be closed
        self._inherited += [self._engine, self._glass]
        self._engine = self._glass = None
        self._let_go_of_turn()
        self._queue, self._lock, self._glancing = (threading.Lock() for _ in range(3))

    def _let_go_of_turn(self) -> None:
        if self._file_turn is not None:
            self._file_turn.let_go()
        self._file_turn = None

    @property
    def engine(self) -> Engine:
        """The engine of this process."""
        if self._engine is None:
            with self._lock:
                if self._engine is None:
                    self._file_turn = self._turn_by_file()
                    self._engine = self._open()
        return self._engine

    def _open(self) -> Engine:
        options: dict[str, Any] = {"pool_size": 8, "max_overflow": self._most_connections - 8}
        if self.is_sqlite:
            options["connect_args"] = {"timeout": _PATIENCE, "check_same_thread": False}
        else:
            options["pool_pre_ping"] = True
            options["connect_args"] = {
                "connect_timeout": 5,
                # a server that vanished without a word is given up, not waited for
                "tcp_user_timeout": int(_PATIENCE * 1000),
                "keepalives_idle": 5,
                "keepalives_interval": 3,
                "keepalives_count": 3,
            }
        # parameters are prompts and answers, which do not belong into logs
        engine = create_engine(self.url, pool_timeout=_PATIENCE, hide_parameters=True, **options)
        if self.is_sqlite:
            refuse_untyped_instants(engine)
            event.listen(engine, "connect", _prepare_sqlite)
            self._keep_in_sight(engine)
            event.listen(engine, "begin", _begin_sqlite)
        else:
            event.listen(engine, "connect", _prepare_postgresql)
        return engine

    def _keep_in_sight(self, engine: Engine) -> None:
        """Write to the file only that is at its path, and open no other one there.

        SQLite would make a new one where it is gone, and find it empty.
        """
        file = self._file = OpenedFile(self.url.database or "")

        def check_for_writer(connection: Connection) -> None:
            if connection.get_execution_options().get("writes", False):
                file.check()

        event.listen(engine, "do_connect", lambda *_: file.check_at_once())
        event.listen(engine, "connect", lambda *_: file.opened())
        event.listen(engine, "begin", check_for_writer)

    def is_in_place(self) -> bool:
        """Say whether the file that is open was at its path a second ago, if it is a file.

        Where it was not, nothing is written to it: nobody would find that again.
        """
        return self._file is None or self._file.is_in_place()

    def _turn_by_file(self) -> FileTurn | None:
        if not self.is_sqlite or not self.url.database:
            return None
        return FileTurn(f"{self.url.database}.turn", timedelta(seconds=_PATIENCE))

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Let one writer at a time begin: of the threads of this process, then of all processes.

        SQLite alone would do, but whoever finds it locked sleeps for up to 100 ms at a time, long
        after it is free again; PostgreSQL wakes those who wait.
        """
        turn = self._file_turn
        if turn is None:
            yield
            return
        if not self._queue.acquire(timeout=_PATIENCE):
            raise LedgerUnavailable("the database is written to for too long by this process")
        try:
            try:
                turn.take()
            except OSError as error:
                raise LedgerUnavailable(f"the database cannot be locked: {error}") from error
            try:
                yield
            finally:
                turn.give_back()
        finally:
            self._queue.release()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a transaction that may write; it commits at the end, rolls back on an error.

        On SQLite it holds the write lock from the start. Raises LedgerUnavailable where the
        database is locked too long, gone or full, LedgerRemoved where its file is another one.
        """
        engine = self.engine
        with self._answering(), self._turn(), engine.connect() as opened:
            connection = opened.execution_options(writes=True)
            with connection.begin():
                yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a transaction that only reads."""
        with self._answering(), self.engine.connect() as connection, connection.begin():
            yield connection

    def glance(self, statement: str) -> Any:
        """Return the one value of a query that is asked all the time.

        It has a connection of its own and no transaction, which costs a tenth of what `read` does;
        where no process wrote since the last one, that is returned.
        """
        engine, turn = self.engine, self._file_turn
        passed = None if turn is None else turn.passed()
        if passed is None:
            return self._look(engine, statement)
        seen, now = self._seen.get(statement), time.monotonic()
        if seen is None or seen.passed != passed or now - seen.at >= _TRUSTED_FOR:
            seen = _Glance(passed=passed, at=now, value=self._look(engine, statement))
            self._seen[statement] = seen
        return seen.value

    def _look(self, engine: Engine, statement: str) -> Any:
        with self._glancing:
            try:
                if self._glass is None:
                    self._glass = self._own_connection(engine)
                cursor = self._glass.cursor()
                cursor.execute(statement)
                return cursor.fetchone()[0]
            except engine.dialect.loaded_dbapi.Error:
                self._close_glass()
        # again with all that `read` does to reach the database, or to say that it does not answer
        with self.read() as connection:
            return connection.exec_driver_sql(statement).scalar_one()

    def _own_connection(self, engine: Engine) -> Any:
        with self._answering():
            opened = engine.raw_connection()
        if not self.is_sqlite:
            opened.driver_connection.autocommit = True  # type: ignore[union-attr]  # it is open
        opened.detach()
        return opened

    def _close_glass(self) -> None:
        if self._glass is not None:
            self._glass.close()
        self._glass = None

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, InterfaceError, PoolTimeout) as error:
            raise LedgerUnavailable(f"the database does not answer: {_cause(error)}") from error
        except DatabaseError as error:
            if not _is_of_damage(error):
                raise
            raise LedgerUnavailable(
                f"the database {self.url.database} is damaged ({_cause(error)}): "
                "restore it from a backup, or move it away and begin with an empty one"
            ) from error

    def close(self) -> None:
        """Close all connections of this process."""
        with self._lock, self._glancing:
            if self._engine is not None:
                self._close_glass()
                self._engine.dispose()
            self._engine = self._file = None
            self._seen.clear()
            with self._queue:
                self._let_go_of_turn()

    def take_turns(self, connection: Connection, name: str) -> None:
        """Let one transaction at a time pass here, until it ends; SQLite writers do so anyway."""
        if not self.is_sqlite:
            number = int.from_bytes(sha256(name.encode()).digest()[:8], "big", signed=True)
            connection.execute(select(func.pg_advisory_xact_lock(number)))

    def insert_ignoring(self, table: Table) -> Insert:
        """Return an INSERT that leaves a row alone where its unique key exists."""
        if self.is_sqlite:
            return sqlite.insert(table).on_conflict_do_nothing()
        return postgresql.insert(table).on_conflict_do_nothing()


def _is_of_damage(error: DatabaseError) -> bool:
    code = getattr(error.orig, "sqlite_errorcode", 0)
    return code & _KIND_OF_CODE in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def _cause(error: Exception) -> str:
    original = getattr(error, "orig", None) or error
    return str(original).splitlines()[0]


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # SQLAlchemy begins, see _begin_sqlite
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _prepare_postgresql(connection: Any, _record: object) -> None:
    # as long as a writer of SQLite waits
    connection.execute(f"SET lock_timeout = '{_PATIENCE:.0f}s'")
    connection.commit()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
