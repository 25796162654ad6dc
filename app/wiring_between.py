"""What stands between parts that do not know one another: each asks for what the other has."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import structlog

from app.core.clock import Clock
from app.core.errors import PersonaTasksError, RevisionNotFound
from app.persona.capabilities import capabilities
from app.persona.chatting import CHAT_TOOLS
from app.persona.client import Holding
from app.runs.contract import promised, tidy
from app.runs.executions import Executions
from app.runs.recording import MeantFiles
from app.runs.run import Run
from app.tasks.desk import Desk
from app.tasks.registry import Registry
from app.tasks.task import Expected, Task
from app.wiring_persona import Being

log = structlog.get_logger(__name__)

_UPKEEP_EVERY = timedelta(minutes=10)

TaskAt = Callable[[str, int], Task]
"""Returns a task as a revision defined it; raises RevisionNotFound."""


class Book:
    """What a run needs to know, asked of those who know it."""

    def __init__(self, registry: Registry, desk: Desk, clock: Clock) -> None:
        self._registry = registry
        self._desk = desk
        self._clock = clock
        self._refused: Sequence[str] = ()
        self._refused_until = 0.0

    def task_at(self, task_id: str, revision: int) -> Task:
        """Return a task as that revision defined it; raise RevisionNotFound."""
        return self._registry.task_at(task_id, revision)

    def refused(self) -> Sequence[str]:
        """Return what is wrong with tasks.json, looked up once a second, not once a run."""
        now = self._clock.monotonic()
        if now >= self._refused_until:
            self._refused_until = now + 1.0
            self._refused = self._desk.refused()
        return self._refused


def files_meant_by(task_at: TaskAt, defaults: Mapping[str, Sequence[Expected]]) -> MeantFiles:
    """Return what tells which files a run is meant to change, also where it is not judged by it."""

    def meant(task_id: str, revision: int) -> set[str]:
        try:
            task = task_at(task_id, revision)
        except RevisionNotFound:
            return set()
        return {tidy(expected.path) for expected in promised(task, defaults, has_hands=True)}

    return meant


def feeling_of(being: Being, clock: Clock) -> Callable[[], Mapping[str, Any]]:
    """Return what tells the mood of a persona, in words and numbers."""

    def feeling() -> Mapping[str, Any]:
        mood = being.moods.current(clock.now())
        return {"in_words": mood.affect.in_words(), **mood.affect.as_dict()}

    return feeling


def capabilities_of(being: Being) -> Callable[[], str]:
    """Return what tells what a persona can do."""
    return lambda: capabilities(
        being.persona.name,
        being.toolbox,
        in_talk=CHAT_TOOLS,
        scripts=being.confinement.availability,
    )


class Later:
    """Starts runs with what is only there when all is put together."""

    def __init__(self, executions: Callable[[], Executions]) -> None:
        self._executions = executions

    def start(self, task_id: str, *, key: str, first: Holding) -> Run:
        """Start a run as `Executions.start` does."""
        return self._executions().start(task_id, key=key, first=first)


class Upkeep:
    """Removes what is too old, now and then."""

    def __init__(self, parts: Sequence[Callable[[], bool]], clock: Clock) -> None:
        self._parts = parts
        self._clock = clock
        self._next = clock.monotonic() + _UPKEEP_EVERY.total_seconds() / 10

    def __call__(self) -> None:
        if self._clock.monotonic() >= self._next and not any(map(_found_work, self._parts)):
            self._next = self._clock.monotonic() + _UPKEEP_EVERY.total_seconds()


def _found_work(part: Callable[[], bool]) -> bool:
    """Let a part remove some; one that cannot is left until the next time, the others go on."""
    try:
        return part()
    except PersonaTasksError as error:
        log.warning("upkeep.failed", error=error.detail)
    except Exception:
        log.exception("upkeep.broke")
    return False
