"""Clock changes: every fire is compared with a scan of real minutes that applies the written rule.

The rule: a fixed time of day that the clock leaves out fires once, at the first instant after; one
that the clock reads twice fires the first time only. With a star in minute or hour, cron fires
whenever the clock really reads a matching time. The scan knows no more of zones than what
`astimezone` says about one instant.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.schedule.triggers import Cron, first_reading

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

ZONES = (
    "Africa/Cairo",  # midnight is left out
    "Africa/Casablanca",  # goes back for Ramadan
    "America/Havana",  # midnight is read twice
    "America/New_York",
    "America/Santiago",
    "America/St_Johns",  # changed at one minute past midnight
    "Antarctica/Troll",  # by two hours
    "Asia/Kolkata",  # half an hour off, no changes
    "Asia/Tehran",  # half an hour off, changes until 2022
    "Australia/Lord_Howe",  # by half an hour
    "Europe/Berlin",
    "Europe/Dublin",
    "Pacific/Apia",  # left out the whole of 2011-12-30
    "UTC",
)

# What stands in a field, and the numbers that a reader of the manual would take it for.
MINUTES = {
    "*": range(60),
    "*/15": range(0, 60, 15),
    "0": [0],
    "30": [30],
    "59": [59],
    "0,1,29,45": [0, 1, 29, 45],
    "10-50/20": [10, 30, 50],
}
HOURS = {
    "*": range(24),
    "*/2": range(0, 24, 2),
    "*/5": range(0, 24, 5),
    "0-23": range(24),
    "0": [0],
    "1": [1],
    "2": [2],
    "3": [3],
    "23": [23],
    "0,23": [0, 23],
    "1-3": [1, 2, 3],
}
DATES: dict[str, Callable[[date], bool]] = {
    "*": lambda day: True,
    "*/2": lambda day: day.day % 2 == 1,
    "1": lambda day: day.day == 1,
    "24-31": lambda day: day.day >= 24,
    "L": lambda day: (day + DAY).day == 1,
}
WEEKDAYS: dict[str, Callable[[date], bool]] = {
    "*": lambda day: True,
    "0": lambda day: day.isoweekday() == 7,
    "7": lambda day: day.isoweekday() == 7,
    "MON-FRI": lambda day: day.isoweekday() <= 5,
    "0L": lambda day: day.isoweekday() == 7 and (day + 7 * DAY).month != day.month,
    "SUN#2": lambda day: day.isoweekday() == 7 and 8 <= day.day <= 14,
}


@dataclass(frozen=True)
class Written:
    """A cron expression by its fields, with its meaning spelled out here and nowhere else."""

    minute: str
    hour: str
    date: str = "*"
    weekday: str = "*"

    @property
    def expression(self) -> str:
        return f"{self.minute} {self.hour} {self.date} * {self.weekday}"

    @property
    def fixed(self) -> bool:
        return not (self.minute.startswith("*") or self.hour.startswith("*"))

    def matches(self, wall: int) -> bool:
        reading = datetime.fromtimestamp(wall, UTC)
        if reading.minute not in MINUTES[self.minute] or reading.hour not in HOURS[self.hour]:
            return False
        by_date, by_weekday = DATES[self.date](reading), WEEKDAYS[self.weekday](reading)
        if self.date.startswith("*") or self.weekday.startswith("*"):
            return by_date and by_weekday
        return by_date or by_weekday


def scan(written: Written, zone: str, low: datetime, high: datetime) -> list[datetime]:
    """Return the fires in (low, high] by looking at every real minute."""
    first, last = int(low.timestamp()), int(high.timestamp())
    # Zones go back by an hour or two; start early enough to know what was read before.
    pairs = (
        new_readings(zone, first - 6 * 3600, last) if written.fixed else readings(zone, first, last)
    )
    fires = [instant for instant, wall in pairs if instant > first and written.matches(wall)]
    return [datetime.fromtimestamp(fire, UTC) for fire in dict.fromkeys(fires)]


def readings(zone: str, low: int, high: int) -> Iterator[tuple[int, int]]:
    """Yield every real minute from low to high with what the clock reads then, in seconds."""
    tz, shift = ZoneInfo(zone), 0
    known: timedelta | None = None
    for instant in range(low - low % 60, high + 1, 60):
        offset = datetime.fromtimestamp(instant, tz).utcoffset()
        if offset is not None and offset is not known:
            known, shift = offset, offset // SECOND
        yield instant, instant + shift


def new_readings(zone: str, low: int, high: int) -> Iterator[tuple[int, int]]:
    """Yield real minutes with what the clock reads or leaves out for the first time, in seconds."""
    pairs = readings(zone, low, high)
    _, newest = next(pairs)
    for instant, wall in pairs:
        while newest < wall:
            newest += 60
            yield instant, newest


@cache
def changes(zone: str) -> tuple[datetime, ...]:
    """Return the minutes from 2005 to 2028 at which the zone's offset changes."""
    tz = ZoneInfo(zone)
    found = []
    instant, step = datetime(2005, 1, 1, tzinfo=UTC), 6 * HOUR
    while instant.year < 2029:
        if instant.astimezone(tz).utcoffset() != (instant + step).astimezone(tz).utcoffset():
            found += [
                minute
                for number in range(1, 361)
                if (minute := instant + number * MINUTE).astimezone(tz).utcoffset()
                != (minute - MINUTE).astimezone(tz).utcoffset()
            ]
        instant += step
    return tuple(found)


