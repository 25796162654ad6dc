"""The fires of a schedule as pure functions of an instant.

A zone is a row of stretches with a constant offset. Within a stretch the wall clock is plain
arithmetic; the rules for clock changes are what happens between two of them:

- a fixed time of day inside a gap fires once, at the first instant after the gap;
- a fixed time of day that comes twice fires once, the first time;
- a cron with a star in minute or hour fires whenever the wall clock really reads a matching time,
  and an interval follows elapsed time, so both see every real hour.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

from app.schedule.cron_fields import DAY, CronFields, read_fields

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Instants beyond these are treated as these, so that no zone's offset leads out of the calendar.
_FIRST = (datetime(1, 1, 4, tzinfo=UTC) - _EPOCH) // timedelta(seconds=1)
_LAST = (datetime(9999, 12, 28, tzinfo=UTC) - _EPOCH) // timedelta(seconds=1)
_BLOCK = 365 * DAY
_FARTHEST = 50 * _BLOCK


class Trigger(Protocol):
    """The fires of one schedule. Takes any aware instants, gives aware UTC."""

    def next_after(self, instant: datetime) -> datetime | None:
        """Return the first fire strictly after the instant; None if there is none."""

    def last_until(self, instant: datetime) -> datetime | None:
        """Return the newest fire at or before the instant; None if there is none."""

    def count(self, after: datetime, until: datetime) -> int:
        """Return how many fires lie in (after, until], without walking over them."""

    def closest(self, after: datetime) -> tuple[timedelta, datetime] | None:
        """Return the shortest distance between two fires after the instant, and where it begins.

        Distances that only a clock change makes shorter do not count. None if there are no two.
        """


@dataclass(frozen=True, kw_only=True)
class Manual:
    """Never fires by itself."""

    def next_after(self, instant: datetime) -> None:
        return None

    def last_until(self, instant: datetime) -> None:
        return None

    def count(self, after: datetime, until: datetime) -> int:
        return 0

    def closest(self, after: datetime) -> None:
        return None


@dataclass(frozen=True, kw_only=True)
class Once:
    """Fires at one instant."""

    at: datetime

    def next_after(self, instant: datetime) -> datetime | None:
        return self.at if self.at > instant else None

    def last_until(self, instant: datetime) -> datetime | None:
        return self.at if self.at <= instant else None

    def count(self, after: datetime, until: datetime) -> int:
        return int(after < self.at <= until)

    def closest(self, after: datetime) -> None:
        return None


@dataclass(frozen=True, kw_only=True)
class Every:
    """Fires at the anchor and then after every span of elapsed time, so it never drifts."""

    span: timedelta
    anchor: datetime

    def next_after(self, instant: datetime) -> datetime | None:
        return self._fire(self._fires_until(instant))

    def last_until(self, instant: datetime) -> datetime | None:
        count = self._fires_until(instant)
        return self._fire(count - 1) if count else None

    def count(self, after: datetime, until: datetime) -> int:
        return max(self._fires_until(until) - self._fires_until(after), 0)

    def closest(self, after: datetime) -> tuple[timedelta, datetime] | None:
        first = self.next_after(after)
        return None if first is None else (self.span, first)

    def _fires_until(self, instant: datetime) -> int:
        return max((instant - self.anchor) // self.span + 1, 0)

    def _fire(self, number: int) -> datetime | None:
        try:
            return self.anchor + number * self.span
        except OverflowError:  # after the year 9999
            return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Cron:
    """Fires where the wall clock of a zone matches a five-field cron expression.

    Raises ScheduleError for an expression that cannot be read; the zone must be an IANA name.
    """

    expression: str
    zone: str
    fields: CronFields = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", read_fields(self.expression))

    def next_after(self, instant: datetime) -> datetime | None:
        fields, seconds = self.fields, _seconds(instant)
        stretch = stretch_at(self.zone, seconds)
        low = seconds + stretch.offset + 1
        if fields.fixed:  # what the clock read before it went back does not count again
            low = max(low, stretch.start + stretch.before)
        found = fields.first_from(low)
        while found is not None:
            if found < stretch.end + stretch.offset:
                return _fire(found - stretch.offset)
            if stretch.end >= min(seconds + _FARTHEST, _LAST):
                return None
            stretch = stretch_at(self.zone, stretch.end)
            opening = stretch.start + stretch.offset
            if fields.fixed:
                if found < opening:  # the change leaves it out
                    return _instant(stretch.start)
            elif opening < low or found < opening:  # the clock goes back, or leaves it out
                low = opening
                found = fields.first_from(low)
        return None

    def last_until(self, instant: datetime) -> datetime | None:
        fields, seconds = self.fields, _seconds(instant)
        stretch = stretch_at(self.zone, seconds)
        high = seconds + stretch.offset
        found = fields.last_to(high)
        while found is not None:
            read = stretch.start + stretch.before
            opening = stretch.start + stretch.offset
            if found >= (max(opening, read) if fields.fixed else opening):
                return _fire(found - stretch.offset)
            if fields.fixed and found >= read:
                return _instant(stretch.start)
            if stretch.start <= max(seconds - _FARTHEST, _FIRST):
                return None
            stretch = stretch_at(self.zone, stretch.start - 1)
            closing = stretch.end + stretch.offset - 1
            if closing > high or found > closing:
                high = closing
                found = fields.last_to(closing)
        return None

    def count(self, after: datetime, until: datetime) -> int:
        low, high = _seconds(after) + 1, _seconds(until) + 1
        total = 0
        while low < high:
            stretch = stretch_at(self.zone, low)
            end = min(stretch.end, high)
            total += self._count_in(stretch, low, end)
            low = end
        return total

    def closest(self, after: datetime) -> tuple[timedelta, datetime] | None:
        seconds = _seconds(after)
        pair = self.fields.closest(seconds + stretch_at(self.zone, seconds).offset)
        if pair is None:
            return None
        return timedelta(seconds=pair[1] - pair[0]), first_reading(self.zone, pair[0])

    def _count_in(self, stretch: "Stretch", low: int, high: int) -> int:
        """Count the fires in [low, high), which lies in the stretch."""
        fields = self.fields
        opening, closing = low + stretch.offset, high + stretch.offset
        if not fields.fixed:
            return fields.count(opening, closing)
        read = stretch.start + stretch.before
        if low > stretch.start or read >= opening:
            return fields.count(max(opening, read), closing)
        # The times of the gap, and the one that follows it at once, are a single fire.
        return min(fields.count(read, opening + 1), 1) + fields.count(opening + 1, closing)


class Stretch(NamedTuple):
    """The instants [start, end) of a zone that have one offset, all in whole seconds.

    `before` is the offset just before `start`. A stretch also ends where nothing changes, because
    zones are looked at in blocks of a year; then the next one has `before` equal to `offset`.
    """

    start: int
    end: int
    offset: int
    before: int


def stretch_at(zone: str, seconds: int) -> Stretch:
    """Return the stretch that holds this instant, given in seconds since 1970."""
    stretches = _stretches(zone, seconds // _BLOCK)
    for stretch in stretches:
        if seconds < stretch.end:
            return stretch
    return stretches[-1]


def clock_changes(zone: str, after: datetime, until: datetime) -> Iterator[Stretch]:
    """Yield the stretches that begin in (after, until] with a changed clock."""
    last = _seconds(until)
    stretch = stretch_at(zone, _seconds(after))
    while stretch.end <= min(last, _LAST - 1):
        stretch = stretch_at(zone, stretch.end)
        if stretch.offset != stretch.before:
            yield stretch


def first_reading(zone: str, wall: int) -> datetime:
    """Return the first instant at which the zone's clock reads this, after the gap if never."""
    # Two days earlier the clock has not read it yet, whatever the zone does.
    stretch = stretch_at(zone, _within(wall - 2 * DAY))
    while wall >= stretch.end + stretch.offset and stretch.end < _LAST:
        stretch = stretch_at(zone, stretch.end)
    return _instant(max(wall - stretch.offset, stretch.start))


