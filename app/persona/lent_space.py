"""Lends the space of root to somebody without rights, and becomes a command of theirs.

Run as a program of its own by a service that is root, whose number of processes the system does not
bound: `lent_space.py UID FOLDER PLACE COMMAND...`. In a view of the file system that only the
command has, the folder stands at PLACE too, and there what belongs to its owner belongs to UID: an
idmapped mount, Linux 5.12 and later. Uses nothing but the standard library, which starts quickly.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_NEW_USERS, _NEW_MOUNTS = 0x10000000, 0x00020000
_RECURSIVE_PRIVATE = 0x4000 | 0x40000
_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442
_HERE, _EMPTY_PATH, _CLONE_CLOEXEC, _FROM_EMPTY_PATH = -100, 0x1000, 0x80001, 0x4
_IDMAP = 0x00100000


class _Attributes(ctypes.Structure):
    _fields_ = (
        ("set", ctypes.c_uint64),
        ("clear", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("users", ctypes.c_uint64),
    )


_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def _users(ids: tuple[int, int], borrower: int) -> int:
    """Return a user namespace in which the ids of the owner are the borrower's."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, b"y" if _libc.unshare(_NEW_USERS) == 0 else b"n")
        signal.pause()
        os._exit(0)
    try:
        if os.read(reading, 1) != b"y":
            raise OSError("no user namespaces")
        for name, number in zip(("uid_map", "gid_map"), ids, strict=True):
            with open(f"/proc/{child}/{name}", "w") as file:  # noqa: PTH123  pathlib takes long to start
                file.write(f"{number} {borrower} 1")
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)
        os.close(writing)


def _lend(folder: str, place: str, borrower: int) -> None:
    status = os.stat(folder)  # noqa: PTH116  the same
    users = _users((status.st_uid, status.st_gid), borrower)
    _checked(_libc.unshare(_NEW_MOUNTS))
    _checked(_libc.mount(None, b"/", None, ctypes.c_ulong(_RECURSIVE_PRIVATE), None))
    tree = _checked(_libc.syscall(_OPEN_TREE, _HERE, folder.encode(), _CLONE_CLOEXEC))
    attributes = _Attributes(set=_IDMAP, users=users)
    _checked(
        _libc.syscall(
            *(_MOUNT_SETATTR, tree, b"", _EMPTY_PATH),
            *(ctypes.byref(attributes), ctypes.c_size_t(ctypes.sizeof(attributes))),
        )
    )
    _checked(_libc.syscall(_MOVE_MOUNT, tree, b"", _HERE, place.encode(), _FROM_EMPTY_PATH))


def main(arguments: Sequence[str]) -> None:
    """Lend, give up all rights, and become the command."""
    borrower, folder, place, *command = arguments
    try:
        _lend(folder, place, int(borrower))
    except OSError as error:
        sys.exit(f"the space of root cannot be lent to a user without rights: {error.strerror}")
    os.setgroups([])
    os.setresgid(int(borrower), int(borrower), int(borrower))
    os.setresuid(int(borrower), int(borrower), int(borrower))
    try:
        os.execv(command[0], command)  # noqa: S606  no shell
    except OSError as error:
        sys.exit(f"{command[0]} cannot be started without rights: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
