"""What a run should have in mind: what was lived since the last one, and what fits its prompt."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice

from app.persona.client import Occasion
from app.persona.journal import without_marks
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
    best first. `left_out` counts what happened in the window (of the newest 300) and is not shown:
    it found no room, or says nearly the same as something that did.
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
        newest = self._memories.page(within, limit=_MOST_LIVED).memories
        life_first = sorted(newest, key=lambda memory: memory.is_scheduled)
        taken = _Taken(most_characters)
        lived = taken.first_of(life_first, up_to=int(most_characters * _LIVED_SHARE))
        relevant = [found for found in self._fitting(task) if taken.takes(found.memory)]
        shown = {memory.id for memory in lived} | {found.memory.id for found in relevant}
        rest = [memory for memory in life_first if memory.id not in shown]
        lived += taken.first_of(rest, up_to=most_characters)
        shown.update(memory.id for memory in lived)
        return Recollection(
            window=window,
            lived=[_cut(memory) for memory in sorted(lived, key=lambda memory: memory.at)],
            relevant=[replace(found, memory=_cut(found.memory)) for found in relevant],
            left_out=sum(memory.id not in shown for memory in newest),
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

    def for_talk(self, text: str, *, now: datetime, zone: str, most: int) -> Sequence[Memory]:
        """Return at most so many memories that fit what is said, the best first; cut if long.

        Where it has words of time and anything was lived then, only what was.
        """
        if most <= 0:
            return []
        found = [one.memory for one in self.search(text, now=now, zone=zone, limit=most).found]
        window = window_in(text, now, zone)
        if window is not None:
            within = Within(since=window.since, until=window.until)
            found += self._memories.page(within, limit=most).memories
            if not found:
                query = Query(text=text, limit=most, distinct=True)
                found = [one.memory for one in self._memories.search(query).found]
        distinct = Distinct().of(found, lambda memory: memory.text)
        return [_cut(memory) for memory in islice(distinct, most)]

    def _fitting(self, task: Task) -> Sequence[Found]:
        query = Query(
            text=task.prompt,
            within=Within(not_scheduled_by=task.id),
            limit=_MOST_RELEVANT,
            distinct=True,
            prefers_life=True,
        )
        return self._memories.search(query).found


class _Taken:
    """What is taken so far: none of it nearly twice, all of it within the budget."""

    def __init__(self, most: int) -> None:
        self._left = self._most = most
        self._distinct = Distinct()

    def takes(self, memory: Memory) -> bool:
        """Take a memory where there is room and nothing like it yet."""
        size = min(len(memory.text), MOST_OF_ONE)
        if size > self._left or not self._distinct.is_new(memory.text):
            return False
        self._left -= size
        return True

    def first_of(self, memories: Sequence[Memory], *, up_to: int) -> list[Memory]:
        """Take the first ones, until so many characters are taken in all."""
        taken = []
        for memory in memories:
            used = self._most - self._left
            if used + min(len(memory.text), MOST_OF_ONE) > up_to:
                break
            if self.takes(memory):
                taken.append(memory)
        return taken


def result_of_run(
    *, run_id: str, task_id: str, origin: str, at: datetime, answer: str
) -> Draft | None:
    """Return what is to be remembered of a run's final answer; None for a blank one.

    The same answer of the same instant is kept once. Long answers are cut; marks of entries in a
    file are left out.
    """
    text = without_marks(answer)[:_RESULT_CHARACTERS].strip()
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
