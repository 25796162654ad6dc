"""Taking back what a run changed: after its process died, or because the owner says so."""

import errno
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection, select

from app.core.errors import (
    NothingToRevert,
    RevertedAlready,
    RunNotFinished,
    SpaceBusy,
    SpaceError,
)
from app.persona.client import Deadline
from app.persona.errors import HistoryLost
from app.persona.feelings.mirror import MIRRORS
from app.persona.history.lines import merged
from app.persona.history.store import NOT_KEPT
from app.runs.attribution import Meant, attribute
from app.runs.history import History
from app.runs.recording import Space, is_newer
from app.runs.tables import runs
from app.runs.trail import EVERYTHING, Kind, Step, end_of, is_rolled_back
from app.tasks.authored import AuthoredTasks
from app.tasks.task import Author, author_of_run

log = structlog.get_logger(__name__)

_LOCKED_WITHIN = timedelta(seconds=2)


@dataclass(frozen=True, kw_only=True)
class TakenBack:
    """Files that are as if the run had not changed them, and those that somebody changed since.

    Of a rollback, `lost` are those of which the history does not hold any more what they were.
    """

    reverted: Sequence[str]
    conflicts: Sequence[str]
    lost: Sequence[str] = ()


_SHUT = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT, errno.EIO}
_BROKEN_OFF = "run {} was broken off; what it had made of this task by then is taken back"

Unlive = Callable[[Connection, str, datetime], int]
"""Removes what a run wrote to the database from an instant on; says how much that was."""


