"""Schedules as people say them -> how they are written here; a hint, nothing is guessed. Pure."""

from collections.abc import Mapping
from types import MappingProxyType

_LONGEST_NUMBER = 6
_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "minute": "every 1m",
        "hour": "hourly",
        "day": "daily",
        "night": "daily",
        "week": "weekly",
        "month": "monthly",
        "year": "@yearly",
    }
)
_UNITS: Mapping[str, str] = MappingProxyType(
    {"min": "m", "minute": "m", "hr": "h", "hour": "h", "day": "d", "week": "w"}
)
_DAYS: Mapping[str, str] = MappingProxyType(
    {
        "day": "*",
        "weekday": "MON-FRI",
        "workday": "MON-FRI",
        "weekend": "SAT,SUN",
        "monday": "MON",
        "tuesday": "TUE",
        "wednesday": "WED",
        "thursday": "THU",
        "friday": "FRI",
        "saturday": "SAT",
        "sunday": "SUN",
    }
)


def written_form(text: str) -> str | None:
    """Return how `every monday`, `every 5 minutes`, `daily at 9:00` or `@every 5m` is written.

    None for what is said otherwise, and for what is written well.
    """
    head, *rest = text.lower().split() or [""]
    if head == "daily" and rest[:1] == ["at"]:
        head, rest = "every", ["day", *rest]
    if head not in ("every", "@every"):
        return None
    match rest:
        case [word] if (one := word.removesuffix("s")) in _WORDS:
            return _WORDS[one]
        case [number, unit] if _is_number(number) and (one := unit.removesuffix("s")) in _UNITS:
            return f"every {number}{_UNITS[one]}"
        case [word] if (one := word.removesuffix("s")) in _DAYS:
            return f"0 0 * * {_DAYS[one]}"
        case [word, "at", clock] if (one := word.removesuffix("s")) in _DAYS:
            return _at(clock, _DAYS[one])
    return f"every {' '.join(rest)}" if head == "@every" and rest else None


def _at(clock: str, days: str) -> str | None:
    hour, _, minute = clock.partition(":")
    minute = minute or "0"
    if not (_is_number(hour) and _is_number(minute) and int(hour) < 24 and int(minute) < 60):
        return None
    return f"{int(minute)} {int(hour)} * * {days}"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER
