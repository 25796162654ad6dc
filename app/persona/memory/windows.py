"""Words of time in a text, such as "today" or "last 3 days", as a window of instants. Pure."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from app.core.instants import read_instant

_NIGHT = timedelta(hours=4)
_LONGEST_TEXT = 100_000
_MOST = timedelta(days=36_525)
_UNITS = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
    "month": timedelta(days=30),
    "year": timedelta(days=365),
}
_NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "ten": 10}
_COUNT = rf"(\d{{1,4}}|{'|'.join(_NUMBERS)})"
_LAST_SEVERAL = re.compile(rf"\b(?:last|past) {_COUNT} (minute|hour|day|week|month|year)s?\b")
_AGO = re.compile(rf"\b{_COUNT} (day|week|month|year)s? ago\b")
_TODAY = re.compile(r"\b(?:today|tonight|this (?:day|morning|afternoon|evening))\b")
_YESTERDAY = re.compile(r"\b(?:yesterday|last night)\b")
_PERIOD = re.compile(r"\b(this|last|past) (week|month|year)\b")
_DATE = re.compile(r"(?<![\d-])(\d{4})-(\d{2})-(\d{2})(?![\d-])")


@dataclass(frozen=True, kw_only=True)
class Window:
    """A span of time: `since` is inclusive, `until` exclusive, None where it is open."""

    since: datetime
    until: datetime | None


@dataclass(frozen=True, kw_only=True)
class _Days:
    first: date
    end: date | None


def window_in(text: str, now: datetime, zone: str) -> Window | None:
    """Return the window that the words of time in a text span together; None where it has none.

    Days are those of the zone. Until four in the morning "today" and "this week" begin with the day
    before: who reflects at midnight on today means the day that has just ended.
    """
    local = now.astimezone(ZoneInfo(zone))
    lowered = " ".join(text[:_LONGEST_TEXT].casefold().split())
    days = [*_calendar_days(lowered, local)]
    windows = [
        Window(
            since=_midnight(found.first, zone),
            until=_midnight(found.end, zone) if found.end is not None else None,
        )
        for found in days
    ]
    windows += [Window(since=now - span, until=None) for span in _spans(lowered)]
    windows = [window for window in windows if window.since <= now]
    if not windows:
        return None
    ends = [window.until for window in windows if window.until is not None]
    return Window(
        since=min(window.since for window in windows),
        until=max(ends) if len(ends) == len(windows) else None,
    )


def day_window(day: date, zone: str) -> Window:
    """Return the window of one day in a zone."""
    return Window(since=_midnight(day, zone), until=_midnight(day + timedelta(days=1), zone))


def instant_of(text: str, zone: str) -> datetime:
    """Read an instant, or a date, which begins at midnight in the zone; raise ValueError."""
    try:
        return _midnight(date.fromisoformat(text), zone)
    except ValueError:
        return read_instant(text)


def start_of_today(now: datetime, zone: str) -> datetime:
    """Return when today began, as "today" is meant: until four in the morning the day before."""
    return _midnight((now.astimezone(ZoneInfo(zone)) - _NIGHT).date(), zone)


def _calendar_days(text: str, local: datetime) -> Iterator[_Days]:
    day, current = timedelta(days=1), (local - _NIGHT).date()
    if _TODAY.search(text):
        yield _Days(first=current, end=None)
    if _YESTERDAY.search(text):
        yield _Days(first=local.date() - day, end=local.date())
    for which, unit in _PERIOD.findall(text):
        this = _STARTS[unit](current)
        if which == "this":
            yield _Days(first=this, end=None)
        else:
            yield _Days(first=_STARTS[unit](this - day), end=this)
    for count, unit in _AGO.findall(text):
        that = local.date() - min(_number(count) * _UNITS[unit], _MOST)
        yield _Days(first=that, end=that + (day if unit == "day" else _UNITS[unit]))
    for match in _DATE.finditer(text):
        that_day = _date(*map(int, match.groups()))
        if that_day is not None:
            yield _Days(first=that_day, end=that_day + day)


def _spans(text: str) -> Iterator[timedelta]:
    for count, unit in _LAST_SEVERAL.findall(text):
        yield min(_number(count) * _UNITS[unit], _MOST)


def _number(word: str) -> int:
    return _NUMBERS.get(word) or int(word)


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day) if 1970 <= year < 9000 else None
    except ValueError:
        return None


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(ZoneInfo("UTC"))


_STARTS: dict[str, Callable[[date], date]] = {
    "week": lambda day: day - timedelta(days=day.weekday()),
    "month": lambda day: day.replace(day=1),
    "year": lambda day: day.replace(month=1, day=1),
}
