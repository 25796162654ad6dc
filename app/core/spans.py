"""Spans of time in and out: `30s`, `5m`, `1h30m`, `2d` or ISO 8601 such as `PT15M`."""

import re
from datetime import timedelta

_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_SHORT = re.compile(r"(\d{1,9})([wdhms])")
_ISO = re.compile(
    r"P(?:(?P<weeks>\d{1,9})W)?(?:(?P<days>\d{1,9})D)?"
    r"(?:T(?:(?P<hours>\d{1,9})H)?(?:(?P<minutes>\d{1,9})M)?(?:(?P<seconds>\d{1,9})S)?)?"
)
_LONGEST = timedelta(days=366 * 100)


def read_span(text: str) -> timedelta:
    """Read a positive span; months and years are refused because they have no fixed length.

    Raises ValueError with a sentence that shows the forms.
    """
    cleaned = text.strip()
    parts = _read_short(cleaned) or _read_iso(cleaned)
    if not parts:
        raise ValueError(f"{text!r} is not a span of time such as 30s, 5m, 1h30m, 2d or PT15M")
    try:
        span = timedelta(**{name: float(amount) for name, amount in parts.items()})
    except OverflowError:
        span = _LONGEST * 2
    if not timedelta(0) < span <= _LONGEST:
        raise ValueError(f"{text!r} must be longer than nothing and at most 100 years")
    return span


def _read_short(text: str) -> dict[str, int]:
    lowered = text.lower().replace(" ", "")
    if not re.fullmatch(r"(?:\d{1,9}[wdhms]){1,5}", lowered):
        return {}
    parts: dict[str, int] = {}
    for amount, letter in _SHORT.findall(lowered):
        name = _UNITS[letter]
        parts[name] = parts.get(name, 0) + int(amount)
    return parts


def _read_iso(text: str) -> dict[str, int]:
    match = _ISO.fullmatch(text.upper())
    if match is None:
        return {}
    return {name: int(value) for name, value in match.groupdict().items() if value is not None}


def write_span(span: timedelta) -> str:
    """Write a span in the short form, for example `1h30m`, rounded to whole seconds."""
    left = round(span.total_seconds())
    text = ""
    for letter, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            text += f"{count}{letter}"
    return text or "0s"
