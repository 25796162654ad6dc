"""The newest twenty results, among few and among many."""

import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from app.core.ids import Ids
from app.runs.history import History
from app.runs.results import file_content, file_name
from app.runs.run import Origin, Run, Status
from app.runs.tables import runs
from tests.bench.apart import apart
from tests.bench.ours import opened
from tests.bench.report import Line, compared
from tests.bench.scale import Scale

_WANTED = 20
_TASKS = 50
_AT_ONCE = 5_000


def lines(scale: Scale, folder: Path) -> Iterator[Line]:
    """Measure."""
    few = scale.results // 10
    grown = []
    for count in (few, scale.results):
        place = folder / f"newest-{count}"
        rows, files = apart(measure, place, count, scale.repeats)
        grown.append(rows)
        yield compared(
            f"newest {_WANTED} of {count:,} results, against listing the folder",
            [1000 * seconds for seconds in rows],
            [1000 * seconds for seconds in files],
            "ms",
            at_most=1 / 500 if count == scale.results else None,
        )
    yield compared(
        f"newest {_WANTED} of {scale.results:,}, against of {few:,}",
        [1000 * min(grown[1])],
        [1000 * min(grown[0])],
        "ms",
        at_most=1.5,
    )


def measure(folder: Path, count: int, repeats: int) -> tuple[list[float], list[float]]:
    """Return how long it takes by the ledger, and by the folder of the result files."""
    services = opened(folder)
    made = [_run(number, services.ids) for number in range(count)]
    for run in made:
        (services.results.path / file_name(run)).write_bytes(file_content(run))
    with services.database.write() as connection:
        for start in range(0, count, _AT_ONCE):
            rows = [_row(run) for run in made[start : start + _AT_ONCE]]
            connection.execute(insert(runs), rows)
    newest = [run.id for run in made[: -_WANTED - 1 : -1]]
    history = History(services.database)
    by_ledger, by_folder = [], []
    for _ in range(max(repeats, 2)):
        by_folder.append(_took(lambda: _listed(services.results.path), newest, 1))
        by_ledger.append(
            _took(lambda: [run.id for run in history.results(limit=_WANTED)], newest, 50)
        )
    services.stop()
    return by_ledger[1:], by_folder[1:]


def _took(find: Callable[[], list[str]], expected: list[str], times: int) -> float:
    assert find() == expected
    began = time.perf_counter()
    for _ in range(times):
        find()
    return (time.perf_counter() - began) / times


def _listed(folder: Path) -> list[str]:
    """Return the ids of the newest results as the folder tells them: the reference's way."""
    paths = sorted(folder.glob("*.json"), key=os.path.getmtime, reverse=True)
    return [json.loads(path.read_text())["run_id"] for path in paths[:_WANTED]]


def _run(number: int, ids: Ids) -> Run:
    began = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
    task_id = f"task-{number % _TASKS}"
    return Run(
        id=ids.new(began),
        task_id=task_id,
        task_name=task_id,
        revision=1,
        origin=Origin.SCHEDULE,
        status=Status.SUCCEEDED,
        reason=None,
        scheduled_for=began,
        recorded_at=began,
        started_at=began,
        completed_at=began + timedelta(seconds=1),
        response="I looked back on the day and wrote down what mattered. " * 6,
        error=None,
        attempt=1,
        metadata={"task_type": "self_reflection", "persona": "service"},
    )


def _row(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "task_id": run.task_id,
        "task_name": run.task_name,
        "origin": str(run.origin),
        "status": str(run.status),
        "scheduled_for": run.scheduled_for,
        "revision": run.revision,
        "recorded_at": run.recorded_at,
        "rank": 1,
        "due_at": run.recorded_at,
        "exclusive": True,
        "started_at": run.started_at,
        "completed_at": run.completed_at,
        "attempt": run.attempt,
        "response": run.response,
        "metadata": run.metadata,
        "filed": 1,
    }
