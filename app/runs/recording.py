"""What a run changes in the space: announced before, compared after, by whom it was."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog
from sqlalchemy import Connection

from app.core.clock import Clock
from app.core.errors import SpaceBusy, SpaceError
from app.database import Database
from app.persona.client import Changes, Unrecorded
from app.persona.errors import PersonaCancelled
from app.persona.history.files import SpaceFiles, normal
from app.persona.history.snapshots import FileChange, Snapshots
from app.persona.history.store import NOT_KEPT, Store
from app.runs.contract import Changed, change_between
from app.runs.ledger import Claim
from app.runs.trail import EVERYTHING, Kind, Step, Trail, end_of

log = structlog.get_logger(__name__)


class Recording(Changes, Protocol):
    """The changes of one attempt."""

    def look_first(self) -> None:
        """Remember the space as it is, for a persona that changes it without announcing it.

        Raises SpaceError; then its changes are not known.
        """

    @property
    def is_silent(self) -> bool:
        """Whether all that is known of the changes is how the space was before."""

    def finish(self, compared: Collection[str] = (), seen: str | None = None) -> Sequence[Changed]:
        """Write down what became of each file, and return what the run changed so far.

        An earlier attempt's changes that were not taken back are among them. Those of the files
        `compared` come with their contents. `seen` is what the recorder saw in a look after the
        end; without it a look is taken where one is needed. Raises SpaceError, and
        LedgerUnavailable: then it may be called again.
        """


class Recorder(Protocol):
    """Records what runs change."""

    def begin(self, claim: Claim) -> Recording:
        """Begin to record an attempt; nothing is looked at yet."""

    def look(self, claims: Sequence[Claim]) -> str | None:
        """Look at the space once for several attempts that have ended; return what `finish` takes.

        Raises SpaceError.
        """


class Unchanged(Unrecorded):
    """The record of a run that changes nothing."""

    is_silent = False

    def look_first(self) -> None:
        """Do nothing."""

    def finish(self, compared: Collection[str] = (), seen: str | None = None) -> Sequence[Changed]:
        return ()


class NoRecorder:
    """Records nothing: where there is no space."""

    def begin(self, claim: Claim) -> Recording:
        return Unchanged()

    def look(self, claims: Sequence[Claim]) -> str | None:
        return None


@dataclass(frozen=True, kw_only=True)
class Space:
    """What recording and taking back work with."""

    database: Database
    trail: Trail
    files: SpaceFiles
    store: Store
    snapshots: Snapshots
    clock: Clock

    def keep(self, path: str) -> tuple[str | None, int | None]:
        """Keep what a file holds; return the id of it, None for no file, and the file's mode."""
        found = self.files.read(path)
        if found is None:
            return None, None
        mode = found.status.st_mode & 0o777
        if found.data is None:
            return NOT_KEPT, mode
        with self.store.relying():
            kept = self.store.put(found.data)
            self.store.sync([kept])
            return kept, mode

    def held(self, path: str) -> str | None:
        """Keep what a file holds; NOT_KEPT where what stands there now cannot be read as a file.

        A script may put anything there, and nobody may hide what a run did by that.
        """
        try:
            return self.keep(path)[0]
        except SpaceBusy:
            raise
        except SpaceError:
            return NOT_KEPT

    def content(self, content_id: str | None) -> bytes | None:
        """Return what a step names; raise SpaceError where it is not kept."""
        return None if content_id is None else self.store.get(content_id)


class SpaceRecorder:
    """Records what runs change in the space."""

    def __init__(self, space: Space) -> None:
        self._space = space

    def begin(self, claim: Claim) -> Recording:
        return _Attempt(self._space, claim)

    def look(self, claims: Sequence[Claim]) -> str | None:
        return self._space.snapshots.take("\n".join(_note(claim) for claim in claims))


