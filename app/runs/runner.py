"""One run from claim to outcome: the prompt made, the persona asked, the answer judged."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from app.core.clock import Clock
from app.core.errors import LedgerUnavailable, PersonaTasksError, SpaceError
from app.persona.client import (
    Changes,
    Deadline,
    Occasion,
    Persona,
    Reply,
    Request,
    Sent,
    Unrecorded,
)
from app.persona.errors import EmptyAnswer, PersonaCancelled, PersonaError, PersonaTimeout
from app.persona.inner_life import InnerLife
from app.persona.prompt import render_prompt
from app.persona.words import storable
from app.runs.contract import Changed, promised, tidy, unmet
from app.runs.recording import Look, NoRecorder, Recorder, Recording, Unchanged
from app.runs.run import Claim, Outcome, Status
from app.tasks.task import Expected, Task

log = structlog.get_logger(__name__)

MOST_RESPONSE = 1024 * 1024
MOST_ERROR = 4000
_MOST_FILES = 1000
_ASK_AGAIN_AFTER = timedelta(milliseconds=500)


class Book(Protocol):
    """What a run needs to know of its task."""

    def task_at(self, task_id: str, revision: int) -> Task:
        """Return the task as the revision of the run defined it."""

    def refused(self) -> Sequence[str]:
        """Return what is wrong with tasks.json, for the persona to mend."""


@dataclass(frozen=True, kw_only=True)
class Answered:
    """A run whose persona has answered, or failed to: the outcome so far.

    `promises` are the files that it is held to have changed, none where it failed already.
    """

    claim: Claim
    outcome: Outcome
    promises: Sequence[Expected] = ()
    recording: Recording = field(default_factory=Unchanged)

    @property
    def is_silent(self) -> bool:
        """Whether a look at the space tells what it changed, and nothing else does."""
        return self.recording.is_silent


class Runner:
    """Runs claims, in two parts; never raises, whatever the persona does."""

    def __init__(
        self,
        persona: Persona,
        book: Book,
        clock: Clock,
        *,
        longest: timedelta,
        recorder: Recorder | None = None,
        defaults: Mapping[str, Sequence[Expected]] | None = None,
        inner_life: InnerLife | None = None,
    ) -> None:
        """`defaults` are the files that the default tasks promise to change, by task id.

        Without an inner life answers are kept as they come.
        """
        self._persona = persona
        self._book = book
        self._clock = clock
        self._longest = longest
        self._recorder = recorder or NoRecorder()
        self._defaults = defaults or {}
        self._inner_life = inner_life

    def ask(self, claim: Claim, cancelled: threading.Event) -> Answered:
        """Ask the persona and return how it answered; at most the task's timeout long."""
        try:
            recording = self._recorder.begin(claim)
        except Exception as error:
            log.exception("run.broke", run_id=claim.run_id, task_id=claim.task_id)
            return Answered(claim=claim, outcome=self._broke(error))
        outcome, promises = self._outcome(claim, cancelled, recording)
        return Answered(
            claim=claim,
            outcome=outcome,
            promises=promises,
            recording=recording,
        )

    def close(
        self, answered: Sequence[Answered], stopping: threading.Event
    ) -> Iterator[tuple[Answered, Outcome]]:
        """Give each its outcome, which says what was changed; less than was promised is a failure.

        Runs whose persona has no hands share one look at the space. While the ledger does not
        answer they wait, until this process is `stopping`.
        """
        silent = [each.claim for each in answered if each.is_silent]
        seen = self._seen(silent) if silent else None
        for each in answered:
            # without that look each of them would look for itself, and fail too, one by one
            is_lost = each.is_silent and seen is None
            look = seen if each.is_silent else None
            yield each, self._closed(each, look, stopping, is_lost=is_lost)

    def _seen(self, claims: Sequence[Claim]) -> Look | None:
        try:
            return self._recorder.look(claims)
        except Exception:
            log.exception("space.changes_unknown", runs=len(claims))
            return None

    def _closed(
        self, answered: Answered, seen: Look | None, stopping: threading.Event, *, is_lost: bool
    ) -> Outcome:
        try:
            changes = None if is_lost else self._changes(answered, seen, stopping)
            if changes is None:
                return self._unknown(answered, stopping)
            return self._compared(answered, changes)
        except Exception as error:
            log.exception("space.changes_unknown", run_id=answered.claim.run_id)
            outcome = answered.outcome
            return self._broke(error) if outcome.status is Status.SUCCEEDED else outcome

    def _outcome(
        self, claim: Claim, cancelled: threading.Event, recording: Recording
    ) -> tuple[Outcome, Sequence[Expected]]:
        """Return how the persona answered, and what it is now held to."""
        try:
            return self._ask(claim, cancelled, recording)
        except PersonaTimeout as error:
            ended = self._ended(Status.TIMED_OUT, error.reason, error)
        except PersonaCancelled as error:
            ended = self._ended(Status.CANCELLED, error.reason, error)
        except PersonaError as error:
            ended = self._ended(Status.FAILED, error.reason, error)
        except SpaceError as error:
            ended = self._ended(Status.FAILED, "space_error", error)
        except Exception as error:
            log.exception("run.broke", run_id=claim.run_id, task_id=claim.task_id)
            ended = self._broke(error)
        return ended, ()

    def _broke(self, error: Exception) -> Outcome:
        """Let a fault of our own be an outcome too, or the slot would have none."""
        name = type(error).__name__
        return self._ended(Status.FAILED, "internal", PersonaTasksError(f"internal: {name}"))

    def would_send(self, claim: Claim, *, within: timedelta) -> Sequence[Sent]:
        """Return what the run of such a claim would send first; raise what the persona raises."""
        task = self._book.task_at(claim.task_id, claim.revision)
        deadline = Deadline(self._clock, within, threading.Event())
        return self._persona.would_send(self._request(task, claim, Unrecorded()), deadline)

    def _ask(
        self, claim: Claim, cancelled: threading.Event, recording: Recording
    ) -> tuple[Outcome, Sequence[Expected]]:
        task = self._task(claim, cancelled)
        if not self._persona.has_hands:
            self._look_first(recording)
        request = self._request(task, claim, recording)
        deadline = Deadline(self._clock, min(task.timeout, self._longest), cancelled)
        reply = self._persona.reply(request, deadline)
        if self._inner_life is not None:
            reply = self._inner_life.take_in(reply, request, deadline)
        promises = promised(task, self._defaults, has_hands=self._persona.has_hands)
        return self._judge(task, reply), promises

    def _look_first(self, recording: Recording) -> None:
        try:
            recording.look_first()
        except SpaceError as error:
            # a persona that never touches the space can do without it
            log.warning("space.not_looked_at", error=error.detail)

    def _changes(
        self, answered: Answered, seen: Look | None, stopping: threading.Event
    ) -> Sequence[Changed] | None:
        """Return what the run changed, None where nobody knows.

        While the ledger does not answer, it is asked again: for a run that somebody cancelled too,
        for what it changed stays.
        """
        compared = [tidy(each.path) for each in answered.promises]
        while True:
            try:
                return answered.recording.finish(compared, seen)
            except LedgerUnavailable:
                if self._clock.wait(stopping, _ASK_AGAIN_AFTER):
                    return None
            except SpaceError as error:
                log.error("space.changes_unknown", error=error.detail)
                return None

    def _unknown(self, answered: Answered, stopping: threading.Event) -> Outcome:
        """Return what is to be said where nobody knows whether the promises were kept."""
        if not answered.promises:
            return answered.outcome
        if stopping.is_set():
            return self._ended(Status.CANCELLED, PersonaCancelled.reason, PersonaCancelled())
        return replace(
            answered.outcome,
            status=Status.FAILED,
            reason="space_error",
            error="what it changed in the space is not known",
        )

    def _compared(self, answered: Answered, changes: Sequence[Changed]) -> Outcome:
        """Let the outcome say what was changed, and fail where less was than was promised."""
        outcome, promises = answered.outcome, answered.promises
        if changes or outcome.status is Status.SUCCEEDED:
            metadata = {**outcome.metadata, "files": self._files(changes)}
            outcome = replace(outcome, metadata=metadata)
        missing = unmet(promises, changes)
        if not missing:
            return outcome
        found = ", ".join(f"{each.change} `{each.path}`" for each in changes) or "nothing"
        error = f"{'; '.join(missing)}. Changed was: {found}"
        return replace(
            outcome, status=Status.FAILED, reason="no_effect", error=storable(error[:MOST_ERROR])
        )

    def _files(self, changes: Sequence[Changed]) -> list[dict[str, object]]:
        return [
            {
                "path": change.path,
                "change": change.change,
                **({"shared": True} if change.shared else {}),
            }
            for change in changes[:_MOST_FILES]
        ]

    def _request(self, task: Task, claim: Claim, changes: Changes) -> Request:
        occasion, refused = self._occasion(claim), self._refused()
        return Request(
            task=task,
            occasion=occasion,
            prompt=render_prompt(task, occasion, refused),
            refused=refused,
            changes=changes,
        )

    def _task(self, claim: Claim, cancelled: threading.Event) -> Task:
        """Return the task of the claim; while the ledger does not answer, ask it again."""
        deadline = Deadline(self._clock, self._longest, cancelled)
        while True:
            try:
                return self._book.task_at(claim.task_id, claim.revision)
            except LedgerUnavailable:
                deadline.pause(_ASK_AGAIN_AFTER)

    def _refused(self) -> Sequence[str]:
        try:
            return self._book.refused()
        except LedgerUnavailable:
            # it is told with the next prompt
            return ()

    def _occasion(self, claim: Claim) -> Occasion:
        slot = claim.scheduled_for
        return Occasion(
            run_id=claim.run_id,
            attempt=claim.attempt,
            origin=str(claim.origin),
            number=claim.number,
            now=claim.started_at,
            scheduled_for=slot,
            lateness=max(claim.started_at - slot, timedelta(0)) if slot else timedelta(0),
            previous=claim.previous,
        )

    def _judge(self, task: Task, reply: Reply) -> Outcome:
        if not reply.text.strip():
            empty = EmptyAnswer()
            empty.account = reply.metadata
            raise empty
        metadata = {
            "reconciliation": reply.reconciliation,
            "task_type": str(task.type),
            "persona": self._persona.name,
            **reply.metadata,
        }
        return Outcome(
            status=Status.SUCCEEDED,
            completed_at=self._now(),
            response=storable(reply.text[:MOST_RESPONSE]),
            metadata=metadata,
        )

    def _ended(self, status: Status, reason: str, error: PersonaTasksError) -> Outcome:
        return Outcome(
            status=status,
            completed_at=self._now(),
            reason=reason,
            error=storable(error.detail[:MOST_ERROR]),
            metadata=error.account if isinstance(error, PersonaError) else {},
        )

    def _now(self) -> datetime:
        return self._clock.now()
