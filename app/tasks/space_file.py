"""A file of the persona's space that anyone may edit: the only code that reads or writes it.

What stands in its place may be anything: a link, a folder, a pipe, a device, something huge. It is
opened in a way that follows no link and waits for nobody, and refused with a reason.

A write swaps a finished file in (`renameat2`, RENAME_EXCHANGE), so that at any instant the old or
the new file stands there, and what came out can be looked at: if an editor was quicker, its file is
put back. What was swapped out is kept for a while under a hidden name, since an editor that had it
open may still write into it. That name bears the digests of the text which was expected to come out
and of the text which went in. So after a kill an unfinished text of ours is never mistaken for
somebody's edit, and an edit is never mistaken for ours.
"""

import ctypes
import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from app.core.errors import SpaceError
from app.tasks.desk_text import MOST_BYTES

Signature = tuple[int, int, int, int]
Rename = Callable[[int, str, str, int], None]
_NOREPLACE, _EXCHANGE = 1, 2
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_TRIES = 5
_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclass(frozen=True, kw_only=True)
class Displaced:
    """A file that was swapped out for one of digest `went_in`.

    `edited` says that it is not as it was when it was last looked at.
    """

    name: str
    went_in: str
    data: bytes
    edited: bool


@dataclass(frozen=True, kw_only=True)
class Swap:
    """Whether a write was done.

    If not, `found` is what an editor had put there in that very instant. It was put back, but may
    be overwritten again by an editor that saw our file meanwhile.
    """

    done: bool
    found: bytes | None = None


