"""What a persona may change of the registry: bounded a day, nothing twice, nothing of others.

Every refusal is a ToolRefused whose sentence tells a model what to do instead.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from app.core.clock import Clock
from app.core.errors import RevisionConflict, ScheduleError, TaskExists, TaskNotFound
from app.core.instants import write_instant
from app.core.spans import write_span
from app.persona.client import Holding
from app.persona.errors import ToolRefused
from app.persona.tools.likeness import alike
from app.persona.tools.makers import maker, paused_by
from app.persona.words import one_line
from app.tasks import rows
from app.tasks.record import TaskRecord
from app.tasks.registry import Registry
from app.tasks.task import PERSONA, Author, Task, Tombstone
from app.tasks.timetable import Ahead, Outlook

SHORTEST_INTERVAL = timedelta(minutes=5)
"""The least that lies between two firings of what a persona writes, if MIN_INTERVAL is shorter."""

BURIED_FOR = timedelta(days=7)
"""How long a deleted task is not made again by a persona."""

_DAY = timedelta(days=1)
_FIRES_COMPARED = 3
_SAME_TIME = timedelta(minutes=15)
_WHO = {
    "owner": "the owner",
    "token": "the owner",
    "file": "an edit of tasks.json",
    "service": "this service itself",
    PERSONA: "the persona",
}


@dataclass(frozen=True, kw_only=True)
class By:
    """In whose name tasks are changed; `holding` keeps the run going until a change is made."""

    author: Author
    holding: Holding


class Authorship:
    """Changes tasks as a persona; `per_day` is how many it may create in 24 hours."""

    def __init__(self, registry: Registry, outlook: Outlook, clock: Clock, *, per_day: int) -> None:
        self._registry = registry
        self._outlook = outlook
        self._clock = clock
        self._per_day = per_day

    def get(self, task_id: str) -> TaskRecord:
        """Return a task in force."""
        try:
            return self._registry.get(task_id)
        except TaskNotFound:
            raise ToolRefused(
                f"there is no task `{one_line(task_id, 64)}`; list_tasks tells which there are"
            ) from None

    def create(self, definition: Mapping[str, Any], by: By) -> Ahead:
        """Put a new task in force and return its schedule looked ahead.

        How many there are today and whether it is there already is decided in the transaction that
        creates it, so several processes together make no more than one alone.
        """
        now = self._clock.now()
        ahead = self._admitted(definition["schedule"], definition.get("timezone"), now)
        definition = {**definition, "schedule": ahead.text}
        looked = self._registry.snapshot()
        self._refuse_buried(definition, ahead, now)
        self._refuse_twin(definition, ahead, _tasks(looked.records.values()), now)

        def also(connection: Connection) -> None:
            self._refuse_too_many(rows.created_since(connection, PERSONA, now - _DAY))
            changed = rows.states_changed_since(connection, looked.version)
            fresh = [row.id for row in changed if row.deleted_at is None]
            records = [rows.record_of(row) for row in rows.rows_of(connection, fresh)]
            self._refuse_twin(definition, ahead, _tasks(records), now)

        try:
            self._registry.create(definition, by.author, also=also, first=by.holding)
        except TaskExists:
            raise ToolRefused(
                f"a task `{definition['id']}` exists; change it with update_task, or choose"
                " another id if you mean something else"
            ) from None
        return ahead

    def change(
        self,
        record: TaskRecord,
        changes: Mapping[str, Any],
        by: By,
        *,
        began: datetime | None,
    ) -> TaskRecord:
        """Change fields of a task that is still as in this record.

        `began` is when it ran last, the run going on included.
        """
        now = self._clock.now()
        if "schedule" in changes or "timezone" in changes:
            changes = {**changes, "schedule": self._new_schedule(record, changes, began, now)}
        if changes.get("enabled") is True and record.task.is_paused(now):
            self._refuse_to_resume(record, now)
        return self._updated(record, changes, by)

    def pause(self, record: TaskRecord, until: str | None, by: By) -> TaskRecord:
        """Pause a task that is still as in this record, for good or until a time.

        A pause of somebody else may become longer, not shorter.
        """
        if until is None:
            return self._updated(record, {"enabled": False}, by)
        now, task = self._clock.now(), record.task
        try:
            end = self._outlook.moment(until, task.timezone, now)
        except ScheduleError as error:
            raise ToolRefused(f"until: {error.detail}") from error
        if end <= now:
            raise ToolRefused(f"until: {write_instant(end)} has passed; it is {write_instant(now)}")
        lasts = task.paused_until if task.enabled else None
        if task.is_paused(now) and (lasts is None or end < lasts):
            self._refuse_to_resume(record, now)
        changes = {"enabled": True, "paused_until": write_instant(end)}
        return self._updated(record, changes, by)

    def _updated(self, record: TaskRecord, changes: Mapping[str, Any], by: By) -> TaskRecord:
        task_id = record.task.id
        try:
            return self._registry.update(
                task_id, changes, by.author, if_revision=record.revision, first=by.holding
            )
        except RevisionConflict:
            raise _changed_meanwhile(task_id) from None

    def delete(self, task_id: str, reason: str, by: By) -> None:
        """Delete a task that a persona made, and keep the reason with its tombstone."""
        record = self.get(task_id)
        made_by = maker(self._registry.history(task_id))
        if made_by.kind != PERSONA:
            raise ToolRefused(
                f"`{task_id}` was made by {_who(made_by)}, so it is not yours to delete; pause it"
                " with pause_task, or say in your answer why it should go"
            )
        try:
            self._registry.delete(
                task_id,
                by.author,
                if_revision=record.revision,
                reason=reason,
                first=by.holding,
            )
        except RevisionConflict:
            raise _changed_meanwhile(task_id) from None

    # ---- rules

    def _admitted(self, text: str, timezone: str | None, now: datetime) -> Ahead:
        try:
            ahead = self._outlook.ahead(text, timezone, now, _FIRES_COMPARED)
            self._outlook.admit(ahead.text, ahead.timezone, now)
        except ScheduleError as error:
            raise ToolRefused(
                f"{error.detail}; preview_schedule tries a schedule without saving it"
            ) from error
        return ahead

    def _new_schedule(
        self,
        record: TaskRecord,
        changes: Mapping[str, Any],
        began: datetime | None,
        now: datetime,
    ) -> str:
        """Return the schedule to store; one that stays as it is need not be admitted again."""
        task = record.task
        text = changes.get("schedule", task.schedule)
        timezone = changes.get("timezone", record.definition.get("timezone"))
        if text == task.schedule and timezone == record.definition.get("timezone"):
            return task.schedule
        ahead = self._admitted(text, timezone, now)
        if began is not None and ahead.fires:
            # a task that sets its own next time must not become a loop
            earliest = began.replace(second=0, microsecond=0) + self._outlook.shortest
            if ahead.fires[0] < earliest:
                raise ToolRefused(
                    f"that would fire at {write_instant(ahead.fires[0])}, less than"
                    f" {write_span(self._outlook.shortest)} after its last run began; choose a"
                    f" schedule that fires first at {write_instant(earliest)} or later"
                )
        return ahead.text

    def _refuse_too_many(self, made: Sequence[datetime]) -> None:
        """Refuse where there are more than allowed; `made` holds the new one too."""
        if len(made) <= self._per_day:
            return
        most = f"you may make {self._per_day} tasks in 24 hours (PERSONA_TASKS_PER_DAY)"
        if self._per_day == 0:
            raise ToolRefused(f"{most}; say in your answer which task you would make, and why")
        free = made[len(made) - 1 - self._per_day] + _DAY
        raise ToolRefused(
            f"{most} and have made them; change one with update_task, or make this one after"
            f" {write_instant(free)}"
        )

    def _refuse_twin(
        self, definition: Mapping[str, Any], ahead: Ahead, others: Iterable[Task], now: datetime
    ) -> None:
        for other in others:
            if other.id != definition["id"] and self._is_twin(definition, ahead, other, now):
                state = ", which is paused," if other.is_paused(now) else ""
                raise ToolRefused(
                    f"task `{other.id}`{state} does nearly the same at the same times; change that"
                    " one with update_task, or choose a name and a prompt that tell how this one"
                    " differs"
                )

    def _refuse_buried(self, definition: Mapping[str, Any], ahead: Ahead, now: datetime) -> None:
        for grave in self._registry.deleted_since(now - BURIED_FOR):
            is_same = grave.task.id == definition["id"]
            if is_same or (
                grave.author.kind != PERSONA and self._is_twin(definition, ahead, grave.task, now)
            ):
                raise ToolRefused(
                    f"{_told(grave)}. If it is needed again, say so in your answer, so that the"
                    " owner can restore it"
                    + ("; for something else choose another id" if is_same else "")
                )

    def _is_twin(
        self, definition: Mapping[str, Any], ahead: Ahead, other: Task, now: datetime
    ) -> bool:
        """Say whether another task fires at about the same times and says nearly the same."""
        try:
            fires = self._outlook.ahead(other.schedule, other.timezone, now, _FIRES_COMPARED).fires
        except ScheduleError:
            return False
        if not fires and (ahead.fires or other.schedule != ahead.text):
            return False
        return _at_same_times(ahead.fires, fires) and alike(
            definition["name"], definition["prompt"], other.name, other.prompt
        )

    def _refuse_to_resume(self, record: TaskRecord, now: datetime) -> None:
        task_id = record.task.id
        pauser = paused_by(self._registry.history(task_id), now)
        if pauser.kind != PERSONA:
            raise ToolRefused(
                f"`{task_id}` was paused by {_who(pauser)}, so it is not yours to resume; say in"
                " your answer why it should run again"
            )


def _tasks(records: Iterable[TaskRecord]) -> list[Task]:
    return [record.task for record in records]


def _at_same_times(first: Sequence[datetime], second: Sequence[datetime]) -> bool:
    return len(first) == len(second) and all(
        abs(a - b) < _SAME_TIME for a, b in zip(first, second, strict=True)
    )


def _told(grave: Tombstone) -> str:
    reason = f": “{one_line(grave.reason, 200)}”" if grave.reason else ""
    return (
        f"task `{grave.task.id}` was deleted by {_who(grave.author)} at"
        f" {write_instant(grave.at)}{reason}"
    )


def _who(author: Author) -> str:
    return _WHO.get(author.kind, "somebody else")


def _changed_meanwhile(task_id: str) -> ToolRefused:
    return ToolRefused(
        f"`{task_id}` was changed by somebody else at this moment; look at it with list_tasks, then"
        " try again"
    )
