"""What the API takes in and answers about memories."""

import re
from typing import Any

from marshmallow import ValidationError, fields

from app.api.inputs import Body, Moment, Query, QueryNumber, between, written_as
from app.api.schema_fields import Shown, many, moment, number, text
from app.core.own_data import own_data
from app.persona.memory.memory import KIND, MOST_TEXT_BYTES, NOTE

MOST_MEMORIES = 200
_CURSOR = re.compile("[0-7][0-9a-f]{15}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class MomentOrDay(Moment):
    """An instant, or a date, which is returned as one."""

    def __init__(self, description: str) -> None:
        super().__init__(f"{description}; a date is that whole day in the service's zone")
        self.metadata = {
            "description": self.metadata["description"],
            "type": "string",
            "anyOf": [{"format": "date-time"}, {"format": "date"}],
        }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, str) and _DATE.fullmatch(value):
            at_midnight = super()._deserialize(f"{value}T00:00", attr, data, **kwargs)
            return at_midnight.date()
        return super()._deserialize(value, attr, data, **kwargs)


def _kind(description: str, **kwargs: Any) -> fields.String:
    return fields.String(
        validate=written_as(KIND, "must be 1 to 32 of a-z, 0-9, _ and -, and begin with a letter"),
        metadata={"pattern": f"^{KIND.pattern}$", "description": description, "example": NOTE},
        **kwargs,
    )


def _check_text(value: str) -> None:
    if not value.strip():
        raise ValidationError("must not be empty")
    if len(value.encode()) > MOST_TEXT_BYTES:
        raise ValidationError(f"must have at most {MOST_TEXT_BYTES} bytes")


class NewMemory(Body):
    """Something that was lived."""

    text = fields.String(
        required=True,
        validate=_check_text,  # which says all that a check of the length would say again
        metadata={
            "minLength": 1,
            "maxLength": MOST_TEXT_BYTES,
            "example": "Ada asked how the tomatoes are doing.",
        },
    )
    kind = _kind("interaction, note, result, insight or a word of one's own", load_default=NOTE)
    at = Moment("when it was lived; now if not given", allow_none=True)
    metadata = own_data("one's own data; kept, never looked at")


class MemoriesQuery(Query):
    """Which memories."""

    kind = _kind("only those of this kind")
    since = MomentOrDay("lived then or later")
    until = MomentOrDay("lived before then")
    limit = QueryNumber(load_default=50, validate=between(1, MOST_MEMORIES))
    cursor = fields.String(
        validate=written_as(_CURSOR, "is not a next_cursor that this service gave out"),
        metadata={
            "pattern": f"^{_CURSOR.pattern}$",
            "description": "the `next_cursor` of the page before",
        },
    )


class SearchQuery(Query):
    """What is looked for."""

    q = fields.String(
        required=True,
        metadata={"description": "words; nothing in it is read as syntax", "example": "tomatoes"},
    )
    kind = _kind("only those of this kind")
    since = MomentOrDay("lived then or later")
    until = MomentOrDay("lived before then")
    limit = QueryNumber(load_default=20, validate=between(1, MOST_MEMORIES))


class MemoryShown(Shown):
    """A memory."""

    id = text()
    kind = text()
    at = moment("when it was lived")
    origin = text("owner or api; chat, persona, import; or the origin of a run, such as schedule")
    score = fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": "how well it fits, 0 to 1; null where nothing was looked for"},
    )
    run_id = fields.String(required=True, allow_none=True)
    task_id = fields.String(required=True, allow_none=True)
    metadata = fields.Dict(required=True)
    created_at = moment("when it was written down")
    text = text()


class MemoryList(Shown):
    """Memories, those lived last first."""

    memories = many(MemoryShown)
    count = number("on this page")
    next_cursor = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "what to send for the next page; null on the last"},
    )


class MemorySearch(Shown):
    """Memories that fit, the best first."""

    memories = many(MemoryShown)
    count = number()
    complete = fields.Boolean(
        required=True,
        metadata={"description": "false where so many hold the words that only some were ranked"},
    )


class MemoryForgotten(Shown):
    """A memory that is gone."""

    success = fields.Boolean(required=True)
    id = text()
    message = text()
