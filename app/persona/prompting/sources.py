"""Where the parts of a prompt come from: the files of the space, and whoever else knows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import structlog

from app.core.errors import PersonaTasksError
from app.persona.appending import LARGEST_FILE
from app.persona.client import Deadline, Request
from app.persona.errors import NoSuchFile, PersonaError
from app.persona.findings import target_of
from app.persona.prompting.parts import Excerpt, Parts, Remembered
from app.persona.space import Space

log = structlog.get_logger(__name__)

BASE_PROMPT = "meta/base_prompt.md"
SELF_INSTRUCTIONS = "meta/self_instructions.md"
IDENTITY = "identity/"
_FIRST_OF_IDENTITY = "identity/who_i_am.md"
_MOST_BYTES = 64 * 1024
_MOST_FILES = 20
_TAIL = 16_000

Recall = Callable[[Request, Deadline], Sequence[Remembered]]
MoodNow = Callable[[Request], str]
TargetTail = Callable[[Request], Excerpt | None]

T = TypeVar("T")


def no_memories(_request: Request, _deadline: Deadline) -> Sequence[Remembered]:
    """Recall nothing."""
    return ()


def _no_mood(_request: Request) -> str:
    return ""


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Who is asked for the parts of a prompt; by default nobody but the files of the space.

    `recall` returns the memories that matter for a run, the most needed first, `mood` one sentence,
    `target` the end of the file that a task writes to. What one of them raises is logged and the
    run goes on without that part; only a PersonaError ends it.
    """

    space: Space
    recall: Recall = no_memories
    mood: MoodNow = _no_mood
    target: TargetTail | None = None

    def gather(
        self, request: Request, tools: Sequence[str], unknown: Sequence[str], deadline: Deadline
    ) -> Parts:
        """Return all that there is for a run."""
        target = self.target or self._tail_of_target
        return Parts(
            task=request.task,
            occasion=request.occasion,
            tools=tools,
            unknown_tools=unknown,
            base_prompt=self._file(BASE_PROMPT),
            self_instructions=self._file(SELF_INSTRUCTIONS),
            identity=_unless_it_fails("identity", self._identity, ()),
            mood=_unless_it_fails("mood", lambda: self.mood(request), ""),
            target=_unless_it_fails("target", lambda: target(request), None),
            memories=_unless_it_fails("memories", lambda: self.recall(request, deadline), ()),
            refused=request.refused,
            talk=request.talk,
        )

    def _identity(self) -> Sequence[Excerpt]:
        notes = [note.path for note in self.space.survey().notes()]
        paths = sorted(path for path in notes if path.startswith(IDENTITY))
        paths.sort(key=lambda path: path != _FIRST_OF_IDENTITY)
        read = [self._file(path) for path in paths[:_MOST_FILES]]
        return [excerpt for excerpt in read if excerpt is not None]

    def _file(self, path: str) -> Excerpt | None:
        text = _unless_it_fails(path, lambda: self.space.read_text(path, _MOST_BYTES), "")
        return Excerpt(path=path, text=text) if text.strip() else None

    def _tail_of_target(self, request: Request) -> Excerpt | None:
        if request.talk is not None:
            return None
        task = request.task
        path = task.expects[0].path if task.expects else target_of(task.prompt)
        if path is None:
            return None
        return Excerpt(path=path, text=self.space.read_text(path, LARGEST_FILE)[-_TAIL:])


def _unless_it_fails(part: str, get: Callable[[], T], otherwise: T) -> T:
    try:
        return get()
    except PersonaError:
        raise
    except NoSuchFile:
        return otherwise
    except PersonaTasksError as error:
        log.warning("prompt.part_missing", part=part, error=error.detail)
        return otherwise
