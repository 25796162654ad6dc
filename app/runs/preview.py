"""What a task would send to the persona now, without a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from app.core.clock import Clock
from app.core.ids import Ids
from app.persona.client import PreviousRun, Sent
from app.persona.prompting.tokens import estimate
from app.runs.run import Claim, Origin
from app.runs.runner import Runner
from app.tasks.record import TaskRecord
from app.tasks.registry import Registry

_LONGEST = timedelta(seconds=30)


@dataclass(frozen=True, kw_only=True)
class PromptPreview:
    """The messages in their order, and about how many tokens they are."""

    messages: Sequence[Sent]
    tokens: int


class PromptPreviews:
    """Shows prompts as a run by hand would send them at this moment."""

    def __init__(self, registry: Registry, runner: Runner, clock: Clock, ids: Ids) -> None:
        self._registry = registry
        self._runner = runner
        self._clock = clock
        self._ids = ids

    def of(self, task_id: str) -> PromptPreview:
        """Return the prompt of a task; raise TaskNotFound, SpaceError, PersonaError."""
        claim = self._claim(self._registry.get(task_id))
        messages = self._runner.would_send(claim, within=_LONGEST)
        tokens = sum(estimate(message.content) for message in messages)
        return PromptPreview(messages=messages, tokens=tokens)

    def _claim(self, record: TaskRecord) -> Claim:
        now = self._clock.now()
        previous = None
        if record.last_completed_at is not None:
            previous = PreviousRun(
                status=record.last_status or "",
                reason=record.last_reason,
                completed_at=record.last_completed_at,
            )
        return Claim(
            run_id=self._ids.new(now),
            attempt=1,
            owner="",
            task_id=record.task.id,
            task_name=record.task.name,
            revision=record.revision,
            origin=Origin.MANUAL,
            scheduled_for=None,
            started_at=now,
            number=record.run_count + 1,
            previous=previous,
        )
