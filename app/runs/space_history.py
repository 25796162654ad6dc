"""Reads the history of the space: what a run changed, and who wrote each line of a file."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from app.core.errors import SpaceBusy, SpaceError
from app.persona.errors import HistoryLost, NoSuchFile
from app.persona.history.files import normal
from app.persona.history.lines import attributed, hunks, is_text, split, unified
from app.persona.history.store import NOT_KEPT
from app.runs.contract import change_between
from app.runs.history import History
from app.runs.recording import Space
from app.runs.tables import runs
from app.runs.trail import EVERYTHING, Kind, Step, end_of, is_rolled_back

_MOST_STEPS = 1_000
_MOST_BYTES = 64 * 1024 * 1024
"""How far back lines are followed, versions and bytes of them; what is older was there before."""

_BYTES_OF_A_LINE = 32
"""What it takes to know who wrote a line."""

_MOST_RANGES = 10_000
_MOST_FILES = 1_000
_MOST_DIFF = 2 * 1024 * 1024
"""Characters of all differences of a run that are shown."""


@dataclass(frozen=True, kw_only=True)
class FileDiff:
    """What a run did to a file; `reverted` where that was taken back by the owner since."""

    path: str
    change: str
    diff: str
    shared: bool
    reverted: bool


@dataclass(frozen=True, kw_only=True)
class RunDiff:
    """What a run did; not `complete` where that is too much to be shown."""

    files: Sequence[FileDiff]
    complete: bool


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One change of a file.

    `author` is run, owner (who reverted the run), service (which rolled a dead attempt back) or
    outside: somebody who did not say so. Its `at` is then the latest time at which it can have
    been. `change` is None where the next version is not kept, `added` and `removed` are None where
    its lines are not followed so far back.
    """

    author: str
    run_id: str | None
    task_id: str | None
    at: datetime
    change: str | None
    added: int | None
    removed: int | None
    shared: bool
    undone: bool


@dataclass(frozen=True, kw_only=True)
class Lines:
    """Lines `first` to `last`, counted from 1, that were written by the same; None: before all."""

    first: int
    last: int
    entry: Entry | None


@dataclass(frozen=True, kw_only=True)
class FileHistory:
    """The changes of a file, newest first, and who wrote the lines that it holds now."""

    path: str
    entries: Sequence[Entry]
    lines: Sequence[Lines]


@dataclass(frozen=True, kw_only=True)
class _Version:
    entry: Entry
    before: str | None
    after: str | None
    is_followed: bool


_AUTHORS: Mapping[Kind, str] = {
    Kind.RUN: "run",
    Kind.LEFT: "run",
    Kind.ROLLBACK: "service",
    Kind.REVERT: "owner",
}