class TakingBack:
    """Takes changes back; what others changed since stays. Safe to repeat, kill and do at once.

    `lived` are what removes memories and moods of dead attempts, `tasks` takes back what they made
    of tasks.
    """

    def __init__(
        self,
        space: Space,
        history: History,
        lived: Sequence[Unlive] = (),
        tasks: AuthoredTasks | None = None,
    ) -> None:
        self._space = space
        self._history = history
        self._lived = lived
        self._tasks = tasks

    def rollback(self, run_id: str, attempt: int, alive_until: datetime | None) -> TakenBack:
        """Take back what a dead attempt changed; nobody holds the run any more.

        A file that was written after `alive_until` was written by somebody else. What cannot be
        taken back is left, and noted. Raises SpaceBusy, LedgerUnavailable: then it is to be done
        again; HistoryLost where that would not help, see `give_up`.
        """
        # before the files, which may be tried for long: a task fires meanwhile
        self._take_back_tasks(run_id)
        lost: HistoryLost | None = None
        try:
            self._settle(run_id, attempt, alive_until)
        except HistoryLost as error:
            lost = error
        with self._space.database.read() as connection:
            made = self._space.trail.of_attempt(connection, run_id, attempt)
        taken = self._take_back(made, Kind.ROLLBACK, alive_until)
        if lost is not None or taken.lost:
            raise lost or HistoryLost
        if made:
            self._close(run_id, attempt)
            log.warning(
                "run.rolled_back",
                run_id=run_id,
                attempt=attempt,
                reverted=taken.reverted,
                conflicts=taken.conflicts,
            )
        return taken

    def revert(self, run_id: str) -> TakenBack:
        """Take back what a finished run changed, but for the mirrors of mood and reconciliations.

        The next answer writes them anew, so every later run would stand in the way of it.
        Raises RunNotFound, RunNotFinished, and where no file could be put back NothingToRevert,
        RevertedAlready, HistoryLost, or SpaceError where the space cannot be written.
        """
        run = self._history.run(run_id)
        if run.status.is_open:
            raise RunNotFinished(run_id)
        with self._space.database.read() as connection:
            ever = self._space.trail.of_run(connection, run_id, reverted=True)
            is_elsewhere = self._space.trail.is_elsewhere(connection, run_id)
        made = [s for s in ever if s.undone_at is None and s.path not in MIRRORS]
        taken = self._take_back(made, Kind.REVERT, None)
        if is_elsewhere or (taken.lost and not taken.reverted):
            raise HistoryLost(f"the history of this space does not know what run {run_id} changed")
        conflicts = [*taken.conflicts, *taken.lost]
        if not (taken.reverted or conflicts) and any(
            step.undone_at is not None and not is_rolled_back(step, run) for step in ever
        ):
            raise RevertedAlready(run_id)
        if not taken.reverted:
            raise NothingToRevert(run_id, conflicts)
        log.info("run.reverted", run_id=run_id, reverted=taken.reverted, conflicts=conflicts)
        return TakenBack(reverted=taken.reverted, conflicts=conflicts)

    def unlive(self, connection: Connection, run_id: str, since: datetime) -> None:
        """Remove what an attempt that began then remembered and felt.

        Belongs in the transaction that ends the attempt: before it, more could be added.
        """
        gone = sum(unlive(connection, run_id, since) for unlive in self._lived)
        if gone:
            log.warning("run.unlived", run_id=run_id, memories_and_moods=gone)

    def give_up(self, connection: Connection, run_id: str, attempt: int) -> None:
        """Note that what an attempt changed stays; belongs in the transaction that ends it."""
        now = self._space.clock.now()
        for step in self._space.trail.of_attempt(connection, run_id, attempt):
            self._space.trail.leave(connection, step, NOT_KEPT, now)

    def is_needed(self, connection: Connection, run_id: str, attempt: int) -> bool:
        """Say whether the run changed tasks, or the attempt announced changes here, that stand."""
        if self._tasks is not None and self._tasks.is_any(connection, _author(connection, run_id)):
            return True
        try:
            return bool(self._space.trail.of_attempt(connection, run_id, attempt))
        except SpaceError:
            # it cannot be told now, and is told by the rollback that is tried next
            return True

    def _take_back_tasks(self, run_id: str) -> None:
        if self._tasks is None:
            return
        with self._space.database.read() as connection:
            author = _author(connection, run_id)
        task_ids = self._tasks.take_back(author, _BROKEN_OFF.format(run_id))
        if task_ids:
            log.warning("run.tasks_taken_back", run_id=run_id, tasks=list(task_ids))

    def _settle(self, run_id: str, attempt: int, alive_until: datetime | None) -> None:
        """Find what the attempt changed unannounced, where it announced that it might."""
        space = self._space
        with space.database.read() as connection:
            made = space.trail.of_attempt(connection, run_id, attempt)
        for step in made:
            if step.path == EVERYTHING and step.ended_at is None:
                looked_at, commit = space.clock.now(), space.snapshots.take()
                changes = [
                    change
                    for change in space.snapshots.difference(step.before or "", commit)
                    if alive_until is None or not is_newer(space, change.path, alive_until)
                ]
                with space.database.write() as connection:
                    now = space.clock.now()
                    attribute(
                        connection,
                        space.trail,
                        step,
                        changes,
                        looked_at=looked_at,
                        now=now,
                        shared=space.trail.others_everywhere(connection, run_id, step.at),
                        meant=Meant(),
                    )
                    space.trail.end(connection, step, commit, now)

    def _close(self, run_id: str, attempt: int) -> None:
        """Note that what is left of an attempt needs nothing: it changed no file by itself."""
        space = self._space
        with space.database.write() as connection:
            left = space.trail.of_attempt(connection, run_id, attempt)
            space.trail.undone(connection, left, space.clock.now())

    def _take_back(
        self, made: Sequence[Step], kind: Kind, alive_until: datetime | None
    ) -> TakenBack:
        reverted: list[str] = []
        conflicts: list[str] = []
        lost: list[str] = []
        for path in sorted({step.path for step in made} - {EVERYTHING}):
            mine = [step for step in made if step.path == path]
            if not any(step.is_change for step in mine):
                continue
            try:
                done = self._take_back_file(path, mine, kind, alive_until)
            except SpaceBusy:
                raise
            except HistoryLost as error:
                log.warning("space.not_taken_back", path=path, error=error.detail)
                lost.append(path)
                continue
            except SpaceError as error:
                log.warning("space.not_taken_back", path=path, error=error.detail)
                if kind is Kind.REVERT and not reverted and _is_shut(error):
                    # it is not that somebody changed the file: nothing can be written at all
                    raise
                done = False
                if kind is Kind.ROLLBACK:
                    self._leave(mine, mine, NOT_KEPT)
            (reverted if done else conflicts).append(path)
        return TakenBack(reverted=reverted, conflicts=conflicts, lost=lost)

    def _take_back_file(
        self, path: str, mine: Sequence[Step], kind: Kind, alive_until: datetime | None
    ) -> bool:
        space = self._space
        with self._locked(path):
            with space.database.read() as connection:
                trail = space.trail.of_path(connection, path, since=mine[0].number)
            numbers = {step.number for step in mine}
            left = [s for s in trail if s.number in numbers and s.undone_at is None]
            if not left:
                # somebody else has just done it
                return True
            space.files.clear(path)
            before, mode = space.keep(path)
            # a try that was killed wrote this step down already
            undoing = trail[-1] if _is_undoing(trail[-1], left[0], kind) else None
            try:
                possible, target = self._target(left, trail, before, alive_until)
            except HistoryLost:
                if undoing is not None:
                    self._end(undoing, before)
                raise
            if not possible:
                self._give_up(left, trail, undoing, kind, before)
                return False
            current = space.content(before)
            if target != current:
                undoing = undoing or self._begin(left[0], kind, before, mode)
                space.files.put_back(path, target, left[0].mode, instead_of=current)
            after, now = space.keep(path)[0], space.clock.now()
            with space.database.write() as connection:
                if undoing is not None:
                    space.trail.end(connection, undoing, after, now)
                space.trail.undone(connection, left, now)
        return True

    def _begin(self, mine: Step, kind: Kind, before: str | None, mode: int | None) -> Step:
        """Write down that a file is about to be put back."""
        step = Step(
            path=mine.path,
            run_id=mine.run_id,
            attempt=mine.attempt,
            kind=kind,
            before=before,
            mode=mode,
            at=self._space.clock.now(),
        )
        with self._space.database.write() as connection:
            return self._space.trail.add(connection, [step])[0]

    def _target(
        self,
        left: Sequence[Step],
        trail: Sequence[Step],
        current: str | None,
        alive_until: datetime | None,
    ) -> tuple[bool, bytes | None]:
        """Return what the file holds without these steps; False where that cannot be told."""
        space, last = self._space, trail[-1]
        if current == NOT_KEPT:
            return False, None
        is_open = last.number == left[-1].number and last.ended_at is None
        if is_open and alive_until is not None and is_newer(space, last.path, alive_until):
            return False, None
        target = space.content(current)
        for step in reversed(left):
            end = end_of(step, trail, current)
            possible, target = merged(space.content(end), target, space.content(step.before))
            if not possible:
                return False, None
        return True, target

    def _give_up(
        self,
        left: Sequence[Step],
        trail: Sequence[Step],
        undoing: Step | None,
        kind: Kind,
        current: str | None,
    ) -> None:
        if undoing is not None:
            self._end(undoing, undoing.before)
        if kind is Kind.ROLLBACK:
            self._leave(left, trail, current)

    def _end(self, undoing: Step, after: str | None) -> None:
        with self._space.database.write() as connection:
            self._space.trail.end(connection, undoing, after, self._space.clock.now())

    def _leave(self, left: Sequence[Step], trail: Sequence[Step], current: str | None) -> None:
        """Note that steps of a dead attempt stay: they are not looked at again."""
        with self._space.database.write() as connection:
            now = self._space.clock.now()
            for step in left:
                self._space.trail.leave(connection, step, end_of(step, trail, current), now)

    @contextmanager
    def _locked(self, path: str) -> Iterator[None]:
        deadline = Deadline(self._space.clock, _LOCKED_WITHIN, threading.Event())
        with self._space.files.locked(path, deadline):
            yield


def _author(connection: Connection, run_id: str) -> Author:
    task_id = connection.execute(select(runs.c.task_id).where(runs.c.id == run_id)).scalar_one()
    return author_of_run(task_id, run_id)


def _is_shut(error: SpaceError) -> bool:
    """Say whether the space lets nobody write, or has no room for it."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in _SHUT


def _is_undoing(last: Step, mine: Step, kind: Kind) -> bool:
    return (last.kind, last.run_id, last.ended_at) == (kind, mine.run_id, None)
