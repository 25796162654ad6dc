"""The schedules this service accepts: read, admitted, looked ahead."""

from dataclasses import replace
from datetime import datetime, timedelta

from app.core.errors import ScheduleError
from app.core.instants import write_instant
from app.core.spans import write_span
from app.schedule.grammar import Schedule, check_timezone, read_schedule
from app.schedule.pausing import Paused
from app.tasks.task import Scheduled

MOST_PREVIEWED = 100


class ScheduleBook:
    """Reads schedules with the settings of this service.

    `min_interval` is the shortest time that may lie between two fires of one task;
    `default_timezone` the IANA name for tasks that have none of their own. Raises ScheduleError
    for a zone that is not known.
    """

    def __init__(self, min_interval: timedelta, default_timezone: str) -> None:
        check_timezone(default_timezone)
        self.min_interval = min_interval
        self.default_timezone = default_timezone

    def read(self, text: str, timezone: str | None, *, now: datetime | None = None) -> Schedule:
        """Read a schedule; see read_schedule. A timezone of None is the default one."""
        return read_schedule(text, timezone or self.default_timezone, now=now)

    def schedule_of(self, task: Scheduled) -> Schedule:
        """Return the schedule of a task, which fires from the end of its pause on."""
        return self.resting(task.schedule, task.timezone, task.paused_until)

    def resting(self, text: str, timezone: str, until: datetime | None) -> Schedule:
        """Return a schedule that fires from an instant on, or all the time."""
        schedule = self.read(text, timezone)
        if until is None:
            return schedule
        return replace(schedule, trigger=Paused(trigger=schedule.trigger, until=until))

    def admit(self, schedule: Schedule, now: datetime) -> None:
        """Raise ScheduleError for a schedule that never fires after now, or fires too often."""
        trigger = schedule.trigger
        if schedule.text != "manual" and trigger.next_after(now) is None:
            raise ScheduleError(
                f"{schedule.text!r} never fires after {write_instant(now.replace(microsecond=0))}:"
                f" {schedule.sentence}"
            )
        closest = trigger.closest(now)
        if closest is None or closest[0] >= self.min_interval:
            return
        distance, first = closest
        raise ScheduleError(
            f"{schedule.text!r} fires too often: at {write_instant(first)} and again at"
            f" {write_instant(first + distance)}, {write_span(distance)} later; at least"
            f" {write_span(self.min_interval)} must lie between"
        )

    def preview(self, schedule: Schedule, after: datetime, count: int) -> list[datetime]:
        """Return up to `count` (1 to 100) fires strictly after the instant, oldest first."""
        if not 1 <= count <= MOST_PREVIEWED:
            raise ValueError(f"count is 1 to {MOST_PREVIEWED}, not {count}")
        fires: list[datetime] = []
        fire = schedule.trigger.next_after(after)
        while fire is not None and len(fires) < count:
            fires.append(fire)
            fire = schedule.trigger.next_after(fire)
        return fires