class SpaceHistory:
    """Reads the history of the space."""

    def __init__(self, space: Space, history: History) -> None:
        self._space = space
        self._history = history

    def diff(self, run_id: str) -> RunDiff:
        """Return what a run changed, file by file; raise RunNotFound, HistoryLost.

        What a dead attempt did and what was rolled back is not among it. At most 1,000 files are
        shown, and of those beyond 2 Mi characters that they changed.
        """
        run = self._history.run(run_id)
        with self._space.database.read() as connection:
            if self._space.trail.is_elsewhere(connection, run_id):
                raise HistoryLost(f"the history of this space does not know run {run_id}")
            made = self._space.trail.of_run(connection, run_id, reverted=True)
            made = [step for step in made if not is_rolled_back(step, run)]
            paths = sorted({step.path for step in made} - {EVERYTHING})
            first = {
                path: next(s.number for s in made if s.path == path) for path in paths[:_MOST_FILES]
            }
            trails = {
                path: self._space.trail.of_path(connection, path, since=number)
                for path, number in first.items()
            }
        files: list[FileDiff] = []
        left = _MOST_DIFF
        for path, trail in trails.items():
            found = self._file(path, made, trail, is_shown=left > 0)
            if found is not None:
                files.append(found)
                left -= len(found.diff)
        return RunDiff(files=files, complete=left > 0 and len(paths) <= _MOST_FILES)

    def of_path(self, path: str, limit: int) -> FileHistory:
        """Return the newest changes of a file; raise NoSuchFile for what has no history."""
        try:
            path = normal(path)
            current, _ = self._space.keep(path)
        except SpaceBusy:
            raise
        except SpaceError as error:
            raise NoSuchFile(error.detail) from error
        with self._space.database.read() as connection:
            trail = self._space.trail.of_path(connection, path, limit=_MOST_STEPS)
            if not trail and current is None:
                raise NoSuchFile(f"there is no file `{path}` in the space, and there was none")
            run_ids = {step.run_id for step in trail}
            query = select(runs.c.id, runs.c.task_id).where(runs.c.id.in_(run_ids))
            task_ids: dict[str, str] = {row.id: row.task_id for row in connection.execute(query)}
        followed = self._followed(trail, current)
        versions = list(self._versions(trail, current, task_ids, followed))
        return FileHistory(
            path=path,
            entries=[version.entry for version in versions[::-1][:limit]],
            lines=self._lines([v for v in versions if v.is_followed], current)[:_MOST_RANGES],
        )

    def _followed(self, trail: Sequence[Step], current: str | None) -> int:
        """Return the number of the first step from which on lines are followed."""
        left = _MOST_BYTES - self._size(current)
        first = trail[-1].number + 1 if trail else 0
        for step in reversed(trail):
            left -= self._size(step.before)
            if left < 0 or self._is_lost(step.before) or self._is_lost(step.after):
                break
            first = step.number
        return first

    def _is_lost(self, content_id: str | None) -> bool:
        """Say whether the history held a content once and does so no more."""
        try:
            if content_id != NOT_KEPT:
                self._space.content(content_id)
        except HistoryLost:
            return True
        return False

    def _size(self, content_id: str | None) -> int:
        text = self._text(content_id) or b""
        return len(text) + _BYTES_OF_A_LINE * text.count(b"\n")

    def _file(
        self, path: str, made: Sequence[Step], trail: Sequence[Step], *, is_shown: bool
    ) -> FileDiff | None:
        mine = [step for step in made if step.path == path]
        current = None if mine[-1].ended_at else self._space.held(path)
        pieces = [(step.before, end_of(step, trail, current)) for step in mine]
        change = change_between(pieces[0][0], pieces[-1][1])
        if change is None:
            return None
        return FileDiff(
            path=path,
            change=change,
            diff="".join(self._unified(before, after) for before, after in pieces)
            if is_shown
            else "left out: the run changed too much to be shown\n",
            shared=any(step.shared for step in mine),
            reverted=all(step.undone_at is not None for step in mine),
        )

    def _unified(self, before: str | None, after: str | None) -> str:
        if before == after:
            return ""
        try:
            return unified(self._space.content(before), self._space.content(after))
        except (SpaceBusy, HistoryLost):
            raise
        except SpaceError:
            return "not kept: the file was too large\n"

    def _versions(
        self,
        trail: Sequence[Step],
        current: str | None,
        task_ids: Mapping[str, str],
        followed: int,
    ) -> Iterator[_Version]:
        """Yield the changes of a file, oldest first, with what nobody announced in between."""
        held = trail[0].before if trail else current
        for step in trail:
            is_followed = step.number >= followed
            if step.before != held:
                yield self._outside(held, step.before, step.at, is_followed=is_followed)
            held = end_of(step, trail, current)
            if held != step.before:
                added, removed = self._count(step.before, held) if is_followed else (None, None)
                entry = Entry(
                    author=_AUTHORS[step.kind],
                    run_id=step.run_id,
                    task_id=task_ids.get(step.run_id),
                    at=step.at,
                    change=change_between(step.before, held),
                    added=added,
                    removed=removed,
                    shared=step.shared,
                    undone=step.undone_at is not None,
                )
                yield _Version(entry=entry, before=step.before, after=held, is_followed=is_followed)
        if held != current:
            yield self._outside(held, current, self._space.clock.now(), is_followed=True)

    def _outside(
        self, before: str | None, after: str | None, at: datetime, *, is_followed: bool
    ) -> _Version:
        added, removed = self._count(before, after) if is_followed else (None, None)
        entry = Entry(
            author="outside",
            run_id=None,
            task_id=None,
            at=at,
            change=change_between(before, after),
            added=added,
            removed=removed,
            shared=False,
            undone=False,
        )
        return _Version(entry=entry, before=before, after=after, is_followed=is_followed)

    def _count(self, before: str | None, after: str | None) -> tuple[int, int]:
        """Return how many lines were added and removed; none where that is not known."""
        old, new = self._text(before), self._text(after)
        found = hunks(split(old), split(new)) or []
        return (
            sum(len(hunk.lines) for hunk in found),
            sum(hunk.end - hunk.start for hunk in found),
        )

    def _lines(self, versions: Sequence[_Version], current: str | None) -> list[Lines]:
        authors: list[Entry | None] = []
        known: dict[str | None, list[Entry | None]] = {}
        if versions:
            authors = [None] * len(split(self._text(versions[0].before)))
            known[versions[0].before] = authors
        for version in versions:
            if version.after in known:
                # put back: whoever wrote the lines then wrote them
                authors = known[version.after]
            else:
                old, new = self._text(version.before), self._text(version.after)
                authors = attributed(authors, old, new, version.entry)
            known[version.after] = authors
        if not versions:
            authors = [None] * len(split(self._text(current)))
        return _ranges(authors)

    def _text(self, content_id: str | None) -> bytes | None:
        if content_id is None or content_id == NOT_KEPT:
            return None
        try:
            content = self._space.content(content_id)
        except SpaceBusy:
            raise
        except SpaceError:
            return None
        return content if is_text(content) else None


def _ranges(authors: Sequence[Entry | None]) -> list[Lines]:
    found: list[Lines] = []
    for number, entry in enumerate(authors, start=1):
        if found and found[-1].entry is entry:
            found[-1] = Lines(first=found[-1].first, last=number, entry=entry)
        else:
            found.append(Lines(first=number, last=number, entry=entry))
    return found
