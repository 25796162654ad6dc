"""Five-field cron on the wall clock: which readings match, forwards, backwards and counted.

A *wall* is what a clock on the wall reads, in whole seconds since it read 1970-01-01 00:00. Zones
do not exist here: triggers lay the walls onto real time.
"""

import re
from bisect import bisect_left, bisect_right
from calendar import monthrange
from collections.abc import Iterator
from datetime import date, datetime
from functools import lru_cache
from itertools import pairwise

from cronsim import CronSim, CronSimError

from app.core.errors import ScheduleError

DAY = 86_400
_EPOCH = date(1970, 1, 1).toordinal()
_LAST_DAY = date.max.toordinal() - _EPOCH
_LAST_MONTH = 9999 * 12 + 11
# 29 February on a given weekday can be 40 years away (2072 to 2112); nothing is farther.
_MONTHS_TO_SEARCH = 50 * 12
# cronsim takes 3-3/4 for 3/4; it is every fourth of one, which is that one
_RANGE_OF_ONE = re.compile(r"(?<![\w-])(\w+)-\1/0*[1-9][0-9]*(?=,|\s|$)", re.IGNORECASE)
# After 28 years the calendar repeats itself, except around a century.
_DAYS_TO_COMPARE = 28 * 366

_FORMS = {
    "minute": "0 to 59",
    "hour": "0 to 23",
    "day-of-month": "1 to 31, L for the last day, LW for the last weekday",
    "month": "1 to 12 or JAN to DEC",
    "day-of-week": "0 to 7 (0 and 7 are Sunday) or SUN to SAT, 5L for the last Friday, 1#2 for"
    " the second Monday; a range runs upwards, so Friday to Sunday is 5-7",
}


