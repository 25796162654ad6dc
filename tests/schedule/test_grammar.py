"""What may be written for a schedule, what is made of it, and what the book lets in."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.core.errors import ScheduleError
from app.schedule.book import ScheduleBook
from app.schedule.grammar import Schedule, read_schedule, warnings
from app.schedule.triggers import Cron, Every, Manual, Once

NOW = datetime(2026, 1, 15, 12, 0, 0, 250_000, tzinfo=UTC)
ANCHOR = datetime(2001, 1, 1, tzinfo=UTC)


def read(text: str, timezone: str = "UTC") -> Schedule:
    return read_schedule(text, timezone, now=NOW)


def refusal(text: str, timezone: str = "UTC", now: datetime | None = NOW) -> str:
    with pytest.raises(ScheduleError) as caught:
        read_schedule(text, timezone, now=now)
    return caught.value.detail


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("hourly", "0 * * * *"),
        ("daily", "0 0 * * *"),
        ("weekly", "0 0 * * 1"),
        ("monthly", "0 0 1 * *"),
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
    ],
)
def test_a_word_stands_for_a_cron_expression(text: str, expression: str) -> None:
    schedule = read(f"  {text.upper()} ", "Europe/Berlin")
    assert schedule.trigger == Cron(expression=expression, zone="Europe/Berlin")
    assert (schedule.text, schedule.timezone) == (text, "Europe/Berlin")


def test_manual_is_no_time_at_all() -> None:
    assert read("Manual").trigger == Manual()


def test_a_cron_expression_is_kept_with_its_names_in_capitals() -> None:
    schedule = read(" 0  9 * * mon-Fri\n")
    assert schedule.text == "0 9 * * MON-FRI"
    assert schedule.trigger == Cron(expression="0 9 * * MON-FRI", zone="UTC")


@pytest.mark.parametrize(
    ("text", "stored", "minutes"),
    [
        ("every 15m", "every 15m", 15),
        ("EVERY 1H 30M", "every 1h30m", 90),
        ("every PT15M", "every PT15M", 15),
        ("pt15m", "PT15M", 15),
        ("P1D", "P1D", 1440),
    ],
)
def test_an_interval_is_anchored_to_one_monday_midnight(
    text: str, stored: str, minutes: int
) -> None:
    schedule = read(text)
    assert schedule.text == stored
    assert schedule.trigger == Every(span=timedelta(minutes=minutes), anchor=ANCHOR)
    assert ANCHOR.weekday() == 0


def test_the_anchor_is_midnight_in_the_zone_of_the_task() -> None:
    trigger = read("every 7d", "America/New_York").trigger
    assert trigger == Every(span=timedelta(days=7), anchor=ANCHOR + timedelta(hours=5))


def test_an_anchor_of_ones_own() -> None:
    schedule = read("every 15m from 2026-01-01 00:05", "Europe/Berlin")
    anchor = datetime(2025, 12, 31, 23, 5, tzinfo=UTC)
    assert schedule.text == "every 15m from 2026-01-01T00:05"
    assert schedule.trigger == Every(span=timedelta(minutes=15), anchor=anchor)
    assert read("P1D FROM 2026-01-01t00:05z").text == "P1D from 2026-01-01T00:05Z"


def test_in_a_while_is_stored_as_the_instant_it_means() -> None:
    schedule = read("In 30m", "Europe/Berlin")
    assert schedule.text == "at 2026-01-15T12:30:01Z"
    assert schedule.trigger == Once(at=datetime(2026, 1, 15, 12, 30, 1, tzinfo=UTC))
    assert read_schedule(schedule.text, "Europe/Berlin") == schedule


def test_in_a_while_needs_a_moment_to_count_from() -> None:
    assert "nothing to count from" in refusal("in 30m", now=None)


@pytest.mark.parametrize(
    ("text", "stored", "instant"),
    [
        ("at 2026-12-01T09:00", "at 2026-12-01T09:00", "2026-12-01T08:00"),
        ("AT 2026-07-01 09:00", "at 2026-07-01T09:00", "2026-07-01T07:00"),
        ("at 2026-12-01T09:00Z", "at 2026-12-01T09:00Z", "2026-12-01T09:00"),
        ("at 2026-12-01T09:00:30-05:00", "at 2026-12-01T09:00:30-05:00", "2026-12-01T14:00:30"),
        ("at 2026-03-29T02:30", "at 2026-03-29T02:30", "2026-03-29T01:00"),
        ("at 2026-10-25T02:30", "at 2026-10-25T02:30", "2026-10-25T00:30"),
    ],
)
def test_at_a_time_of_the_zone_or_of_its_own_offset(text: str, stored: str, instant: str) -> None:
    schedule = read(text, "Europe/Berlin")
    assert schedule.text == stored
    assert schedule.trigger == Once(at=datetime.fromisoformat(instant + "Z"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the schedule is empty"),
        ("   ", "the schedule is empty"),
        ("30m", "write `every 30m` for again and again, or `in 30m` for once"),
        ("30 m", "write `every 30m`"),
        ("dialy", "did you mean `daily`?"),
        ("@reboot", "a restart is not a time"),
        ("@dayly", "did you mean `@daily`?"),
        ("every", "is not a span of time"),
        ("every month", "write `monthly`"),
        ("every hour", "write `hourly`"),
        ("every day", "write `daily`"),
        ("Every Day at 9:05", "write `5 9 * * *`"),
        ("daily at 18:00", "write `0 18 * * *`"),
        ("daily at 25:00", "did you mean `daily`?"),
        ("every 5 minutes", "write `every 5m`"),
        ("every 1 hour", "write `every 1h`"),
        ("every minute", "write `every 1m`"),
        ("every monday", "write `0 0 * * MON`"),
        ("every weekday at 9", "write `0 9 * * MON-FRI`"),
        ("every year", "write `@yearly`"),
        ("yearly", "write `@yearly`"),
        ("annualy", "did you mean `@annually`?"),
        ("weekdays", "write `0 0 * * MON-FRI`"),
        ("weekends at noon", "write `0 12 * * SAT,SUN`"),
        ("biweekly", "write `every 2w`"),
        ("Fortnightly", "write `every 2w`"),
        ("every day at 9am", "write `0 9 * * *`"),
        ("every day at 9:30 pm", "write `30 21 * * *`"),
        ("every day at 12 am", "write `0 0 * * *`"),
        ("every day at 13pm", "is not a span of time"),
        ("every day at 9 or so", "is not a span of time"),
        ("in 2 hours", "write `in 2h`"),
        ("in 0 hours", "is not a span of time"),
        ("every 5minutes", "write `every 5m`"),
        ("every 30 seconds", "write `every 30s`"),
        ("every other day", "write `every 2d`"),
        ("every second day", "write `every 2d`"),
        ("every second minute", "write `every 2m`"),
        ("every other tuesday", "write `every 2w from 2001-01-02T00:00`"),
        ("every second tuesday", "`0 0 * * TUE#2` for the second one of each month, or `every 2w"),
        ("every 3 days at 9", "nearest is `every 3d from 2001-01-01T09:00`"),
        ("every 2 weeks at noon", "nearest is `every 2w from 2001-01-01T12:00`"),
        ("every 3 days at will", "is not a span of time"),
        ("9:00", "names no day: for every day write `0 9 * * *`"),
        ("at 18:00", "names no day: for every day write `0 18 * * *`"),
        ("at noon", "names no day: for every day write `0 12 * * *`"),
        ("täglich", "write `daily`"),
        ("ta\u0308glich um 9", "write `0 9 * * *`"),
        ("stündlich", "write `hourly`"),
        ("wöchentlich", "write `weekly`"),
        ("monatlich", "write `monthly`"),
        ("jährlich", "write `@yearly`"),
        ("jeden Tag um 9 Uhr", "write `0 9 * * *`"),
        ("jeden Montag um 9", "write `0 9 * * MON`"),
        ("alle 5 Minuten", "write `every 5m`"),
        ("irgendwann früh", "plain ASCII"),
        ("@every 5m", "write `every 5m`"),
        ("@every 5 minutes", "write `every 5m`"),
        ("@every", "is not a schedule"),
        ("every 2 months", "is not a span of time"),
        ("every Blue Moon", "'Blue Moon' is not a span of time"),
        ("at High noon", "'High noon' is not a time such as"),
        ("every 0s", "longer than nothing"),
        ("every 1d from today", "is not a time such as"),
        ("in a while", "is not a span of time"),
        ("at 2026-12-01", "is not a time such as"),
        ("at 2026-02-30T09:00", "is not a time such as"),
        ("at 2026-12-01T09:00:00.5", "is not a time such as"),
        ("at 1969-12-01T09:00", "between the years 1970 and 9000"),
        ("at 9999-12-31T23:59:59-12:00", "between the years 1970 and 9000"),
        ("0 0 0 * * *", "cron has five fields here"),
        ("0 0 0 * * *", "there is none for seconds or years"),
        ("99", "cron has five fields here"),
        ("? 0 * * *", "`?` is not cron"),
        ("０ 0 * * *", "plain ASCII"),
        ("something else", "write hourly, daily, weekly, monthly or manual"),
        ("*" * 201, "at most 200 characters"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_way_to_write_it(text: str, said: str) -> None:
    assert said in refusal(text)


@pytest.mark.parametrize("text", ["*/5 * * * * *", "* * * *"])
def test_no_hint_leads_to_what_is_refused_as_too_often(text: str) -> None:
    assert "every" not in refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "weekdays at 9:30",
        "every other day",
        "every other tuesday",
        "every 3 days at 9",
        "every second tuesday",
        "quarterly",
        "nightly",
        "at noon",
        "jährlich",
        "alle 2 Wochen",
    ],
)
def test_what_a_hint_says_can_be_read(text: str) -> None:
    hints = refusal(text).split("`")[1::2]
    assert hints
    for hint in hints:
        read(hint)


def test_an_offset_of_other_minutes_has_no_name() -> None:
    assert "Etc" not in refusal("daily", "+05:30")
    assert "Etc" not in refusal("daily", "UTC+20")


def test_four_fields_have_none_too_many() -> None:
    assert "seconds" not in refusal("* * * *")


@pytest.mark.parametrize(
    ("timezone", "said"),
    [
        ("Europe/Berln", "did you mean Europe/Berlin?"),
        ("europe/berlin", "did you mean Europe/Berlin?"),
        ("Berlin", "is not known"),
        ("UTC+2", "write a name such as Europe/Berlin; the fixed offset +2 is Etc/GMT-2"),
        ("gmt-05:00", "the fixed offset -5 is Etc/GMT+5"),
        ("+05:30", "write a name such as Europe/Berlin"),
        ("", "is not known"),
        ("localtime", "is not known"),
        ("../../../etc/passwd", "is not known"),
        ("/usr/share/zoneinfo/UTC", "is not known"),
        ("UTC\x00", "is not known"),
        ("U" * 100_000, "is not known"),
    ],
)
@pytest.mark.parametrize("text", ["daily", "manual", "in 5m", "at 2026-12-01T09:00Z"])
def test_a_timezone_is_a_name_of_the_tz_database(text: str, timezone: str, said: str) -> None:
    detail = refusal(text, timezone)
    assert said in detail
    assert len(detail) < 200


WORDS = (
    "every in at from 15m PT1H P1D daily @weekly manual 0 * */7 1-5 MON#2 5L L LW 1,31 ? 1/2 sun"
    " FEB 30 # - / 99999999999999999999 ² ſun 2026-12-01T09:00 2026-12-01 09:00+02:00 Z"
)


@settings(max_examples=500, deadline=None)
@given(
    text=st.one_of(
        st.lists(st.sampled_from(WORDS.split()), max_size=7).map(" ".join),
        st.text(alphabet="0123456789*/,-#LWMONSUFR? ", max_size=40),
        st.text(max_size=40),
    ),
    timezone=st.sampled_from(["UTC", "Europe/Berlin", "Pacific/Apia"]),
)
@example(text="0 0 1-31/2 */31 7L,1#5,SUN-MON/9", timezone="UTC")
def test_any_text_is_understood_for_good_or_refused_with_a_reason(text: str, timezone: str) -> None:
    try:
        schedule = read_schedule(text, timezone, now=NOW)
    except ScheduleError as error:
        assert error.detail
        return
    assert read_schedule(schedule.text, timezone) == schedule
    assert schedule.sentence
    assert all(warnings(schedule, NOW))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("manual", "only by hand"),
        ("hourly", "every hour, on the hour (UTC)"),
        ("daily", "every day at 00:00 (UTC)"),
        ("weekly", "every Monday at 00:00 (UTC)"),
        ("monthly", "on the 1st of every month at 00:00 (UTC)"),
        ("@weekly", "every Sunday at 00:00 (UTC)"),
        ("@yearly", "on 1 January at 00:00 (UTC)"),
        ("* * * * *", "every minute (UTC)"),
        ("*/15 * * * *", "every 15 minutes (UTC)"),
        ("5 * * * *", "every hour at minute 5 (UTC)"),
        ("0 */6 * * *", "every 6 hours, on the hour (UTC)"),
        ("0 9,17 * * 1-5", "every day from Monday to Friday at 09:00 and 17:00 (UTC)"),
        (
            "*/5 9-17 * * 6,0",
            "every 5 minutes from 09:00 to 17:59, every Saturday and Sunday (UTC)",
        ),
        ("0 9-17 * * *", "every hour from 09:00 to 17:00 (UTC)"),
        ("0 0 1,22,23 * *", "on the 1st, 22nd and 23rd of every month at 00:00 (UTC)"),
        ("0 0 11-13 3-5 *", "on the 11th to 13th of March to May at 00:00 (UTC)"),
        ("0 0 29 2 *", "on 29 February at 00:00 (UTC)"),
        ("0 0 L * *", "on the last day of every month at 00:00 (UTC)"),
        ("0 0 LW 6 *", "on the last weekday of June at 00:00 (UTC)"),
        ("0 9 * * MON#1,5L", "on the first Monday and last Friday of every month at 09:00 (UTC)"),
        ("0 9 * 12 2", "every Tuesday in December at 09:00 (UTC)"),
        ("0 9 * 7,8 *", "every day in July and August at 09:00 (UTC)"),
        ("0 0 13 * 5", "on the 13th of every month and every Friday at 00:00 (UTC)"),
        ("0 0 1-31 * 5", "every day at 00:00 (UTC)"),
        ("*/7 * * * *", "every seventh minute of every hour (UTC)"),
        ("0 0 */2 * 1", "at 00:00 on every second day of month if it's on Monday (UTC)"),
        ("every 15m", "every 15 minutes, counted from 2001-01-01 00:00 (UTC)"),
        ("every 1h", "every hour, counted from 2001-01-01 00:00 (UTC)"),
        ("every 1h30m", "every 1 hour 30 minutes, counted from 2001-01-01 00:00 (UTC)"),
        ("every 1d", "every 24 hours, counted from 2001-01-01 00:00 (UTC)"),
        ("in 10s", "once, at 2026-01-15 12:00:11 (UTC)"),
    ],
)
def test_a_schedule_says_itself(text: str, sentence: str) -> None:
    assert read(text).sentence == sentence


def test_times_are_said_in_the_zone_of_the_task() -> None:
    assert read("at 2026-12-01T09:00Z", "Asia/Tokyo").sentence == (
        "once, at 2026-12-01 18:00 (Asia/Tokyo)"
    )


@pytest.mark.parametrize(
    ("text", "timezone", "said"),
    [
        ("@weekly", "UTC", ["is Sunday at 00:00"]),
        ("0 0 13 * 5", "UTC", ["13 OR day-of-week 5"]),
        ("0 0 */2 * 1", "UTC", ["*/2 AND day-of-week 1"]),
        ("0 0 29 2 *", "UTC", ["leap years only, next in 2028"]),
        ("0 0 31 * *", "UTC", ["months without a day 31 are left out"]),
        ("0 0 31 1 *", "UTC", []),
        ("*/7 */5 * * *", "UTC", ["*/7 starts anew with every hour", "*/5 starts anew"]),
        (
            "30 2 * * *",
            "Europe/Berlin",
            [
                "from 2026-03-29 02:00 to 2026-03-29 03:00: 02:30 is left out and run at 03:00",
                "from 2026-10-25 03:00 to 2026-10-25 02:00: 02:30 is read twice and run the first",
            ],
        ),
        (
            "*/20 2 * * *",
            "Europe/Berlin",
            ["02:00 and 2 more are left out and not run", "are read twice and run both times"],
        ),
        ("0 0 * * *", "Europe/Berlin", []),
        ("30 * * * *", "Europe/Berlin", []),
        ("every 1d", "Europe/Berlin", ["follows elapsed time, 24 hours"]),
        ("every 1d", "Asia/Tokyo", []),
        ("every 1h", "Europe/Berlin", []),
        ("at 2026-03-29T02:30", "Europe/Berlin", ["02:30: this fires at 2026-03-29 03:00"]),
        ("at 2026-03-29T03:00", "Europe/Berlin", []),
        ("at 2026-10-25T02:30", "Europe/Berlin", ["reads 2026-10-25T02:30 twice"]),
        ("at 2026-10-25T00:30Z", "Europe/Berlin", []),
        ("daily", "UTC", []),
        ("weekly", "UTC", []),
        ("manual", "UTC", []),
    ],
)  # fmt: skip
def test_what_an_owner_may_not_expect_is_said(text: str, timezone: str, said: list[str]) -> None:
    found = warnings(read(text, timezone), NOW)
    assert len(found) == len(said)
    for fragment, sentence in zip(said, found, strict=True):
        assert fragment in sentence


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Pacific/Kiritimati", "Pacific/Niue"])
@pytest.mark.parametrize("text", ["daily", "30 2 * * *", "every 1d", "at 2026-12-01T09:00"])
@pytest.mark.parametrize("month", [1, 6, 12])
def test_the_end_of_the_calendar_is_nothing_to_warn_of(text: str, zone: str, month: int) -> None:
    end = datetime(9999, month, 30, 23, 59, 59, 999_999, tzinfo=UTC)
    assert all(warnings(read(text, zone), end))


@pytest.fixture
def book() -> ScheduleBook:
    return ScheduleBook(timedelta(minutes=5), "Europe/Berlin")


def test_a_task_without_a_zone_has_the_default_one(book: ScheduleBook) -> None:
    assert book.read("daily", None).timezone == "Europe/Berlin"
    assert book.read("daily", "UTC").timezone == "UTC"


def test_a_book_has_no_default_zone_that_is_not_known() -> None:
    with pytest.raises(ScheduleError):
        ScheduleBook(timedelta(minutes=1), "Mars/Olympus")


@pytest.mark.parametrize(
    "text",
    [
        "manual",
        "*/5 * * * *",
        "every 5m",
        "59 23,0 1 * *",
        "30 2,3 * * *",
        "at 2026-01-15T13:00:01",
        "daily",
    ],
)
def test_what_fires_and_not_too_often_is_admitted(book: ScheduleBook, text: str) -> None:
    book.admit(book.read(text, None), NOW)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("at 2026-01-15T13:00", "never fires after 2026-01-15T12:00:00Z"),
        ("*/5 2 * 3 0L", "never fires"),
        ("* * * * *", "1m later; at least 5m must lie between"),
        ("0,1 0 * * *", "at 2026-01-15T23:00:00Z and again at 2026-01-15T23:01:00Z, 1m later"),
        ("0,59 0,23 * * *", "at 2026-01-16T22:59:00Z and again at 2026-01-16T23:00:00Z, 1m later"),
        ("every 299s", "4m59s later"),
    ],
)
def test_what_never_fires_or_too_often_is_refused(book: ScheduleBook, text: str, said: str) -> None:
    schedule = book.read(text, None)
    with pytest.raises(ScheduleError) as caught:
        book.admit(schedule, NOW)
    assert said in caught.value.detail


def test_a_preview_is_the_next_fires(book: ScheduleBook) -> None:
    assert book.preview(book.read("daily", "UTC"), NOW, 2) == [
        datetime(2026, 1, 16, tzinfo=UTC),
        datetime(2026, 1, 17, tzinfo=UTC),
    ]
    assert book.preview(book.read("manual", None), NOW, 5) == []
    assert len(book.preview(book.read("at 2026-12-01T09:00", None), NOW, 5)) == 1


@pytest.mark.parametrize("count", [0, 101])
def test_a_preview_has_bounds(book: ScheduleBook, count: int) -> None:
    with pytest.raises(ValueError, match="1 to 100"):
        book.preview(book.read("daily", None), NOW, count)
