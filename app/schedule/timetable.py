"""Answers the registry's questions about schedules from the book of schedules."""

from datetime import datetime, timedelta
from functools import lru_cache

from app.core.errors import PauseUnreadable, ScheduleError
from app.persona.tools.authorship import SHORTEST_INTERVAL
from app.schedule.book import ScheduleBook
from app.schedule.grammar import read_moment, warnings
from app.tasks.task import Scheduled, Task
from app.tasks.timetable import Ahead


class TaskTimetable:
    """Knows when tasks fire."""

    def __init__(self, book: ScheduleBook) -> None:
        self._book = book
        # most tasks share their schedule, and the slot they have got to, with others
        self._next = lru_cache(maxsize=4096)(self._look_up_next)

    def canonical(self, text: str, timezone: str | None, now: datetime) -> tuple[str, str]:
        """Return the text as it is stored and the resolved zone; raise ScheduleError."""
        schedule = self._book.read(text, timezone, now=now)
        return schedule.text, schedule.timezone

    def admit(self, text: str, timezone: str, now: datetime) -> None:
        """Raise ScheduleError where it never fires again or fires too often."""
        self._book.admit(self._book.read(text, timezone, now=now), now)

    def moment(self, text: str, timezone: str, now: datetime) -> datetime:
        """Return the instant that a time, or a span from now on, means; raise PauseUnreadable."""
        try:
            return read_moment(text, timezone, now)
        except ScheduleError as error:
            raise PauseUnreadable(error.detail) from error

    @property
    def shortest(self) -> timedelta:
        """The shortest time that may lie between two fires of one task."""
        return self._book.min_interval

    def ahead(self, text: str, timezone: str | None, now: datetime, count: int) -> Ahead:
        """Return what a schedule means from now on; raise ScheduleError where it means nothing."""
        schedule = self._book.read(text, timezone, now=now)
        return Ahead(
            text=schedule.text,
            timezone=schedule.timezone,
            sentence=schedule.sentence,
            fires=self._book.preview(schedule, now, count),
            warnings=warnings(schedule, now),
        )

    def next_after(self, task: Scheduled, instant: datetime) -> datetime | None:
        """Return the task's first slot strictly after the instant."""
        return self._next(task.schedule, task.timezone, task.paused_until, instant)

    def _look_up_next(
        self, text: str, timezone: str, until: datetime | None, instant: datetime
    ) -> datetime | None:
        return self._book.resting(text, timezone, until).trigger.next_after(instant)

    def last_until(self, task: Task, instant: datetime) -> datetime | None:
        """Return the task's newest slot at or before the instant."""
        return self._book.schedule_of(task).trigger.last_until(instant)


def outlook_of_persona(min_interval: timedelta, default_timezone: str) -> TaskTimetable:
    """Return the timetable for what a persona writes: its schedules fire less often."""
    return TaskTimetable(ScheduleBook(max(min_interval, SHORTEST_INTERVAL), default_timezone))
