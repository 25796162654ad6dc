"""Answers the registry's questions about schedules from the book of schedules."""

from datetime import datetime

from app.schedule.book import ScheduleBook
from app.tasks.task import Task


class TaskTimetable:
    """Knows when tasks fire."""

    def __init__(self, book: ScheduleBook) -> None:
        self._book = book

    def canonical(self, text: str, timezone: str | None, now: datetime) -> tuple[str, str]:
        """Return the text as it is stored and the resolved zone; raise ScheduleError."""
        schedule = self._book.read(text, timezone, now=now)
        return schedule.text, schedule.timezone

    def admit(self, text: str, timezone: str, now: datetime) -> None:
        """Raise ScheduleError where it never fires again or fires too often."""
        self._book.admit(self._book.read(text, timezone, now=now), now)

    def next_after(self, task: Task, instant: datetime) -> datetime | None:
        """Return the task's first slot strictly after the instant."""
        return self._book.read(task.schedule, task.timezone).trigger.next_after(instant)

    def last_until(self, task: Task, instant: datetime) -> datetime | None:
        """Return the task's newest slot at or before the instant."""
        return self._book.read(task.schedule, task.timezone).trigger.last_until(instant)