class SpaceFile:
    """Reads and writes one file. Writers on one machine must hold a common lock."""

    def __init__(
        self,
        folder: Path,
        name: str = "tasks.json",
        *,
        most_bytes: int = MOST_BYTES,
        exchanges: bool = True,
    ) -> None:
        self.path = folder / name
        self._most_bytes = most_bytes
        self._rename = _load_renameat2() if exchanges else None

    def signature(self) -> Signature | None:
        """Return what changes when the file changes; None where nothing can be seen.

        Two writes within one tick of the file system's clock may look the same.
        """
        try:
            return _signature(os.lstat(self.path))
        except OSError:
            return None

    def read(self) -> bytes | None:
        """Return the bytes of the file, None where there is none.

        Raises SpaceError for anything but a readable plain file with one name and a fit size.
        """
        with self._folder() as folder:
            return None if folder is None else self._read(folder, self.path.name)

    def write(self, data: bytes, *, expected: bytes | None) -> Swap:
        """Put these bytes in the place of the expected ones (None: no file), synced.

        Where something else stood there, it stands there again or still. Raises SpaceError where
        the bytes are too many or cannot be written.
        """
        if len(data) > self._most_bytes:
            raise self._refusal(f"would have {len(data)} bytes, at most {self._most_bytes} fit")
        with self._folder_to_write() as folder:
            temporary = self._lay_down(folder, data, expected)
            swap = self._swap(folder, temporary, expected)
            os.fsync(folder)
            return swap

    def replace(self, data: bytes) -> None:
        """Put these bytes in the place of whatever stands there; raise SpaceError."""
        with self._folder_to_write() as folder:
            temporary = self._lay_down(folder, data, None)
            try:
                os.replace(temporary, self.path.name, src_dir_fd=folder, dst_dir_fd=folder)
            except OSError:
                _unlink(folder, temporary)
                raise
            os.fsync(folder)

    def remove(self) -> None:
        """Remove the file if there is one; raise SpaceError."""
        with self._folder() as folder:
            if folder is not None:
                with suppress(FileNotFoundError):
                    os.unlink(self.path.name, dir_fd=folder)

    # ---- what was swapped out

    def displaced(self) -> list[Displaced]:
        """Return the files that were swapped out; what a killed writer left unfinished is removed.

        Call it with the lock held.
        """
        with self._folder() as folder:
            if folder is None:
                return []
            with os.scandir(folder) as found:
                names = [entry.name for entry in found if self._is_hidden(entry.name)]
            return [left for name in names if (left := self._look(folder, name)) is not None]

    def mark(self, left: Displaced) -> Displaced:
        """Note that a displaced file is known as it is now; return it under its new name."""
        with self._folder() as folder:
            if folder is None:
                return left
            name = self._free_name(folder, _digest(left.data), left.went_in)
            with suppress(FileNotFoundError):
                os.rename(left.name, name, src_dir_fd=folder, dst_dir_fd=folder)
        return replace(left, name=name, edited=False)

    def drop(self, left: Displaced) -> None:
        """Remove a displaced file."""
        with self._folder() as folder:
            if folder is not None:
                _unlink(folder, left.name)

    def _look(self, folder: int, name: str) -> Displaced | None:
        digests = self._digests(name)
        data = self._peek(folder, name) if digests is not None else None
        if digests is None or data is None or _digest(data) == digests[1]:
            _unlink(folder, name)
            return None
        came_out, went_in = digests
        edited = _digest(data) != came_out
        return Displaced(name=name, went_in=went_in, data=data, edited=edited)

    def _is_hidden(self, name: str) -> bool:
        return name.startswith(f".{self.path.name}.") and name.endswith(".tmp")

    def _digests(self, name: str) -> tuple[str, str] | None:
        parts = name.removeprefix(f".{self.path.name}.").split(".")
        return (parts[0], parts[1]) if len(parts) == 4 else None

    def _free_name(self, folder: int, came_out: str, goes_in: str) -> str:
        number = 0
        while True:
            name = f".{self.path.name}.{came_out}.{goes_in}.{number}.tmp"
            try:
                os.stat(name, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                return name
            number += 1

    # ---- the steps of a write

    def _lay_down(self, folder: int, data: bytes, expected: bytes | None) -> str:
        """Write the bytes to a hidden file, synced, with mode and owner of the present one."""
        name = self._free_name(folder, _digest(expected or b""), _digest(data))
        try:
            old = os.stat(self.path.name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            old = None
        descriptor = os.open(name, _CREATE, 0o666, dir_fd=folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                if old is not None and stat.S_ISREG(old.st_mode):
                    with suppress(PermissionError):
                        os.fchown(descriptor, old.st_uid, old.st_gid)
                    os.fchmod(descriptor, old.st_mode & 0o777)
                file.write(data)
                file.flush()
                os.fsync(descriptor)
        except OSError:
            _unlink(folder, name)
            raise
        return name

    def _swap(self, folder: int, temporary: str, expected: bytes | None) -> Swap:
        """Bring the hidden file to its place; if an editor was quicker, leave or put back its own.

        The look before is no guard, it only makes it rare that an editor sees a file come and go.
        """
        here = self.path.name
        if self._peek(folder, here) != expected:
            _unlink(folder, temporary)
            return Swap(done=False)
        if self._rename is not None:
            try:
                self._rename(
                    folder, temporary, here, _EXCHANGE if expected is not None else _NOREPLACE
                )
            except (FileExistsError, FileNotFoundError):
                _unlink(folder, temporary)
                return Swap(done=False)
            except OSError as error:
                if error.errno not in {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}:
                    raise
                self._rename = None  # this file system cannot: looking before has to do
            else:
                return self._look_at_swapped(self._rename, folder, temporary, expected)
        os.replace(temporary, here, src_dir_fd=folder, dst_dir_fd=folder)
        return Swap(done=True)

    def _look_at_swapped(
        self, rename: Rename, folder: int, temporary: str, expected: bytes | None
    ) -> Swap:
        """Put back what came out if it is not what was expected."""
        found = self._peek(folder, temporary)
        if found == expected:
            return Swap(done=True)
        try:
            rename(folder, temporary, self.path.name, _EXCHANGE)
        except FileNotFoundError:
            with suppress(FileExistsError):
                rename(folder, temporary, self.path.name, _NOREPLACE)
        return Swap(done=False, found=found)

    # ---- the steps of a read

    @contextmanager
    def _folder_to_write(self) -> Iterator[int]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._refusal(f"has no folder: {_words(error)}") from error
        with self._folder() as folder:
            if folder is None:
                raise self._refusal("has no folder")
            yield folder

    @contextmanager
    def _folder(self) -> Iterator[int | None]:
        """Open the folder of the file, which must be no link; None where there is none."""
        try:
            folder = os.open(self.path.parent, _READ | os.O_DIRECTORY)
        except FileNotFoundError:
            yield None
            return
        except OSError as error:
            reason = f"stands in no plain folder (links are not followed): {_words(error)}"
            raise self._refusal(reason) from error
        try:
            yield folder
        except OSError as error:
            raise self._refusal(f"cannot be used: {_words(error)}") from error
        finally:
            os.close(folder)

    def _peek(self, folder: int, name: str) -> bytes | None:
        """Return the bytes of a plain file, None for anything else."""
        try:
            return self._read(folder, name)
        except (SpaceError, OSError):
            return None

    def _read(self, folder: int, name: str) -> bytes | None:
        for _ in range(_TRIES):
            try:
                before = os.stat(name, dir_fd=folder, follow_symlinks=False)
                self._check(before)
                descriptor = os.open(name, _READ, dir_fd=folder)
            except FileNotFoundError:
                return None
            with os.fdopen(descriptor, "rb") as file:
                opened = os.fstat(descriptor)
                self._check(opened)
                data = file.read(self._most_bytes + 1)
                after = os.fstat(descriptor)
            if _signature(before) == _signature(opened) == _signature(after):
                return data
        raise self._refusal("changes all the time while it is read")

    def _check(self, found: os.stat_result) -> None:
        kind = stat.S_IFMT(found.st_mode)
        if kind != stat.S_IFREG:
            what = _KINDS.get(kind, "something strange")
            raise self._refusal(f"is {what}; put a plain file in its place")
        if found.st_nlink > 1:
            raise self._refusal("has a second name (hard link); put a copy in its place")
        if found.st_size > self._most_bytes:
            raise self._refusal(f"has {found.st_size} bytes, at most {self._most_bytes} are read")

    def _refusal(self, reason: str) -> SpaceError:
        return SpaceError(f"{self.path.name} {reason}")


def _signature(found: os.stat_result) -> Signature:
    return (found.st_mtime_ns, found.st_size, found.st_ino, found.st_nlink)


def _words(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _unlink(folder: int, name: str) -> None:
    with suppress(OSError):
        os.unlink(name, dir_fd=folder)


def _load_renameat2() -> Rename | None:
    """Return a function that renames within a folder with flags, None where there is none."""
    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if function is None:
        return None
    function.argtypes = [
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_uint,
    ]

    def rename(folder: int, source: str, target: str, flags: int) -> None:
        names = os.fsencode(source), os.fsencode(target)
        if function(folder, names[0], folder, names[1], flags) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))

    return rename
