"""What the embedded persona has lived and felt: read once for an entry, whatever is away."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

import structlog

from app.core.errors import LedgerUnavailable
from app.persona.chat_memory import what_was_heard
from app.persona.client import Holding, Request
from app.persona.feelings.lexicon import Lexicon
from app.persona.feelings.mood import Mood
from app.persona.journal import is_entry
from app.persona.memory.memory import INSIGHT, RESULT, Draft, Memory, Page, Within

log = structlog.get_logger(__name__)

LOOK_BACK = timedelta(days=31)
MOST_MEMORIES = 500
_MOST_INSIGHTS = 50
_MOOD_SPAN = timedelta(days=15)
_MOST_MOODS = 1000
_JUST_AFTER = timedelta(microseconds=1)
T = TypeVar("T")


class KeepsMemories(Protocol):
    """Where memories are; both raise LedgerUnavailable."""

    def page(self, within: Within, *, limit: int, cursor: int | None = None) -> Page:
        """Return up to `limit` memories, those lived last first."""

    def remember(self, draft: Draft, holding: Holding) -> Memory:
        """Keep a memory; the one of then where it is known already. Raises what `holding` does."""


class KeepsMoods(Protocol):
    """Where the mood is; both raise LedgerUnavailable."""

    def series(self, *, since: datetime | None = None, limit: int = 100) -> list[Mood]:
        """Return the newest moods since an instant, oldest first."""

    def current(self, now: datetime) -> Mood:
        """Return the mood as it is now."""


@dataclass(frozen=True, kw_only=True)
class Life:
    """Where it is kept what a persona lived, felt and can do.

    `fitting` returns the memories that fit a prompt best, however old; `lexicon` the one in force;
    `tools` are the names of all tools.
    """

    memories: KeepsMemories
    fitting: Callable[[Request], Sequence[Memory]]
    moods: KeepsMoods
    lexicon: Callable[[], Lexicon]
    tools: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Lived:
    """What was lived in the last 31 days and felt in the last 15; sequences are oldest first.

    `memories` are without insights, without what scheduled runs brought forth (`echo` counts that)
    and without entries of this persona. `insights` are not those of this run. `mood` is None where
    it is not known. `missing` are sentences on what is not here.
    """

    memories: Sequence[Memory] = ()
    insights: Sequence[Memory] = ()
    fitting: Sequence[Memory] = ()
    echo: int = 0
    moods: Sequence[Mood] = ()
    mood: Mood | None = None
    missing: Sequence[str] = ()
    are_memories_known: bool = True


def look_back(life: Life, request: Request) -> Lived:
    """Return what was lived until now; what the database does not tell is named as missing."""
    occasion = request.occasion
    until = occasion.now + _JUST_AFTER
    missing: list[str] = []
    lately = Within(since=occasion.now - LOOK_BACK, until=until)
    page = _asked(
        "Memories",
        lambda: (
            life.memories.page(lately, limit=MOST_MEMORIES),
            life.memories.page(Within(until=until, kind=INSIGHT), limit=_MOST_INSIGHTS),
            life.fitting(request),
        ),
        missing,
    )
    moods = _asked(
        "The mood",
        lambda: (
            life.moods.series(since=occasion.now - _MOOD_SPAN, limit=_MOST_MOODS),
            life.moods.current(occasion.now),
        ),
        missing,
    )
    found, insights, fitting = page or (Page(memories=(), next_cursor=None),) * 2 + ((),)
    if found.next_cursor is not None:
        missing.append(f"Only the newest {MOST_MEMORIES} memories were looked at.")
    oldest_first = found.memories[::-1]
    return Lived(
        memories=[_heard(memory) for memory in oldest_first if _is_life(memory)],
        insights=[one for one in insights.memories[::-1] if one.run_id != occasion.run_id],
        fitting=[_heard(memory) for memory in fitting if _is_life(memory)],
        echo=sum(memory.is_scheduled and memory.kind != INSIGHT for memory in oldest_first),
        moods=[mood for mood in moods[0] if mood.at <= occasion.now] if moods else (),
        mood=moods[1] if moods else None,
        missing=missing,
        are_memories_known=page is not None,
    )


def _heard(memory: Memory) -> Memory:
    """Return a conversation without what the persona itself said, which would be its own echo."""
    return replace(memory, text=what_was_heard(memory.text))


def _is_life(memory: Memory) -> bool:
    is_own = memory.is_scheduled or (memory.kind == RESULT and is_entry(memory.text))
    return not is_own and memory.kind != INSIGHT


def _asked(what: str, ask: Callable[[], T], missing: list[str]) -> T | None:
    try:
        return ask()
    except LedgerUnavailable as error:
        log.warning("embedded.part_missing", part=what, error=error.detail)
        missing.append(f"{what} could not be read: the database did not answer.")
        return None
