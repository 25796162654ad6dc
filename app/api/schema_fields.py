"""The fields of which descriptions of answers are made."""

from enum import StrEnum
from typing import Any

from marshmallow import EXCLUDE, Schema, fields, validate

_EXAMPLE_INSTANT = "2030-12-01T00:00:00Z"


class Shown(Schema):
    """An object of an answer; later versions may add keys."""

    class Meta:
        unknown = EXCLUDE


def text(description: str = "", **kwargs: Any) -> fields.String:
    """Return a field of text."""
    metadata = {"description": description} if description else {}
    return fields.String(required=True, metadata=metadata, **kwargs)


def number(description: str = "", *, null: bool = False) -> fields.Integer:
    """Return a field of a whole number."""
    metadata = {"description": description} if description else {}
    return fields.Integer(required=True, allow_none=null, metadata=metadata)


def measure(least: float, description: str) -> fields.Float:
    """Return a field of a number from `least` to 1."""
    return fields.Float(
        required=True,
        validate=validate.Range(least, 1),
        metadata={"description": description},
    )


def moment(description: str = "", *, null: bool = False) -> fields.String:
    """Return a field of an instant."""
    metadata = {"format": "date-time", "example": _EXAMPLE_INSTANT}
    if description:
        metadata["description"] = description
    return fields.String(required=True, allow_none=null, metadata=metadata)


def choice(choices: type[StrEnum], description: str = "", *, null: bool = False) -> fields.String:
    """Return a field that holds one of the words of an enumeration."""
    values = [str(choice) for choice in choices]
    return text(description, validate=validate.OneOf(values), allow_none=null)


def many(schema: type[Schema], description: str = "") -> fields.List[Any]:
    """Return a field of a list of objects."""
    metadata = {"description": description} if description else {}
    return fields.List(fields.Nested(schema), required=True, metadata=metadata)
