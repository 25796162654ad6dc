"""A run, its statuses and their legal transitions; what is written down of it, and held: pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from app.persona.client import PreviousRun


class Status(StrEnum):
    """Where a run stands; `queued` and `running` are the only open ones."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    MISSED = "missed"
    INTERRUPTED = "interrupted"

    @property
    def is_open(self) -> bool:
        return self in OPEN


OPEN = frozenset({Status.QUEUED, Status.RUNNING})
OUTCOMES = frozenset(Status) - OPEN
WORKED = frozenset(
    {Status.SUCCEEDED, Status.FAILED, Status.TIMED_OUT, Status.CANCELLED, Status.INTERRUPTED}
)
"""The outcomes of runs that really started: those have a result file."""


class Origin(StrEnum):
    """Why a run exists."""

    SCHEDULE = "schedule"
    MANUAL = "manual"
    CHAIN = "chain"
    EVENT = "event"
    BACKFILL = "backfill"


REASONS: Mapping[str, str] = {
    "overlap": "the slot came while a run of the same task was not finished",
    "superseded": "a newer owed slot of the same task runs instead (`missed: once`)",
    "too_late": "the slot was owed longer than the task's `missed_window`",
    "missed_skip": "nothing could fire in time and the task's policy is `missed: skip`",
    "summary": "one row stands for the oldest of more than 1,000 owed slots; `count` says how many",
    "task_deleted": "the task was deleted before the queued run began",
    "timeout": "the run did not finish within its time",
    "process_died": "the process that worked on the run died, and it is not run again",
    "not_put_back": "the process died, and what it changed in the space could not be put back",
    "drained": "the service stopped before the run was finished, and it is not run again",
    "cancelled": "somebody cancelled the run",
    "persona_unreachable": "no connection to the persona could be made; it never saw the prompt",
    "persona_auth": "the persona refused the credentials",
    "persona_limit": "the persona asked to come back later",
    "persona_refused": "the persona refused the prompt",
    "persona_error": "the persona failed on its own side",
    "persona_too_long": "the prompt or the answer was longer than what is taken",
    "persona_protocol": "the answer was not in the agreed format",
    "empty_answer": "the persona answered nothing",
    "no_effect": "the persona answered, but did not change the files that the task expects",
    "space_error": "a file of the persona's space could not be used",
    "internal": "an error in this service; its log has the details",
}
"""Every reason that an outcome may carry, and what it means."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run as the ledger has it.

    `count` is above 1 only for a summary row: it stands for that many slots, the oldest of which
    is `covers_from` and the newest `scheduled_for`.
    """

    id: str
    task_id: str
    task_name: str
    revision: int
    origin: Origin
    status: Status
    reason: str | None
    scheduled_for: datetime | None
    recorded_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    response: str | None
    error: str | None
    attempt: int
    metadata: Mapping[str, Any] = field(default_factory=dict)
    count: int = 1
    covers_from: datetime | None = None

    @property
    def success(self) -> bool | None:
        """Whether it went well; None while it is open and for a slot that did not run."""
        if self.status is Status.SUCCEEDED:
            return True
        return False if self.status in WORKED else None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one attempt ended."""

    status: Status
    completed_at: datetime
    reason: str | None = None
    response: str | None = None
    error: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A run to be written down: of a slot, or by hand; queued, or with its outcome already."""

    id: str
    task_id: str
    task_name: str
    revision: int
    origin: Origin
    status: Status
    recorded_at: datetime
    due_at: datetime
    exclusive: bool
    reason: str | None = None
    scheduled_for: datetime | None = None
    covers_from: datetime | None = None
    count: int = 1

    def values(self) -> dict[str, Any]:
        """Return the columns of its row."""
        return {
            "id": self.id,
            "task_id": self.task_id,
            "task_name": self.task_name,
            "revision": self.revision,
            "origin": str(self.origin),
            "status": str(self.status),
            "reason": self.reason,
            "scheduled_for": self.scheduled_for,
            "covers_from": self.covers_from,
            "slots": self.count,
            "recorded_at": self.recorded_at,
            "rank": 0 if self.origin is Origin.MANUAL else 1,
            "due_at": self.due_at,
            "exclusive": self.exclusive,
            "completed_at": None if self.status.is_open else self.recorded_at,
            "attempt": 0,
        }


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One attempt of a run, held by one owner: what a result must show to be accepted.

    `number` counts the runs of the task, this one included; `previous` is how the last one ended.
    """

    run_id: str
    attempt: int
    owner: str
    task_id: str
    task_name: str
    revision: int
    origin: Origin
    scheduled_for: datetime | None
    started_at: datetime
    number: int
    previous: PreviousRun | None
