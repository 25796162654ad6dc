"""The whole space at one moment, as a commit; only what changed since the last look is read."""

import stat
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import structlog

from app.core.clock import Clock
from app.core.errors import SpaceBusy, SpaceError
from app.persona.errors import HistoryLost
from app.persona.history.files import LARGEST_KEPT, Content, SpaceFiles
from app.persona.history.store import Kept, Store
from app.persona.openat import is_plain_file

log = structlog.get_logger(__name__)

DEEPEST = 32
_SAVED_EVERY = timedelta(seconds=30)
"""How often at most what a restart need not read again is saved."""

_RECENT = timedelta(milliseconds=250)

_RACY_NS = 100_000_000
"""Times of files are coarse: one that was changed so shortly before it was read is read again."""

Stamp = tuple[int, int, int, int, int]
"""Size, time of change, time of change of its status, inode, mode."""

_Folders = dict[tuple[str, ...], tuple[dict[str, Stamp], list[str]]]


@dataclass(frozen=True, kw_only=True)
class FileChange:
    """A file that differs between two commits; None is no file."""

    path: str
    before: Kept | None
    after: Kept | None


class _Known:
    """What was seen of one folder: its files with their stamps and contents, and its tree."""

    __slots__ = ("files", "folders", "kept", "racy", "tree")

    def __init__(self) -> None:
        self.files: dict[str, Stamp] = {}
        self.folders: dict[str, str] = {}
        self.kept: dict[str, Kept] = {}
        self.racy: set[str] = set()
        self.tree = ""


