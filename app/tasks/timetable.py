"""What the registry needs to know of schedules and slots; the parts that know them promise it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import Connection

from app.tasks.record import TaskRecord
from app.tasks.task import Scheduled, Task


class Timetable(Protocol):
    """Reads the text of schedules."""

    def canonical(self, text: str, timezone: str | None, now: datetime) -> tuple[str, str]:
        """Return the text as it is stored and the resolved zone; raise ScheduleError."""

    def admit(self, text: str, timezone: str, now: datetime) -> None:
        """Raise ScheduleError where it never fires again or fires too often."""

    def moment(self, text: str, timezone: str, now: datetime) -> datetime:
        """Return the instant that a time, or a span from now on, means; raise PauseUnreadable."""

    def next_after(self, task: Scheduled, instant: datetime) -> datetime | None:
        """Return the task's first slot strictly after the instant."""

    def last_until(self, task: Task, instant: datetime) -> datetime | None:
        """Return the task's newest slot at or before the instant."""


@dataclass(frozen=True, kw_only=True)
class Ahead:
    """A schedule looked ahead: the text as it is stored, its resolved zone, itself in words.

    `fires` are the next ones, oldest first; `warnings` say what its author may not expect.
    """

    text: str
    timezone: str
    sentence: str
    fires: Sequence[datetime]
    warnings: Sequence[str]


class Outlook(Protocol):
    """Looks schedules ahead, for somebody who may not write every schedule that can be read."""

    @property
    def shortest(self) -> timedelta:
        """The shortest time that may lie between two fires of a schedule that is written."""

    def ahead(self, text: str, timezone: str | None, now: datetime, count: int) -> Ahead:
        """Return what a schedule means from now on; raise ScheduleError where it means nothing."""

    def admit(self, text: str, timezone: str, now: datetime) -> None:
        """Raise ScheduleError where it never fires again or fires too often."""

    def moment(self, text: str, timezone: str, now: datetime) -> datetime:
        """Return the instant that a time, or a span from now on, means; raise PauseUnreadable."""


class Slots(Protocol):
    """Keeps the ledger right while definitions change."""

    def settle(
        self, connection: Connection, records: Sequence[TaskRecord], at: datetime
    ) -> Mapping[str, datetime]:
        """Record every slot that these definitions owe until `at`; return the new cursors."""

    def withdraw(self, connection: Connection, task_ids: Sequence[str], at: datetime) -> None:
        """Cancel what is queued, but not begun, of tasks that are being deleted."""
