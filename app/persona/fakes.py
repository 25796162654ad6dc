"""The official stand-ins for a persona, the records, an embedder: for tests and rehearsals."""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from app.core.errors import PersonaTasksError
from app.persona.client import Deadline, Holding, PastRun, Reply, Request, Sent, as_one_message
from app.persona.errors import PersonaError
from app.persona.feelings.mood import Mood, decayed
from app.persona.feelings.values import NEUTRAL
from app.persona.memory.memory import Draft, Memory, Page, Within

Line = str | Reply | PersonaError | Callable[[Request, Deadline], Reply]


class ScriptedPersona:
    """Answers from a script, line by line, and remembers what it was asked.

    With `has_hands` its functions announce what they change in the space.

    A line is a text, a Reply, a PersonaError to raise, or a function of request and deadline. After
    the last line it answers `otherwise`. Safe to use from several threads.
    """

    name = "scripted"

    def __init__(self, *script: Line, otherwise: Line = "Done.", has_hands: bool = False) -> None:
        self.has_hands = has_hands
        self.requests: list[Request] = []
        self._script = deque(script)
        self._otherwise = otherwise
        self._problem: str | None = None
        self._lock = threading.Lock()

    def reply(self, request: Request, deadline: Deadline) -> Reply:
        with self._lock:
            self.requests.append(request)
            line = self._script.popleft() if self._script else self._otherwise
        deadline.check()
        if isinstance(line, PersonaError):
            raise line
        if isinstance(line, str):
            return Reply(text=line)
        return line if isinstance(line, Reply) else line(request, deadline)

    def would_send(self, request: Request, deadline: Deadline) -> Sequence[Sent]:
        return as_one_message(request)

    def problem(self) -> str | None:
        return self._problem

    def say(self, *lines: Line) -> None:
        """Put lines at the end of the script."""
        with self._lock:
            self._script.extend(lines)

    def break_with(self, problem: str | None) -> None:
        """Say from now on that this is wrong; None mends it."""
        self._problem = problem


def hang(_: Request, deadline: Deadline) -> Reply:
    """Never answer: a line of a script that ends only by timeout or cancellation."""
    while True:
        deadline.pause(timedelta(seconds=1))


class ListedRecords:
    """Records that are simply given."""

    def __init__(self, *runs: PastRun) -> None:
        self.runs = list(runs)

    def runs_since(self, since: datetime, limit: int) -> Sequence[PastRun]:
        found = [run for run in self.runs if run.completed_at > since]
        return sorted(found, key=lambda run: run.completed_at, reverse=True)[:limit]


class ListedMemories:
    """Memories that are simply given; what is remembered is added. They fail while told to."""

    def __init__(self, *memories: Memory) -> None:
        self.memories = list(memories)
        self.failure: PersonaTasksError | None = None

    def page(self, within: Within, *, limit: int, cursor: int | None = None) -> Page:
        if self.failure is not None:
            raise self.failure
        found = [memory for memory in self.memories if _is_within(memory, within)]
        found.sort(key=lambda memory: memory.at, reverse=True)
        start = cursor or 0
        end = start + limit
        return Page(memories=found[start:end], next_cursor=end if len(found) > end else None)

    def remember(self, draft: Draft, holding: Holding) -> Memory:
        if self.failure is not None:
            raise self.failure
        holding(None)
        memory = Memory(
            id=draft.digest[:26],
            text=draft.text,
            kind=draft.kind,
            at=draft.at,
            origin=draft.origin,
            run_id=draft.run_id,
            task_id=draft.task_id,
            metadata=draft.metadata,
            created_at=draft.at,
        )
        known = [one for one in self.memories if one.id == memory.id]
        if not known:
            self.memories.append(memory)
        return known[0] if known else memory


def _is_within(memory: Memory, within: Within) -> bool:
    return (
        (within.since is None or memory.at >= within.since)
        and (within.until is None or memory.at < within.until)
        and within.kind in (None, memory.kind)
    )


class ListedMoods:
    """Moods that are simply given, oldest first. They fail while told to."""

    def __init__(self, *moods: Mood) -> None:
        self.moods = list(moods)
        self.failure: PersonaTasksError | None = None

    def series(self, *, since: datetime | None = None, limit: int = 100) -> list[Mood]:
        if self.failure is not None:
            raise self.failure
        return [mood for mood in self.moods if since is None or mood.at >= since][-limit:]

    def current(self, now: datetime) -> Mood:
        if self.failure is not None:
            raise self.failure
        past = [mood for mood in self.moods if mood.at <= now]
        affect = decayed(past[-1].affect, now - past[-1].at) if past else NEUTRAL
        return Mood(at=now, affect=affect)


class ListedEmbedder:
    """Turns texts into vectors by the words that are listed, each with what it is about.

    A text with a word about `n` points along the axis `n` of eight, one with none along the last.
    It remembers the texts, and fails as long as it is told to.
    """

    def __init__(self, about: Mapping[str, int], model: str = "listed") -> None:
        self.model = model
        self.texts: list[str] = []
        self.failure: PersonaError | None = None
        self._about = about

    def embed(self, texts: Sequence[str], deadline: Deadline) -> list[Sequence[float]]:
        deadline.check()
        if self.failure is not None:
            raise self.failure
        self.texts += texts
        return [self._vector(text.lower()) for text in texts]

    def _vector(self, text: str) -> Sequence[float]:
        axes = {axis for word, axis in self._about.items() if word in text} or {7}
        return [float(axis in axes) for axis in range(8)]
