"""The tree of what can go wrong.

Each error is one problem type of the API (RFC 9457): `problem` is its stable name, `status` the
HTTP status, `transient` whether the same call may go through later. What it knows beyond its
sentence is in attributes and comes out of `extensions()`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, kw_only=True)
class FieldError:
    """One field that failed validation, and what to do about it."""

    field: str
    message: str


class PersonaTasksError(Exception):
    """Something went wrong in this service."""

    problem = "internal"
    title = "Internal error"
    status = 500
    transient = False

    def __init__(self, detail: str | None = None) -> None:
        self.detail = detail or (type(self).__doc__ or "").splitlines()[0]
        super().__init__(self.detail)

    def extensions(self) -> Mapping[str, Any]:
        """Return what the problem document carries beside type, title, status and detail."""
        return {}

    def headers(self) -> Mapping[str, str]:
        """Return the headers that belong to the answer."""
        return {}


class SettingsError(PersonaTasksError):
    """The settings in the environment are wrong."""

    problem = "settings"
    title = "Wrong settings"

    def __init__(self, errors: Sequence[FieldError]) -> None:
        self.errors = tuple(errors)
        lines = "\n".join(f"  {error.field}: {error.message}" for error in errors)
        super().__init__(f"these settings in the environment are wrong:\n{lines}")


class UnfitFile(PersonaTasksError):
    """A file cannot be read, is not a regular one, or holds too much."""


class BadJson(PersonaTasksError):
    """The text is not JSON that this service reads."""

    problem = "bad-json"
    title = "Not acceptable JSON"
    status = 400


class InvalidInput(PersonaTasksError):
    """Fields failed validation."""

    problem = "invalid"
    title = "Validation failed"
    status = 422

    def __init__(self, errors: Sequence[FieldError]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(f"{error.field}: {error.message}" for error in errors))

    def extensions(self) -> Mapping[str, Any]:
        return {"errors": [{"field": e.field, "message": e.message} for e in self.errors]}


class ScheduleError(PersonaTasksError):
    """The schedule cannot be read, never fires, or fires too often."""

    problem = "schedule"
    title = "Unusable schedule"
    status = 422


class TimezoneUnknown(ScheduleError):
    """The time zone is not known."""


class PauseUnreadable(ScheduleError):
    """The end of a pause cannot be read."""


class TaskNotFound(PersonaTasksError):
    """Task not found"""

    problem = "task-not-found"
    title = "Task not found"
    status = 404

    def __init__(self, task_id: str) -> None:
        self.task_id = task_id
        super().__init__(f"Task not found: {task_id}")

    def extensions(self) -> Mapping[str, Any]:
        return {"task_id": self.task_id}


class RevisionNotFound(PersonaTasksError):
    """The task has no such revision."""

    problem = "revision-not-found"
    title = "Revision not found"
    status = 404


class RunNotFound(PersonaTasksError):
    """Run not found"""

    problem = "run-not-found"
    title = "Run not found"
    status = 404

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        super().__init__(f"Run not found: {run_id}")


class MemoryNotFound(PersonaTasksError):
    """Memory not found"""

    problem = "memory-not-found"
    title = "Memory not found"
    status = 404

    def __init__(self, memory_id: str) -> None:
        self.memory_id = memory_id
        super().__init__(f"Memory not found: {memory_id}")


class RunNotFinished(PersonaTasksError):
    """The run is not finished."""

    problem = "run-not-finished"
    title = "Not finished"
    status = 409

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        super().__init__(f"Run {run_id} is not finished; take it back when it is")

    def extensions(self) -> Mapping[str, Any]:
        return {"run_id": self.run_id}


class NothingToRevert(PersonaTasksError):
    """The run changed nothing that could be taken back."""

    problem = "nothing-to-revert"
    title = "Nothing to revert"
    status = 409

    def __init__(self, run_id: str, conflicts: Sequence[str]) -> None:
        self.run_id, self.conflicts = run_id, tuple(conflicts)
        why = f"changed by others since: {', '.join(conflicts)}" if conflicts else "nothing to do"
        super().__init__(f"Run {run_id} has nothing to revert ({why})")

    def extensions(self) -> Mapping[str, Any]:
        return {"run_id": self.run_id, "reverted": [], "conflicts": list(self.conflicts)}


class TaskExists(PersonaTasksError):
    """A task of this id exists."""

    problem = "task-exists"
    title = "Task exists"
    status = 409

    def __init__(self, task_id: str) -> None:
        self.task_id = task_id
        super().__init__(f"Task '{task_id}' exists; change it with PATCH or choose another id")

    def extensions(self) -> Mapping[str, Any]:
        return {"task_id": self.task_id}


class RevisionConflict(PersonaTasksError):
    """The task was changed since the revision that you hold."""

    problem = "revision-conflict"
    title = "Changed meanwhile"
    status = 412

    def __init__(self, task_id: str, held: int, current: int) -> None:
        self.task_id, self.held, self.current = task_id, held, current
        super().__init__(
            f"Task '{task_id}' is at revision {current}, you hold {held}; read it again"
        )

    def extensions(self) -> Mapping[str, Any]:
        return {"task_id": self.task_id, "revision": self.current}


class RunOverlap(PersonaTasksError):
    """The task has a run that is not finished."""

    problem = "overlap"
    title = "Already running"
    status = 409

    def __init__(self, task_id: str, run_id: str) -> None:
        self.task_id, self.run_id = task_id, run_id
        super().__init__(f"Task '{task_id}' is already running: run {run_id} is not finished")

    def extensions(self) -> Mapping[str, Any]:
        return {"task_id": self.task_id, "run_id": self.run_id}


class KeyReused(PersonaTasksError):
    """The Idempotency-Key was used for another request."""

    problem = "idempotency-key-reused"
    title = "Key used for another request"
    status = 422


class NothingHeld(PersonaTasksError):
    """No edit of tasks.json is held for confirmation."""

    problem = "nothing-held"
    title = "Nothing held"
    status = 409


class Draining(PersonaTasksError):
    """This process is stopping and starts nothing new."""

    problem = "draining"
    title = "Stopping"
    status = 503
    transient = True

    def headers(self) -> Mapping[str, str]:
        return {"Retry-After": "2"}


class LedgerUnavailable(PersonaTasksError):
    """The database does not answer at the moment."""

    problem = "ledger-unavailable"
    title = "Database unavailable"
    status = 503
    transient = True

    def headers(self) -> Mapping[str, str]:
        return {"Retry-After": "5"}


class EmptyMessage(PersonaTasksError):
    """Message cannot be empty"""

    problem = "empty-message"
    title = "Empty message"
    status = 400


class PersonaElsewhere(PersonaTasksError):
    """Persona mode not enabled: another service is this one's persona, so talk to that one."""

    problem = "persona-elsewhere"
    title = "Persona elsewhere"
    status = 503


