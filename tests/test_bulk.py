"""Many rows at once say the same as one after the other, on both databases."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Text, bindparam, insert, select, update

from app.bulk import BulkRead, BulkWrite, insert_ignoring
from app.database import Database
from app.runs.tables import runs
from tests.conftest import on_sqlite

AT = datetime(2026, 11, 24, 0, 0, 0, 7, tzinfo=UTC)
NAMES = (
    *("id", "task_id", "task_name", "revision", "origin", "status", "reason", "scheduled_for"),
    *("recorded_at", "rank", "due_at", "exclusive", "response", "metadata", "attempt"),
)


def row(number: int) -> dict[str, object]:
    return {
        "id": f"run_{number}",
        "task_id": f"task_{number}",
        "task_name": "Ünïcode “quoted” 🦊\n\\ {curly} 'single'",
        "revision": number,
        "origin": "schedule",
        "status": "queued",
        "reason": None if number % 2 else "overlap",
        "scheduled_for": AT + timedelta(days=number) if number % 2 else None,
        "recorded_at": AT.replace(microsecond=0),
        "rank": -(2**31),
        "due_at": AT,
        "exclusive": bool(number % 2),
        "response": "x" * 100_000 if number == 3 else "",
        "metadata": {"z": [1, 2.5, None], "a": {"deep": True}} if number else None,
        "attempt": 0,
    }


def test_rows_written_at_once_are_the_rows_written_one_by_one(database: Database) -> None:
    rows = [row(number) for number in range(5)]
    columns = [runs.c[name] for name in NAMES]
    with database.write() as connection:
        insert_ignoring(runs, NAMES).execute(connection, rows[:3])
        for each in rows[3:]:
            connection.execute(insert(runs).values(each))
        plain = select(*columns).order_by(runs.c.id)
        one_by_one = connection.execute(plain).all()
        in_one_piece = BulkRead(plain).fetch(connection, {})
    assert [dict(zip(NAMES, each, strict=True)) for each in one_by_one] == rows
    assert in_one_piece == one_by_one
    assert in_one_piece[1].scheduled_for == AT + timedelta(days=1)


def test_a_row_that_is_there_already_is_left_alone_and_not_counted(database: Database) -> None:
    again = {**row(1), "id": "other", "task_name": "another row of the same slot"}
    with database.write() as connection:
        statement = insert_ignoring(runs, NAMES)
        assert statement.execute(connection, [row(1)]).rowcount == 1
        assert statement.execute(connection, [again, row(2)]).rowcount == 1
        ids = connection.execute(select(runs.c.id).order_by(runs.c.id)).scalars().all()
    assert ids == ["run_1", "run_2"]


def test_each_row_is_updated_with_its_own_values_and_no_other(database: Database) -> None:
    statement = BulkWrite(
        {"id": runs.c.id.type, "attempt": runs.c.attempt.type, "due_at": runs.c.due_at.type},
        lambda given: (
            update(runs)
            .where(runs.c.id == given.c.id)
            .values(attempt=runs.c.attempt + given.c.attempt, due_at=given.c.due_at)
        ),
    )
    with database.write() as connection:
        insert_ignoring(runs, NAMES).execute(connection, [row(number) for number in range(3)])
        later = AT + timedelta(hours=1)
        changes = [{"id": f"run_{n}", "attempt": n, "due_at": later} for n in (1, 2)]
        statement.execute(connection, changes)
        found = connection.execute(
            select(runs.c.id, runs.c.attempt, runs.c.due_at).order_by(runs.c.id)
        ).all()
    assert found == [("run_0", 0, AT), ("run_1", 1, later), ("run_2", 2, later)]


@on_sqlite
def test_an_instant_of_a_column_that_is_called_none_is_an_error(database: Database) -> None:
    statement = BulkWrite(
        {"id": runs.c.id.type, "due_at": Text()},
        lambda given: update(runs).where(runs.c.id == given.c.id).values(due_at=given.c.due_at),
    )
    with database.write() as connection, pytest.raises(TypeError, match="datetime"):
        statement.execute(connection, [{"id": "run_1", "due_at": AT}])


def test_no_row_is_an_empty_answer(database: Database) -> None:
    query = BulkRead(select(runs.c.id).where(runs.c.task_id == bindparam("task_id")))
    with database.read() as connection:
        assert query.fetch(connection, {"task_id": "nobody"}) == []


def test_the_order_of_a_query_with_a_limit_is_kept(database: Database) -> None:
    with database.write() as connection:
        insert_ignoring(runs, NAMES).execute(connection, [row(number) for number in range(9)])
        query = BulkRead(select(runs.c.id).order_by(runs.c.revision.desc()).limit(4))
        found = [each.id for each in query.fetch(connection, {})]
    assert found == ["run_8", "run_7", "run_6", "run_5"]