@st.composite
def places(draw: st.DrawFn) -> tuple[str, datetime]:
    """Draw a zone and an instant; half of them lie within 26 or 2 hours of a clock change."""
    zone = draw(st.sampled_from(ZONES))
    is_near = bool(changes(zone)) and draw(st.booleans())
    if is_near:
        change = draw(st.sampled_from(changes(zone)))
        hours = draw(st.sampled_from([2, 26]))
        return zone, change + timedelta(seconds=draw(st.integers(-hours * 3600, hours * 3600)))
    start = datetime(2024, 1, 1, tzinfo=UTC)
    return zone, start + timedelta(seconds=draw(st.integers(0, 4 * 365 * 86400)))


writings = st.builds(
    Written,
    st.sampled_from(sorted(MINUTES)),
    st.sampled_from(sorted(HOURS)),
    st.sampled_from(["*", "*", *sorted(DATES)]),
    st.sampled_from(["*", "*", *sorted(WEEKDAYS)]),
)


def step(trigger: Cron, after: datetime, until: datetime) -> list[datetime]:
    fires = []
    fire = trigger.next_after(after)
    while fire is not None and fire <= until:
        fires.append(fire)
        fire = trigger.next_after(fire)
    return fires


@settings(max_examples=400, deadline=None)
@given(written=writings, place=places(), hours=st.integers(1, 60))
def test_fires_are_those_of_the_minute_scan(
    written: Written, place: tuple[str, datetime], hours: int
) -> None:
    zone, start = place
    end = start + hours * HOUR
    trigger = Cron(expression=written.expression, zone=zone)
    expected = scan(written, zone, start, end)
    assert step(trigger, start, end) == expected
    assert trigger.count(start, end) == len(expected)
    newest = trigger.last_until(end)
    if expected:
        assert newest == expected[-1]
    else:
        assert newest is None or newest <= start
    earlier = scan(written, zone, start - 30 * HOUR, start)
    if earlier:
        assert trigger.last_until(start) == earlier[-1]


@settings(max_examples=200, deadline=None)
@given(written=writings, place=places(), days=st.integers(0, 40))
def test_counting_backwards_and_forwards_agree_with_stepping(
    written: Written, place: tuple[str, datetime], days: int
) -> None:
    zone, start = place
    trigger = Cron(expression=written.expression, zone=zone)
    end = start + days * DAY
    fires = step(trigger, start, end)[:500]
    if fires:
        assert trigger.count(start, fires[-1]) == len(fires)
    backwards: list[datetime] = []
    found = trigger.last_until(fires[-1] if fires else start)
    while found is not None and found > start:
        backwards.append(found)
        found = trigger.last_until(found - timedelta(microseconds=1))
    assert backwards[::-1] == fires


@pytest.mark.parametrize(
    ("zone", "first", "last"),
    [
        ("Europe/Berlin", 2025, 2027),
        ("America/New_York", 2025, 2027),
        ("Australia/Lord_Howe", 2025, 2027),
        ("America/Havana", 2025, 2027),
        ("Africa/Cairo", 2025, 2027),
        ("Pacific/Apia", 2025, 2027),
        ("Pacific/Apia", 2011, 2011),
    ],
)
def test_years_of_daily_weekly_and_monthly_fires_lose_and_double_nothing(
    zone: str, first: int, last: int
) -> None:
    low, high = datetime(first, 1, 1, tzinfo=UTC), datetime(last + 1, 1, 15, tzinfo=UTC)
    times = {0: "0 0", 9000: "30 2"}
    scanned: dict[str, dict[datetime, None]] = {
        f"{time} {days}": {} for time in times.values() for days in ("* * *", "* * 1", "1 * *")
    }
    for instant, wall in new_readings(zone, int(low.timestamp()), int(high.timestamp())):
        if (time := times.get(wall % 86400)) is None:
            continue
        fire, day = datetime.fromtimestamp(instant, UTC), datetime.fromtimestamp(wall, UTC)
        scanned[f"{time} * * *"][fire] = None
        if day.weekday() == 0:
            scanned[f"{time} * * 1"][fire] = None
        if day.day == 1:
            scanned[f"{time} 1 * *"][fire] = None
    for expression, fires in scanned.items():
        assert step(Cron(expression=expression, zone=zone), low, high) == list(fires), expression


def berlin(expression: str, after: str) -> str:
    return fire(expression, "Europe/Berlin", after)


