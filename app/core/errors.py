"""The tree of what can go wrong.

Each error is one problem type of the API (RFC 9457): `problem` is its stable name, `status` the
HTTP status, `transient` whether the same call may go through later, `retry_after` when that is
worth a try. What it knows beyond its sentence is in attributes and comes out of `extensions()`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
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
    retry_after: timedelta | None = None

    def __init__(self, detail: str | None = None) -> None:
        self.detail = detail or (type(self).__doc__ or "").splitlines()[0]
        super().__init__(self.detail)

    def extensions(self) -> Mapping[str, Any]:
        """Return what the problem document carries beside type, title, status and detail."""
        return {}

    def headers(self) -> Mapping[str, str]:
        """Return the headers that belong to the answer."""
        if self.retry_after is None:
            return {}
        return {"Retry-After": str(max(ceil(self.retry_after.total_seconds()), 1))}


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


class NothingToRestore(PersonaTasksError):
    """No revision of the task says anything else than what is in force."""

    problem = "nothing-to-restore"
    title = "Nothing to restore"
    status = 409

    def __init__(self, task_id: str) -> None:
        self.task_id = task_id
        super().__init__(f"Task '{task_id}' has no revision that differs from what is in force")

    def extensions(self) -> Mapping[str, Any]:
        return {"task_id": self.task_id}


class RunNotFound(PersonaTasksError):
    """Run not found"""

    problem = "run-not-found"
    title = "Run not found"
    status = 404

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        super().__init__(f"Run not found: {run_id}")


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


class RunFinished(PersonaTasksError):
    """The run is finished already."""

    problem = "run-finished"
    title = "Finished"
    status = 409

    def __init__(self, run_id: str, status: str) -> None:
        self.run_id = run_id
        super().__init__(f"Run {run_id} is finished ({status}); there is nothing to cancel")

    def extensions(self) -> Mapping[str, Any]:
        return {"run_id": self.run_id}


class NothingToRevert(PersonaTasksError):
    """The run changed nothing that could be taken back."""

    problem = "nothing-to-revert"
    title = "Nothing to revert"
    status = 409
    why = "nothing to do"

    def __init__(self, run_id: str, conflicts: Sequence[str]) -> None:
        self.run_id, self.conflicts = run_id, tuple(conflicts)
        why = f"changed by others since: {', '.join(conflicts)}" if conflicts else self.why
        super().__init__(f"Run {run_id} has nothing to revert ({why})")

    def extensions(self) -> Mapping[str, Any]:
        return {"run_id": self.run_id, "reverted": [], "conflicts": list(self.conflicts)}


class RevertedAlready(NothingToRevert):
    """What the run changed was taken back before."""

    why = "it was reverted already"

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id, ())


class TaskExists(PersonaTasksError):
    """A task of this id exists."""

    problem = "task-exists"
    title = "Task exists"
    status = 409

    def __init__(self, task_id: str) -> None:
        self.task_id = task_id
        super().__init__(f"Task '{task_id}' exists; change it, or choose another id")

    def extensions(self) -> Mapping[str, Any]:
        return {"task_id": self.task_id}


class RevisionConflict(PersonaTasksError):
    """The task was changed since the revision that you hold."""

    problem = "revision-conflict"
    title = "Changed meanwhile"
    status = 412

    def __init__(self, task_id: str, held: int | None, current: int) -> None:
        self.task_id, self.held, self.current = task_id, held, current
        why = "If-Match names no ETag of it" if held is None else f"you hold {held}"
        super().__init__(f"Task '{task_id}' is at revision {current}, {why}; read it again")

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
    retry_after = timedelta(seconds=2)


class LedgerUnavailable(PersonaTasksError):
    """The database does not answer at the moment."""

    problem = "ledger-unavailable"
    title = "Database unavailable"
    status = 503
    transient = True
    retry_after = timedelta(seconds=5)


class LedgerRemoved(LedgerUnavailable):
    """The file of the database was removed or replaced, so nothing is written any more."""

    title = "Database removed"


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
    retry_after = timedelta(seconds=2)


class DeskBusy(PersonaTasksError):
    """tasks.json is being worked on elsewhere; try again in a moment."""

    problem = "desk-busy"
    title = "tasks.json is busy"
    status = 503
    transient = True
    retry_after = timedelta(seconds=2)
