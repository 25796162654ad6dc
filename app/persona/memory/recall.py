"""What a run should have in mind: what was lived since the last one, and what fits its prompt."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.persona.client import Occasion
from app.persona.memory.memory import RESULT, Draft, Found, Memory, Query, Search, Within
from app.persona.memory.ranking import Distinct
from app.persona.memory.store import Memories
from app.persona.memory.windows import Window, start_of_today, window_in
from app.tasks.task import Task

MOST_CHARACTERS = 8000
MOST_OF_ONE = 1000
_MOST_LIVED = 300
_MOST_RELEVANT = 20
_LONGEST_LOOK = timedelta(days=31)
_LIVED_SHARE = 0.7
_RESULT_CHARACTERS = 8000


@dataclass(frozen=True, kw_only=True)
class Recollection:
    """What comes to mind for a run; long texts are cut.

    `lived` is what happened in the window, oldest first, `relevant` what else fits the prompt, the
    best first. `left_out` counts what happened in the window and found no room.
    """

    window: Window
    lived: Sequence[Memory]
    relevant: Sequence[Found]
    left_out: int


class Recall:
    """Finds what a run, or a persona that asks, should have in mind."""

    def __init__(self, memories: Memories) -> None:
        self._memories = memories

    def for_run(
        self, task: Task, occasion: Occasion, *, most_characters: int = MOST_CHARACTERS
    ) -> Recollection:
        """Return memories for one run, of at most so many characters in all.

        The window is that of the prompt's words of time, else the time since the task's last run,
        today at least and 31 days at most. What earlier scheduled runs of the task brought forth
        is left out, and of those of other tasks only what room is left, so that nothing feeds on
        itself.
        """
        window = _window(task, occasion)
        within = Within(since=window.since, until=window.until, not_scheduled_by=task.id)
        page = self._memories.page(within, limit=_MOST_LIVED)
        room, distinct = _Room(most_characters), Distinct()
        lived = sorted(page.memories, key=lambda memory: memory.is_scheduled)
        new = list(distinct.of(lived, lambda memory: memory.text))
        kept = room.fill(new, up_to=int(most_characters * _LIVED_SHARE))
        relevant = [
            found
            for found in self._fitting(task, distinct)
            if room.takes(found.memory, most_characters)
        ]
        kept += room.fill(new[len(kept) :], up_to=most_characters)
        return Recollection(
            window=window,
            lived=[_cut(memory) for memory in sorted(kept, key=lambda memory: memory.at)],
            relevant=[replace(found, memory=_cut(found.memory)) for found in relevant],
            left_out=len(new) - len(kept),
        )

    def search(
        self,
        text: str,
        *,
        now: datetime,
        zone: str,
        since: datetime | None = None,
        until: datetime | None = None,
        kind: str | None = None,
        limit: int = 10,
    ) -> Search:
        """Return what fits a text best; its words of time set the window unless one is given."""
        if since is None and until is None:
            window = window_in(text, now, zone)
            if window is not None:
                since, until = window.since, window.until
        within = Within(since=since, until=until, kind=kind)
        return self._memories.search(Query(text=text, within=within, limit=limit, distinct=True))

    def _fitting(self, task: Task, distinct: Distinct) -> Iterable[Found]:
        query = Query(
            text=task.prompt,
            within=Within(not_scheduled_by=task.id),
            limit=_MOST_RELEVANT,
            distinct=True,
            prefers_life=True,
        )
        found = self._memories.search(query).found
        return distinct.of(found, lambda one: one.memory.text)


class _Room:
    """How many characters are left."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._used = 0

    def takes(self, memory: Memory, up_to: int) -> bool:
        """Use room for a memory where there is enough."""
        size = min(len(memory.text), MOST_OF_ONE)
        if self._used + size > min(up_to, self._most):
            return False
        self._used += size
        return True

    def fill(self, memories: Sequence[Memory], *, up_to: int) -> list[Memory]:
        """Return the first ones that there is room for."""
        for place, memory in enumerate(memories):
            if not self.takes(memory, up_to):
                return list(memories[:place])
        return list(memories)


def result_of_run(
    *, run_id: str, task_id: str, origin: str, at: datetime, answer: str
) -> Draft | None:
    """Return what is to be remembered of a run's final answer; None for a blank one.

    The same answer of the same instant is kept once. Long answers are cut.
    """
    text = answer[:_RESULT_CHARACTERS].strip()
    if not text:
        return None
    return Draft(text=text, at=at, origin=origin, kind=RESULT, run_id=run_id, task_id=task_id)


def _window(task: Task, occasion: Occasion) -> Window:
    now, previous = occasion.now, occasion.previous
    spoken = window_in(task.prompt, now, task.timezone)
    if spoken is not None:
        return spoken
    today = start_of_today(now, task.timezone)
    last = previous.completed_at if previous is not None else now - timedelta(days=1)
    return Window(since=max(min(last, today), now - _LONGEST_LOOK), until=None)


def _cut(memory: Memory) -> Memory:
    if len(memory.text) <= MOST_OF_ONE:
        return memory
    return replace(memory, text=memory.text[: MOST_OF_ONE - 1].rstrip() + "…")
