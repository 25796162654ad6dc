"""A memory, and how one asks for memories: values, pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

MOST_TEXT_BYTES = 64 * 1024
KIND = re.compile("[a-z][a-z0-9_-]{0,31}")
NOTE, RESULT = "note", "result"
INTERACTION, INSIGHT = "interaction", "insight"
"""The usual kinds; any other word of the same form is one too."""

SCHEDULED = frozenset({"schedule", "backfill"})
"""Origins of what no one but the clock asked for, so that consolidation can tell it from life."""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """Something to be remembered; `at` is when it was lived.

    The same text at the same instant is the same memory. Where the instant is not known and `at` is
    only a guess, `undated` makes the text alone decide.
    """

    text: str
    at: datetime
    origin: str
    kind: str = NOTE
    run_id: str | None = None
    task_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    undated: bool = False

    @property
    def digest(self) -> str:
        """Return what is the same for the same memory."""
        at = "" if self.undated else self.at.astimezone(UTC).isoformat()
        return sha256(f"{at}\n{self.text}".encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Memory:
    """One thing that was lived; `created_at` is when it was written down."""

    id: str
    text: str
    kind: str
    at: datetime
    origin: str
    run_id: str | None
    task_id: str | None
    metadata: Mapping[str, Any]
    created_at: datetime

    @property
    def is_scheduled(self) -> bool:
        """Whether it came of a run that only the clock asked for."""
        return self.origin in SCHEDULED


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A memory that was to be kept; not `is_new` where it was known already."""

    memory: Memory
    is_new: bool


@dataclass(frozen=True, kw_only=True)
class Within:
    """Which memories come into question: `since` is inclusive, `until` exclusive, both of `at`.

    `not_scheduled_by` leaves out what scheduled runs of that task brought forth.
    """

    since: datetime | None = None
    until: datetime | None = None
    kind: str | None = None
    not_scheduled_by: str | None = None


@dataclass(frozen=True, kw_only=True)
class Query:
    """What is looked for.

    `distinct` keeps one of several that say nearly the same, `prefers_life` counts half what came
    of scheduled runs.
    """

    text: str
    within: Within = field(default_factory=Within)
    limit: int = 20
    distinct: bool = False
    prefers_life: bool = False


@dataclass(frozen=True, kw_only=True)
class Found:
    """A memory with how well it fits, from 0 to 1."""

    memory: Memory
    score: float


@dataclass(frozen=True, kw_only=True)
class Search:
    """What was found, the best first.

    It is not `complete` where so many memories hold the words that only some were ranked.
    """

    found: Sequence[Found]
    complete: bool


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some memories, those lived last first, and where the next page begins."""

    memories: Sequence[Memory]
    next_cursor: int | None