class CronDays:
    """The days that the last three fields of a cron expression match, counted since 1970.

    `either` says that day-of-month OR day-of-week is enough, which is so unless one of them begins
    with a star. In `weekdays` Sunday is 0, and a pair is a weekday with its number in the month or
    LAST. Never changes after construction.
    """

    def __init__(self, parsed: CronSim) -> None:
        self.either = not parsed.day_and
        self.days = frozenset(parsed.days)
        self.months = frozenset(parsed.months)
        self.weekdays = frozenset(_sunday_is_zero(item) for item in parsed.weekdays)
        self._every_day = self._matches_every_day()
        self._matches = parsed.match_day
        self._days_of_kind: dict[tuple[int, int], tuple[int, ...]] = {}

    def _matches_every_day(self) -> bool:
        dates = self.days >= set(range(1, 32))
        weekdays = self.weekdays >= set(range(7))
        days = (dates or weekdays) if self.either else (dates and weekdays)
        return days and len(self.months) == 12

    def first_from(self, day: int) -> int | None:
        """Return the first matching day at or after this one, None if 50 years have none."""
        if self._every_day:
            return day
        if day > _LAST_DAY:
            return None
        month, number = _month_of(day)
        days = self._in_month(month)
        place = bisect_left(days, number)
        if place < len(days):
            return day + days[place] - number
        for later in range(month + 1, min(month + _MONTHS_TO_SEARCH, _LAST_MONTH) + 1):
            if later % 12 + 1 in self.months and (days := self._in_month(later)):
                return _day(later, days[0])
        return None

    def last_to(self, day: int) -> int | None:
        """Return the last matching day at or before this one, None if 50 years have none."""
        if self._every_day:
            return day
        month, number = _month_of(day)
        days = self._in_month(month)
        place = bisect_right(days, number)
        if place:
            return day + days[place - 1] - number
        for earlier in range(month - 1, max(month - _MONTHS_TO_SEARCH, 12) - 1, -1):
            if earlier % 12 + 1 in self.months and (days := self._in_month(earlier)):
                return _day(earlier, days[-1])
        return None

    def count(self, first: int, last: int) -> int:
        """Return how many days match in [first, last)."""
        if self._every_day:
            return last - first
        (from_month, from_number), (to_month, to_number) = _month_of(first), _month_of(last)
        whole = sum(len(self._in_month(month)) for month in range(from_month, to_month))
        before = bisect_left(self._in_month(from_month), from_number)
        return whole - before + bisect_left(self._in_month(to_month), to_number)

    def _in_month(self, month: int) -> tuple[int, ...]:
        """Return the matching days of a month, rising.

        Months differ only in their length and in the weekday they begin with; each of these 28
        kinds is worked out once.
        """
        if month % 12 + 1 not in self.months:
            return ()
        kind = _kind_of(month)
        days = self._days_of_kind.get(kind)
        if days is None:
            dates = (date(month // 12, month % 12 + 1, number + 1) for number in range(kind[1]))
            days = tuple(each.day for each in dates if self._matches(each))
            self._days_of_kind[kind] = days
        return days


class CronFields:
    """The walls that one cron expression matches.

    `fixed` says that minute and hour name times of day; otherwise one of them begins with a star
    and the schedule follows elapsed time (Debian makes the same distinction). `times` are the
    matching seconds of a day, rising, `calendar` the matching days. Never changes after
    construction.
    """

    __slots__ = ("calendar", "every_hour", "expression", "fixed", "hours", "minutes", "times")

    def __init__(self, expression: str) -> None:
        parsed = _parse(expression)
        minute, hour, *days = expression.split()
        self.expression = expression
        self.fixed = not minute.startswith("*") and not hour.startswith("*")
        self.every_hour = hour == "*"
        self.minutes = frozenset(parsed.minutes)
        self.hours = frozenset(parsed.hours)
        self.times = tuple(
            h * 3600 + m * 60 for h in sorted(self.hours) for m in sorted(self.minutes)
        )
        self.calendar = _read_days(*days)

    def first_from(self, wall: int) -> int | None:
        """Return the first matching wall at or after this one, None if 50 years have none."""
        today, time = divmod(wall, DAY)
        day = self.calendar.first_from(today)
        if day == today:
            place = bisect_left(self.times, time)
            if place < len(self.times):
                return day * DAY + self.times[place]
            day = self.calendar.first_from(today + 1)
        return None if day is None else day * DAY + self.times[0]

    def last_to(self, wall: int) -> int | None:
        """Return the last matching wall at or before this one, None if 50 years have none."""
        today, time = divmod(wall, DAY)
        day = self.calendar.last_to(today)
        if day == today:
            place = bisect_right(self.times, time)
            if place:
                return day * DAY + self.times[place - 1]
            day = self.calendar.last_to(today - 1)
        return None if day is None else day * DAY + self.times[-1]

    def count(self, low: int, high: int) -> int:
        """Return how many walls match in [low, high), without walking over them."""
        if low >= high:
            return 0
        first, opening = divmod(low, DAY)
        last, closing = divmod(high, DAY)
        count = self.calendar.count(first, last) * len(self.times)
        if self.calendar.first_from(first) == first:
            count -= bisect_left(self.times, opening)
        if self.calendar.first_from(last) == last:
            count += bisect_left(self.times, closing)
        return count

    def closest(self, wall: int) -> tuple[int, int] | None:
        """Return two neighbouring matches after the wall's day that lie closest together."""
        first = self.calendar.first_from(wall // DAY + 1)
        if first is None:
            return None
        pairs = [(first * DAY + a, first * DAY + b) for a, b in pairwise(self.times)]
        pairs += [
            (day * DAY + self.times[-1], following * DAY + self.times[0])
            for day, following in self._neighbouring_days(first)
        ]
        return min(pairs, key=lambda pair: pair[1] - pair[0], default=None)

    def _neighbouring_days(self, first: int) -> Iterator[tuple[int, int]]:
        day = first
        while day - first < _DAYS_TO_COMPARE:
            following = self.calendar.first_from(day + 1)
            if following is None:
                return
            yield day, following
            if following == day + 1:
                return
            day = following


@lru_cache(maxsize=256)
def _read_days(date_field: str, month: str, weekday: str) -> CronDays:
    """Read the last three fields of a good expression; most expressions share theirs."""
    return CronDays(_parse(f"0 0 {date_field} {month} {weekday}"))


@lru_cache(maxsize=2048)
def read_fields(expression: str) -> CronFields:
    """Read a five-field cron expression; raises ScheduleError that names the faulty field."""
    return CronFields(expression)


def _parse(expression: str) -> CronSim:
    fields = expression.split()
    if len(fields) != 5:
        raise ScheduleError(
            "cron has five fields here, minute hour day-of-month month day-of-week, not"
            f" {len(fields)} as in {expression!r}"
            f"{'; there is none for seconds or years' if len(fields) > 5 else ''}"
        )
    try:
        return _read(expression)
    except CronSimError as error:
        raise ScheduleError(_explain_fault(fields, str(error).removeprefix("Bad "))) from error


def _explain_fault(fields: list[str], name: str) -> str:
    text = fields[list(_FORMS).index(name)]
    if name == "day-of-month" and _is_valid(f"0 0 {text} * *"):
        return f"{' '.join(fields)!r} never fires: no such month has a day {text}"
    hint = "; `?` is not cron, write `*`" if "?" in text else ""
    return f"the {name} {text!r} of {' '.join(fields)!r} is not {_FORMS[name]}{hint}"


def _read(expression: str) -> CronSim:
    plain = _RANGE_OF_ONE.sub(r"\1", expression)
    return CronSim(plain, datetime(2000, 1, 1))  # noqa: DTZ001  only the fields are used


def _is_valid(expression: str) -> bool:
    try:
        _read(expression)
    except CronSimError:
        return False
    return True


def _sunday_is_zero(item: int | tuple[int, int]) -> int | tuple[int, int]:
    return item % 7 if isinstance(item, int) else (item[0] % 7, item[1])


def _month_of(day: int) -> tuple[int, int]:
    """Return the month (12 x year + month - 1) and the day of the month."""
    moment = date.fromordinal(day + _EPOCH)
    return moment.year * 12 + moment.month - 1, moment.day


def _day(month: int, number: int) -> int:
    return date(month // 12, month % 12 + 1, number).toordinal() - _EPOCH


@lru_cache(maxsize=4096)
def _kind_of(month: int) -> tuple[int, int]:
    return monthrange(month // 12, month % 12 + 1)
