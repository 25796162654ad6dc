"""Who changed what: the revisions of a task, and how one is put in force again."""

from typing import Any

from flask import Response

from app.api import shapes
from app.api.answers import answer
from app.api.door import TASK_PATH, Answer, Door, Takes
from app.api.guards import author
from app.api.inputs import HistoryQuery, RestoreRequest
from app.api.schemas import ChangedTask, Revisions
from app.api.serving import services

door = Door("revisions", __name__, url_prefix="/api", description="Who changed what")


@door.on(
    "GET",
    f"{TASK_PATH}/history",
    takes=Takes(query=HistoryQuery()),
    answers={200: Answer(description="Its revisions, newest first", schema=Revisions)},
)
def history(task_id: str, query: dict[str, int]) -> Response:
    """List the revisions of a task, also of a deleted one"""
    made = services().registry.history(task_id)
    pairs = zip(made, [*made[1:], None], strict=True)
    shown = [shapes.revision(revision, before) for revision, before in pairs][: query["limit"]]
    return answer({"task_id": task_id, "revisions": shown, "count": len(shown), "total": len(made)})


@door.on(
    "POST",
    f"{TASK_PATH}/restore",
    takes=Takes(body=RestoreRequest(), body_required=False, body_example={"revision": 1}),
    answers={200: Answer(description="The revision is in force", schema=ChangedTask)},
    problems=(409,),
)
def restore(task_id: str, body: dict[str, Any]) -> Response:
    """Put an earlier revision of a task in force again, also of a deleted one"""
    record = services().registry.restore(task_id, author(), revision=body.get("revision"))
    return answer(
        {
            "success": True,
            "task_id": task_id,
            "message": "Task restored successfully",
            "revision": record.revision,
        }
    )
