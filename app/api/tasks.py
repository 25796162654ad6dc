"""The tasks: list, show, create, change, delete."""

from typing import Any

from flask import Response

from app.api import shapes
from app.api.answers import answer, held_revision, tag_of_task, unchanged
from app.api.door import TASK_PATH, Answer, Door, Takes
from app.api.guards import author
from app.api.idempotency import Request, create_once
from app.api.inputs import IfMatchHeader, IfNoneMatchHeader, KeyHeader
from app.api.schemas import Changed, ChangedTask, DueList, TaskInFull, TaskList
from app.api.serving import Serving, services, serving
from app.api.task_bodies import NewTask, TaskChange, changes_of, refuse_unknown_tools
from app.tasks.record import TaskRecord

door = Door("tasks", __name__, url_prefix="/api", description="What is to be done, and when")

_TAG = {"ETag": "send it as If-None-Match, or a task's as If-Match"}
_EXAMPLE = {
    "id": "weekly_planning",
    "name": "Weekly Planning Session",
    "type": "custom",
    "schedule": "weekly",
    "prompt": "Plan your focus areas for the coming week. Write your plan to meta/weekly_plan.md",
    "enabled": True,
}


@door.on(
    "GET",
    "/tasks",
    takes=Takes(headers=IfNoneMatchHeader()),
    answers={
        200: Answer(description="All tasks", schema=TaskList, headers=_TAG),
        304: Answer(description="Nothing has changed"),
    },
)
def list_tasks(headers: dict[str, Any]) -> Response:
    """List all tasks"""
    page = serving().page()
    held = unchanged(page.tag, headers.get("if_none_match"))
    return held or answer(page.body, tag=page.tag)


@door.on(
    "GET",
    TASK_PATH,
    takes=Takes(headers=IfNoneMatchHeader()),
    answers={
        200: Answer(description="The task", schema=TaskInFull, headers=_TAG),
        304: Answer(description="Nothing has changed"),
    },
)
def get_task(task_id: str, headers: dict[str, Any]) -> Response:
    """Show a task"""
    here = serving()
    record = here.services.registry.get(task_id)
    clock = here.clock()
    tag = tag_of_task(record, clock)
    held = unchanged(tag, headers.get("if_none_match"))
    return held or answer({**_in_full(here, record), "clock": clock}, tag=tag)


def _in_full(here: Serving, record: TaskRecord) -> dict[str, Any]:
    return shapes.task_in_full(
        record, next_run=here.listing.next_run(record), sentence=here.listing.sentence(record)
    )


@door.on("GET", "/tasks/due", answers={200: Answer(description="Due tasks", schema=DueList)})
def due_tasks() -> Response:
    """List the tasks that are due"""
    here = serving()
    now = here.services.clock.now()
    due = [
        shapes.due_task(record, next_run=slot)
        for record in here.services.registry.snapshot().records.values()
        if (slot := here.listing.next_run(record)) is not None and slot <= now
    ]
    return answer({"tasks": due, "count": len(due), "clock": here.clock()})


@door.on(
    "POST",
    "/tasks",
    takes=Takes(body=NewTask(), body_example=_EXAMPLE, headers=KeyHeader()),
    answers={
        201: Answer(
            description="The task is in force",
            schema=ChangedTask,
            headers={"Location": "where the task is found"},
        )
    },
    problems=(409,),
)
def create_task(body: dict[str, Any], headers: dict[str, Any]) -> Response:
    """Create a task"""
    refuse_unknown_tools(services().being.toolbox.names, body)
    request = Request.of(headers.get("key"), body)
    revision = create_once(services(), body, author(), request)
    return answer(
        {
            "success": True,
            "task_id": body["id"],
            "message": f"Task '{body['name']}' created successfully",
            "revision": revision,
        },
        201,
        headers={"Location": f"/api/tasks/{body['id']}"},
    )


@door.on(
    "PATCH",
    TASK_PATH,
    takes=Takes(body=TaskChange(), body_example={"enabled": False}, headers=IfMatchHeader()),
    answers={200: Answer(description="The change is in force", schema=ChangedTask)},
    problems=(412,),
)
def change_task(task_id: str, body: dict[str, Any], headers: dict[str, Any]) -> Response:
    """Change fields of a task

    null for name, type, prompt, enabled or schedule means "not given"; null for any other field
    takes it back to its default.
    """
    changes = changes_of(task_id, body)
    refuse_unknown_tools(services().being.toolbox.names, changes)
    registry = services().registry
    held = held_revision(registry, task_id, headers.get("if_match"))
    record = registry.update(task_id, changes, author(), if_revision=held)
    return answer(
        {
            "success": True,
            "task_id": task_id,
            "message": "Task updated successfully",
            "revision": record.revision,
        }
    )


@door.on(
    "DELETE",
    TASK_PATH,
    takes=Takes(headers=IfMatchHeader()),
    answers={200: Answer(description="The task is gone; its runs stay", schema=Changed)},
    problems=(412,),
)
def delete_task(task_id: str, headers: dict[str, Any]) -> Response:
    """Delete a task

    Its runs and revisions stay readable, and it can be restored.
    """
    registry = services().registry
    held = held_revision(registry, task_id, headers.get("if_match"))
    registry.delete(task_id, author(), if_revision=held)
    return answer({"success": True, "task_id": task_id, "message": "Task deleted successfully"})
