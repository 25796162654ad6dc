"""One schema for the definition of a task, for tasks.json, API and command line alike."""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from app.core.errors import (
    FieldError,
    InvalidInput,
    PauseUnreadable,
    ScheduleError,
    TimezoneUnknown,
)
from app.core.instants import read_instant
from app.core.own_data import own_data
from app.core.spans import read_span
from app.tasks.task import (
    DEFAULT_TIMEOUT,
    Change,
    Expected,
    Missed,
    OnInterrupt,
    Overlap,
    Task,
    TaskType,
)

READ_OUT = frozenset({"last_run", "next_run", "run_count"})
"""Fields that an entry of tasks.json shows but that no definition holds."""

RESERVED_IDS = frozenset({"due", "results", "execute-due", "preview", "new"})
"""Words that routes use; a task of that name could not be reached."""

TASK_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
LONGEST_PROMPT = 100_000
LONGEST_NAME = 200
LONGEST_TIMEOUT = timedelta(days=1)


class _Strict(fields.Boolean):
    """true or false, nothing that merely looks like it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError("must be true or false")
        return value


class _Whole(fields.Integer):
    """A whole number; not true, not 1.5, not text; for JSON 5.0 is one too."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        is_whole = not isinstance(value, bool) and (
            isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        )
        if not is_whole:
            raise ValidationError("must be a whole number")
        return int(value)


