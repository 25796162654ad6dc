"""The only reader of time.

Everything that needs to know what time it is takes a Clock. The wall clock may be stepped at any
moment, so it answers "what time is it", never "how long did it take".
"""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time and waits."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""

    def monotonic(self) -> float:
        """Return seconds on a scale that never steps; only differences mean something."""

    def wait(self, event: threading.Event, span: timedelta) -> bool:
        """Wait until the event is set (True) or the span is over (False)."""


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def wait(self, event: threading.Event, span: timedelta) -> bool:
        return event.wait(max(span.total_seconds(), 0.0))


def until_look(now: datetime, every: timedelta) -> timedelta:
    """Return the span until the next look of those who look `every` so often.

    All look at the same moments: a machine that sleeps is woken once for all of them, and what
    the first one needs is at hand for the others. These moments lie a quarter of a second after
    the full ones, when tasks fire.
    """
    return every - (now - _FIRST_LOOK) % every


_FIRST_LOOK = datetime(2001, 1, 1, 0, 0, 0, 250_000, tzinfo=UTC)


class FakeClock:
    """A clock that stands still until it is told to move: for tests and simulations.

    `wait` moves the clock by the span instead of sleeping.
    """

    def __init__(self, now: datetime) -> None:
        self._now = now.astimezone(UTC)
        self._monotonic = 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def wait(self, event: threading.Event, span: timedelta) -> bool:
        if event.is_set():
            return True
        self.advance(span)
        return event.is_set()

    def advance(self, span: timedelta) -> datetime:
        """Let the span pass, on both scales; return the new present."""
        self._now += span
        self._monotonic += max(span.total_seconds(), 0.0)
        return self._now

    def step_to(self, instant: datetime) -> None:
        """Step the wall clock as an operator or NTP would: the monotonic scale does not move."""
        self._now = instant.astimezone(UTC)
