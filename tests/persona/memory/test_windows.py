"""Words of time become windows in the zone of whoever says them."""

from datetime import UTC, datetime, timedelta

import pytest

from app.persona.memory.windows import day_window, start_of_today, window_in

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
"""A Tuesday."""


def spoken(text: str, now: datetime = NOON, zone: str = "UTC") -> tuple[str, str | None] | None:
    window = window_in(text, now, zone)
    if window is None:
        return None
    until = window.until
    return (
        f"{window.since:%Y-%m-%d %H:%M}",
        f"{until:%Y-%m-%d %H:%M}" if until is not None else None,
    )


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("Reflect on today.", "2026-11-24 00:00", None),
        ("THIS\n EVENING", "2026-11-24 00:00", None),
        ("what was yesterday?", "2026-11-23 00:00", "2026-11-24 00:00"),
        ("this week", "2026-11-23 00:00", None),
        ("Last week's plans", "2026-11-16 00:00", "2026-11-23 00:00"),
        ("this month", "2026-11-01 00:00", None),
        ("the past month", "2026-10-01 00:00", "2026-11-01 00:00"),
        ("last year", "2025-01-01 00:00", "2026-01-01 00:00"),
        ("in the last 3 days", "2026-11-21 12:00", None),
        ("the past two weeks", "2026-11-10 12:00", None),
        ("last 90 minutes", "2026-11-24 10:30", None),
        ("3 days ago", "2026-11-21 00:00", "2026-11-22 00:00"),
        ("on 2026-11-03,", "2026-11-03 00:00", "2026-11-04 00:00"),
        ("compare today with yesterday", "2026-11-23 00:00", None),
        ("between 2026-11-03 and 2026-11-05", "2026-11-03 00:00", "2026-11-06 00:00"),
        ("last 9999 years", "1926-11-24 12:00", None),
    ],
)
def test_words_of_time_are_a_window(text: str, since: str, until: str | None) -> None:
    assert spoken(text) == (since, until)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Plan the weekly review",
        "todays",
        "the last one",
        "2026-13-01",
        "0001-01-01",
        "12026-11-03",
        "on 2027-01-01",
        "last 99999 days",
    ],
)
def test_other_words_are_none(text: str) -> None:
    assert spoken(text) is None


def test_days_are_those_of_the_zone_also_where_the_clock_was_moved() -> None:
    now = datetime(2026, 3, 29, 20, 0, tzinfo=UTC)
    assert spoken("today", now, "Europe/Berlin") == ("2026-03-28 23:00", None)
    day = day_window(now.date(), "Europe/Berlin")
    assert (day.until or now) - day.since == timedelta(hours=23)


@pytest.mark.parametrize(
    ("minutes", "since"), [(0, "2026-11-23"), (239, "2026-11-23"), (240, "2026-11-24")]
)
def test_until_four_in_the_morning_today_is_the_day_that_just_ended(
    minutes: int, since: str
) -> None:
    night = datetime(2026, 11, 24, tzinfo=UTC) + timedelta(minutes=minutes)
    assert spoken("today", night) == (f"{since} 00:00", None)
    assert f"{start_of_today(night, 'UTC'):%Y-%m-%d}" == since


def test_on_monday_at_midnight_this_week_is_the_one_that_just_ended() -> None:
    monday = datetime(2026, 11, 23, 0, 0, 2, tzinfo=UTC)
    assert spoken("this week", monday) == ("2026-11-16 00:00", None)
    assert spoken("yesterday", monday) == ("2026-11-22 00:00", "2026-11-23 00:00")


def test_a_long_text_is_read_in_no_time() -> None:
    assert window_in("last " * 100_000 + "1" * 100_000, NOON, "UTC") is None
