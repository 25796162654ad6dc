"""Many rows in one statement, and many in one answer.

Python's SQLite lets other threads run at every single row, and behind a crowd of busy threads each
time is a wait: what takes the database a moment would keep the ledger for a second. So rows go in
and come out as one JSON value. PostgreSQL gets rows as JSON too, and answers as it does.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import (
    JSON,
    Connection,
    CursorResult,
    Executable,
    FromClause,
    Row,
    Select,
    Table,
    Text,
    bindparam,
    cast,
    column,
    func,
    select,
    true,
    type_coerce,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect, IteratorResult
from sqlalchemy.engine.result import SimpleResultMetaData
from sqlalchemy.types import TypeDecorator, TypeEngine

_GIVEN = bindparam("given", type_=Text())
_DIALECTS: Mapping[str, Dialect] = {
    "sqlite": sqlite.dialect(),
    "postgresql": postgresql.dialect(),  # type: ignore[no-untyped-call]  # it has no types
}
# an instant of a column that is not called one would be written in another way than all others
_OPTIONS = {"sqlite": orjson.OPT_PASSTHROUGH_DATETIME}

Columns = Mapping[str, TypeEngine[Any]]


class BulkWrite:
    """A statement that is carried out for many rows at once.

    `build` makes it from what is given: a selectable with these columns.
    """

    def __init__(self, columns: Columns, build: Callable[[FromClause], Executable]) -> None:
        self._statements = {name: build(_given(columns, name)) for name in _DIALECTS}
        self._decorated = {
            name: kind for name, kind in columns.items() if isinstance(kind, TypeDecorator)
        }

    def execute(
        self, connection: Connection, rows: Sequence[Mapping[str, Any]]
    ) -> CursorResult[Any]:
        """Carry it out for these rows, each of which has a value for every column."""
        dialect = connection.dialect
        bound = [self._bound(row, dialect) for row in rows]
        given = orjson.dumps(bound, option=_OPTIONS.get(dialect.name)).decode()
        return connection.execute(
            self._statements[dialect.name],
            {"given": given},
            execution_options={"preserve_rowcount": True},
        )

    def _bound(self, row: Mapping[str, Any], dialect: Dialect) -> dict[str, Any]:
        bound = dict(row)
        for name, kind in self._decorated.items():
            bound[name] = kind.process_bind_param(row[name], dialect)
        return bound


def insert_ignoring(table: Table, names: Sequence[str]) -> BulkWrite:
    """Return an INSERT of these columns that leaves a row alone where its unique key exists."""

    def build(given: FromClause) -> Executable:
        # without a condition SQLite takes ON CONFLICT for that of a join
        rows = select(*given.c).where(true())
        return postgresql.insert(table).from_select(list(names), rows).on_conflict_do_nothing()

    return BulkWrite({name: table.c[name].type for name in names}, build)


class BulkRead:
    """A query whose answer comes in one piece."""

    def __init__(self, query: Select[Any]) -> None:
        self._query = query
        rows = query.subquery()
        self._in_one_piece = select(func.json_group_array(func.json_array(*rows.c)))
        self._described = SimpleResultMetaData([each.key for each in rows.c])
        self._readers = [
            (index, reader)
            for index, each in enumerate(rows.c)
            if (
                reader := each.type.dialect_impl(_DIALECTS["sqlite"]).result_processor(
                    _DIALECTS["sqlite"], None
                )
            )
            is not None
        ]

    def fetch(self, connection: Connection, parameters: Mapping[str, Any]) -> list[Row[Any]]:
        """Return the rows."""
        if connection.dialect.name != "sqlite":
            return list(connection.execute(self._query, parameters))
        text = connection.execute(self._in_one_piece, parameters).scalar_one()
        rows = orjson.loads(text)
        for index, read in self._readers:
            for row in rows:
                row[index] = read(row[index])
        return list(IteratorResult(self._described, iter(map(tuple, rows))))


def _given(columns: Columns, dialect: str) -> FromClause:
    if dialect == "sqlite":
        each = func.json_each(_GIVEN).table_valued("value", name="each")
        values = [
            type_coerce(func.json_extract(each.c.value, f"$.{name}"), kind).label(name)
            for name, kind in columns.items()
        ]
        return select(*values).subquery("given")
    described = [column(name, kind) for name, kind in columns.items()]
    rows = func.json_to_recordset(cast(_GIVEN, JSON())).table_valued(*described)
    return rows.render_derived(name="given", with_types=True)
