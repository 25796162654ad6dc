"""Opening a file below a folder so that no name, link or race leads out of it.

Checking a path and opening it afterwards leaves a moment in which a folder can become a link. Here
the kernel resolves the path itself under that rule (`openat2`), or each component is opened from
the descriptor of the one before, links refused.
"""

import ctypes
import errno
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Protocol

_OPENAT2 = 437
_RESOLVE = 0x02 | 0x04 | 0x08
"""RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS and RESOLVE_BENEATH of linux/openat2.h."""

_NOREPLACE = 1
"""RENAME_NOREPLACE of linux/fs.h."""

FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
"""To read whatever stands there without waiting for it: a pipe may have no other end."""

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW


@contextmanager
def held(descriptor: int) -> Iterator[int]:
    """Hold a descriptor and close it in the end."""
    try:
        yield descriptor
    finally:
        os.close(descriptor)


class Opener(Protocol):
    """Opens a path below a folder."""

    def open(self, root: int, parts: Sequence[str], flags: int) -> int:
        """Return a descriptor; raise OSError. No parts mean the folder `root` itself."""


class Walk:
    """Opens component by component; works on every POSIX system."""

    def open(self, root: int, parts: Sequence[str], flags: int) -> int:
        folder = os.open(".", FOLDER, dir_fd=root)
        for number, part in enumerate(parts, start=1):
            last = number == len(parts)
            with held(folder):
                child = os.open(part, (flags | os.O_NOFOLLOW) if last else FOLDER, dir_fd=folder)
            folder = child
        return folder


class _How(ctypes.Structure):
    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


class Openat2:
    """Lets the kernel resolve the whole path at once; Linux 5.6 and later."""

    def __init__(self) -> None:
        self._syscall = ctypes.CDLL(None, use_errno=True).syscall
        self._syscall.restype = ctypes.c_long

    def open(self, root: int, parts: Sequence[str], flags: int) -> int:
        how = _How(flags=flags | os.O_CLOEXEC, mode=0, resolve=_RESOLVE)
        path = "/".join(parts) or "."
        while True:
            descriptor: int = self._syscall(
                ctypes.c_long(_OPENAT2),
                ctypes.c_int(root),
                ctypes.c_char_p(os.fsencode(path)),
                ctypes.byref(how),
                ctypes.c_size_t(ctypes.sizeof(how)),
            )
            if descriptor >= 0:
                return descriptor
            code = ctypes.get_errno()
            if code != errno.EINTR:
                raise OSError(code, os.strerror(code), path)


def rename_to_new(old: int, source: str, new: int, target: str) -> None:
    """Rename a file of the folder `old` to a name of the folder `new`; raise OSError.

    FileExistsError where that name is taken. Where the system cannot do both in one step, a name
    that is taken right in between is lost.
    """
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is not None:
        names = os.fsencode(source), os.fsencode(target)
        if rename(old, names[0], new, names[1], ctypes.c_uint(_NOREPLACE)) == 0:
            return
        code = ctypes.get_errno()
        if code not in (errno.EINVAL, errno.ENOSYS):
            raise OSError(code, os.strerror(code), target)
    with suppress(FileNotFoundError):
        os.stat(target, dir_fd=new, follow_symlinks=False)
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
    os.rename(source, target, src_dir_fd=old, dst_dir_fd=new)


def best_opener() -> Opener:
    """Return Openat2 where the kernel has it and lets us use it, Walk elsewhere."""
    if not sys.platform.startswith("linux"):
        return Walk()
    opener = Openat2()
    try:
        with held(os.open("/", FOLDER)) as here:
            os.close(opener.open(here, (), FOLDER))
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EPERM):
            return Walk()
        raise
    return opener


def is_plain_file(status: os.stat_result) -> bool:
    """Say whether it is a regular file with one name: another name may lie outside the space."""
    return stat.S_ISREG(status.st_mode) and status.st_nlink == 1


def why_not_plain(status: os.stat_result) -> str:
    """Say what stands there instead of a plain file, as the end of a sentence."""
    if stat.S_ISDIR(status.st_mode):
        return "is a folder"
    if stat.S_ISLNK(status.st_mode):
        return "is a symbolic link"
    if stat.S_ISREG(status.st_mode):
        return f"has {status.st_nlink} names (hard links), and another may lie outside the space"
    return "is a pipe, a socket or a device"


def read_bytes(descriptor: int, most_bytes: int) -> bytes:
    """Return what can be read, at most so many bytes."""
    found = bytearray()
    while part := os.read(descriptor, min(most_bytes - len(found), 1024 * 1024)):
        found += part
    return bytes(found)
