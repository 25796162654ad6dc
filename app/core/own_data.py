"""The data that somebody puts beside a task or a memory: kept as it is, never looked at."""

from collections.abc import Mapping
from typing import Any

import orjson
from marshmallow import ValidationError, fields, validate

MOST_KEYS = 100
LONGEST_KEY = 200
MOST_VALUES = 1_000
"""Values in all of its objects and lists together."""

DEEPEST = 10
MOST_BYTES = 64 * 1024
"""Of its shortest JSON."""


def own_data(description: str) -> fields.Dict:
    """Return the field of such data in a schema: at most 100 keys, and what `check_own_data` asks
    for."""
    return fields.Dict(
        keys=fields.String(validate=validate.Length(max=LONGEST_KEY)),
        validate=[validate.Length(max=MOST_KEYS), _check],
        metadata={"description": description},
    )


def check_own_data(data: Mapping[str, Any]) -> None:
    """Raise ValueError for what nests deeper than 10 levels, or has more than 1,000 values, keys
    of more than 200 characters, or more than 64 KiB of JSON."""
    level: list[Any] = [data]
    count = 0
    for _ in range(DEEPEST):
        level = [each for value in level for each in _inner(value)]
        count += len(level)
        if count > MOST_VALUES:
            raise ValueError(f"has more than {MOST_VALUES} values in all its objects and lists")
    if any(isinstance(value, dict | list) for value in level):
        raise ValueError(f"nests deeper than {DEEPEST} levels")
    try:
        size = len(orjson.dumps(data))
    except TypeError as error:
        raise ValueError(f"cannot be written as JSON: {error}") from error
    if size > MOST_BYTES:
        raise ValueError(f"is more than {MOST_BYTES} bytes of JSON")


def _inner(value: Any) -> list[Any]:
    if isinstance(value, dict):
        if any(len(key) > LONGEST_KEY for key in value):
            raise ValueError(f"has a key of more than {LONGEST_KEY} characters")
        return list(value.values())
    return value if isinstance(value, list) else []


def _check(data: Mapping[str, Any]) -> None:
    try:
        check_own_data(data)
    except ValueError as error:
        raise ValidationError(str(error)) from error
