import threading
from datetime import timedelta

import pytest

from app.core.clock import FakeClock
from app.persona.client import Deadline
from app.persona.errors import PersonaCancelled, PersonaTimeout
from tests.persona.given import NOW, a_deadline


def test_a_deadline_counts_on_the_monotonic_scale() -> None:
    clock = FakeClock(NOW)
    deadline = a_deadline(10, clock)
    clock.step_to(NOW + timedelta(days=300))
    assert deadline.remaining() == timedelta(seconds=10)
    clock.advance(timedelta(seconds=4))
    assert deadline.remaining() == timedelta(seconds=6)
    deadline.check()


def test_a_deadline_that_is_over_raises_and_has_nothing_left() -> None:
    clock = FakeClock(NOW)
    deadline = a_deadline(10, clock)
    clock.advance(timedelta(seconds=10))
    with pytest.raises(PersonaTimeout, match="10 s"):
        deadline.check()
    clock.advance(timedelta(seconds=10))
    assert deadline.remaining() == timedelta(0)


def test_a_cancelled_run_is_told_so_even_when_its_time_is_over() -> None:
    cancelled = threading.Event()
    clock = FakeClock(NOW)
    deadline = a_deadline(10, clock, cancelled)
    cancelled.set()
    clock.advance(timedelta(seconds=20))
    with pytest.raises(PersonaCancelled):
        deadline.check()


def test_a_pause_ends_with_the_deadline() -> None:
    clock = FakeClock(NOW)
    deadline = a_deadline(10, clock)
    deadline.pause(timedelta(seconds=4))
    assert deadline.remaining() == timedelta(seconds=6)
    with pytest.raises(PersonaTimeout):
        deadline.pause(timedelta(seconds=60))
    assert clock.monotonic() == 10.0


def test_a_sooner_deadline_never_reaches_beyond_its_own() -> None:
    clock, cancelled = FakeClock(NOW), threading.Event()
    deadline = Deadline(clock, timedelta(seconds=10), cancelled)
    assert deadline.sooner(timedelta(seconds=1)).remaining() == timedelta(seconds=1)
    assert deadline.sooner(timedelta(seconds=99)).remaining() == timedelta(seconds=10)
    cancelled.set()
    with pytest.raises(PersonaCancelled):
        deadline.sooner(timedelta(seconds=1)).check()


def test_pauses_that_do_not_add_up_evenly_still_come_to_the_end() -> None:
    clock = FakeClock(NOW)
    deadline = a_deadline(5, clock)
    with pytest.raises(PersonaTimeout):
        for _ in range(1000):
            deadline.pause(timedelta(milliseconds=20))
    assert clock.monotonic() == pytest.approx(5)