class _Attempt:
    """The changes of one attempt; its methods are called by one thread at a time."""

    def __init__(self, space: Space, claim: Claim) -> None:
        self._space = space
        self._claim = claim
        self._announced: set[str] = set()
        self._commit: str | None = None
        self._since = space.clock.now()
        self._silent = False

    def look_first(self) -> None:
        self._silent = True
        self._commit, age = self._space.snapshots.recent()
        self._since -= age

    @property
    def is_silent(self) -> bool:
        return self._silent and self._commit is not None and not self._announced

    def announce(self, paths: Sequence[str]) -> None:
        self._announce([normal(path) for path in paths])

    def announce_all(self) -> None:
        self._announce([EVERYTHING])

    def hold(self, connection: Connection) -> None:
        self._raise_unless_held(connection)

    def _announce(self, paths: Sequence[str]) -> None:
        """Keep what these files hold and write down that they are about to change."""
        wanted = dict.fromkeys(paths)
        new = [path for path in wanted if path not in self._announced or not self._is_last(path)]
        if not new:
            self._check()
            return
        space, now = self._space, self._space.clock.now()
        held = {path: space.keep(path) for path in new if path != EVERYTHING}
        if EVERYTHING in new:
            self._commit, self._since = space.snapshots.take(), now
            held[EVERYTHING] = (self._commit, None)
        with space.database.write() as connection:
            self._raise_unless_held(connection)
            space.trail.add(
                connection,
                [self._step(path, before, mode, now) for path, (before, mode) in held.items()],
            )
        self._announced.update(new)

    def finish(self, compared: Collection[str] = (), seen: str | None = None) -> Sequence[Changed]:
        if not self._announced and self._commit is None:
            return ()
        space, commit = self._space, seen
        if commit is None and self._commit is not None:
            commit = space.snapshots.take(_note(self._claim))
        if not self._announced and commit == self._commit:
            return ()
        found = changes_of(self._finished(commit), space, compared)
        if found and commit is None:
            self._commit_changes()
        return found

    def _commit_changes(self) -> None:
        """Let the run be a commit too; what it changed is written down in any case."""
        try:
            self._space.snapshots.take(_note(self._claim))
        except SpaceError as error:
            log.warning("run.not_committed", run_id=self._claim.run_id, error=error.detail)

    def _finished(self, commit: str | None) -> list[Step]:
        """End the steps of this attempt and return all of the run, in one transaction."""
        space, run_id, attempt = self._space, self._claim.run_id, self._claim.attempt
        # what is read before the steps are looked at holds nothing that was announced after them
        held = {path: space.held(path) for path in self._announced if path != EVERYTHING}
        unannounced = (
            space.snapshots.difference(self._commit, commit) if self._commit and commit else []
        )
        now = space.clock.now()
        with space.database.write() as connection:
            if not space.trail.holds(connection, *self._holder):
                return []
            everything = self._step(EVERYTHING, self._commit, None, self._since)
            attribute(connection, space, everything, unannounced, now, silent=self._silent)
            for step in space.trail.of_attempt(connection, run_id, attempt):
                if step.ended_at is None:
                    later = space.trail.of_path(connection, step.path, since=step.number + 1)
                    after = commit if step.path == EVERYTHING else held.get(step.path)
                    space.trail.end(connection, step, end_of(step, later, after), now)
            return space.trail.of_run(connection, run_id)

    def _is_last(self, path: str) -> bool:
        """Say whether the newest step of a file is this attempt's; nobody else announces now."""
        with self._space.database.read() as connection:
            last = self._space.trail.last(connection, path)
        mine = (self._claim.run_id, self._claim.attempt, Kind.RUN, None)
        return last is not None and (last.run_id, last.attempt, last.kind, last.ended_at) == mine

    def _check(self) -> None:
        with self._space.database.read() as connection:
            if not self._space.trail.holds(connection, *self._holder, lock=False):
                raise PersonaCancelled

    def _raise_unless_held(self, connection: Connection) -> None:
        if not self._space.trail.holds(connection, *self._holder):
            raise PersonaCancelled

    @property
    def _holder(self) -> tuple[str, int, str]:
        return self._claim.run_id, self._claim.attempt, self._claim.owner

    def _step(self, path: str, before: str | None, mode: int | None, at: datetime) -> Step:
        return Step(
            path=path,
            run_id=self._claim.run_id,
            attempt=self._claim.attempt,
            kind=Kind.RUN,
            before=before,
            mode=mode,
            at=at,
        )


def _note(claim: Claim) -> str:
    return f"run {claim.run_id} of {claim.task_id}, attempt {claim.attempt}"


def attribute(
    connection: Connection,
    space: Space,
    step: Step,
    changes: Sequence[FileChange],
    now: datetime,
    *,
    silent: bool,
) -> None:
    """Write down as a run's what changed during a step that may have changed any file.

    What anybody announced meanwhile is theirs.
    """
    if not changes:
        return
    theirs = space.trail.announced(connection, [change.path for change in changes], step.at)
    overlaps = space.trail.others_running if silent else space.trail.others_everywhere
    shared = overlaps(connection, step.run_id, step.at)
    space.trail.add(
        connection,
        [
            Step(
                path=change.path,
                run_id=step.run_id,
                attempt=step.attempt,
                kind=Kind.RUN,
                before=change.before.id if change.before else None,
                after=change.after.id if change.after else None,
                mode=change.before.mode if change.before else None,
                shared=shared,
                at=step.at,
                ended_at=now,
            )
            for change in changes
            if change.path not in theirs
        ],
    )


def changes_of(made: Sequence[Step], space: Space, compared: Collection[str] = ()) -> list[Changed]:
    """Return what steps come to, file by file, with the contents of those to be compared."""
    files: dict[str, list[Step]] = {}
    for step in made:
        if step.path != EVERYTHING and step.before != step.after:
            files.setdefault(step.path, []).append(step)
    return [
        Changed(
            path=path,
            change=change,
            shared=any(step.shared for step in found),
            steps=[
                (_known(space, step.before), _known(space, step.after))
                for step in (found if path in compared else ())
            ],
        )
        for path, found in sorted(files.items())
        if (change := change_between(found[0].before, found[-1].after)) is not None
    ]


def _known(space: Space, content_id: str | None) -> bytes | None:
    """Return a content; nothing where it is too large to be kept, or no file any more."""
    return b"" if content_id == NOT_KEPT else space.content(content_id)


def is_newer(space: Space, path: str, instant: datetime) -> bool:
    """Say whether a file was written after an instant; what is no file, or shut, was not."""
    try:
        found = space.files.read(path)
    except SpaceBusy:
        raise
    except SpaceError:
        return False
    return found is not None and found.status.st_mtime > instant.timestamp()
