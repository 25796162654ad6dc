"""Which calls of the kernel a confined script is refused, as a seccomp filter. Pure.

Refused are ways around the bounds: special rights on files, which outlive the script and would
give those of this service to whoever starts them; memory that no process is seen to hold, be it
shared, in a queue, or a page of a pipe that keeps two megabytes; open files that are not seen
either; space on the disk taken faster than it can be measured; the keys of the service's user.
Programs take each refusal for a kernel without the call, and do without.
"""

import errno
import struct
from collections.abc import Mapping
from dataclasses import dataclass

_SPECIAL_RIGHTS = 0o6000
_CREATES = 0o100 | 0o20000000
"""O_CREAT and the bit of O_TMPFILE: without them the mode of an open means nothing."""

_X32 = 0x40000000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_LOAD, _MASK, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
_ALLOWED, _REFUSED = 0x7FFF0000, 0x00050000
_YES, _NO = (_RETURN, 0, 0, _ALLOWED), (_RETURN, 0, 0, _REFUSED | errno.EPERM)
_FULL = (_RETURN, 0, 0, _REFUSED | errno.EDQUOT)

_SHARED, _NO_FILE = 0x01, 0x20
"""MAP_SHARED and MAP_ANONYMOUS."""

_THREAD, _SAME_FILES = 0x10000, 0x400
"""CLONE_THREAD and CLONE_FILES."""

_KINDS, _STREAM = 0xF, 1
"""The bits of a socket's type that are no flags, and SOCK_STREAM. Datagrams anybody may send."""

_HUGE_PAGES, _ROOM_TO_SEND = 41, 7
"""PR_SET_THP_DISABLE and SO_SNDBUF."""

_Lines = list[tuple[int, int, int, int]]
"""Code, how many lines to skip where it holds and where not, and its number."""


@dataclass(frozen=True, kw_only=True)
class _Calls:
    """The numbers of calls on one kind of machine.

    `mode_at` says which argument is a mode, `opening` where the flags of an open stand, its mode
    after them; `refused` with what error, `making` also where nothing new may be made. `mmap`,
    `clone`, `socketpair`, `setsockopt` and `prctl` depend on what they are asked.
    """

    architecture: int
    mode_at: Mapping[int, int]
    opening: Mapping[int, int]
    refused: Mapping[int, int]
    making: Mapping[int, int]
    mmap: int
    clone: int
    socketpair: int
    setsockopt: int
    prctl: int


# io_uring, clone3, openat2, fchmodat2, memfd_secret, close_range, which can also give a thread
# files of its own: their numbers are the same everywhere
_EVERYWHERE = dict.fromkeys((425, 435, 437, 452, 447, 436), errno.ENOSYS)
_X86 = _Calls(
    architecture=0xC000003E,
    # creat, chmod, fchmod, mknod, mknodat, fchmodat
    mode_at={85: 1, 90: 1, 91: 1, 133: 1, 259: 2, 268: 2},
    opening={2: 1, 257: 2},
    refused={
        **_EVERYWHERE,
        285: errno.EOPNOTSUPP,  # fallocate
        # shmget, semget, msgget, memfd_create, add_key, request_key, keyctl
        **dict.fromkeys((29, 64, 68, 319, 248, 249, 250), errno.ENOSYS),
        # sendfile, splice, tee, vmsplice
        **dict.fromkeys((40, 275, 276, 278), errno.EINVAL),
        41: errno.EAFNOSUPPORT,  # socket
        272: errno.EPERM,  # unshare
    },
    making={
        # bind, mkdir, creat, link, symlink, mknod, mkdirat, mknodat, linkat, symlinkat
        **dict.fromkeys((49, 83, 85, 86, 88, 133, 258, 259, 265, 266), errno.EDQUOT),
        316: errno.ENOSYS,  # renameat2, which can leave something behind; renameat does without
    },
    mmap=9,
    clone=56,
    socketpair=53,
    setsockopt=54,
    prctl=157,
)
_ARM = _Calls(
    architecture=0xC00000B7,
    # mknodat, fchmod, fchmodat
    mode_at={33: 2, 52: 1, 53: 2},
    opening={56: 2},
    refused={
        **_EVERYWHERE,
        47: errno.EOPNOTSUPP,
        **dict.fromkeys((194, 190, 186, 279, 217, 218, 219), errno.ENOSYS),
        **dict.fromkeys((71, 76, 77, 75), errno.EINVAL),
        198: errno.EAFNOSUPPORT,
        97: errno.EPERM,
    },
    making={
        # bind, mknodat, mkdirat, symlinkat, linkat
        **dict.fromkeys((200, 33, 34, 36, 37), errno.EDQUOT),
        276: errno.ENOSYS,
    },
    mmap=222,
    clone=220,
    socketpair=199,
    setsockopt=208,
    prctl=167,
)
_MACHINES = {"x86_64": _X86, "aarch64": _ARM}


