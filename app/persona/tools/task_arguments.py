"""What the task tools are given; flat, and tolerant of what weaker models leave empty."""

from marshmallow import Schema, fields, validate

from app.tasks.schema import LONGEST_NAME, LONGEST_PROMPT
from app.tasks.task import TaskType

MOST_PREVIEWED = 20

_SCHEDULE = (
    "one of: hourly, daily, weekly, monthly, manual; five-field cron such as `0 9 * * MON-FRI`;"
    " `every 2h`; `in 30m` (once); `at 2030-12-01T09:00` (once)"
)
_PROMPT = (
    "what is to be done, complete in itself and without the schedule; it is stored as it stands"
)
_MOST_TOOLS = 50
_TIMEZONE = "IANA name such as Europe/Berlin; the service's own unless set"


def _text(description: str, longest: int, *, needed: bool = True) -> fields.String:
    return fields.String(
        required=needed,
        allow_none=not needed,
        validate=validate.Length(min=1 if needed else 0, max=longest),
        metadata={"description": description},
    )


def _id(description: str) -> fields.String:
    return _text(description, 64)


def _kind() -> fields.String:
    return fields.String(
        allow_none=True,
        validate=validate.OneOf([str(kind) for kind in TaskType]),
        metadata={"description": "what it is about; custom unless set"},
    )


class ListArguments(Schema):
    """Which tasks."""

    enabled = fields.Boolean(
        allow_none=True, metadata={"description": "true: only those in force; false: only paused"}
    )


class PreviewArguments(Schema):
    """A schedule to try."""

    schedule = _text(_SCHEDULE, 200)
    timezone = _text(_TIMEZONE, 64, needed=False)
    count = fields.Integer(
        allow_none=True,
        validate=validate.Range(1, MOST_PREVIEWED),
        metadata={"description": f"how many firings to show, 1 to {MOST_PREVIEWED}; 5 unless set"},
    )


class CreateArguments(Schema):
    """A new task."""

    id = _id("a-z, 0-9, _ and -, such as weekly_planning")
    name = _text("a short title", LONGEST_NAME)
    schedule = _text(_SCHEDULE, 200)
    prompt = _text(_PROMPT, LONGEST_PROMPT)
    type = _kind()
    timezone = _text(_TIMEZONE, 64, needed=False)
    tools = fields.List(
        fields.String(validate=validate.Length(1, 64)),
        allow_none=True,
        validate=validate.Length(max=_MOST_TOOLS),
        metadata={
            "description": "the only tools that it may use, out of those that you may use; all of"
            " them unless set, but for create_task, update_task, pause_task, delete_task and"
            " run_task, which only the owner gives"
        },
    )


class UpdateArguments(Schema):
    """What changes; what is left out stays."""

    id = _id("the task to change")
    name = _text("a short title", LONGEST_NAME, needed=False)
    schedule = _text(_SCHEDULE, 200, needed=False)
    prompt = _text(_PROMPT, LONGEST_PROMPT, needed=False)
    type = _kind()
    timezone = _text(_TIMEZONE, 64, needed=False)
    enabled = fields.Boolean(
        allow_none=True, metadata={"description": "true resumes a paused task, false pauses it"}
    )


class OneTaskArguments(Schema):
    """Which task."""

    id = _id("the task")


class PauseArguments(OneTaskArguments):
    """Which task, and until when."""

    until = _text(
        "when it goes on by itself: a span from now on such as 3d, or a time such as"
        " 2030-12-01T09:00, in the task's zone; until it is resumed unless set",
        64,
        needed=False,
    )


class DeleteArguments(OneTaskArguments):
    """Which task, and why."""

    reason = fields.String(
        required=True,
        validate=validate.Length(3, 500),
        metadata={"description": "why it is not needed any more; it is kept"},
    )
