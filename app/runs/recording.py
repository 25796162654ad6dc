"""What a run changes in the space: announced before, compared after, by whom it was."""

from collections.abc import Callable, Collection, Mapping, Sequence
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
from app.runs.attribution import Meant, attribute
from app.runs.contract import Changed, change_between
from app.runs.run import Claim
from app.runs.trail import EVERYTHING, Kind, Step, Trail, end_of

log = structlog.get_logger(__name__)


MeantFiles = Callable[[str, int], Collection[str]]
"""Says which files a run is meant to change, by the id and the revision of its task."""

Begun = Callable[[], Mapping[str, datetime | None]]
"""Says when the runs of this process began, by their id; None for those that wait for a place."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """The space as a commit, and when the look at it began."""

    commit: str
    at: datetime


class Recording(Changes, Protocol):
    """The changes of one attempt."""

    def look_first(self) -> None:
        """Remember the space as it is, for a persona that changes it without announcing it.

        Raises SpaceError; then its changes are not known.
        """

    @property
    def is_silent(self) -> bool:
        """Whether all that is known of the changes is how the space was before."""

    def finish(self, compared: Collection[str] = (), seen: Look | None = None) -> Sequence[Changed]:
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

    def look(self, claims: Sequence[Claim]) -> Look | None:
        """Look at the space once for several attempts that have ended; return what `finish` takes.

        Raises SpaceError.
        """


class Unchanged(Unrecorded):
    """The record of a run that changes nothing."""

    is_silent = False

    def look_first(self) -> None:
        """Do nothing."""

    def finish(self, compared: Collection[str] = (), seen: Look | None = None) -> Sequence[Changed]:
        return ()


class NoRecorder:
    """Records nothing: where there is no space."""

    def begin(self, claim: Claim) -> Recording:
        return Unchanged()

    def look(self, claims: Sequence[Claim]) -> Look | None:
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

    def look(self, claims: Sequence[Claim]) -> Look:
        """Look at the whole space at the end of these attempts."""
        at = self.clock.now()
        return Look(commit=self.snapshots.take("\n".join(_note(claim) for claim in claims)), at=at)

    def content(self, content_id: str | None) -> bytes | None:
        """Return what a step names; raise SpaceError where it is not kept."""
        return None if content_id is None else self.store.get(content_id)


class SpaceRecorder:
    """Records what runs change in the space; `meant` helps to tell whose work a change is."""

    def __init__(
        self, space: Space, meant: MeantFiles = lambda *_: (), begun: Begun = dict
    ) -> None:
        self._space = space
        self._meant = meant
        self._begun = begun

    def begin(self, claim: Claim) -> Recording:
        return _Attempt(self._space, claim, self._meant, self._begun)

    def look(self, claims: Sequence[Claim]) -> Look | None:
        return self._space.look(claims)


class _Attempt:
    """The changes of one attempt; its methods are called by one thread at a time."""

    def __init__(self, space: Space, claim: Claim, meant: MeantFiles, begun: Begun) -> None:
        self._space = space
        self._claim = claim
        self._meant = meant
        self._begun = begun
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

    def finish(self, compared: Collection[str] = (), seen: Look | None = None) -> Sequence[Changed]:
        if not self._announced and self._commit is None:
            return ()
        space, look = self._space, seen
        if look is None and self._commit is not None:
            look = space.look([self._claim])
        if not self._announced and look is not None and look.commit == self._commit:
            return ()
        found = changes_of(self._finished(look), space, compared)
        if found and look is None:
            self._commit_changes()
        return found

    def _commit_changes(self) -> None:
        """Let the run be a commit too; what it changed is written down in any case."""
        try:
            self._space.look([self._claim])
        except SpaceError as error:
            log.warning("run.not_committed", run_id=self._claim.run_id, error=error.detail)

    def _finished(self, look: Look | None) -> list[Step]:
        """End the steps of this attempt and return all of the run, in one transaction."""
        space, run_id, attempt = self._space, self._claim.run_id, self._claim.attempt
        # what is read before the steps are looked at holds nothing that was announced after them
        held = {path: space.held(path) for path in self._announced if path != EVERYTHING}
        unannounced = (
            space.snapshots.difference(self._commit, look.commit) if self._commit and look else []
        )
        meant = self._files_meant(unannounced) if unannounced and self._silent else Meant()
        now = space.clock.now()
        with space.database.write() as connection:
            if not space.trail.holds(connection, *self._holder):
                return []
            if unannounced and look is not None:
                self._attribute(connection, unannounced, look, now, meant)
            for step in space.trail.of_attempt(connection, run_id, attempt):
                if step.ended_at is None:
                    later = space.trail.of_path(connection, step.path, since=step.number + 1)
                    wide = look.commit if look else None
                    after = wide if step.path == EVERYTHING else held.get(step.path)
                    space.trail.end(connection, step, end_of(step, later, after), now)
            return space.trail.of_run(connection, run_id)

    def _attribute(
        self,
        connection: Connection,
        changes: Sequence[FileChange],
        look: Look,
        now: datetime,
        meant: Meant,
    ) -> None:
        trail, run_id = self._space.trail, self._claim.run_id
        overlaps = trail.others_running if self._silent else trail.others_everywhere
        attribute(
            connection,
            trail,
            self._step(EVERYTHING, self._commit, None, self._since),
            changes,
            looked_at=look.at,
            now=now,
            shared=overlaps(connection, run_id, self._since),
            meant=meant,
        )

    def _files_meant(self, changes: Sequence[FileChange]) -> Meant:
        """Return what this run, and others that go on now, are meant to change.

        A file that was written before such a run began cannot be its work.
        """
        space, changed = self._space, {change.path for change in changes}
        with space.database.read() as connection:
            others = space.trail.running_beside(connection, self._claim.run_id)
        begun = self._begun()
        return Meant(
            here=self._meant(self._claim.task_id, self._claim.revision),
            elsewhere={
                path
                for other in others
                for path in changed.intersection(self._meant(other.task_id, other.revision))
                if (since := begun.get(other.run_id, other.started_at)) is not None
                and is_newer(space, path, since)
            },
        )

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
