"""A schedule that rests until an instant. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.schedule.triggers import Trigger

_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True)
class Paused:
    """The fires of another trigger from an instant on; one at that very instant is the first.

    What would have fired before is not late or missed: there is no such fire.
    """

    trigger: Trigger
    until: datetime

    def next_after(self, instant: datetime) -> datetime | None:
        return self.trigger.next_after(self._from(instant))

    def last_until(self, instant: datetime) -> datetime | None:
        last = self.trigger.last_until(instant)
        return last if last is not None and last >= self.until else None

    def count(self, after: datetime, until: datetime) -> int:
        return self.trigger.count(self._from(after), until)

    def closest(self, after: datetime) -> tuple[timedelta, datetime] | None:
        return self.trigger.closest(self._from(after))

    def _from(self, instant: datetime) -> datetime:
        return max(instant, self.until - _TICK)
