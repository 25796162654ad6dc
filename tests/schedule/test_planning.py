"""What becomes of the slots that are owed."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.schedule.planning import Plan, Summary, plan_owed
from app.schedule.triggers import Cron, Every, Manual, Once, Trigger
from app.tasks.task import Missed

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

HOURLY = Cron(expression="0 * * * *", zone="UTC")
DAILY = Cron(expression="0 0 * * *", zone="UTC")


def plan(
    trigger: Trigger,
    cursor: datetime,
    now: datetime,
    missed: Missed = Missed.ONCE,
    window: timedelta | None = None,
) -> Plan:
    found = plan_owed(trigger, cursor, now, missed=missed, missed_window=window)
    assert found is not None
    return found


def nothing(trigger: Trigger, cursor: datetime, now: datetime) -> bool:
    return plan_owed(trigger, cursor, now, missed=Missed.ALL, missed_window=None) is None


def test_nothing_is_owed_before_the_next_slot() -> None:
    assert nothing(HOURLY, NOW, NOW + HOUR - SECOND)
    assert nothing(Manual(), NOW - 99 * DAY, NOW)
    assert nothing(Once(at=NOW), NOW, NOW + DAY)


def test_nothing_is_owed_while_the_clock_stands_behind_the_cursor() -> None:
    assert nothing(HOURLY, NOW, NOW - DAY)


@pytest.mark.parametrize("missed", Missed)
def test_a_slot_on_time_runs_under_every_policy(missed: Missed) -> None:
    found = plan(HOURLY, NOW - HOUR, NOW + 10 * SECOND, missed, window=SECOND)
    assert found == Plan(run=(NOW,), missed=(), summary=None, cursor=NOW)


@pytest.mark.parametrize("missed", Missed)
def test_all_slots_on_time_run_under_every_policy(missed: Missed) -> None:
    seconds = Every(span=SECOND, anchor=NOW)
    found = plan(seconds, NOW - SECOND, NOW + 3 * SECOND, missed)
    assert found.run == tuple(NOW + n * SECOND for n in range(4))
    assert found.missed == ()


def test_once_runs_the_newest_and_the_older_are_superseded() -> None:
    found = plan(HOURLY, NOW - 3 * HOUR, NOW + MINUTE, window=DAY)
    assert found.run == (NOW,)
    assert found.missed == ((NOW - 2 * HOUR, "superseded"), (NOW - HOUR, "superseded"))
    assert found.cursor == NOW


def test_once_runs_nothing_that_is_older_than_the_window() -> None:
    found = plan(HOURLY, NOW - 2 * HOUR, NOW + 20 * MINUTE, window=10 * MINUTE)
    assert found.run == ()
    assert found.missed == ((NOW - HOUR, "too_late"), (NOW, "too_late"))


def test_a_slot_on_time_supersedes_the_late_ones() -> None:
    found = plan(HOURLY, NOW - 3 * HOUR, NOW, window=90 * MINUTE)
    assert found.run == (NOW,)
    assert found.missed == ((NOW - 2 * HOUR, "too_late"), (NOW - HOUR, "superseded"))


def test_all_runs_everything_within_the_window_oldest_first() -> None:
    found = plan(HOURLY, NOW - 4 * HOUR, NOW + MINUTE, Missed.ALL, window=150 * MINUTE)
    assert found.run == (NOW - 2 * HOUR, NOW - HOUR, NOW)
    assert found.missed == ((NOW - 3 * HOUR, "too_late"),)


def test_all_runs_at_most_the_newest_hundred() -> None:
    minutes = Cron(expression="* * * * *", zone="UTC")
    found = plan(minutes, NOW - 103 * MINUTE, NOW + 30 * SECOND, Missed.ALL, window=DAY)
    assert found.run == tuple(NOW - n * MINUTE for n in range(99, -1, -1))
    assert found.missed == tuple((NOW - n * MINUTE, "superseded") for n in (102, 101, 100))


def test_skip_runs_nothing_that_is_late() -> None:
    found = plan(HOURLY, NOW - 2 * HOUR, NOW + 10 * SECOND, Missed.SKIP, window=DAY)
    assert found.run == (NOW,)
    assert found.missed == ((NOW - HOUR, "missed_skip"),)
    found = plan(HOURLY, NOW - 2 * HOUR, NOW + 11 * SECOND, Missed.SKIP, window=DAY)
    assert found.run == ()
    assert found.missed == ((NOW - HOUR, "missed_skip"), (NOW, "missed_skip"))


@pytest.mark.parametrize(
    ("trigger", "window"),
    [
        (HOURLY, 30 * MINUTE),
        (Cron(expression="0 0,12 15 * *", zone="UTC"), 12 * HOUR),
        (Cron(expression="0 12 * * *", zone="UTC"), 12 * HOUR),
        (Every(span=20 * MINUTE, anchor=NOW), 10 * MINUTE),
        (Once(at=NOW), 12 * HOUR),
    ],
)
def test_the_window_is_half_the_period_and_at_most_twelve_hours(
    trigger: Trigger, window: timedelta
) -> None:
    before = NOW - SECOND
    assert plan(trigger, before, NOW + window).run == (NOW,)
    late = plan(trigger, before, NOW + window + SECOND)
    assert late.run == ()
    assert late.missed[0] == (NOW, "too_late")


def test_the_window_is_at_least_five_minutes() -> None:
    trigger = Cron(expression="0,6 12 * * *", zone="UTC")
    assert plan(trigger, NOW - SECOND, NOW + 5 * MINUTE).run == (NOW,)
    assert plan(trigger, NOW - SECOND, NOW + 5 * MINUTE + SECOND).run == ()


def test_the_window_of_an_older_slot_is_half_the_way_to_the_one_after_it() -> None:
    trigger = Cron(expression="0,20 12 * * *", zone="UTC")
    found = plan(trigger, NOW - SECOND, NOW + 25 * MINUTE)
    assert found.run == (NOW + 20 * MINUTE,)
    assert found.missed == ((NOW, "too_late"),)


@pytest.mark.parametrize("period", [5 * MINUTE, HOUR, 24 * HOUR])
def test_with_the_window_that_is_not_set_all_runs_the_newest_slot_only(period: timedelta) -> None:
    trigger = Every(span=period, anchor=NOW)
    found = plan(trigger, NOW - SECOND, NOW + 3 * period + MINUTE, missed=Missed.ALL)
    assert found.run == (NOW + 3 * period,)
    assert [reason for _, reason in found.missed] == ["too_late"] * 3


def test_a_thousand_slots_are_told_one_by_one() -> None:
    minutes = Every(span=MINUTE, anchor=NOW)
    found = plan(minutes, NOW - SECOND, NOW + 999 * MINUTE, window=MINUTE)
    assert found.summary is None
    assert len(found.run) + len(found.missed) == 1000


def test_beyond_a_thousand_slots_the_oldest_are_one_summary() -> None:
    minutes = Every(span=MINUTE, anchor=NOW)
    found = plan(minutes, NOW - SECOND, NOW + 1001 * MINUTE, window=MINUTE)
    assert found.summary == Summary(first=NOW, last=NOW + MINUTE, count=2)
    assert len(found.run) + len(found.missed) == 1000
    assert found.missed[0][0] == NOW + 2 * MINUTE


class Footsteps:
    """A trigger that counts how often it is asked for a neighbouring fire."""

    def __init__(self, trigger: Trigger) -> None:
        self._trigger = trigger
        self.asked = 0

    def next_after(self, instant: datetime) -> datetime | None:
        self.asked += 1
        return self._trigger.next_after(instant)

    def last_until(self, instant: datetime) -> datetime | None:
        self.asked += 1
        return self._trigger.last_until(instant)

    def count(self, after: datetime, until: datetime) -> int:
        return self._trigger.count(after, until)

    def closest(self, after: datetime) -> tuple[timedelta, datetime] | None:
        return self._trigger.closest(after)


def test_a_month_of_seconds_is_planned_without_walking_over_it() -> None:
    trigger = Footsteps(Every(span=SECOND, anchor=NOW - 99 * DAY))
    found = plan(trigger, NOW - 30 * DAY, NOW)
    assert found.summary is not None
    assert found.summary.count == 30 * 86_400 - 1000
    assert trigger.asked < 1010


triggers = st.sampled_from(
    [
        HOURLY,
        DAILY,
        Cron(expression="30 2 * * *", zone="Europe/Berlin"),
        Cron(expression="*/7 * * * *", zone="Europe/Berlin"),
        Cron(expression="* 1-3 * * *", zone="America/New_York"),
        Every(span=7 * SECOND, anchor=NOW),
        Every(span=HOUR, anchor=NOW),
        Once(at=NOW),
        Manual(),
    ]
)


@settings(max_examples=300, deadline=None)
@given(
    trigger=triggers,
    begin=st.integers(-400 * 86_400, 400 * 86_400),
    length=st.one_of(st.integers(0, 4 * 3600), st.integers(0, 400 * 86_400)),
    missed=st.sampled_from(Missed),
    window=st.one_of(st.none(), st.integers(0, 200_000).map(lambda n: n * SECOND)),
)
@example(trigger=HOURLY, begin=0, length=2000 * 3600, missed=Missed.ALL, window=99 * DAY)
def test_every_owed_slot_has_exactly_one_fate(
    trigger: Trigger, begin: int, length: int, missed: Missed, window: timedelta | None
) -> None:
    cursor = NOW + begin * SECOND
    now = cursor + length * SECOND
    owed = trigger.count(cursor, now)
    found = plan_owed(trigger, cursor, now, missed=missed, missed_window=window)
    if found is None:
        assert owed == 0
        return
    told = sorted([*found.run, *(slot for slot, _ in found.missed)])
    summed = found.summary.count if found.summary else 0
    assert len(set(told)) == len(told)
    assert len(told) + summed == owed
    assert (summed == 0) == (owed <= 1000)
    assert list(found.run) == sorted(found.run)
    assert [slot for slot, _ in found.missed] == sorted(slot for slot, _ in found.missed)
    assert found.cursor == told[-1] == trigger.last_until(now)
    # The told slots are neighbours, and the summary ends where they begin.
    slot: datetime | None = found.summary.last if found.summary else cursor
    for each in told:
        assert slot is not None
        slot = trigger.next_after(slot)
        assert slot == each
    if found.summary:
        assert found.summary.first == trigger.next_after(cursor)
        assert trigger.count(cursor, found.summary.last) == summed
    assert plan_owed(trigger, found.cursor, now, missed=missed, missed_window=window) is None
