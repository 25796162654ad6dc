"""Whose a task is, and whose its pause: read from its history. Pure."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise, zip_longest
from typing import Any

from app.tasks.schema import read_task
from app.tasks.task import Author, Revision

KIND = "persona"


def maker(history: Sequence[Revision]) -> Author:
    """Return who made a task or brought it back last; `history` is newest first."""
    for made, before in pairwise(history):
        if before.definition is None:
            return made.author
    return history[-1].author


def paused_by(history: Sequence[Revision], now: datetime) -> Author:
    """Return who paused a task that is paused now; `history` is newest first.

    Of several whose pauses would not be over yet, somebody else than the persona.
    """
    found = history[0].author
    for made, before in zip_longest(history, history[1:]):
        if not _is_paused(made, now):
            break
        if before is None or _pause_of(made) != _pause_of(before):
            found = made.author
            if found.kind != KIND:
                break
    return found


def _is_paused(made: Revision, now: datetime) -> bool:
    if made.definition is None:
        return False
    return read_task(made.definition, made.timezone).is_paused(now)


def _pause_of(made: Revision) -> tuple[Any, ...]:
    definition = made.definition
    if definition is None:
        return ()
    return definition.get("enabled", True), definition.get("paused_until")