@lru_cache(maxsize=4096)
def _stretches(zone: str, block: int) -> tuple[Stretch, ...]:
    starts = [block * _BLOCK, *_changes(zone, block * _BLOCK + 1, (block + 1) * _BLOCK)]
    ends = [*starts[1:], (block + 1) * _BLOCK]
    return tuple(
        Stretch(start, end, _offset(zone, start), _offset(zone, start - 1))
        for start, end in zip(starts, ends, strict=True)
    )


def _changes(zone: str, low: int, high: int) -> Iterator[int]:
    """Yield the instants in [low, high) at which the zone's offset differs from a second before.

    Looks once a day and closes in on what it finds: the closest two changes of any zone so far
    were four days apart.
    """
    seen = low - 1
    for look in (*range(low, high - 1, DAY), high - 1):
        while (known := _offset(zone, seen)) != _offset(zone, look):
            span = range(seen, look + 1)
            seen += bisect_left(span, True, key=lambda each: _offset(zone, each) != known)
            yield seen
        seen = look


def _offset(zone: str, seconds: int) -> int:
    offset = datetime.fromtimestamp(_within(seconds), ZoneInfo(zone)).utcoffset()
    return 0 if offset is None else offset // timedelta(seconds=1)


def _seconds(instant: datetime) -> int:
    since = instant - _EPOCH
    return _within(since.days * DAY + since.seconds)


def _within(seconds: int) -> int:
    return seconds if _FIRST <= seconds <= _LAST else min(max(seconds, _FIRST), _LAST)


def _fire(seconds: int) -> datetime | None:
    return _instant(seconds) if _FIRST < seconds <= _LAST else None


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
