"""Schedules that rest until an instant: the same fires, but for those before."""

from datetime import UTC, datetime, timedelta

import pytest

from app.core.errors import ScheduleError
from app.schedule.book import ScheduleBook
from app.schedule.grammar import read_moment
from app.schedule.pausing import Paused
from app.schedule.triggers import Cron, Every, Manual, Once, Trigger
from app.tasks.schema import read_task
from tests.house import definition

NOW = datetime(2026, 11, 23, 23, tzinfo=UTC)
HOUR, TICK = timedelta(hours=1), timedelta(microseconds=1)
TRIGGERS = [
    Cron(expression="0 * * * *", zone="UTC"),
    Cron(expression="30 2 * * *", zone="Europe/Berlin"),
    Every(span=5 * HOUR, anchor=NOW),
    Once(at=NOW),
    Once(at=NOW - HOUR),
    Once(at=NOW + 30 * HOUR),
    Manual(),
]


def fires(trigger: Trigger, after: datetime, until: datetime) -> list[datetime]:
    found, fire = [], trigger.next_after(after)
    while fire is not None and fire <= until:
        found.append(fire)
        fire = trigger.next_after(fire)
    return found


@pytest.mark.parametrize("trigger", TRIGGERS, ids=str)
@pytest.mark.parametrize("until", [NOW, NOW - TICK, NOW + TICK, NOW + 7 * HOUR])
def test_what_fires_is_all_that_is_not_before_the_end(trigger: Trigger, until: datetime) -> None:
    paused = Paused(trigger=trigger, until=until)
    first, last = NOW - 50 * HOUR, NOW + 50 * HOUR
    expected = [fire for fire in fires(trigger, first, last) if fire >= until]
    assert fires(paused, first, last) == expected
    for hours in range(-50, 51, 3):
        for at in (NOW + hours * HOUR - TICK, NOW + hours * HOUR, NOW + hours * HOUR + TICK):
            before = [fire for fire in expected if fire <= at]
            assert paused.last_until(at) == (before[-1] if before else None)
            assert paused.count(first, at) == len(before)
            assert paused.count(at, last) == len([f for f in expected if at < f <= last])


def test_the_closest_fires_are_looked_for_from_the_end_on() -> None:
    once = Once(at=NOW)
    hourly = Every(span=HOUR, anchor=NOW)
    assert Paused(trigger=once, until=NOW).closest(NOW - HOUR) is None
    assert Paused(trigger=hourly, until=NOW + 9 * HOUR).closest(NOW) == (HOUR, NOW + 9 * HOUR)


def test_a_task_that_is_not_paused_has_its_schedule_as_it_is() -> None:
    book = ScheduleBook(timedelta(seconds=1), "UTC")
    task = read_task(definition(), "UTC")
    assert book.schedule_of(task) is book.read("daily", "UTC")


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("3d", "2026-11-26T23:00:00+00:00"),
        ("in 3d", "2026-11-26T23:00:00+00:00"),
        ("In 1h 30m", "2026-11-24T00:30:00+00:00"),
        ("PT15M", "2026-11-23T23:15:00+00:00"),
        ("2026-12-01T09:00", "2026-12-01T08:00:00+00:00"),
        ("2026-12-01 09:00", "2026-12-01T08:00:00+00:00"),
        ("2026-12-01T09:00Z", "2026-12-01T09:00:00+00:00"),
        ("2026-12-01T09:00:30-05:00", "2026-12-01T14:00:30+00:00"),
        ("2027-03-28T02:30", "2027-03-28T01:00:00+00:00"),
    ],
)
def test_a_moment_is_a_time_of_the_zone_or_an_instant_or_a_span_from_now(
    text: str, instant: str
) -> None:
    assert read_moment(text, "Europe/Berlin", NOW).isoformat() == instant


def test_a_span_never_ends_earlier_than_it_says() -> None:
    now = NOW + timedelta(milliseconds=1)
    assert read_moment("1s", "UTC", now) == NOW + timedelta(seconds=2)


@pytest.mark.parametrize("text", ["", "in", "soon", "2026-12-01", "0d", "at 2026-12-01T09:00", "1"])
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(ScheduleError, match="3d"):
        read_moment(text, "UTC", NOW)
