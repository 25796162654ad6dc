"""The REST door: tasks, runs, schedules and health over HTTP."""

from flask import Flask, Response

from app.api import (
    chat,
    desk,
    executions,
    health,
    memories,
    mood,
    persona,
    prompts,
    revisions,
    runs,
    schedules,
    tasks,
)
from app.api.docs import docs
from app.api.door import RunIdConverter, SpacePathConverter, TaskIdConverter
from app.api.openapi import Description

_PARTS = (
    *(tasks, executions, prompts, runs, revisions, schedules),
    *(chat, memories, mood, persona, desk, health),
)


def open_doors(app: Flask, version: str) -> None:
    """Register every endpoint of the API with its description."""
    app.url_map.converters.update(
        task_id=TaskIdConverter, run_id=RunIdConverter, space_path=SpacePathConverter
    )
    description = Description(app, version)
    for part in _PARTS:
        description.register_blueprint(part.door)
    app.register_blueprint(docs(description))
    app.add_url_rule("/api/tasks/", "with_slash", _without_slash, methods=["GET", "POST"])


def _without_slash() -> Response:
    """Older clients know this redirect."""
    return Response(status=307, headers={"Location": "/api/tasks"})
