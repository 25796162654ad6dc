"""Whether a run changed the files that its task expects: pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.tasks.task import Change, Expected, Task

Version = bytes | None
"""What a file held; None is no file."""


@dataclass(frozen=True, kw_only=True)
class Changed:
    """What a run did to a file: `change` is created, updated or deleted.

    `shared` says that it may have been another run. `steps` are what the file held before and
    after each stretch in which the run alone changed it.
    """

    path: str
    change: str
    shared: bool = False
    steps: Sequence[tuple[Version, Version]] = ()


def change_between(before: object, after: object) -> str | None:
    """Return the word for what leads from the one to the other; None for nothing."""
    if before == after:
        return None
    if before is None:
        return "created"
    return "deleted" if after is None else "updated"


def promised(
    task: Task, defaults: Mapping[str, Sequence[Expected]], *, has_hands: bool
) -> Sequence[Expected]:
    """Return the files that a run of the task must change.

    What a default task ships with counts only for a persona whose hands are seen, and only where
    the prompt still names the file: another persona may write on a machine of its own. What
    somebody set counts always.
    """
    shipped = defaults.get(task.id, ())
    if task.expects and tuple(task.expects) != tuple(shipped):
        return task.expects
    if not has_hands:
        return ()
    return task.expects or [expected for expected in shipped if expected.path in task.prompt]


def unmet(expected: Sequence[Expected], changes: Sequence[Changed]) -> list[str]:
    """Return a sentence for each file that was not changed as expected."""
    found = {change.path: change for change in changes}
    judged = ((one, found.get(tidy(one.path))) for one in expected)
    return [sentence for one, change in judged if (sentence := _wrong(one, change)) is not None]


def tidy(path: str) -> str:
    """Return a path as the history of the space writes it."""
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def _wrong(expected: Expected, changed: Changed | None) -> str | None:
    path, least = expected.path, expected.min_bytes
    if changed is None:
        return f"`{path}` was not changed, expected: {expected.change}"
    first, last = changed.steps[0][0], changed.steps[-1][1]
    if last is None:
        return f"`{path}` was deleted, expected: {expected.change}"
    if expected.change is Change.APPENDED:
        return _not_appended(expected, changed)
    if expected.change is Change.CREATED and first is not None:
        return f"`{path}` existed before, expected: created"
    if len(last) < least:
        return f"`{path}` holds {len(last)} bytes, expected: at least {least}"
    return None


def _not_appended(expected: Expected, changed: Changed) -> str | None:
    added = 0
    for before, after in changed.steps:
        if not (after or b"").startswith(before or b""):
            return f"`{expected.path}` was rewritten, expected: appended"
        added += len(after or b"") - len(before or b"")
    if added < expected.min_bytes:
        return f"{added} bytes were appended to `{expected.path}`, expected: {expected.min_bytes}"
    return None
