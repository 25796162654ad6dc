"""tasks.json as a desk: what is wrong with it, and what waits for a decision."""

from typing import Any

from flask import Response

from app.api import shapes
from app.api.answers import answer
from app.api.door import Answer, Door
from app.api.guards import author
from app.api.schemas import DeskDecision, DeskState
from app.api.serving import serving
from app.tasks.desk_errors import error_fields, held_fields
from app.tasks.desk_report import DeskStatus

door = Door("desk", __name__, url_prefix="/api", description="The file tasks.json")


@door.on("GET", "/desk", answers={200: Answer(description="Its state", schema=DeskState)})
def desk_state() -> Response:
    """Show what is wrong with tasks.json, and which removals are held"""
    return answer(_state(serving().services.desk.status()))


@door.on(
    "POST",
    "/desk/confirm",
    answers={200: Answer(description="The removals are made", schema=DeskDecision)},
    problems=(409,),
)
def confirm() -> Response:
    """Make the removals that are held"""
    serving().services.desk.confirm(author())
    return _decided("The held removals were made")


@door.on(
    "POST",
    "/desk/restore",
    answers={200: Answer(description="The file is as it was", schema=DeskDecision)},
    problems=(409,),
)
def restore() -> Response:
    """Write tasks.json again as it was, with what is in force"""
    serving().services.restore_desk(author())
    return _decided("tasks.json was written again")


def _decided(message: str) -> Response:
    here = serving()
    here.desk.forget()
    state = _state(here.services.desk.status())
    return answer({"success": True, "message": message, "desk": state})


def _state(status: DeskStatus) -> dict[str, Any]:
    return {
        "file": status.path.name,
        "errors": [error_fields(fault) for fault in status.errors],
        "held": held_fields(status.held) if status.held is not None else None,
        "since": shapes.instant(status.errors_at),
    }
