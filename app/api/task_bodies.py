"""Tasks as they are given to us: a whole one to create, or fields of one to change."""

from collections.abc import Collection, Mapping
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields

from app.core.errors import FieldError, InvalidInput
from app.tasks.schema import ChangeSchema, DefinitionSchema, field_errors

_NOT_GIVEN_IF_NULL = ("name", "type", "prompt", "enabled", "schedule")


class _TaskBody:
    """What bodies about tasks have in common: unknown fields are refused, with advice."""

    error_messages = {  # noqa: RUF012  marshmallow reads it from the class
        "unknown": "is not a field of a task; `metadata` is the place for your own data",
        "type": "must be a JSON object",
    }


class NewTask(_TaskBody, DefinitionSchema):
    """A task to create."""

    class Meta:
        unknown = RAISE


class TaskChange(_TaskBody, ChangeSchema):
    """Fields of a task to change.

    null for name, type, prompt, enabled or schedule means "not given"; null for any other takes
    it back to its default.
    """

    id = fields.String(metadata={"description": "if given, the id of the task itself"})

    class Meta:
        unknown = RAISE

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        field_obj.allow_none = True


def checked(schema: Schema, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a schema reads from what did not come over HTTP; raise InvalidInput."""
    try:
        read: dict[str, Any] = schema.load(given)
    except ValidationError as error:
        raise InvalidInput(field_errors(error.messages_dict)) from error
    return read


def changes_of(task_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields to change of those that a `TaskChange` read; None takes one back to its
    default. Raises InvalidInput for another id."""
    if body.get("id") not in {None, task_id}:
        raise InvalidInput([FieldError(field="id", message="cannot be changed")])
    return {
        field: value
        for field, value in body.items()
        if field != "id" and (value is not None or field not in _NOT_GIVEN_IF_NULL)
    }


def refuse_unknown_tools(known: Collection[str], body: Mapping[str, Any]) -> None:
    """Raise InvalidInput for tools that there are not: a run would do without and only note it."""
    unknown = [name for name in body.get("tools") or () if name not in known]
    if unknown:
        named = ", ".join(map(repr, unknown))
        message = f"there is no tool {named}; there are: {', '.join(known)}"
        raise InvalidInput([FieldError(field="tools", message=message)])
