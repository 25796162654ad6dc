"""Whose work a change is that nobody announced: which part of it a run takes for its own.

Two looks at the space tell that a file changed, not who changed it. What others have taken for
theirs meanwhile is not taken again, and a file that a run is meant to change is left to it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from app.persona.history.snapshots import FileChange
from app.persona.history.store import NOT_KEPT
from app.runs.trail import Kind, Step, Trail


@dataclass(frozen=True, kw_only=True)
class Meant:
    """Files that runs are meant to change: this one, and others that go on beside it."""

    here: Collection[str] = ()
    elsewhere: Collection[str] = ()


def attribute(
    connection: Connection,
    trail: Trail,
    step: Step,
    changes: Sequence[FileChange],
    *,
    looked_at: datetime,
    now: datetime,
    shared: bool,
    meant: Meant,
) -> None:
    """Write down as a run's what is its own of the changes between two looks.

    `step` is the run's that may have changed any file, since the first look; the last one began at
    `looked_at`. `shared` says that others may have changed files meanwhile.
    """
    if not changes:
        return
    newest = trail.meanwhile(connection, [change.path for change in changes], step.at)
    # what this attempt has announced, or has written down in a try before, is its own already
    mine = {path for path, last in newest.items() if _is_same_attempt(last, step)}
    left = [change for change in changes if change.path not in mine]
    own = own_changes(left, newest, looked_at=looked_at, meant=meant)
    trail.add(
        connection,
        [
            Step(
                path=change.path,
                run_id=step.run_id,
                attempt=step.attempt,
                kind=Kind.RUN,
                before=before,
                after=_after(change),
                mode=change.before.mode if change.before else None,
                shared=shared,
                at=step.at,
                ended_at=now,
            )
            for change, before in own
        ],
    )


def own_changes(
    changes: Sequence[FileChange],
    others: Mapping[str, Step],
    *,
    looked_at: datetime,
    meant: Meant,
) -> list[tuple[FileChange, str | None]]:
    """Return which changes are a run's own, each with what the file held before its own part.

    A file that only another run is meant to change is left to that one. `others` has for a file the
    newest step by somebody else that went on meanwhile. What led to its end is theirs, what came
    after it is the run's. Where the two cannot be told apart the change is the run's only if it is
    meant to change that file.
    """
    own: list[tuple[FileChange, str | None]] = []
    for change in changes:
        path, theirs = change.path, others.get(change.path)
        if path in meant.elsewhere and path not in meant.here:
            continue
        if theirs is not None and _is_told_apart(theirs, change, looked_at):
            own.append((change, theirs.after))
        elif theirs is None or path in meant.here:
            own.append((change, _before(change)))
    return own


def _is_same_attempt(one: Step, other: Step) -> bool:
    return (one.run_id, one.attempt) == (other.run_id, other.attempt)


def _is_told_apart(theirs: Step, change: FileChange, looked_at: datetime) -> bool:
    """Say whether the file changed once more between the end of their step and the last look."""
    if theirs.ended_at is None or theirs.ended_at > looked_at or theirs.after == NOT_KEPT:
        return False
    return theirs.after != _after(change)


def _before(change: FileChange) -> str | None:
    return change.before.id if change.before else None


def _after(change: FileChange) -> str | None:
    return change.after.id if change.after else None
