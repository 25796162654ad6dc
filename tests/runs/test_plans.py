"""What is asked all the time is found by an index, however many runs there were."""

import pytest
from sqlalchemy import select

from app.database import Database
from app.runs import statements
from app.runs.tables import runs
from tests.conftest import on_sqlite

_BUSY = str(select(statements._BUSY).where(runs.c.id == "x")).replace(":id_1", "'x'")


_COUNT_RUNNING = str(
    statements.COUNT_RUNNING.params(by="x").compile(compile_kwargs={"literal_binds": True})
)


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (statements.ANY_QUEUED, "ix_runs_queue"),
        (statements.ANY_RUNNING, "ix_runs_open"),
        (statements.ANY_TO_CANCEL, "ix_runs_open"),
        (statements.ANY_UNFILED, "ix_runs_unfiled"),
        (_COUNT_RUNNING, "ix_runs_open"),
        (str(select(runs.c.id).where(statements.RUNNING)), "ix_runs_open"),
        (_BUSY, "ix_runs_open"),
    ],
)
@on_sqlite
def test_open_runs_are_found_without_reading_all_others(
    database: Database, query: str, index: str
) -> None:
    with database.read() as connection:
        found = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}")
        plan = "\n".join(row[3] for row in found)
    assert f"INDEX {index}" in plan
    assert "SCAN runs\n" not in f"{plan}\n"
