"""Whether a definition may be put in force."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from app.core.errors import FieldError, InvalidInput, ScheduleError
from app.core.instants import write_instant
from app.tasks.revising import as_stored, trigger_changed
from app.tasks.schema import check_definition, read_task, schedule_error
from app.tasks.task import Task
from app.tasks.timetable import Timetable

_TICK = timedelta(microseconds=1)


def checked(
    definition: Mapping[str, Any], previous: Task | None, timetable: Timetable, now: datetime
) -> Task:
    """Return the task that a definition means, or raise InvalidInput naming every field.

    A schedule is asked whether it ever fires, and how often, only where it is new or changed: a
    one-off task that has fired must not go bad by itself.
    """
    check_definition(definition)
    try:
        stored, timezone = as_stored(definition, timetable, now)
        task = read_task(stored, timezone)
        if task.enabled and (previous is None or _begins_anew(previous, task)):
            _refuse_endless_pause(task, timetable, now)
            pause = task.paused_until
            begins = max(now, pause - _TICK) if pause is not None else now
            timetable.admit(task.schedule, timezone, begins)
    except ScheduleError as error:
        raise schedule_error(error) from error
    if not task.enabled and task.paused_until is not None and task.paused_until > now:
        raise _bad_pause(
            "a task that is not enabled does not wake by itself: take one of both away"
        )
    return task


def refuse_past_pause(task: Task, previous: Task, now: datetime) -> None:
    """Raise InvalidInput where a new pause is over already.

    An old one may come along with other fields.
    """
    pause = task.paused_until
    if pause is not None and pause <= now and pause != previous.paused_until:
        raise _bad_pause("has passed; null ends a pause")


def _refuse_endless_pause(task: Task, timetable: Timetable, now: datetime) -> None:
    # what is wrong is the pause that was asked for, not the schedule, which fires before it ends
    if task.paused_until is None or timetable.next_after(task, now) is not None:
        return
    slot = timetable.next_after(replace(task, paused_until=None), now)
    if slot is not None:
        raise _bad_pause(
            f"{write_instant(task.paused_until)} lies after the last firing of the schedule, at"
            f" {write_instant(slot)}: the task would never run"
        )


def _begins_anew(before: Task, after: Task) -> bool:
    """Say whether a change lets the schedule count anew; the mere end of a pause does not."""
    if after.paused_until is None:
        before = replace(before, paused_until=None)
    return trigger_changed(before, after)


def _bad_pause(message: str) -> InvalidInput:
    return InvalidInput([FieldError(field="paused_until", message=message)])
