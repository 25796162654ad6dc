"""What happened: results, runs and slots, what they changed in the space, the audit of slots."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from flask import Response

from app.api import shapes
from app.api.answers import answer
from app.api.door import TASK_PATH, Answer, Door, Takes
from app.api.inputs import (
    MOST_RESULTS,
    FileQuery,
    RecentQuery,
    ResultsQuery,
    RunsQuery,
    WindowQuery,
)
from app.api.run_schemas import (
    FileHistoryShown,
    RecentResults,
    Results,
    Reverted,
    RunDiff,
    RunInFull,
    RunList,
    SlotAudit,
)
from app.api.serving import services
from app.runs.history import RunFilter
from app.runs.run import Origin, Run, Status

door = Door("runs", __name__, url_prefix="/api", description="What happened")

_FIGURES = ("expected", "recorded", "missing", "duplicated", "unexpected")


@door.on(
    "GET",
    f"{TASK_PATH}/results",
    takes=Takes(query=ResultsQuery()),
    answers={200: Answer(description="Finished runs of the task", schema=Results)},
)
def results_of_task(task_id: str, query: dict[str, int]) -> Response:
    """List the newest results of a task

    Those of a deleted task stay readable; an id that never was has none. Fewer than the limit come
    where their answers are more than 16 MiB.
    """
    found = services().history.results(task_id=task_id, limit=_capped(query["limit"]))
    return answer(
        {"task_id": task_id, "results": [shapes.result(run) for run in found], "count": len(found)}
    )


@door.on(
    "GET",
    "/tasks/results/recent",
    takes=Takes(query=RecentQuery()),
    answers={200: Answer(description="Finished runs of all tasks", schema=RecentResults)},
)
def recent_results(query: dict[str, int]) -> Response:
    """List the newest results of all tasks"""
    found = services().history.recent(_capped(query["limit"]))
    return answer({"results": [shapes.recent_result(run) for run in found], "count": len(found)})


def _capped(limit: int) -> int:
    return max(0, min(limit, MOST_RESULTS))


@door.on(
    "GET",
    "/runs",
    takes=Takes(query=RunsQuery()),
    answers={200: Answer(description="Runs and slots, newest first", schema=RunList)},
)
def list_runs(query: dict[str, Any]) -> Response:
    """List runs and slots that did not run"""
    page = services().history.page(
        RunFilter(
            task_id=query.get("task_id"),
            status=_chosen(Status, query.get("status")),
            origin=_chosen(Origin, query.get("origin")),
            since=query.get("since"),
            until=query.get("until"),
        ),
        limit=query["limit"],
        cursor=query.get("cursor"),
    )
    return answer(
        {
            "runs": [shapes.run_in_full(run) for run in page.runs],
            "count": len(page.runs),
            "next_cursor": page.next_cursor,
        }
    )


def _chosen(kind: Any, name: str | None) -> Any:
    return kind(name) if name is not None else None


@door.on(
    "GET",
    "/runs/<run_id:run_id>",
    answers={200: Answer(description="The run", schema=RunInFull)},
)
def get_run(run_id: str) -> Response:
    """Show a run with its attempts"""
    history = services().history
    run = history.run(run_id)
    attempts = [shapes.attempt(row) for row in _attempts(run, history.attempts(run_id))]
    return answer({**shapes.run_in_full(run), "attempts": attempts})


def _attempts(run: Run, ended: list[dict[str, Any]]) -> list[Mapping[str, Any]]:
    """Return all attempts of a run; the last one stands in the run itself."""
    if run.attempt <= len(ended):
        return [*ended]
    last = {
        "attempt": run.attempt,
        "started_at": run.started_at,
        "ended_at": run.completed_at,
        "status": str(run.status),
        "reason": run.reason,
    }
    return [*ended, last]


@door.on(
    "GET",
    "/runs/<run_id:run_id>/diff",
    answers={200: Answer(description="What the run changed", schema=RunDiff)},
    problems={410},
)
def diff_of_run(run_id: str) -> Response:
    """Show what a run changed in the space

    At most 1,000 files and some 2 MiB of what changed in them. 410 where the history of the space
    does not hold it any more.
    """
    found = services().space_history.diff(run_id)
    files = [asdict(file) for file in found.files]
    return answer({"run_id": run_id, "files": files, "complete": found.complete})


@door.on(
    "POST",
    "/runs/<run_id:run_id>/revert",
    answers={200: Answer(description="What was taken back", schema=Reverted)},
    problems={409, 410},
)
def revert_run(run_id: str) -> Response:
    """Take back what a run changed

    What others changed since stays. 409 where nothing could be taken back, or the run goes on; 410
    where the history of the space does not hold any more what was there before.
    """
    taken = services().taking_back.revert(run_id)
    return answer({"reverted": taken.reverted, "conflicts": taken.conflicts})


@door.on(
    "POST",
    "/runs/<run_id:run_id>/cancel",
    answers={
        200: Answer(description="The run is cancelled", schema=RunInFull),
        202: Answer(description="The run is told to end, within seconds", schema=RunInFull),
    },
    problems={409},
)
def cancel_run(run_id: str) -> Response:
    """Cancel a run

    One that waits never begins. One that goes on is told to end and is `cancelled`, unless its
    persona has answered by then; what it changed in the space stays, see `revert`. 409 where it has
    ended otherwise.
    """
    run = services().cancelling.cancel(run_id)
    return answer(shapes.run_in_full(run), 202 if run.status.is_open else 200)


@door.on(
    "GET",
    "/space/history",
    takes=Takes(query=FileQuery()),
    answers={200: Answer(description="The changes of a file", schema=FileHistoryShown)},
    problems={404},
)
def history_of_file(query: dict[str, Any]) -> Response:
    """Show who changed a file, and who wrote each line"""
    found = services().space_history.of_path(query["path"], query["limit"])
    return answer(
        {
            "path": found.path,
            "entries": [shapes.file_entry(entry) for entry in found.entries],
            "count": len(found.entries),
            "lines": [shapes.file_lines(lines) for lines in found.lines],
        }
    )


@door.on(
    "GET",
    "/audit/slots",
    takes=Takes(query=WindowQuery()),
    answers={200: Answer(description="Expected slots against recorded ones", schema=SlotAudit)},
)
def audit_slots(query: dict[str, datetime]) -> Response:
    """Prove that every slot has its outcome

    Recomputes the slots in (since, until] from the definitions of the time and compares them with
    the ledger. A healthy service answers missing 0, duplicated 0.
    """
    audit = services().auditor.audit(query.get("since"), query.get("until"))
    return answer(
        {
            "since": shapes.instant(audit.since),
            "until": shapes.instant(audit.until),
            **{name: audit.total(name) for name in _FIGURES},
            "tasks": [
                {"task_id": task.task_id, **{name: getattr(task, name) for name in _FIGURES}}
                for task in audit.tasks
            ],
        }
    )
