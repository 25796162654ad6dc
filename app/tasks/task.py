"""A task and its policies: frozen values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol


class TaskType(StrEnum):
    """What a task is about; the embedded persona composes by it."""

    SELF_REFLECTION = "self_reflection"
    GOAL_ASSESSMENT = "goal_assessment"
    MEMORY_CONSOLIDATION = "memory_consolidation"
    CAPABILITY_EXPLORATION = "capability_exploration"
    EMOTIONAL_RECONCILIATION = "emotional_reconciliation"
    CUSTOM = "custom"


class Missed(StrEnum):
    """What happens to slots that were owed while nothing could fire."""

    ONCE = "once"
    SKIP = "skip"
    ALL = "all"


class Overlap(StrEnum):
    """What happens to a slot that comes while the task still runs."""

    SKIP = "skip"
    ALLOW = "allow"


class OnInterrupt(StrEnum):
    """What happens to a run whose process died."""

    RERUN = "rerun"
    LEAVE = "leave"


class Change(StrEnum):
    """What a run must have done to a file that its task expects."""

    APPENDED = "appended"
    UPDATED = "updated"
    CREATED = "created"


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """A file of the space that every run of a task must have changed, or the run failed.

    `appended` means what the file held still stands at its beginning, `updated` any change and
    `created` that there was no such file. `min_bytes` is how many bytes were added (appended) or
    the least size of the file (updated, created).
    """

    path: str
    change: Change = Change.UPDATED
    min_bytes: int = 1


DEFAULT_TIMEOUT = timedelta(minutes=15)


class Scheduled(Protocol):
    """What a schedule says of a task or its record."""

    @property
    def schedule(self) -> str: ...
    @property
    def timezone(self) -> str: ...
    @property
    def paused_until(self) -> datetime | None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One task as it is in force.

    `timezone` is the IANA name that its schedule is read in, already resolved; `missed_window`
    None means half the period, see planning. `model`, `temperature`, `max_tokens` and `max_rounds`
    None mean what the settings say, `tools` None all tools but those that a task has to name. Until
    `paused_until` it has no slots, as if it were not enabled.
    """

    id: str
    name: str
    type: TaskType
    schedule: str
    prompt: str
    timezone: str
    enabled: bool = True
    missed: Missed = Missed.ONCE
    missed_window: timedelta | None = None
    overlap: Overlap = Overlap.SKIP
    timeout: timedelta = DEFAULT_TIMEOUT
    on_interrupt: OnInterrupt = OnInterrupt.RERUN
    expects: Sequence[Expected] = ()
    model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    tools: Sequence[str] | None = None
    max_rounds: int | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    paused_until: datetime | None = None

    def is_paused(self, now: datetime) -> bool:
        """Say whether its schedule rests now, for good or until an instant."""
        return not self.enabled or (self.paused_until is not None and now < self.paused_until)


@dataclass(frozen=True, kw_only=True)
class Author:
    """Who made a change: `kind` is owner, token, persona, file or service; `name` says more."""

    kind: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" if self.name else self.kind


PERSONA = "persona"
"""The kind of author that the persona is, in one of its runs."""

TAKEN_BACK = "taken_back"
"""The action of a revision that undoes what a run had made of a task before it was broken off."""


def author_of_run(task_id: str, run_id: str) -> Author:
    """Return the author as whom the persona changes tasks in a run of a task."""
    return Author(kind=PERSONA, name=f"{task_id}/{run_id}")


@dataclass(frozen=True, kw_only=True)
class LastRun:
    """How the newest run of a task ended, and when it began and ended."""

    task_id: str
    status: str
    reason: str | None
    started_at: datetime
    completed_at: datetime


@dataclass(frozen=True, kw_only=True)
class Revision:
    """One revision of a task: who, when, what, and why where its author said so.

    `definition` is None for a deletion. `effective_from` is where its slots begin (exclusive).
    """

    task_id: str
    revision: int
    at: datetime
    effective_from: datetime
    author: Author
    action: str
    definition: Mapping[str, Any] | None
    timezone: str
    version: int
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Tombstone:
    """A task that was deleted, as it was last defined, and who deleted it when and why."""

    task: Task
    at: datetime
    author: Author
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class InForce:
    """A definition of a task and the time in which it was in force: (since, until]."""

    task: Task
    since: datetime
    until: datetime
