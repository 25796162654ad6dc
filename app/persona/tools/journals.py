"""Which journals a task may rewrite, though journals are only appended to."""

from collections.abc import Sequence
from contextlib import suppress

from app.core.errors import SpaceError
from app.persona.paths import changeable, matches
from app.tasks.task import Change, Task


def rewritten_by(task: Task, journals: Sequence[str]) -> set[tuple[str, ...]]:
    """Return the journals that runs of the task have to bring up to date, by their names.

    `journals` are the patterns of all.
    """
    found = set()
    for expected in task.expects:
        if expected.change is Change.UPDATED:
            with suppress(SpaceError):
                found.add(changeable(expected.path))
    return {parts for parts in found if matches(parts, journals)}
