"""Schedules looked ahead: of a task, or of a text that is being written."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Response

from app.api import shapes
from app.api.answers import answer
from app.api.door import TASK_PATH, Answer, Door, Takes
from app.api.inputs import CountQuery, PreviewRequest
from app.api.schemas import Preview, TaskPreview
from app.api.serving import services, serving
from app.core.errors import ScheduleError
from app.schedule.grammar import Schedule, warnings
from app.tasks.schema import schedule_error

door = Door("schedules", __name__, url_prefix="/api", description="When it fires")

_EXAMPLE = {"schedule": "0 9 * * MON-FRI", "timezone": "Europe/Berlin", "count": 3}


@door.on(
    "GET",
    f"{TASK_PATH}/next",
    takes=Takes(query=CountQuery()),
    answers={200: Answer(description="Its next fires", schema=TaskPreview)},
)
def next_fires(task_id: str, query: dict[str, int]) -> Response:
    """Show when a task fires next"""
    here = services()
    task = here.registry.get(task_id).task
    now = here.clock.now()
    schedule = here.book.read(task.schedule, task.timezone)
    fires = here.book.preview(here.book.schedule_of(task), now, query["count"])
    return answer(
        {
            **_preview(schedule, fires, now),
            "task_id": task_id,
            "enabled": task.enabled,
            "paused_until": shapes.instant(task.paused_until),
        }
    )


@door.on(
    "POST",
    "/schedules/preview",
    takes=Takes(
        body=PreviewRequest(),
        body_example={"schedule": "0 9 * * MON-FRI", "timezone": "Europe/Berlin", "count": 3},
    ),
    answers={200: Answer(description="When it would fire", schema=Preview)},
)
def preview(body: dict[str, Any]) -> Response:
    """Try a schedule out

    Refused as it would be for a task: where it cannot be read, never fires or fires too often.
    """
    here = services()
    now = here.clock.now()
    after = body.get("after") or now
    schedule = _read(body["schedule"], body.get("timezone"), now)
    fires = here.book.preview(schedule, after, body["count"])
    return answer(_preview(schedule, fires, after))


def _read(text: str, timezone: str | None, now: datetime) -> Schedule:
    book = services().book
    try:
        schedule = book.read(text, timezone, now=now)
        book.admit(schedule, now)
    except ScheduleError as error:
        raise schedule_error(error) from error
    return schedule


def _preview(schedule: Schedule, fires: Sequence[datetime], after: datetime) -> dict[str, Any]:
    zone = ZoneInfo(schedule.timezone)
    return {
        "next": [
            {"utc": shapes.instant(fire), "local": fire.astimezone(zone).isoformat()}
            for fire in fires
        ],
        "sentence": schedule.sentence,
        "warnings": warnings(schedule, after),
        "schedule": schedule.text,
        "timezone": schedule.timezone,
        "clock": serving().clock(),
    }
