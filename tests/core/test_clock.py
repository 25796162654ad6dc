"""When those look who look every so often."""

from datetime import UTC, datetime, timedelta

import pytest

from app.core.clock import until_look

_EVERY = [timedelta(milliseconds=500), *(timedelta(seconds=n) for n in (1, 2, 10))]
_NOW = datetime(2026, 11, 23, 23, tzinfo=UTC)


@pytest.mark.parametrize("every", _EVERY)
@pytest.mark.parametrize("milliseconds", [0, 1, 249, 250, 251, 499, 750, 999, 1250, 9_999])
def test_a_look_is_never_far_and_never_at_once(every: timedelta, milliseconds: int) -> None:
    now = _NOW + timedelta(milliseconds=milliseconds)
    assert timedelta(0) < until_look(now, every) <= every


@pytest.mark.parametrize("every", _EVERY)
def test_looks_come_one_span_after_the_other(every: timedelta) -> None:
    first = _NOW + until_look(_NOW, every)
    assert until_look(first, every) == every


def test_who_looks_more_rarely_looks_together_with_those_who_look_often() -> None:
    often = _looks(timedelta(milliseconds=500))
    assert [look for every in _EVERY for look in _looks(every) if look not in often] == []


def test_nobody_looks_when_tasks_fire() -> None:
    assert all(look.microsecond in {250_000, 750_000} for look in _looks(_EVERY[0]))


def _looks(every: timedelta) -> list[datetime]:
    first = _NOW + until_look(_NOW, every)
    return [first + n * every for n in range(int(timedelta(minutes=1) / every))]