class Span(fields.Field[str]):
    """A span of time as text, such as 15m; kept as it was written."""

    def __init__(self, *, longest: timedelta, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.longest = longest

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError("must be a span of time such as 30s, 15m or 1h30m")
        try:
            span = read_span(value)
        except ValueError as error:
            raise ValidationError(str(error)) from error
        if span > self.longest:
            raise ValidationError(f"must be at most {self.longest.days} day(s)")
        return value


def _one_of(choices: type[StrEnum]) -> validate.OneOf:
    values = [str(choice) for choice in choices]
    return validate.OneOf(values, error="must be one of: " + ", ".join(values))


def _check_id(value: str) -> None:
    if not TASK_ID.fullmatch(value):
        raise ValidationError(
            "must be 1 to 64 of a-z, 0-9, _ and -, and begin with a letter or a digit"
        )
    if value in RESERVED_IDS:
        raise ValidationError("is a word that the API uses; choose another")


def _check_text(value: str) -> None:
    if not value.strip():
        raise ValidationError("must not be empty")


_name: list[Callable[[Any], Any]] = [_check_text, validate.Length(max=LONGEST_NAME)]
_prompt: list[Callable[[Any], Any]] = [_check_text, validate.Length(max=LONGEST_PROMPT)]


def _check_path(value: str) -> None:
    """Refuse what no run can ever change."""
    parts = [part for part in value.split("/") if part not in ("", ".")]
    if value.startswith("/") or not parts or ".." in parts:
        raise ValidationError("must be a path below the space, such as scratch/insights.md")
    if any(part.startswith(".") for part in parts):
        raise ValidationError(
            "is hidden; a hidden file cannot be expected, because no run uses one"
        )
    if value.endswith(("/", "/.")):
        raise ValidationError("names a folder; name a file in it")
    if not value.isprintable():
        raise ValidationError("has a character that no name of a file may have here")
    if parts[0].casefold() == "tasks":
        raise ValidationError("is in the folder of the service, where no run changes a file")


class ExpectedSchema(Schema):
    """A file that every run must have changed."""

    path = fields.String(
        required=True,
        validate=[validate.Length(min=1, max=1_000), _check_path],
        metadata={"description": "below the space", "example": "scratch/daily_reflections.md"},
    )
    change = fields.String(
        validate=_one_of(Change),
        metadata={
            "description": "appended: the old content still begins it; updated: any change; "
            "created: it was not there before",
            "default": "updated",
        },
    )
    min_bytes = _Whole(
        validate=validate.Range(0, 8 * 1024 * 1024),
        metadata={"description": "least bytes added, or least size", "default": 1},
    )


class PolicySchema(Schema):
    """What every definition may hold beside its five required fields."""

    enabled = _Strict(metadata={"description": "whether its schedule is in force", "default": True})
    timezone = fields.String(
        validate=validate.Length(min=1, max=64),
        metadata={"description": "IANA name of the zone that the schedule is read in"},
    )
    missed = fields.String(
        validate=_one_of(Missed),
        metadata={"description": "what happens to owed slots", "default": "once"},
    )
    missed_window = Span(
        longest=timedelta(days=366),
        metadata={
            "type": "string",
            "description": "owed slots older than this are missed, e.g. 6h; "
            "default half the period, at least 5m, at most 12h",
        },
    )
    overlap = fields.String(
        validate=_one_of(Overlap),
        metadata={"description": "a slot during a run of the same task", "default": "skip"},
    )
    timeout = Span(
        longest=LONGEST_TIMEOUT,
        metadata={"type": "string", "description": "longest time of a run", "default": "15m"},
    )
    on_interrupt = fields.String(
        validate=_one_of(OnInterrupt),
        metadata={"description": "when the process of a run dies", "default": "rerun"},
    )
    expects = fields.List(
        fields.Nested(lambda: ExpectedSchema(unknown=RAISE)),
        validate=validate.Length(max=20),
        metadata={"description": "files that every run must have changed, or it fails"},
    )
    model = fields.String(
        validate=validate.Length(min=1, max=200),
        metadata={"description": "language model of this task; PERSONA_MODEL unless set"},
    )
    temperature = fields.Float(
        validate=validate.Range(0, 2),
        metadata={"description": "0 to 2; the model's own unless set"},
    )
    max_tokens = _Whole(
        validate=validate.Range(1, 1_000_000),
        metadata={"description": "most tokens of one answer of the model"},
    )
    tools = fields.List(
        fields.String(validate=validate.Length(min=1, max=64)),
        validate=validate.Length(max=50),
        metadata={
            "description": "the only tools that a run may use; unless set, all but those that "
            "a task has to name"
        },
    )
    max_rounds = _Whole(
        validate=validate.Range(1, 100),
        metadata={"description": "most times that the model is asked in one run"},
    )
    parameters = own_data("values that the prompt is given")
    metadata = own_data("one's own data; kept, never looked at")
    paused_until = fields.String(
        validate=validate.Length(min=1, max=64),
        metadata={
            "description": "until then nothing fires or is owed: an instant, a time of the task's "
            "zone, or a span from now on such as 3d; kept as the instant"
        },
    )


class DefinitionSchema(PolicySchema):
    """A whole definition."""

    id = fields.String(
        required=True,
        validate=_check_id,
        metadata={"pattern": f"^{TASK_ID.pattern}$", "example": "weekly_planning"},
    )
    name = fields.String(required=True, validate=_name, metadata={"example": "Weekly planning"})
    type = fields.String(
        required=True, validate=_one_of(TaskType), metadata={"enum": [str(t) for t in TaskType]}
    )
    schedule = fields.String(
        required=True,
        validate=validate.Length(min=1, max=200),
        metadata={"description": "manual, hourly, daily, ... or 0 9 * * 1", "example": "weekly"},
    )
    prompt = fields.String(
        required=True, validate=_prompt, metadata={"example": "Plan the week in meta/plan.md"}
    )


class ChangeSchema(PolicySchema):
    """A change of a definition: any of its fields but the id."""

    name = fields.String(validate=_name)
    type = fields.String(validate=_one_of(TaskType))
    schedule = fields.String(validate=validate.Length(min=1, max=200))
    prompt = fields.String(validate=_prompt)


KNOWN_FIELDS = frozenset(DefinitionSchema().fields)
OPTIONAL_FIELDS = frozenset(PolicySchema().fields)
_DEFINITION = DefinitionSchema()


def field_errors(messages: Any, field: str = "") -> list[FieldError]:
    """Flatten marshmallow's nested messages to one error a field, dotted."""
    if isinstance(messages, Mapping):
        return [
            error
            for key, inner in messages.items()
            for error in field_errors(inner, f"{field}.{key}" if field else str(key))
        ]
    if isinstance(messages, list) and all(isinstance(message, str) for message in messages):
        return [FieldError(field=field or "body", message="; ".join(messages).rstrip("."))]
    return [error for inner in messages for error in field_errors(inner, field)]


def check_definition(definition: Mapping[str, Any]) -> None:
    """Raise InvalidInput naming each field whose form is wrong; unknown keys are left alone."""
    known = {key: value for key, value in definition.items() if key in KNOWN_FIELDS}
    messages = _DEFINITION.validate(known)
    if messages:
        raise InvalidInput(field_errors(messages))


def read_task(definition: Mapping[str, Any], timezone: str) -> Task:
    """Make the Task of a definition as it is stored; `timezone` is the resolved zone."""
    given = definition.get
    missed, overlap, interrupt = given("missed"), given("overlap"), given("on_interrupt")
    window, paused_until = given("missed_window"), given("paused_until")
    return Task(
        id=definition["id"],
        name=definition["name"],
        type=TaskType(definition["type"]),
        schedule=definition["schedule"],
        prompt=definition["prompt"],
        timezone=timezone,
        enabled=definition.get("enabled", True),
        missed=Missed(missed) if missed is not None else Missed.ONCE,
        missed_window=read_span(window) if window is not None else None,
        overlap=Overlap(overlap) if overlap is not None else Overlap.SKIP,
        timeout=read_span(definition["timeout"]) if "timeout" in definition else DEFAULT_TIMEOUT,
        on_interrupt=OnInterrupt(interrupt) if interrupt is not None else OnInterrupt.RERUN,
        expects=expected_of(definition),
        model=given("model"),
        temperature=given("temperature"),
        max_tokens=given("max_tokens"),
        tools=given("tools"),
        max_rounds=given("max_rounds"),
        parameters=definition.get("parameters", {}),
        metadata=definition.get("metadata", {}),
        paused_until=read_instant(paused_until) if paused_until is not None else None,
    )


def expected_of(definition: Mapping[str, Any]) -> tuple[Expected, ...]:
    """Return the files that a checked definition expects to be changed."""
    return tuple(
        Expected(
            path=expected["path"],
            change=Change(expected.get("change", Change.UPDATED)),
            min_bytes=expected.get("min_bytes", 1),
        )
        for expected in definition.get("expects", ())
    )


def schedule_error(error: ScheduleError) -> InvalidInput:
    """Return the error of a schedule as an error of the field that it is about."""
    kinds = {TimezoneUnknown: "timezone", PauseUnreadable: "paused_until"}
    field = kinds.get(type(error), "schedule")
    return InvalidInput([FieldError(field=field, message=error.detail)])
