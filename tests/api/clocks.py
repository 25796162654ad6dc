"""A clock that goes on by itself, from wherever a test sets it."""

import threading
from datetime import datetime, timedelta

from app.core.clock import SystemClock


class ShiftedClock:
    """The clock of this machine, shifted on both scales, so that threads wait as they really do."""

    def __init__(self, now: datetime) -> None:
        self._system = SystemClock()
        self._shift = now - self._system.now()
        self._ticks = 0.0

    def now(self) -> datetime:
        return self._system.now() + self._shift

    def monotonic(self) -> float:
        return self._system.monotonic() + self._ticks

    def wait(self, event: threading.Event, span: timedelta) -> bool:
        return self._system.wait(event, span)

    def advance(self, span: timedelta) -> datetime:
        """Let the span pass at once; return the new present."""
        self._shift += span
        self._ticks += span.total_seconds()
        return self.now()
