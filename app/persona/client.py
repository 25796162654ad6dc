"""The contract between a run and whoever answers its prompt."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from app.core.clock import Clock
from app.persona.errors import PersonaCancelled, PersonaTimeout
from app.persona.feelings.assessment import Inner
from app.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class PreviousRun:
    """How the run of a task before this one ended."""

    status: str
    reason: str | None
    completed_at: datetime


@dataclass(frozen=True, kw_only=True)
class Occasion:
    """When and why a run takes place.

    `number` counts the runs of the task, this one included; `scheduled_for` is the slot's own
    instant, None for a run by hand, and `lateness` how long after it the run began.
    """

    run_id: str
    attempt: int
    origin: str
    number: int
    now: datetime
    scheduled_for: datetime | None
    lateness: timedelta
    previous: PreviousRun | None


Transaction = Any
"""A connection of SQLAlchemy in its transaction, which nothing pure looks into."""


class Changes(Protocol):
    """What a run changes in the space is announced here first, so that it can be taken back."""

    def announce(self, paths: Sequence[str]) -> None:
        """Note durably that the run is about to change, make or remove these files.

        Raises PersonaCancelled where the run is no longer this process's: then nothing may be
        changed. Called under the lock of the file's folder; a path that was announced costs nothing
        again.
        """

    def announce_all(self) -> None:
        """Note durably that from now on the run may change any file, without announcing it.

        For what cannot name its files, such as a script. Raises as `announce` does.
        """

    def hold(self, connection: Transaction) -> None:
        """Keep the run this process's until the transaction ends; raises as `announce` does.

        For what a run writes to the database: so it cannot come after the run was given up.
        """


Holding = Callable[[Transaction], None]


def anyway(_: Transaction) -> None:
    """Hold nothing: for what is written outside of a run."""


class Unrecorded:
    """Changes that nobody takes back: of a rehearsal, or of something that is no run."""

    def announce(self, paths: Sequence[str]) -> None:
        """Do nothing."""

    def announce_all(self) -> None:
        """Do nothing."""

    def hold(self, connection: Transaction) -> None:
        """Do nothing."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """Something that was said in a conversation before; `role` is user or assistant."""

    role: str
    content: str


@dataclass(frozen=True, kw_only=True)
class Talk:
    """A conversation that goes on outside of any run, with at most so many memories recalled.

    `history` is what was said before, oldest first, as whoever talks tells it.
    """

    history: Sequence[Said] = ()
    most_memories: int = 0


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a persona is asked; `prompt` is rendered, the task keeps its own text.

    `refused` says what is wrong with tasks.json, which the prompt says already: for a persona that
    makes its own prompt of the task and the occasion. With a `talk` it is no run: the task stands
    for the message, and no file of the space may be changed.
    """

    task: Task
    occasion: Occasion
    prompt: str
    refused: Sequence[str] = ()
    changes: Changes = field(default_factory=Unrecorded)
    talk: Talk | None = None


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a persona answered; `metadata` is kept with the run.

    `ask` asks the same model one thing more about this answer, without tools; its reply has the
    account of all that was asked. None where there is no model. It raises PersonaError.
    `voice` is what in the answer may speak of feeling, where that is not all of it, and `inner` an
    inner view that is given beside it.
    """

    text: str
    reconciliation: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    ask: Callable[[str], "Reply"] | None = field(default=None, compare=False, repr=False)
    voice: str | None = None
    inner: Inner | None = None


_SHORTEST = timedelta.resolution.total_seconds()


class Deadline:
    """The end of the time of one run, on the monotonic scale, and whether it was cancelled."""

    def __init__(self, clock: Clock, span: timedelta, cancelled: threading.Event) -> None:
        self._clock = clock
        self._span = span
        self._end = clock.monotonic() + span.total_seconds()
        self._cancelled = cancelled

    def remaining(self) -> timedelta:
        """Return the time that is left, never less than none."""
        return timedelta(seconds=self.seconds_left())

    def seconds_left(self) -> float:
        """Return the time that is left in seconds, as sockets want it; never less than none."""
        left = self._end - self._clock.monotonic()
        # pauses are told in microseconds: less than one of them would never come to its end
        return left if left >= _SHORTEST else 0.0

    def sooner(self, span: timedelta) -> "Deadline":
        """Return a deadline that ends after the span, or with this one if that is sooner."""
        return Deadline(self._clock, min(span, self.remaining()), self._cancelled)

    def check(self) -> None:
        """Raise PersonaCancelled or PersonaTimeout where the run has no time left."""
        if self._cancelled.is_set():
            raise PersonaCancelled
        if not self.seconds_left():
            raise PersonaTimeout(self._span)

    def pause(self, span: timedelta) -> None:
        """Wait for the span, at most until the end; raise as `check` does."""
        self.check()
        self._clock.wait(self._cancelled, min(span, self.remaining()))
        self.check()


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One message of what is sent for a run; `role` is system or user."""

    role: str
    content: str


class Persona(Protocol):
    """Answers prompts."""

    name: str
    has_hands: bool
    """Whether it changes the space only with tools of this service, which announce every change."""

    def reply(self, request: Request, deadline: Deadline) -> Reply:
        """Return the answer before the deadline; raise PersonaError, or SpaceError."""

    def would_send(self, request: Request, deadline: Deadline) -> Sequence[Sent]:
        """Return what `reply` would send first, and do nothing."""

    def problem(self) -> str | None:
        """Say what is wrong here, without asking anybody; None where nothing is.

        How runs fared is not told: the ledger has it.
        """


def as_one_message(request: Request) -> Sequence[Sent]:
    """Return what a persona sends that takes the rendered prompt as it is."""
    return [Sent(role="user", content=request.prompt)]


@dataclass(frozen=True, kw_only=True)
class PastRun:
    """A finished run, as a persona may look back on it; `text` is its answer or its error.

    `tools` are the names of those that it called, one for each call that is noted.
    """

    run_id: str
    task_id: str
    task_name: str
    task_type: str
    status: str
    reason: str | None
    origin: str
    scheduled_for: datetime | None
    completed_at: datetime
    text: str
    tools: Sequence[str] = ()


class Records(Protocol):
    """What is known of past runs."""

    def runs_since(self, since: datetime, limit: int) -> Sequence[PastRun]:
        """Return runs that really ran and ended after `since`, newest first."""