def seccomp_filter(machine: str, *, may_create: bool = True) -> bytes | None:
    """Return the filter for a kind of machine, as `uname -m` names it; None for one not known.

    Without `may_create` it refuses whatever would be a new file, folder or link, anywhere.
    Calls of another kind of machine than its own, which it may offer beside them, are refused.
    """
    calls = _MACHINES.get(machine)
    if calls is None:
        return None
    no_such_call = (_RETURN, 0, 0, _REFUSED | errno.ENOSYS)
    lines: _Lines = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, calls.architecture),
        no_such_call,
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _X32),
        no_such_call,
    ]
    refused = calls.refused if may_create else {**calls.refused, **calls.making}
    for number, error in refused.items():
        lines += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _REFUSED | error)]
    for number, place in calls.mode_at.items():
        lines += _only(number, _without_special_rights(place))
    for number, place in calls.opening.items():
        check = _without_special_rights(place + 1) if may_create else [_FULL, _YES]
        flags: _Lines = [(_LOAD, 0, 0, _argument(place)), (_ANY_BIT, 0, len(check) - 1, _CREATES)]
        lines += _only(number, [*flags, *check])
    for number, rule in _by_what_is_asked(calls).items():
        lines += _only(number, [*rule, _NO, _YES])
    lines.append(_YES)
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


def _only(number: int, then: _Lines) -> _Lines:
    return [(_EQUAL, 0, len(then), number), *then]


def _without_special_rights(place: int) -> _Lines:
    return [(_LOAD, 0, 0, _argument(place)), (_ANY_BIT, 0, 1, _SPECIAL_RIGHTS), _NO, _YES]


def _by_what_is_asked(calls: _Calls) -> Mapping[int, _Lines]:
    """Return rules by the number of a call; a line that they skip is a refusal."""
    return {
        calls.mmap: [
            (_LOAD, 0, 0, _argument(3)),
            (_ANY_BIT, 0, 2, _NO_FILE),
            (_ANY_BIT, 0, 1, _SHARED),
        ],
        # whoever watches looks at the files of processes, not of threads
        calls.clone: [
            (_LOAD, 0, 0, _argument(0)),
            (_ANY_BIT, 0, 2, _THREAD),
            (_ANY_BIT, 1, 0, _SAME_FILES),
        ],
        calls.socketpair: [
            (_LOAD, 0, 0, _argument(1)),
            (_MASK, 0, 0, _KINDS),
            (_EQUAL, 1, 0, _STREAM),
        ],
        calls.setsockopt: [(_LOAD, 0, 0, _argument(2)), (_EQUAL, 0, 1, _ROOM_TO_SEND)],
        calls.prctl: [(_LOAD, 0, 0, _argument(0)), (_EQUAL, 0, 1, _HUGE_PAGES)],
    }


def _argument(place: int) -> int:
    """Return where the lower half of an argument stands; both kinds have it first."""
    return _ARGUMENTS + 8 * place
