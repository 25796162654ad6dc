"""Data put into sentences: cleaned, counted, dated. Pure."""

import unicodedata
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_UNSEEN = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
_MARKS = str.maketrans(
    {"<": "&lt;", ">": "&gt;", "[": "\\[", "]": "\\]", "`": "'", "“": "'", "”": "'"}
)


def one_line(text: str, longest: int) -> str:
    """Return the text as one line without control or invisible characters, cut at `longest`."""
    head = text[: longest * 4]
    if not head.isascii() or not head.isprintable():
        head = "".join(" " if unicodedata.category(c) in _UNSEEN else c for c in head)
    line = " ".join(head.split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def storable(text: str) -> str:
    """Return the text without what a database cannot hold: U+0000, halves of surrogate pairs."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def plain(text: str, longest: int = 200) -> str:
    """Return one line that means only itself in Markdown: no comment, tag, link, image, code."""
    return one_line(text, longest).translate(_MARKS)


def quoted(text: str, longest: int = 200) -> str:
    """Return the text as a quotation."""
    return f"“{plain(text, longest)}”"


def as_path(path: str) -> str:
    """Return a path of the space in the type of code."""
    return f"`{plain(path)}`"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Return `1 run`, `2 runs`, `no runs`."""
    many = plural or noun + "s"
    return f"{number or 'no'} {noun if number == 1 else many}"


def times(number: int) -> str:
    """Return `once`, `twice`, `3 times`."""
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def listed(parts: list[str]) -> str:
    """Return `a`, `a and b`, `a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def day(moment: datetime, zone: str) -> str:
    """Return the date in the zone, such as `26 October 2025`."""
    local = moment.astimezone(ZoneInfo(zone))
    return f"{local.day} {_MONTHS[local.month - 1]} {local.year}"


def day_and_time(moment: datetime, zone: str) -> str:
    """Return date and time in the zone, such as `26 October 2025, 01:00`."""
    return f"{day(moment, zone)}, {moment.astimezone(ZoneInfo(zone)):%H:%M}"


def weekday_and_time(moment: datetime, zone: str) -> str:
    """Return date and time in the zone, such as `Sunday, 26 October 2025, 01:00 Europe/Berlin`."""
    weekday = _DAYS[moment.astimezone(ZoneInfo(zone)).weekday()]
    return f"{weekday}, {day_and_time(moment, zone)} {zone}"


def spoken(span: timedelta) -> str:
    """Return a span in its two largest units, such as `2 hours and 5 minutes`."""
    left, parts = round(span.total_seconds()), []
    for noun, size in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        number, left = divmod(left, size)
        if number:
            parts.append(count(number, noun))
        elif parts:
            break
    return " and ".join(parts[:2]) or "less than a second"


def ended_as(status: str) -> str:
    """Return what a run did, as a verb: `succeeded`, `timed out`, `was cancelled`."""
    return _VERBS.get(status, one_line(status, 40))


def started_by(origin: str) -> str:
    """Return why a run exists, to be read after `started by`."""
    return _STARTERS.get(origin, plain(origin, 40))


_STARTERS = {
    "schedule": "schedule",
    "manual": "hand",
    "chain": "another task",
    "event": "an event",
    "backfill": "backfill",
}
_VERBS = {
    "timed_out": "timed out",
    "cancelled": "was cancelled",
    "interrupted": "was interrupted",
}
