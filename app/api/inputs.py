"""What the API takes in: one schema for each body, query and header, and how they are read."""

import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from flask import request
from gunicorn.http.errors import ParseException
from marshmallow import EXCLUDE, RAISE, Schema, ValidationError, fields, validate

from app.api.guards import MOST_BODY
from app.api.refusals import TooLarge
from app.core import strict_json
from app.core.errors import BadJson, FieldError, InvalidInput
from app.core.instants import read_instant
from app.persona.feelings.series import MOST_MOODS
from app.runs.run import Origin, Status
from app.schedule.grammar import EARLIEST, LATEST
from app.tasks.schema import (
    READ_OUT,
    TASK_ID,
    field_errors,
)

MOST_RESULTS = 1000
MOST_RUNS = 200
MOST_FIRES = 100
LONGEST_KEY = 200
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,10}")
RUN_ID = re.compile("[0-9a-z]{26}")
_KEY = re.compile(f"[ -~]{{1,{LONGEST_KEY}}}")
LEAST, MOST = -(2**31), 2**31 - 1


class WholeNumber(fields.Integer):
    """A whole number of 32 bits; for JSON 5.0 is one too."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        is_whole = not isinstance(value, bool) and (
            isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        )
        if not is_whole or not LEAST <= value <= MOST:
            raise ValidationError("must be a whole number")
        return int(value)


class QueryNumber(WholeNumber):
    """A whole number in a query: ASCII digits with nothing around them."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        number = int(value) if _WHOLE_NUMBER.fullmatch(value) else None
        return super()._deserialize(number, attr, data, **kwargs)


