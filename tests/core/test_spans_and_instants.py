"""Spans and instants in and out."""

from datetime import UTC, datetime, timedelta

import pytest

from app.core.ids import RandomIds, first_id
from app.core.instants import read_instant, write_instant
from app.core.spans import read_span, write_span


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("30s", timedelta(seconds=30)),
        ("5m", timedelta(minutes=5)),
        ("1h", timedelta(hours=1)),
        ("1h30m", timedelta(minutes=90)),
        ("2d 12h", timedelta(hours=60)),
        ("1W", timedelta(weeks=1)),
        ("PT15M", timedelta(minutes=15)),
        ("P1DT2H", timedelta(hours=26)),
        ("P2W", timedelta(weeks=2)),
    ],
)
def test_a_span_is_read(text: str, span: timedelta) -> None:
    assert read_span(text) == span


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "m",
        "-5m",
        "0s",
        "PT",
        "P",
        "P1Y",
        "P1M",
        "5 minutes ago",
        "1.5h",
        "9" * 50 + "s",
        "999999999d",
        "1h" * 2000,
    ],
)
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_span(text)


@pytest.mark.parametrize("text", ["30s", "5m", "1h30m", "2d12h", "1d1h1m1s"])
def test_a_span_is_written_as_it_is_read(text: str) -> None:
    assert write_span(read_span(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "2025-10-26T03:22:57.763864",
        "2025-10-26T03:22:57.763864Z",
        "2025-10-26T03:22:57.763864+00:00",
        "2025-10-26T05:22:57.763864+02:00",
        "2025-10-26 03:22:57.763864",
    ],
)
def test_an_instant_is_read_as_utc_and_a_naive_one_is_utc(text: str) -> None:
    assert read_instant(text) == datetime(2025, 10, 26, 3, 22, 57, 763864, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "2025-10-26", "soon", "0001-01-01T00:00+23:59"])
def test_what_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_instant(text)


def test_an_instant_is_written_with_z() -> None:
    assert write_instant(datetime(2026, 1, 2, tzinfo=UTC)) == "2026-01-02T00:00:00Z"


def test_ids_sort_by_the_time_they_were_given_out_and_never_repeat() -> None:
    ids, start = RandomIds(), datetime(2026, 1, 1, tzinfo=UTC)
    moments = [start + timedelta(milliseconds=n) for n in range(200)]
    given = [ids.new(moment) for moment in moments]
    assert given == sorted(given)
    assert len({ids.new(start) for _ in range(1000)}) == 1000
    assert all(len(name) == 26 for name in given)
    assert first_id(moments[5]) <= given[5] < first_id(moments[6])