def fire(expression: str, zone: str, after: str) -> str:
    """Return the next fire after a UTC time, both written short, in the local clock of the zone."""
    found = Cron(expression=expression, zone=zone).next_after(
        datetime.fromisoformat(after).replace(tzinfo=UTC)
    )
    return "" if found is None else found.astimezone(ZoneInfo(zone)).isoformat(timespec="minutes")


def test_a_time_that_the_clock_leaves_out_fires_at_the_first_instant_after() -> None:
    assert berlin("30 2 * * *", "2026-03-28T12:00") == "2026-03-29T03:00+02:00"
    assert berlin("30 2 * * *", "2026-03-29T01:00") == "2026-03-30T02:30+02:00"


def test_times_that_the_clock_leaves_out_together_are_one_fire() -> None:
    assert berlin("0,30 2,3 * * *", "2026-03-28T12:00") == "2026-03-29T03:00+02:00"
    assert berlin("0,30 2,3 * * *", "2026-03-29T01:00") == "2026-03-29T03:30+02:00"
    trigger = Cron(expression="0,30 2,3 * * *", zone="Europe/Berlin")
    low = datetime(2026, 3, 28, 12, tzinfo=UTC)
    assert trigger.count(low, low + DAY) == 2


def test_a_time_that_the_clock_reads_twice_fires_the_first_time() -> None:
    assert berlin("30 2 * * *", "2026-10-24T12:00") == "2026-10-25T02:30+02:00"
    assert berlin("30 2 * * *", "2026-10-25T00:30") == "2026-10-26T02:30+01:00"


def test_a_star_in_the_hour_fires_in_every_real_hour() -> None:
    trigger = Cron(expression="0 * * * *", zone="Europe/Berlin")
    for low in (datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 10, 24, tzinfo=UTC)):
        assert step(trigger, low, low + 2 * DAY) == [low + n * HOUR for n in range(1, 49)]


def test_midnight_left_out_in_cairo_is_one_in_the_morning() -> None:
    assert fire("0 0 * * *", "Africa/Cairo", "2026-04-23T12:00") == "2026-04-24T01:00+03:00"


def test_midnight_read_twice_in_havana_fires_once() -> None:
    assert fire("0 0 * * *", "America/Havana", "2026-10-31T12:00") == "2026-11-01T00:00-04:00"
    assert fire("0 0 * * *", "America/Havana", "2026-11-01T04:00") == "2026-11-02T00:00-05:00"


def test_the_day_that_apia_left_out_fires_as_the_next_one_begins() -> None:
    assert fire("30 12 * * *", "Pacific/Apia", "2011-12-29T23:00") == "2011-12-31T00:00+14:00"
    assert fire("30 12 * * *", "Pacific/Apia", "2011-12-30T10:00") == "2011-12-31T12:30+14:00"


def test_an_hour_in_lord_howe_is_that_of_the_clock() -> None:
    # Its clock is moved by half an hour, so two full hours are 90 minutes apart.
    assert fire("0 * * * *", "Australia/Lord_Howe", "2026-10-03T14:30") == (
        "2026-10-04T03:00+11:00"
    )


def test_in_an_hour_read_again_the_last_fire_may_be_in_its_first_reading() -> None:
    # It is 02:10 for the second time; 02:30 was read once.
    instant = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)
    for expression in ("30 * * * *", "30 2 * * *"):
        trigger = Cron(expression=expression, zone="Europe/Berlin")
        assert trigger.last_until(instant) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


@pytest.mark.timeout(10)
def test_a_schedule_whose_every_time_is_left_out_never_fires() -> None:
    # The search ends after 50 years, not in the year 9999.
    trigger = Cron(expression="*/5 2 * 3 0L", zone="Europe/Berlin")
    assert trigger.next_after(datetime(2026, 1, 1, tzinfo=UTC)) is None
    assert trigger.last_until(datetime(2400, 1, 1, tzinfo=UTC)) is None


def test_offsets_with_seconds_are_kept() -> None:
    # Monrovia was 44 minutes and 30 seconds behind until 1972.
    found = Cron(expression="0 0 * * *", zone="Africa/Monrovia").next_after(
        datetime(1970, 6, 1, tzinfo=UTC)
    )
    assert found == datetime(1970, 6, 1, 0, 44, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "reading", "instant"),
    [
        ("Europe/Berlin", "2026-07-01T09:00", "2026-07-01T07:00"),
        ("Europe/Berlin", "2026-03-29T02:30", "2026-03-29T01:00"),
        ("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30"),
        ("Pacific/Apia", "2011-12-30T12:00", "2011-12-30T10:00"),
        ("Pacific/Apia", "2011-12-31T00:00", "2011-12-30T10:00"),
        ("America/Havana", "2026-11-01T00:30", "2026-11-01T04:30"),
    ],
)
def test_the_first_reading_of_a_time(zone: str, reading: str, instant: str) -> None:
    wall = datetime.fromisoformat(reading).replace(tzinfo=UTC)
    assert first_reading(zone, int(wall.timestamp())) == datetime.fromisoformat(instant).replace(
        tzinfo=UTC
    )
