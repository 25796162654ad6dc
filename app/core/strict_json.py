"""The one JSON reader for files and bodies.

Python's own reader takes NaN, keys that stand twice, lone surrogates and 60 KB of `[`; each of
them is a way to lose data or a worker, so they are refused here with a reason.
"""

import json
import re
from typing import Any, NoReturn

from app.core.errors import BadJson

DEEPEST = 32
_BIGGEST_INTEGER = 2**63
_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)


def loads(data: bytes | str, *, most_bytes: int) -> Any:
    """Read JSON strictly.

    Raises BadJson for too many bytes, bytes that are not UTF-8, more than 32 levels, NaN or
    Infinity, a key that stands twice, a lone surrogate, U+0000, an integer beyond 64 bits, and
    for what is no JSON at all.
    """
    text = as_text(data, most_bytes=most_bytes)
    check_depth(text)
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise BadJson(f"{error.msg} at line {error.lineno}, column {error.colno}") from error


def as_text(data: bytes | str, *, most_bytes: int) -> str:
    """Return the text of JSON bytes, a byte order mark refused by name."""
    size = len(data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass"))
    if size > most_bytes:
        raise BadJson(f"it has {size} bytes, at most {most_bytes} are read")
    if isinstance(data, bytes):
        try:
            data = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise BadJson(f"byte {error.start} is not UTF-8") from error
    if data.startswith("\ufeff"):
        raise BadJson("it begins with a byte order mark; save it as UTF-8 without one")
    return data


def check_depth(text: str) -> None:
    """Raise BadJson where brackets nest deeper than 32 levels; linear in the text."""
    if text.count("[") + text.count("{") <= DEEPEST:
        return
    depth = 0
    for match in _STRUCTURE.finditer(text):
        mark = match.group()
        if mark in "[{":
            depth += 1
            if depth > DEEPEST:
                raise BadJson(f"it nests deeper than {DEEPEST} levels")
        elif mark in "]}":
            depth -= 1


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        _check_text(key)
        if key in found:
            raise BadJson(f"the key {key!r} stands twice in one object")
        if isinstance(value, str):
            _check_text(value)
        elif isinstance(value, list):
            _check_list(value)
        found[key] = value
    return found


def _check_list(values: list[Any]) -> None:
    for value in values:
        if isinstance(value, str):
            _check_text(value)
        elif isinstance(value, list):
            _check_list(value)


def _check_text(value: str) -> None:
    if value.isascii():
        if "\x00" in value:
            raise BadJson("it holds the character U+0000")
        return
    if "\x00" in value:
        raise BadJson("it holds the character U+0000")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadJson("it holds half of a surrogate pair") from error


def _refuse_constant(name: str) -> NoReturn:
    raise BadJson(f"{name} is not a JSON number")


def _integer(digits: str) -> int:
    if len(digits) > 20 or not -_BIGGEST_INTEGER <= (value := int(digits)) < _BIGGEST_INTEGER:
        raise BadJson(f"the integer {digits[:24]}... is beyond 64 bits")
    return value


def _number(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise BadJson(f"the number {digits[:24]} is too large")
    return value


class _StrictDecoder(json.JSONDecoder):
    def decode(self, s: str, *args: Any) -> Any:
        value = super().decode(s, *args)
        if isinstance(value, str):
            _check_text(value)
        elif isinstance(value, list):
            _check_list(value)
        return value


_DECODER = _StrictDecoder(
    object_pairs_hook=_unique,
    parse_constant=_refuse_constant,
    parse_int=_integer,
    parse_float=_number,
)
