"""What fires when, where no clock changes; the changes are in test_dst."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import islice, pairwise

import pytest
from cronsim import CronSim
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.core.errors import ScheduleError
from app.schedule.triggers import Cron, Every, Manual, Once, Trigger

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)  # a Thursday
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)


def cron(expression: str, zone: str = "UTC") -> Cron:
    return Cron(expression=expression, zone=zone)


def fires(trigger: Trigger, after: datetime, count: int) -> list[datetime]:
    found: list[datetime] = []
    while len(found) < count and (fire := trigger.next_after(after)) is not None:
        found.append(fire)
        after = fire
    return found


def days(expression: str, count: int, after: datetime = NOON) -> list[str]:
    return [f"{fire:%a %Y-%m-%d}" for fire in fires(cron(expression), after, count)]


def test_manual_never_fires() -> None:
    trigger: Trigger = Manual()
    assert trigger.next_after(NOON) is None
    assert trigger.last_until(NOON) is None
    assert trigger.count(NOON - DAY, NOON) == 0
    assert trigger.closest(NOON) is None


def test_once_fires_at_its_instant_and_not_after_it() -> None:
    trigger = Once(at=NOON)
    assert trigger.next_after(NOON - TICK) == NOON
    assert trigger.next_after(NOON) is None
    assert trigger.last_until(NOON) == NOON
    assert trigger.last_until(NOON - TICK) is None
    assert (trigger.count(NOON - TICK, NOON), trigger.count(NOON, NOON + DAY)) == (1, 0)


def test_an_interval_is_counted_from_its_anchor_and_does_not_begin_before_it() -> None:
    trigger = Every(span=timedelta(minutes=15), anchor=NOON)
    assert trigger.next_after(NOON - 9 * DAY) == NOON
    assert trigger.last_until(NOON - TICK) is None
    assert trigger.next_after(NOON) == NOON + timedelta(minutes=15)
    assert trigger.next_after(NOON + timedelta(minutes=44)) == NOON + timedelta(minutes=45)
    assert trigger.last_until(NOON + timedelta(minutes=44)) == NOON + timedelta(minutes=30)
    assert trigger.count(NOON - DAY, NOON + timedelta(minutes=45)) == 4


def test_an_interval_ends_with_the_calendar() -> None:
    trigger = Every(span=36500 * DAY, anchor=NOON)
    assert trigger.next_after(datetime(9999, 1, 1, tzinfo=UTC)) is None


def test_a_month_of_seconds_is_counted_without_walking() -> None:
    trigger = Every(span=SECOND, anchor=NOON - 900 * DAY)
    assert trigger.count(NOON, NOON + 30 * DAY) == 2_592_000


def test_a_century_of_minutes_is_counted_without_walking() -> None:
    until = NOON.replace(year=2126)
    assert cron("* * * * *", "Europe/Berlin").count(NOON, until) == (until - NOON) // (60 * SECOND)


@pytest.mark.parametrize(
    ("expression", "plain"),
    [
        ("30 3-3/4 * * *", "30 3 * * *"),
        ("5-5/7,10 * * * *", "5,10 * * * *"),
        ("0 0 13-13/2 * *", "0 0 13 * *"),
        ("0 0 * MAR-mar/2 *", "0 0 * 3 *"),
        ("0 0 * * 5-5/2", "0 0 * * 5"),
        ("0 1-11/5 * * *", "0 1,6,11 * * *"),
        ("0 13-13 * * *", "0 13 * * *"),
    ],
)
def test_every_so_many_of_a_range_of_one_is_that_one(expression: str, plain: str) -> None:
    assert fires(cron(expression), NOON, 20) == fires(cron(plain), NOON, 20)


def test_every_none_of_a_range_of_one_is_refused() -> None:
    with pytest.raises(ScheduleError):
        cron("30 3-3/0 * * *")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 0 * * 0", ["Sun 2026-01-18", "Sun 2026-01-25"]),
        ("0 0 * * 7", ["Sun 2026-01-18", "Sun 2026-01-25"]),
        ("0 0 * * 1", ["Mon 2026-01-19", "Mon 2026-01-26"]),
        ("0 0 * * sun", ["Sun 2026-01-18", "Sun 2026-01-25"]),
        ("0 0 * * MON-FRI", ["Fri 2026-01-16", "Mon 2026-01-19"]),
        ("0 0 13 * 5", ["Fri 2026-01-16", "Fri 2026-01-23", "Fri 2026-01-30", "Fri 2026-02-06",
                        "Fri 2026-02-13", "Fri 2026-02-20", "Fri 2026-02-27", "Fri 2026-03-06",
                        "Fri 2026-03-13", "Fri 2026-03-20", "Fri 2026-03-27", "Fri 2026-04-03",
                        "Fri 2026-04-10", "Mon 2026-04-13"]),
        ("0 0 */2 * 1", ["Mon 2026-01-19", "Mon 2026-02-09"]),
        ("0 0 L * *", ["Sat 2026-01-31", "Sat 2026-02-28"]),
        ("0 0 LW * *", ["Fri 2026-01-30", "Fri 2026-02-27"]),
        ("0 0 * * 5L", ["Fri 2026-01-30", "Fri 2026-02-27"]),
        ("0 0 * * 1#2", ["Mon 2026-02-09", "Mon 2026-03-09"]),
        ("0 0 31 * *", ["Sat 2026-01-31", "Tue 2026-03-31"]),
        ("0 0 1 JAN,jul *", ["Wed 2026-07-01", "Fri 2027-01-01"]),
        ("0 0 29 2 *", ["Tue 2028-02-29", "Sun 2032-02-29"]),
    ],
)  # fmt: skip
def test_days_are_those_of_debian_cron(expression: str, expected: list[str]) -> None:
    assert days(expression, len(expected)) == expected


def test_a_century_without_a_leap_year_is_stepped_over() -> None:
    assert days("0 0 29 2 *", 2, datetime(2095, 1, 1, tzinfo=UTC)) == [
        "Wed 2096-02-29",
        "Fri 2104-02-29",
    ]
    # The farthest that two fires of a cron can be apart: forty years.
    assert days("0 0 * 2 1#5", 2, datetime(2070, 1, 1, tzinfo=UTC)) == [
        "Mon 2072-02-29",
        "Mon 2112-02-29",
    ]


def test_a_fire_is_strictly_after_and_the_last_one_may_be_now() -> None:
    trigger = cron("0 12 * * *")
    assert trigger.next_after(NOON) == NOON + DAY
    assert trigger.next_after(NOON - TICK) == NOON
    assert trigger.last_until(NOON) == NOON
    assert trigger.last_until(NOON - TICK) == NOON - DAY
    assert trigger.count(NOON - DAY, NOON) == 1
    assert trigger.count(NOON, NOON) == trigger.count(NOON, NOON - DAY) == 0


def test_an_instant_may_come_in_any_zone_and_goes_out_in_utc() -> None:
    instant = NOON.astimezone(timezone(timedelta(hours=5)))
    fire = cron("0 0 * * *").next_after(instant)
    assert fire == datetime(2026, 1, 16, tzinfo=UTC)
    assert fire.tzinfo is UTC


def test_a_naive_instant_is_refused() -> None:
    with pytest.raises(TypeError):
        cron("0 0 * * *").next_after(datetime(2026, 1, 1))


@pytest.mark.parametrize("expression", ["0 0 * * *", "* * * * *", "0 0 29 2 *", "0 0 31 * *"])
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Niue"])
def test_the_ends_of_the_calendar_are_ends(expression: str, zone: str) -> None:
    trigger = cron(expression, zone)
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    assert trigger.next_after(last) is None
    assert trigger.last_until(first) is None
    assert trigger.next_after(first) is not None
    assert trigger.last_until(last) is not None
    assert (trigger.closest(last - 9 * DAY) is None) == (expression in ("0 0 29 2 *", "0 0 31 * *"))


def test_triggers_of_one_meaning_are_equal() -> None:
    assert cron("0 0 * * *") == cron("0 0 * * *")
    assert len({cron("0 0 * * *"), cron("0 0 * * *"), cron("0 0 * * *", "Asia/Tokyo")}) == 2


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("60 * * * *", "the minute '60'"),
        ("* 24 * * *", "the hour '24'"),
        ("* * 0 * *", "the day-of-month '0'"),
        ("* * * 13 *", "the month '13'"),
        ("* * * * 8", "the day-of-week '8'"),
        ("* * * * FRI-SUN", "Friday to Sunday is 5-7"),
        ("* * ? * 1", "`?` is not cron, write `*`"),
        ("* * * * 1#6", "the day-of-week '1#6'"),
        ("*/0 * * * *", "the minute '*/0'"),
        ("5-1 * * * *", "the minute '5-1'"),
        ("1,,2 * * * *", "the minute '1,,2'"),
        ("0 0 31 2,4 *", "no such month has a day 31"),
        ("0 0 0 * * *", "cron has five fields here"),
        ("0 0 * *", "not 4"),
    ],
)
def test_a_fault_in_a_cron_expression_is_named(expression: str, said: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        cron(expression)
    assert said in caught.value.detail


@pytest.mark.parametrize(
    ("expression", "gap", "start"),
    [
        ("0,1 0 * * *", timedelta(minutes=1), "2026-01-16T00:00"),
        ("59 23,0 * * *", timedelta(hours=1), "2026-01-16T23:59"),
        ("0 0 31 * *", 31 * DAY, "2026-07-31T00:00"),
        ("0 0 1,31 * *", DAY, "2026-01-31T00:00"),
        ("0 0 29 2 *", 4 * 365 * DAY + DAY, "2028-02-29T00:00"),
    ],
)
def test_the_closest_two_fires_are_found(expression: str, gap: timedelta, start: str) -> None:
    assert cron(expression).closest(NOON) == (gap, datetime.fromisoformat(start + "Z"))


def test_a_change_of_the_clock_brings_no_two_fires_closer() -> None:
    found = cron("30 2,3 * * *", "Europe/Berlin").closest(NOON)
    assert found is not None
    assert found[0] == timedelta(hours=1)


def test_an_interval_is_as_close_as_its_span() -> None:
    assert Every(span=SECOND, anchor=NOON).closest(NOON) == (SECOND, NOON + SECOND)


def field(low: int, high: int, *more: str) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    items = st.one_of(
        number.map(str),
        st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}"),
        # not of a range of one, which cronsim takes for one that has no end
        st.tuples(number, number, st.integers(1, high + 3))
        .filter(lambda three: three[0] != three[1])
        .map(lambda three: f"{min(three[:2])}-{max(three[:2])}/{three[2]}"),
        *([st.sampled_from(more)] if more else []),
    )
    stars = st.one_of(st.just("*"), st.integers(1, high).map(lambda step: f"*/{step}"))
    return st.one_of(stars, st.lists(items, min_size=1, max_size=3).map(",".join))


expressions = st.tuples(
    field(0, 59),
    field(0, 23),
    st.one_of(st.just("*"), field(1, 31, "L", "LW")),
    st.one_of(st.just("*"), field(1, 12, "FEB", "JUN-AUG")),
    st.one_of(st.just("*"), field(0, 7, "SUN", "MON-FRI", "0L", "5L", "7#1", "2#5")),
).map(" ".join)

instants = st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))


@settings(max_examples=300, deadline=None)
@given(expression=expressions, start=instants)
def test_in_utc_the_fires_are_those_of_cronsim(expression: str, start: datetime) -> None:
    try:
        trigger = cron(expression)
    except ScheduleError:
        assume(False)
    forwards = list(islice(CronSim(expression, start), 5))
    assert fires(trigger, start, 5) == forwards
    backwards = list(islice(CronSim(expression, start, reverse=True), 5))
    back = start - TICK
    for expected in backwards:
        assert trigger.last_until(back) == expected
        back = expected - TICK
    if forwards and backwards:
        assert trigger.count(backwards[-1] - TICK, forwards[-1]) == (
            len(backwards) + len(forwards) + (trigger.last_until(start) == start)
        )


@settings(max_examples=200, deadline=None)
@given(expression=expressions, start=instants)
def test_no_two_fires_are_closer_than_the_closest(expression: str, start: datetime) -> None:
    try:
        trigger = cron(expression)
    except ScheduleError:
        assume(False)
    closest = trigger.closest(start)
    gaps = [later - earlier for earlier, later in pairwise(fires(trigger, start, 60))]
    if closest is None:
        assert not gaps
        return
    gap, first = closest
    assert all(gap <= each for each in gaps)
    assert first > start
    assert trigger.next_after(first) == first + gap


@given(
    seconds=st.integers(1, 10**7),
    offset=st.integers(-(10**8), 10**8),
    steps=st.integers(1, 20),
)
def test_counting_an_interval_is_stepping(seconds: int, offset: int, steps: int) -> None:
    trigger = Every(span=seconds * SECOND, anchor=NOON + offset * SECOND)
    found = fires(trigger, NOON, steps)
    assert trigger.count(NOON, found[-1]) == len(found)
    assert trigger.last_until(found[-1]) == found[-1]
    assert trigger.next_after(found[-1] - TICK) == found[-1]
    if len(found) > 1:
        assert trigger.last_until(found[-1] - TICK) == found[-2]