class Snapshots:
    """Takes snapshots of a space; one walk serves everybody who asked before it began."""

    def __init__(self, files: SpaceFiles, store: Store, cache: Path, clock: Clock) -> None:
        self._files = files
        self._store = store
        self._cache = cache
        self._clock = clock
        self._known: dict[tuple[str, ...], _Known] = {}
        self._loaded = False
        self._save_again = 0.0
        self._new: list[str] = []
        self._turn = threading.Condition()
        self._walking = False
        self._asked = self._served = 0
        self._last = ""
        self._notes: list[str] = []
        self._began = 0.0
        self._failed: SpaceError | None = None
        self.left_out: list[str] = []

    def recent(self) -> tuple[str, timedelta]:
        """Return a commit of the space as it was a moment ago, and how long ago: at most 250 ms.

        So many runs that begin one after the other need no walk each. Raises SpaceError.
        """
        with self._turn:
            age = timedelta(seconds=self._clock.monotonic() - self._began)
            if self._last and age <= _RECENT:
                return self._last, age
        return self.take(), timedelta(0)

    def take(self, note: str = "") -> str:
        """Return the id of a commit that holds the space as it is, on the disk on return.

        A commit that is made says `note`, and what others noted who wait for the same one.
        Where nothing changed since the newest commit it is that one. Files over 16 MiB or not to be
        read, folders deeper than 32, links, hidden files and the service's own folder are left out.
        Raises SpaceError.
        """
        with self._turn:
            self._asked += 1
            mine = self._asked
            if note:
                self._notes.append(note)
            while self._walking and self._served < mine:
                self._turn.wait()
            if self._served >= mine:
                return self._answer()
            self._walking, serves = True, self._asked
            notes, self._notes = self._notes, []
        began = self._clock.monotonic()
        try:
            commit = self._walk(notes)
            self._last, self._failed, self._began = commit, None, began
        except SpaceError as error:
            # what is known may not be on the disk: look at everything the next time
            self._failed, self._known, self._last = error, {}, ""
            raise
        except BaseException:
            # a fault of this look alone: somebody who waits looks anew
            self._known, serves = {}, self._served
            with self._turn:
                self._notes[:0] = notes
            raise
        finally:
            with self._turn:
                self._walking, self._served = False, serves
                self._turn.notify_all()
        return commit

    def difference(self, before: str, after: str) -> list[FileChange]:
        """Return what differs between two commits, by path; raise HistoryLost."""
        if before == after:
            return []
        try:
            found = sorted(self._store.difference(before, after), key=lambda change: change[0])
        except HistoryLost:
            # what else is known may be gone too: keep everything anew the next time
            self._known = {}
            raise
        return [FileChange(path=path, before=old, after=new) for path, old, new in found]

    def _answer(self) -> str:
        if self._failed is not None:
            raise SpaceError(self._failed.detail)
        return self._last

    def _walk(self, notes: Sequence[str]) -> str:
        with self._store.alone():
            if not self._loaded:
                self._known, self._loaded = self._load(), True
            try:
                return self._committed(notes)
            except HistoryLost as error:
                # what is known may be of a repository that was removed
                log.warning("space.history_lost", error=error.detail)
                self._known = {}
            try:
                return self._committed(notes)
            except HistoryLost as error:
                log.warning("space.history_lost", error=error.detail)
                self._known = {}
                self._store.begin_anew()
            return self._committed(notes)

    def _committed(self, notes: Sequence[str]) -> str:
        self._new = []
        began = int(self._clock.now().timestamp() * 1e9)
        with self._files.opened() as root:
            seen = self._look(root)
        tree, changed = self._trees(seen, began)
        head = self._store.head()
        if head is not None and self._store.tree_of(head) == tree:
            commit = head
        else:
            message = "\n".join(notes) or "the space as it was found"
            commit = self._store.commit(tree, message, self._clock.now(), self._new)
            changed = True
        if changed and self._clock.monotonic() >= self._save_again:
            self._save(commit)
            self._save_again = self._clock.monotonic() + _SAVED_EVERY.total_seconds()
        return commit

    def _look(self, root: int) -> _Folders:
        """Return what stands in each folder, the inner ones after the outer ones."""
        found: _Folders = {}
        left: list[tuple[str, ...]] = [()]
        left_out: list[str] = []
        while left:
            parts = left.pop()
            if len(parts) > DEEPEST:
                # a script may make any folder; that must not hide what else it did
                left_out.append("/".join((*parts, "")))
                found[parts] = ({}, [])
                continue
            files: dict[str, Stamp] = {}
            folders: list[str] = []
            for name, status in self._files.entries(root, parts):
                if stat.S_ISDIR(status.st_mode):
                    folders.append(name)
                elif is_plain_file(status):
                    files[name] = (
                        status.st_size,
                        status.st_mtime_ns,
                        status.st_ctime_ns,
                        status.st_ino,
                        stat.S_IMODE(status.st_mode),
                    )
            for name in [name for name, stamp in files.items() if stamp[0] > LARGEST_KEPT]:
                del files[name]
                left_out.append("/".join((*parts, name)))
            found[parts] = (files, folders)
            left.extend((*parts, name) for name in folders)
        if left_out != self.left_out:
            log.info("space.not_kept", files=left_out[:20], count=len(left_out))
        self.left_out = left_out
        return found

    def _trees(self, seen: _Folders, began: int) -> tuple[str, bool]:
        """Keep what is new, innermost folders first; return the tree, and whether any was new."""
        known: dict[tuple[str, ...], _Known] = {}
        changed = len(seen) != len(self._known)
        for parts in sorted(seen, key=len, reverse=True):
            files, folders = seen[parts]
            old = self._known.get(parts)
            inner = {name: known[*parts, name].tree for name in folders if known[*parts, name].tree}
            if old is not None and not old.racy and old.files == files and old.folders == inner:
                known[parts] = old
                continue
            known[parts] = self._read(parts, files, inner, old, began)
            changed = True
        self._known = known
        if not known[()].tree:
            known[()].tree = self._store.tree({}, {})
            self._new.append(known[()].tree)
        return known[()].tree, changed

    def _read(
        self,
        parts: tuple[str, ...],
        files: Mapping[str, Stamp],
        inner: dict[str, str],
        old: _Known | None,
        began: int,
    ) -> _Known:
        new = _Known()
        new.folders = inner
        for name, stamp in files.items():
            if old is not None and name not in old.racy and old.files.get(name) == stamp:
                new.files[name], new.kept[name] = stamp, old.kept[name]
                continue
            content = self._readable("/".join((*parts, name)))
            if content is None or content.data is None:
                continue
            self._new.append(self._store.put(content.data))
            new.kept[name] = Kept(id=self._new[-1], program=bool(stamp[4] & stat.S_IXUSR))
            new.files[name] = stamp
            if max(stamp[1], stamp[2]) >= began - _RACY_NS:
                new.racy.add(name)
        if new.kept or inner:
            new.tree = self._store.tree(inner, new.kept)
            self._new.append(new.tree)
        return new

    def _readable(self, path: str) -> Content | None:
        try:
            return self._files.read(path)
        except SpaceBusy:
            raise
        except SpaceError as error:
            # shut by whoever made it, or no file any more since the folder was read
            log.debug("space.not_readable", path=path, error=error.detail)
            return None

    # ---- what a restart need not read again

    def _load(self) -> dict[tuple[str, ...], _Known]:
        try:
            saved = orjson.loads(self._cache.read_bytes())
            if self._store.tree_of(saved["commit"]) is None:
                return {}
            return {tuple(parts): _loaded(folder) for parts, folder in saved["folders"]}
        except (OSError, ValueError, KeyError, TypeError, SpaceError):
            # nothing is lost by it but time
            return {}

    def _save(self, commit: str) -> None:
        folders = [(parts, _saved(known)) for parts, known in self._known.items()]
        temporary = self._cache.with_suffix(".tmp")
        try:
            temporary.write_bytes(orjson.dumps({"commit": commit, "folders": folders}))
            temporary.replace(self._cache)
        except OSError as error:
            log.warning("space.cache_not_saved", error=str(error))


def _saved(known: _Known) -> list[object]:
    files = {
        name: [*stamp, known.kept[name].id, name in known.racy]
        for name, stamp in known.files.items()
    }
    return [known.tree, known.folders, files]


def _loaded(saved: Any) -> _Known:
    known = _Known()
    known.tree, known.folders, files = saved
    for name, (size, modified, changed, inode, mode, kept, racy) in files.items():
        known.files[name] = (size, modified, changed, inode, mode)
        known.kept[name] = Kept(id=kept, program=bool(mode & stat.S_IXUSR))
        if racy:
            known.racy.add(name)
    return known
