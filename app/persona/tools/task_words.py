"""Tasks and schedules as a model is told of them."""

from datetime import datetime

import orjson

from app.core.clock import Clock
from app.core.errors import ScheduleError
from app.core.instants import write_instant
from app.persona.words import one_line, weekday_and_time
from app.tasks.record import TaskRecord
from app.tasks.registry import Registry
from app.tasks.task import Task
from app.tasks.timetable import Ahead, Outlook


class TaskWords:
    """Tells of tasks in force."""

    def __init__(self, registry: Registry, outlook: Outlook, clock: Clock) -> None:
        self._registry = registry
        self._outlook = outlook
        self._clock = clock

    def line(self, record: TaskRecord, *, running: bool) -> str:
        """Return a task as one line of JSON, so that its name cannot pass for anything else."""
        task, following = record.task, self._registry.next_run(record)
        pause = task.paused_until if task.is_paused(self._clock.now()) else None
        shown = {
            "id": task.id,
            "name": one_line(task.name, 100),
            "schedule": self._sentence(record),
            "enabled": task.enabled,
            "next": write_instant(following) if following is not None else None,
            "last": _last(record),
            **({"paused_until": write_instant(pause)} if pause is not None else {}),
            **({"running_now": True} if running else {}),
        }
        return orjson.dumps(shown).decode()

    def state(self, record: TaskRecord) -> str:
        """Return the schedule of a task and when it fires next."""
        following = self._registry.next_run(record)
        if record.task.is_paused(self._clock.now()):
            return f"{self._sentence(record)}; paused{until(record.task)}"
        if following is None:
            return self._sentence(record)
        return f"{self._sentence(record)}; next {_moment(following, record.task.timezone)}"

    def _sentence(self, record: TaskRecord) -> str:
        task = record.task
        try:
            return self._outlook.ahead(
                task.schedule, task.timezone, self._clock.now(), count=1
            ).sentence
        except ScheduleError:
            # a zone that this machine does not know
            return task.schedule


def until(task: Task) -> str:
    """Return until when a task is paused, in words; nothing where that is for good."""
    pause = task.paused_until
    return f" until {_moment(pause, task.timezone)}" if task.enabled and pause is not None else ""


def told(ahead: Ahead) -> str:
    """Return what a schedule means, its next fires, and what is easily misread in it."""
    lines = [ahead.sentence]
    lines += [f"- {_moment(fire, ahead.timezone)}" for fire in ahead.fires]
    lines += [f"note: {warning}" for warning in ahead.warnings]
    return "\n".join(lines)


def _moment(moment: datetime, zone: str) -> str:
    return f"{weekday_and_time(moment, zone)} ({write_instant(moment)})"


def _last(record: TaskRecord) -> str | None:
    if record.last_status is None or record.last_completed_at is None:
        return None
    reason = f" ({record.last_reason})" if record.last_reason else ""
    return f"{record.last_status}{reason} at {write_instant(record.last_completed_at)}"
