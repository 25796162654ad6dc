"""Memories to test with."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from app.core.clock import FakeClock
from app.core.ids import RandomIds
from app.database import Database
from app.persona.memory.fulltext import Limits
from app.persona.memory.memory import Draft, Query, Within
from app.persona.memory.store import Memories

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
"""A Tuesday."""


def memories_of(database: Database, limits: Limits | None = None) -> Memories:
    return Memories(database, FakeClock(NOW), RandomIds(), limits=limits)


def a_draft(text: str = "We planted tomatoes.", **changes: Any) -> Draft:
    """Return something lived an hour before NOW, unless `ago` says how long before."""
    at = NOW - changes.pop("ago", timedelta(hours=1))
    return Draft(**{"text": text, "at": at, "origin": "api", **changes})


def found(memories: Memories, text: str, limit: int = 20, **within: Any) -> Sequence[str]:
    """Return the texts that a query finds."""
    query = Query(text=text, within=Within(**within), limit=limit)
    return [one.memory.text for one in memories.search(query).found]
