"""Changing a file so that a kill, a power cut or another writer loses nothing of it."""

import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import structlog

from app.core.errors import SpaceBusy, SpaceError
from app.persona.client import Deadline
from app.persona.openat import FILE, held, is_plain_file, read_bytes, why_not_plain

log = structlog.get_logger(__name__)

LARGEST_FILE = 8 * 1024 * 1024
_LOCK_TRIED_EVERY = timedelta(milliseconds=20)
_LOCK_TRIED_FOR = timedelta(seconds=30)
"""Nobody writes for so long, unless its process is stopped."""

_REWRITES = 10
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def lock(folder: int, deadline: Deadline) -> None:
    """Lock the folder for this descriptor, against threads and processes; closing it unlocks.

    Raises what the deadline raises, and SpaceBusy where somebody keeps it locked for half a minute.
    """
    patience = deadline.sooner(_LOCK_TRIED_FOR)
    while True:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            deadline.pause(_LOCK_TRIED_EVERY)
            if not patience.remaining():
                raise SpaceBusy("another process keeps this folder locked all the time") from error
        except OSError as error:
            # a file system without locks: the look before the rename must do
            log.debug("space.no_lock", error=str(error))
            return


def rewrite(
    folder: int,
    name: str,
    change: Callable[[bytes | None], bytes | None],
    before: Callable[[int, bool], None],
    last: Callable[[], None],
) -> bool:
    """Put `change` of what the file holds in its place, and sync; False where that is None.

    `change` gets None where there is no file; it is asked again if somebody writes meanwhile.
    `before` is told by how many bytes the file will grow and whether it is new, right before it is
    changed, and may raise to prevent that; so may `last`, when all but the new name is done, which
    may be long after in a process that was stopped. Raises OSError, and SpaceError for what is no
    plain file, would be larger than 8 MiB, or never stands still.
    """
    for _ in range(_REWRITES):
        old, status = _current(folder, name)
        content = change(old if status else None)
        if content is None:
            return False
        if len(content) > LARGEST_FILE:
            raise SpaceError(f"`{name}` would grow beyond {LARGEST_FILE} bytes; use another file")
        before(len(content) - (status.st_size if status else 0), status is None)
        if replace(folder, name, content, status, last):
            return True
    raise SpaceError(f"`{name}` is being changed by somebody else all the time")


def appended(old: bytes | None, data: bytes) -> bytes:
    """Return the data after what there was, with an empty line between."""
    if not old:
        return data
    gap = b"\n\n" if not old.endswith(b"\n") else b"" if old.endswith(b"\n\n") else b"\n"
    return old + gap + data


def create(folder: int, name: str, content: bytes, *, like: os.stat_result | None = None) -> None:
    """Make a new file, synced; raise FileExistsError where the name is taken."""
    with held(os.open(name, _NEW, 0o644, dir_fd=folder)) as descriptor:
        if like is not None:
            with suppress(PermissionError):
                os.fchown(descriptor, like.st_uid, like.st_gid)
            os.fchmod(descriptor, like.st_mode & 0o777)
        left = memoryview(content)
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)


def _current(folder: int, name: str) -> tuple[bytes, os.stat_result | None]:
    try:
        descriptor = os.open(name, FILE | os.O_NOFOLLOW, dir_fd=folder)
    except FileNotFoundError:
        return b"", None
    with held(descriptor):
        status = os.fstat(descriptor)
        if not is_plain_file(status):
            raise SpaceError(f"`{name}` {why_not_plain(status)}")
        return read_bytes(descriptor, LARGEST_FILE + 1), status


def replace(
    folder: int,
    name: str,
    content: bytes,
    before: os.stat_result | None,
    last: Callable[[], None] = lambda: None,
) -> bool:
    """Put new content in the place of a file, or of nothing; False where it changed since `before`.

    The new file is complete and synced before it gets the name; right before that `last` may raise.
    """
    temporary = f".{name}.tmp"
    _remove(folder, temporary)
    try:
        create(folder, temporary, content, like=before)
        last()
        if not _is_still(folder, name, before):
            return False
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)
        return True
    finally:
        _remove(folder, temporary)


def _remove(folder: int, name: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


def _is_still(folder: int, name: str, before: os.stat_result | None) -> bool:
    try:
        now = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return before is None
    return before is not None and _version(now) == _version(before)


def _version(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
