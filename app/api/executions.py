"""Runs that are asked for: of one task, or of all that are due."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from flask import Response

from app.api import shapes
from app.api.answers import answer
from app.api.door import TASK_PATH, Answer, Door, Takes
from app.api.inputs import KeyAndPreferHeaders, WaitQuery
from app.api.refusals import NothingRuns, TooManyWait
from app.api.run_schemas import Accepted, Execution, Executions
from app.api.serving import services, serving
from app.core.errors import Draining, RevisionNotFound
from app.runs.run import Run
from app.tasks.task import DEFAULT_TIMEOUT
from app.wiring import Services

door = Door("executions", __name__, url_prefix="/api", description="Runs that are asked for")

_QUEUE_TIME = timedelta(minutes=5)
_LOOK_EVERY = timedelta(seconds=5)


@door.on(
    "POST",
    f"{TASK_PATH}/execute",
    takes=Takes(query=WaitQuery(), headers=KeyAndPreferHeaders()),
    answers={
        200: Answer(description="How the run went; a failed one too", schema=Execution),
        202: Answer(
            description="The run was started: nobody was to wait for it, it goes on longer than "
            "one waits here, or as many wait here already as may",
            schema=Accepted,
            headers={
                "Location": "where the run is found",
                "Preference-Applied": "respond-async, if that was preferred",
            },
        ),
    },
    problems=(409,),
)
def execute(task_id: str, query: dict[str, Any], headers: dict[str, Any]) -> Response:
    """Run a task now

    Regardless of its schedule, and also while it is disabled; no slot is used up by it. Whoever
    hangs up does not stop the run. Where many wait already, the run is started all the same, and
    202 tells where it is found.
    """
    here = services()
    _check_that_something_runs(here)
    run = here.executions.start(task_id, key=headers.get("key"))
    prefers_async = _prefers_async(headers.get("prefer", ""))
    if query["wait"] and not prefers_async:
        run = _waited_for(here, run)
    if not run.status.is_open:
        return answer(shapes.execution(run))
    url = f"/api/runs/{run.id}"
    applied = {"Preference-Applied": "respond-async"} if prefers_async else {}
    return answer(
        {
            "task_id": run.task_id,
            "task_name": run.task_name,
            "run_id": run.id,
            "status": str(run.status),
            "url": url,
        },
        202,
        headers={"Location": url, **applied},
    )


@door.on(
    "POST",
    "/tasks/execute-due",
    answers={200: Answer(description="How the runs went", schema=Executions)},
)
def execute_due() -> Response:
    """Run all tasks that are due

    The same claim as the clock's own: calling it beside the clock never runs a slot twice. Where
    many wait for runs already, nothing is started.
    """
    here = services()
    _check_that_something_runs(here)
    if here.engine.is_draining:
        raise Draining
    with serving().seats.one() as is_seated:
        if not is_seated:
            raise TooManyWait
        queued = here.planner.plan_all_due()
        here.engine.wake()
        results = [shapes.execution_in_short(run) for run in _all_finished(here, queued)]
    return answer({"executed": len(results), "results": results})


def _check_that_something_runs(here: Services) -> None:
    if not here.engine.is_running and not serving().liveness.get().alive:
        raise NothingRuns


def _prefers_async(prefer: str) -> bool:
    preferences = (part.partition(";")[0].strip().lower() for part in prefer.split(","))
    return "respond-async" in preferences


def _waited_for(here: Services, run: Run) -> Run:
    """Return a run when it is finished, or at once where as many wait already as may."""
    with serving().seats.one() as is_seated:
        return _finished(here, run) if is_seated else run


def _finished(here: Services, run: Run) -> Run:
    """Wait for the end of a run and its file, as long as it may take and some time in the queue.

    Returns it open if it takes longer, or if this process stops.
    """
    if not run.status.is_open and here.engine.is_filed(run):
        return run
    end = here.clock.monotonic() + (_longest(here, run) + _QUEUE_TIME).total_seconds()
    while not here.engine.is_draining and here.clock.monotonic() < end:
        run = here.engine.wait(run.id, _LOOK_EVERY)
        if not run.status.is_open:
            break
    return run


def _longest(here: Services, run: Run) -> timedelta:
    try:
        return here.registry.task_at(run.task_id, run.revision).timeout
    except RevisionNotFound:
        return DEFAULT_TIMEOUT


def _all_finished(here: Services, run_ids: Sequence[str]) -> list[Run]:
    return [_finished(here, here.history.run(run_id)) for run_id in run_ids]
