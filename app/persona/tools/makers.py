"""Whose a task is, and whose its pause: read from its history. Pure."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise, zip_longest
from typing import Any

from app.tasks.schema import read_task
from app.tasks.task import PERSONA, TAKEN_BACK, Author, Revision


def maker(history: Sequence[Revision]) -> Author:
    """Return who made a task or brought it back last; `history` is newest first."""
    lived = _lived(history)
    for made, before in pairwise(lived):
        if before.definition is None:
            return made.author
    return lived[-1].author


def paused_by(history: Sequence[Revision], now: datetime) -> Author:
    """Return who paused a task that is paused now; `history` is newest first.

    Of several whose pauses would not be over yet, somebody else than the persona.
    """
    lived = _lived(history)
    found = lived[0].author
    for made, before in zip_longest(lived, lived[1:]):
        if not _is_paused(made, now):
            break
        if before is None or _pause_of(made) != _pause_of(before):
            found = made.author
            if found.kind != PERSONA:
                break
    return found


def _lived(history: Sequence[Revision]) -> list[Revision]:
    """Return the history without what was taken back, and without the taking back."""
    lived: list[Revision] = []
    undone: Author | None = None
    for made in history:
        if made.action == TAKEN_BACK:
            undone = Author(kind=PERSONA, name=made.author.name)
        elif made.author != undone:
            undone = None
            lived.append(made)
    return lived


def _is_paused(made: Revision, now: datetime) -> bool:
    if made.definition is None:
        return False
    return read_task(made.definition, made.timezone).is_paused(now)


def _pause_of(made: Revision) -> tuple[Any, ...]:
    definition = made.definition
    if definition is None:
        return ()
    return definition.get("enabled", True), definition.get("paused_until")
