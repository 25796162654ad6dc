"""How much the space may hold, and how much it does."""

import errno
import os
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from app.core.clock import Clock
from app.persona.errors import SpaceFull
from app.persona.openat import FOLDER
from app.persona.paths import is_service
from app.persona.space import Space, status_of_entries

MOST_BYTES = 1_000_000_000
MOST_FILES = 20_000
_DEEPEST = 100
_MEASURED_EVERY = timedelta(seconds=10)
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Bytes in files, and how many files and folders; `closed` names a folder of ours that is shut.

    All that is not the service's counts, hidden files too.
    """

    bytes: int
    files: int
    closed: str | None = None


@dataclass(frozen=True, kw_only=True)
class Room:
    """What the space has room for: longer files, and anything new.

    `excess` looks afresh and says in what it grew beyond its bounds since; None where it did not.
    """

    may_write: bool
    may_create: bool
    excess: Callable[[], str | None]


class Quota:
    """Refuses what would let the space grow beyond its bounds; safe in several threads.

    The space is measured now and then and the figures are corrected by own changes in between, so
    other processes may take it a little beyond; nothing is refused without a fresh look.
    """

    def __init__(
        self,
        space: Space,
        clock: Clock,
        *,
        most_bytes: int = MOST_BYTES,
        most_files: int = MOST_FILES,
    ) -> None:
        self._space = space
        self._clock = clock
        self._most_bytes = most_bytes
        self._most_files = most_files
        self._lock = threading.Lock()
        self._used = Usage(bytes=0, files=0)
        self._stale_at = clock.monotonic()

    def check(self, more_bytes: int, more_files: int) -> None:
        """Raise SpaceFull where so much more is too much; less than before never is."""
        with self._lock:
            self._check(more_bytes, more_files)

    def take(self, more_bytes: int, more_files: int) -> None:
        """Count what is about to be added, negative where removed; raise SpaceFull as `check`."""
        with self._lock:
            self._check(more_bytes, more_files)
            self._used = Usage(
                bytes=self._used.bytes + more_bytes, files=self._used.files + more_files
            )

    def room(self) -> Room:
        """Look at what there is room for from now on."""
        before = self._looked_at()
        if before.closed is not None or before.files > self._most_files:
            # not all of it was counted, so nobody would see it grow
            return Room(may_write=False, may_create=False, excess=lambda: None)

        def excess() -> str | None:
            now = self._looked_at()
            grew = now.bytes > before.bytes or now.files > before.files
            return self._excess(now) if grew or now.closed is not None else None

        return Room(may_write=self._excess(before) is None, may_create=True, excess=excess)

    def _looked_at(self) -> Usage:
        with self._lock:
            self._measure()
            return self._used

    def _check(self, more_bytes: int, more_files: int) -> None:
        if more_bytes <= 0 and more_files <= 0:
            return
        is_stale = self._clock.monotonic() >= self._stale_at
        if is_stale or self._excess(self._used, more_bytes, more_files):
            self._measure()
        excess = self._excess(self._used, more_bytes, more_files)
        if excess is not None:
            raise SpaceFull(f"the space is full: {excess}; delete or shorten something first")

    def _excess(self, used: Usage, more_bytes: int = 0, more_files: int = 0) -> str | None:
        if used.closed is not None:
            return f"the folder `{used.closed}` cannot be looked into, or lies too deep"
        if used.bytes + max(more_bytes, 0) > self._most_bytes:
            return f"it holds {used.bytes} bytes, and {self._most_bytes} are the most"
        if used.files + max(more_files, 0) > self._most_files:
            return f"it holds {used.files} files and folders, and {self._most_files} are the most"
        return None

    def _measure(self) -> None:
        self._used = measured(self._space, self._most_files)
        self._stale_at = self._clock.monotonic() + _MEASURED_EVERY.total_seconds()


def measured(space: Space, most_files: int) -> Usage:
    """Look at all that counts, no further than one more than so many; raise SpaceError."""
    size = files = 0
    for parts, status in walk(space):
        if status is None:
            return Usage(bytes=size, files=files, closed="/".join(parts))
        files += 1
        size += status.st_size if stat.S_ISREG(status.st_mode) else 0
        if files > most_files:
            break
    return Usage(bytes=size, files=files)


def walk(space: Space) -> Iterator[tuple[tuple[str, ...], os.stat_result | None]]:
    """Go through everything below the space but the service's folder, hidden things too.

    None stands for a folder that is ours and cannot be looked into; one of somebody else's is
    passed over. Raises SpaceError where there is no space.
    """
    folders: list[tuple[tuple[str, ...], bool]] = [((), True)]
    while folders:
        parts, is_ours = folders.pop()
        try:
            # one after the other: there may be millions in a folder
            for name, status in _entries(space, parts):
                if stat.S_ISDIR(status.st_mode):
                    folders.append(((*parts, name), status.st_uid == os.geteuid()))
                yield (*parts, name), status
        except OSError as error:
            if is_ours and error.errno not in _GONE:
                yield parts, None


def _entries(space: Space, parts: tuple[str, ...]) -> Iterator[tuple[str, os.stat_result]]:
    if len(parts) > _DEEPEST:
        raise OSError(errno.ENAMETOOLONG, "too deep")
    with space.opened(parts, FOLDER) as folder:
        for name, status in status_of_entries(folder):
            if parts or not is_service(name):
                yield name, status