class ChatBusy(PersonaTasksError):
    """As many chats go on as are answered at one time; come again in a moment."""

    problem = "chat-busy"
    title = "Too many chats"
    status = 503
    transient = True

    def headers(self) -> Mapping[str, str]:
        return {"Retry-After": "5"}


class NotStoredWithOutcome(PersonaTasksError):
    """What belongs to the outcome of a run cannot be stored with it."""


class SpaceError(PersonaTasksError):
    """A file of the persona's space cannot be used."""

    problem = "space"
    title = "Space unusable"
    status = 503


class SpaceBusy(SpaceError):
    """The persona's space or its history cannot be used at the moment."""

    problem = "space-busy"
    title = "Space busy"
    transient = True

    def headers(self) -> Mapping[str, str]:
        return {"Retry-After": "2"}


class HistoryLost(SpaceError):
    """What the history of the space held is gone: it was removed, or is damaged."""

    problem = "history-lost"
    title = "History lost"
    status = 410


class PersonaError(PersonaTasksError):
    """The persona gave no answer that counts.

    `reason` is the machine-readable reason of the run, `reached` whether the persona may have
    acted on the prompt (then nothing is sent again blindly), `account` what is kept with the run
    all the same: what was done and used until then.
    """

    problem = "persona"
    title = "Persona failed"
    status = 502
    reason = "persona_protocol"
    reached = True
    account: Mapping[str, Any] = MappingProxyType({})

    def extensions(self) -> Mapping[str, Any]:
        return {"reason": self.reason}


class PersonaUnreachable(PersonaError):
    """No connection to the persona could be made."""

    reason = "persona_unreachable"
    reached = False
    transient = True


class PersonaTimeout(PersonaError):
    """The persona did not finish its answer in time."""

    reason = "timeout"
    status = 504

    def __init__(self, span: timedelta) -> None:
        self.span = span
        super().__init__(f"no complete answer within {span.total_seconds():g} s")


class PersonaCancelled(PersonaError):
    """The run was cancelled while the persona answered."""

    reason = "cancelled"


class PersonaAuth(PersonaError):
    """The persona refuses the credentials."""

    reason = "persona_auth"


class PersonaLimit(PersonaError):
    """The persona asks to come back later.

    `retry_after` is how much later, None where it did not say. Not `transient` where waiting does
    not help because a credit is used up.
    """

    reason = "persona_limit"
    status = 429
    transient = True

    def __init__(
        self,
        detail: str | None = None,
        *,
        retry_after: timedelta | None = None,
        transient: bool = True,
    ) -> None:
        super().__init__(detail)
        self.retry_after = retry_after
        self.transient = transient

    def headers(self) -> Mapping[str, str]:
        if not self.transient:
            return {}
        span = self.retry_after or timedelta(seconds=30)
        return {"Retry-After": str(max(ceil(span.total_seconds()), 1))}


class PersonaRefused(PersonaError):
    """The persona refuses the prompt."""

    reason = "persona_refused"


class PersonaFailed(PersonaError):
    """The persona failed on its own side."""

    reason = "persona_error"


class PersonaTooLong(PersonaError):
    """The prompt or the answer is longer than what is taken."""

    reason = "persona_too_long"


class PersonaProtocol(PersonaError):
    """The answer is not in the agreed format."""

    reason = "persona_protocol"


class EmptyAnswer(PersonaError):
    """The persona answered nothing."""

    reason = "empty_answer"


class ToolRefused(PersonaTasksError):
    """The call of a tool cannot be carried out as it was made."""

    problem = "tool"
    title = "Tool refused"
    status = 422


class NoSuchFile(SpaceError):
    """The persona's space has no such file."""

    problem = "no-such-file"
    title = "No such file"
    status = 404


class SpaceFull(SpaceError):
    """The persona's space holds as much as it may."""

    problem = "space-full"
    title = "Space full"
    status = 507


class DeskBusy(PersonaTasksError):
    """tasks.json is being worked on elsewhere; try again in a moment."""

    problem = "desk-busy"
    title = "tasks.json is busy"
    status = 503
    transient = True

    def headers(self) -> Mapping[str, str]:
        return {"Retry-After": "2"}