class Moment(fields.Field[datetime]):
    """An instant, RFC 3339; one without an offset is UTC."""

    def __init__(self, description: str, **kwargs: Any) -> None:
        metadata = {"type": "string", "format": "date-time", "description": description}
        super().__init__(metadata=metadata, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        try:
            moment = read_instant(value)
        except (TypeError, ValueError):
            moment = None
        if moment is None or not EARLIEST <= moment.year <= LATEST:
            raise ValidationError(
                f"must be an instant such as 2030-12-01T09:00:00Z, {EARLIEST} to {LATEST}"
            )
        return moment


def between(least: int, most: int) -> validate.Range:
    """Return a check that a number lies between two, both included."""
    return validate.Range(least, most, error=f"must be {least} to {most}")


def _one_of(choices: type[StrEnum]) -> validate.OneOf:
    values = [str(choice) for choice in choices]
    return validate.OneOf(values, error="must be one of: " + ", ".join(values))


def written_as(form: re.Pattern[str], error: str) -> Callable[[str], None]:
    """Return a check that the whole of a text has a form."""

    def check(value: str) -> None:
        if form.fullmatch(value) is None:
            raise ValidationError(error)

    return check


# ---- bodies


class Body(Schema):
    """Any other body."""

    error_messages = {  # noqa: RUF012  marshmallow reads it from the class
        "unknown": "is not known here",
        "type": "must be a JSON object",
    }

    class Meta:
        unknown = RAISE


class PreviewRequest(Body):
    """A schedule to be tried out."""

    schedule = fields.String(required=True, validate=validate.Length(max=200))
    timezone = fields.String(
        allow_none=True,
        validate=validate.Length(min=1, max=64),
        metadata={"description": "IANA name; the service's default if not given"},
    )
    after = Moment("now if not given", allow_none=True)
    count = WholeNumber(load_default=5, validate=between(1, MOST_FIRES))


class RestoreRequest(Body):
    """Which revision to put in force again."""

    revision = WholeNumber(
        allow_none=True,
        validate=between(1, MOST),
        metadata={"description": "the newest that differs from what is in force if not given"},
    )


# ---- queries


class Query(Schema):
    """A query string; a slip in the name of a parameter must not widen what is asked for."""

    class Meta:
        unknown = RAISE

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self.error_messages["unknown"] = f"is not known here; there are {', '.join(self.fields)}"


class OlderQuery(Query):
    """A query string of older clients; parameters that are not known are left alone."""

    class Meta:
        unknown = EXCLUDE


def _limit(default: int, most: int) -> fields.Field[int]:
    text = f"at most this many; zero or less is none, more than {most} is {most}"
    return QueryNumber(
        load_default=default,
        metadata={"description": text, "minimum": LEAST, "maximum": MOST},
    )


class ResultsQuery(OlderQuery):
    """How many results of a task."""

    limit = _limit(10, MOST_RESULTS)


class RecentQuery(OlderQuery):
    """How many results of all tasks."""

    limit = _limit(20, MOST_RESULTS)


class RunsQuery(Query):
    """Which runs."""

    task_id = fields.String(
        validate=written_as(TASK_ID, "is not the id of a task"),
        metadata={"pattern": f"^{TASK_ID.pattern}$"},
    )
    status = fields.String(validate=_one_of(Status))
    origin = fields.String(validate=_one_of(Origin))
    since = Moment("recorded then or later")
    until = Moment("recorded before then")
    limit = QueryNumber(load_default=50, validate=between(1, MOST_RUNS))
    cursor = fields.String(
        validate=written_as(RUN_ID, "is not a next_cursor that this service gave out"),
        metadata={
            "pattern": f"^{RUN_ID.pattern}$",
            "description": "the `next_cursor` of the page before",
        },
    )


class FileQuery(Query):
    """Which file, and how many of its changes."""

    path = fields.String(
        required=True,
        validate=validate.Length(min=1, max=1_000),
        metadata={"description": "below the space", "example": "scratch/daily_reflections.md"},
    )
    limit = QueryNumber(load_default=50, validate=between(1, MOST_RUNS))


class CountQuery(Query):
    """How many fires."""

    count = QueryNumber(load_default=5, validate=between(1, MOST_FIRES))


class HistoryQuery(Query):
    """How many revisions."""

    limit = QueryNumber(load_default=50, validate=between(1, MOST_RUNS))


class WaitQuery(OlderQuery):
    """Whether to wait for the end of a run."""

    wait = fields.Boolean(
        load_default=True,
        error_messages={"invalid": "must be true or false"},
        metadata={"description": "false answers 202 at once, like `Prefer: respond-async`"},
    )


class MoodQuery(Query):
    """Which moods."""

    since = Moment("inclusive; from the first one on if not given")
    limit = _limit(100, MOST_MOODS)


class DirectoryQuery(OlderQuery):
    """Which folder of the persona's space."""

    directory = fields.String(
        load_default=".",
        metadata={"description": "a path below the space, with `/`; `.` is the space itself"},
    )


class WindowQuery(Query):
    """A window of time; the last day if nothing is given."""

    since = Moment("exclusive; a day before `until` if not given")
    until = Moment("inclusive; ten seconds ago if not given, and at most")


# ---- headers


class KeyHeader(Schema):
    """The header that makes a request repeatable."""

    key = fields.String(
        data_key="Idempotency-Key",
        validate=written_as(_KEY, f"must be 1 to {LONGEST_KEY} printable ASCII characters"),
        metadata={
            "pattern": f"^{_KEY.pattern}$",
            "description": "the same request with the same key has its effect once, for 24 h",
        },
    )


class KeyAndPreferHeaders(KeyHeader):
    """The headers of an execution."""

    prefer = fields.String(
        data_key="Prefer", metadata={"description": "`respond-async` answers 202 at once"}
    )


class IfMatchHeader(Schema):
    """The header of a careful change."""

    if_match = fields.String(
        data_key="If-Match",
        metadata={"description": "the ETag that was read; 412 if the task was changed since"},
    )


class IfNoneMatchHeader(Schema):
    """The header of a thrifty read."""

    if_none_match = fields.String(
        data_key="If-None-Match",
        metadata={"description": "the ETag that was read; 304 if nothing has changed since"},
    )


# ---- reading


def read_body(schema: Schema, *, required: bool) -> dict[str, Any]:
    """Return the checked body; no body at all is an empty one where none is needed.

    Raises TooLarge, BadJson, or InvalidInput naming every wrong field.
    """
    try:
        data = request.get_data()
    except ParseException as error:
        # of the server: a chunk whose size is none, or one without an end
        raise BadJson(f"the body cannot be read ({type(error).__name__})") from error
    if len(data) > MOST_BODY:
        raise TooLarge
    if not data and not required:
        return {}
    if not data:
        raise InvalidInput([FieldError(field="body", message="a JSON object is needed")])
    return _load(schema, strict_json.loads(data, most_bytes=MOST_BODY))


def read_query(schema: Schema) -> dict[str, Any]:
    """Return the checked query; raise InvalidInput."""
    return _load(schema, request.args.to_dict())


def read_headers(schema: Schema) -> dict[str, Any]:
    """Return the checked headers; raise InvalidInput."""
    given = request.headers
    names = [str(field.data_key) for field in schema.fields.values()]
    found = {name: given[name] for name in names if name in given}
    # no header is ever required, and most requests bring none of them
    return _load(schema, found) if found else {}


def _load(schema: Schema, data: Any) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = schema.load(data)
    except ValidationError as error:
        read_out = () if isinstance(schema, Query) else READ_OUT
        raise InvalidInput(_named(error.messages_dict, read_out)) from error
    return loaded


def _named(messages: Mapping[str, Any], read_out: Collection[str]) -> list[FieldError]:
    return [
        FieldError(field=error.field, message="only shows what happened; it cannot be set")
        if error.field in read_out
        else FieldError(field=_place(error.field), message=error.message)
        for error in field_errors(messages)
    ]


def _place(field: str) -> str:
    """Return where the mistake is; marshmallow says `_schema` of a value as a whole."""
    return "body" if field == "_schema" else field.removesuffix("._schema")
