"""The contents that files of the space had, in a bare git repository that the persona cannot reach.

libgit2 writes an object to a name of its own and renames it: a kill leaves a whole object or none,
and two processes may write the same one. Syncing is done here, for many objects at once.
"""

import fcntl
import os
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pygit2
import structlog
from pygit2.enums import Option, SortMode

from app.core.clock import Clock
from app.core.errors import SpaceBusy, SpaceError
from app.persona.errors import HistoryLost

log = structlog.get_logger(__name__)

_SYNCED_SINGLY = 64
_NEEDED = ("HEAD", "objects", "refs")
"""What a folder without is no repository."""

_REF = "refs/heads/space"
_SIGNER = ("persona-tasks", "history@localhost")
_FOLDER, _PLAIN, _PROGRAM = 0o40000, 0o100644, 0o100755


NOT_KEPT = "not kept"
"""Stands for a content that is too large to be kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """A version of a file: the id of its content, and whether it may be executed."""

    id: str
    program: bool = False

    @property
    def mode(self) -> int:
        """The mode that such a file gets where nothing else is known."""
        return 0o755 if self.program else 0o644


_LOCK_TRIED_AFTER = timedelta(milliseconds=2)
_LOCK_TRIED_AT_LEAST_EVERY = timedelta(milliseconds=20)
_LOCK_TRIED_FOR = timedelta(minutes=2)
"""The first look at a large space takes long; longer than this only what is stopped."""


class Store:
    """Keeps contents by their hash; safe in any number of threads and processes.

    Raises SpaceBusy where the system refuses something at the moment, HistoryLost where what is
    named is not there any more, or damaged.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self._clock = clock
        self._here = threading.local()

    def identity(self) -> str:
        """Return what tells this space from any other, also after its repository was removed."""
        place = self.path.with_suffix(".identity")
        if not place.exists():
            with self._locked(fcntl.LOCK_EX, ".mend"), self._failing():
                self._draw_identity(place)
        with self._failing():
            return place.read_text(encoding="ascii")

    def put(self, content: bytes) -> str:
        """Keep a content; return its id. It is on the disk after `sync`."""
        with self._failing():
            return str(self._repository.create_blob(content))

    def sync(self, ids: Collection[str]) -> None:
        """Return when these objects are on the disk."""
        with self._failing():
            if len(ids) > _SYNCED_SINGLY:
                os.sync()
                return
            folders = set()
            for id_ in ids:
                folders.add(folder := self.path / "objects" / id_[:2])
                _sync(folder / id_[2:])
            for folder in folders:
                _sync(folder)
            _sync(self.path / "objects")

    def get(self, blob_id: str) -> bytes:
        """Return a content; raise SpaceError where it was too large to be kept."""
        if blob_id == NOT_KEPT:
            raise SpaceError("the content was too large to be kept")
        with self._failing():
            found = self._object(blob_id)
        if not isinstance(found, pygit2.Blob):
            raise HistoryLost(f"the history of the space does not hold {blob_id[:12]} any more")
        return bytes(found.data)

    def tree(self, folders: Mapping[str, str], files: Mapping[str, Kept]) -> str:
        """Keep a folder, name -> id of a folder and name -> file; return its id."""
        with self._failing():
            builder = self._repository.TreeBuilder()
            for name, folder_id in folders.items():
                builder.insert(name, folder_id, _FOLDER)
            for name, kept in files.items():
                builder.insert(name, kept.id, _PROGRAM if kept.program else _PLAIN)
            return str(builder.write())

    def head(self) -> str | None:
        """Return the id of the newest commit."""
        with self._failing():
            try:
                reference = self._repository.references.get(_REF)
                found = str(reference.target) if reference is not None else None
            except (pygit2.GitError, ValueError):
                found = ""
            if found is None or (found and self.tree_of(found) is not None):
                return found
            # what a power cut left of it, or the commit is gone
            log.warning("space.history_begins_anew")
            (self.path / _REF).unlink(missing_ok=True)
            return None

    def tree_of(self, commit_id: str) -> str | None:
        """Return the tree of a commit; None where it is not kept any more."""
        with self._failing():
            commit = self._object(commit_id)
            return str(commit.tree_id) if isinstance(commit, pygit2.Commit) else None

    def commit(self, tree_id: str, message: str, at: datetime, new: Collection[str] = ()) -> str:
        """Put a commit of a tree after the newest one; call it within `alone`.

        It is on the disk on return, and so is what is `new` in it.
        """
        with self._failing():
            parent = self.head()
            if self._object(tree_id) is None:
                raise KeyError(tree_id)
            signer = pygit2.Signature(*_SIGNER, int(at.timestamp()), 0)
            parents = [parent] if parent is not None else []
            made = self._repository.create_commit(None, signer, signer, message, tree_id, parents)
            self.sync([*new, str(made)])
            # nobody else is here, so a lock that stands there is what a kill left behind
            (self.path / f"{_REF}.lock").unlink(missing_ok=True)
            self._repository.references.create(_REF, made, force=True)
            return str(made)

    def files(self, commit_id: str) -> dict[str, Kept]:
        """Return path -> file of a commit."""
        with self._failing():
            found: dict[str, Kept] = {}
            left = [("", self._repository[commit_id].peel(pygit2.Tree))]
            while left:
                above, tree = left.pop()
                for entry in tree:
                    path = f"{above}{entry.name}"
                    if isinstance(entry, pygit2.Tree):
                        left.append((f"{path}/", entry))
                    else:
                        program = entry.filemode == _PROGRAM
                        found[path] = Kept(id=str(entry.id), program=program)
            return found

    def difference(self, before: str, after: str) -> Iterator[tuple[str, Kept | None, Kept | None]]:
        """Yield path, file before and file after of what differs between two commits."""
        with self._failing():
            old, new = (self._repository[c].peel(pygit2.Tree) for c in (before, after))
            left: list[tuple[str, pygit2.Tree | None, pygit2.Tree | None]] = [("", old, new)]
            while left:
                above, here, there = left.pop()
                for name in sorted(_names(here) | _names(there)):
                    one, other = _entry(here, name), _entry(there, name)
                    if one is not None and other is not None and _same(one, other):
                        continue
                    path = f"{above}{name}"
                    trees = [e if isinstance(e, pygit2.Tree) else None for e in (one, other)]
                    if trees != [None, None]:
                        left.append((f"{path}/", trees[0], trees[1]))
                    files = [_file(one), _file(other)]
                    if files != [None, None]:
                        yield path, files[0], files[1]

    def sweep(self, wanted: Set[str], before: datetime) -> int:
        """Forget contents and commits older than that which nothing needs; return how many.

        `wanted` are ids of contents that stay. The newest commit stays, whatever its age; the
        oldest one that stays is marked as the beginning, as git does with a shallow clone.
        """
        with self.alone(), self._failing():
            repository, oldest = self._repository, before.timestamp()
            stays, begins = set(wanted), None
            head = self.head()
            for commit in repository.walk(head, SortMode.TOPOLOGICAL) if head else ():
                stays |= {str(commit.id), *_reached(commit.tree, stays)}
                begins = str(commit.id)
                if commit.commit_time < oldest:
                    break
            if begins is not None and repository[begins].peel(pygit2.Commit).parent_ids:
                (self.path / "shallow").write_text(f"{begins}\n", encoding="ascii")
            removed = 0
            for file in self.path.glob("objects/??/*"):
                is_old = file.lstat().st_mtime < oldest
                if is_old and file.parent.name + file.name not in stays:
                    file.unlink(missing_ok=True)
                    removed += 1
            self._here.__dict__.clear()
            return removed

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be the only one, over all processes, that moves the newest commit or sweeps."""
        with self._locked(fcntl.LOCK_EX):
            yield

    @contextmanager
    def relying(self) -> Iterator[None]:
        """Keep the sweep away while something is put; after that it is too young to be swept."""
        with self._locked(fcntl.LOCK_SH):
            yield

    def begin_anew(self) -> None:
        """Put the repository aside and make an empty one."""
        with self._locked(fcntl.LOCK_EX, ".mend"), self._failing():
            self._put_aside()
            self._make()

    @contextmanager
    def _locked(self, how: int, lock: str = ".lock") -> Iterator[None]:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        with self._failing():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path.with_suffix(lock), flags, 0o600)
        try:
            with self._failing():
                self._lock(descriptor, how)
            yield
        finally:
            os.close(descriptor)

    def _lock(self, descriptor: int, how: int) -> None:
        end = self._clock.monotonic() + _LOCK_TRIED_FOR.total_seconds()
        never, pause = threading.Event(), _LOCK_TRIED_AFTER
        while True:
            try:
                fcntl.flock(descriptor, how | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if self._clock.monotonic() >= end:
                    raise SpaceBusy("another process keeps the history of the space") from None
            self._clock.wait(never, pause)
            pause = min(2 * pause, _LOCK_TRIED_AT_LEAST_EVERY)

    @property
    def _repository(self) -> pygit2.Repository:
        """The repository, opened once a thread and process; made where there is none."""
        here = self._here.__dict__
        if here.get("pid") != os.getpid() or not self.path.exists():
            # global to libgit2
            pygit2.option(Option.ENABLE_CACHING, False)
            here.update(pid=os.getpid(), repository=self._opened())
        found: pygit2.Repository = here["repository"]
        return found

    def _opened(self) -> pygit2.Repository:
        """Open the repository; what is none is put aside, for its owner to look at."""
        with self._locked(fcntl.LOCK_EX, ".mend"):
            if not all((self.path / name).exists() for name in _NEEDED):
                self._put_aside()
                self._make()
            try:
                return pygit2.Repository(str(self.path))
            except pygit2.GitError as error:
                raise SpaceBusy(f"the history of the space cannot be opened: {error}") from error

    def _put_aside(self) -> None:
        self._here.__dict__.clear()
        with suppress(FileNotFoundError):
            aside = f"{self.path.name}.damaged-{self.path.lstat().st_mtime_ns:x}"
            self.path.rename(self.path.with_name(aside))
            log.error("space.history_put_aside", name=aside)

    def _object(self, id_: str) -> pygit2.Object | None:
        """Return an object, None where it is gone.

        One that is damaged is removed, or its content would count as kept for ever.
        """
        try:
            return self._repository.get(id_)
        except pygit2.GitError as error:
            log.error("space.history_damaged", id=id_, error=str(error))
            (self.path / "objects" / id_[:2] / id_[2:]).unlink(missing_ok=True)
            return None

    def _draw_identity(self, place: Path) -> None:
        if place.exists():
            return
        with TemporaryDirectory(dir=place.parent, prefix=".history.") as folder:
            # the name was drawn at random
            unique = f"{Path(folder).name.rpartition('.')[2]}-{Path(folder).stat().st_mtime_ns:x}"
            with suppress(FileNotFoundError):
                # where it was kept before
                unique = (self.path / "identity").read_text(encoding="ascii")
            drawn = Path(folder) / place.name
            drawn.write_text(unique, encoding="ascii")
            _sync(drawn)
            drawn.rename(place)
        _sync(place.parent)

    def _make(self) -> None:
        """Make the repository under another name, so that it is whole when it gets its own."""
        with TemporaryDirectory(dir=self.path.parent, prefix=".history.") as folder:
            made = pygit2.init_repository(folder, bare=True)
            # most contents are named by the ledger only: git must not take them for garbage
            made.config["gc.auto"] = 0
            made.config["gc.pruneExpire"] = "never"
            # no file is ever checked out of it, so a name that Windows reads as .git is a name
            made.config["core.protectNTFS"] = made.config["core.protectHFS"] = False
            os.sync()
            Path(folder).rename(self.path)
            Path(folder).mkdir()

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except (pygit2.GitError, OSError, KeyError, ValueError) as error:
            self._here.__dict__.clear()
            # what the system refuses comes as an OSError, from libgit2 too
            kind = SpaceBusy if isinstance(error, OSError) else HistoryLost
            raise kind(f"the history of the space cannot be used: {error}") from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _names(tree: pygit2.Tree | None) -> set[str]:
    return {str(entry.name) for entry in tree} if tree is not None else set()


def _entry(tree: pygit2.Tree | None, name: str) -> pygit2.Object | None:
    return tree[name] if tree is not None and name in tree else None


def _same(one: pygit2.Object, other: pygit2.Object) -> bool:
    return (one.id, one.filemode) == (other.id, other.filemode)


def _file(entry: pygit2.Object | None) -> Kept | None:
    if entry is None or isinstance(entry, pygit2.Tree):
        return None
    return Kept(id=str(entry.id), program=entry.filemode == _PROGRAM)


def _reached(tree: pygit2.Tree, known: Set[str]) -> Sequence[str]:
    found, left = [str(tree.id)], [tree]
    while left:
        for entry in left.pop():
            if str(entry.id) not in known:
                found.append(str(entry.id))
                if isinstance(entry, pygit2.Tree):
                    left.append(entry)
    return found
