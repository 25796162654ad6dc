"""Which calls of the kernel a confined script is refused, as a seccomp filter. Pure.

Refused are ways around the bounds: special rights on files, which outlive the script and would
give those of this service to whoever starts them; memory that no process is seen to hold; space
on the disk taken faster than it can be measured; the keys of the service's user. Programs take
each refusal for a kernel without the call, and do without.
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
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOWED, _REFUSED = 0x7FFF0000, 0x00050000

_Lines = list[tuple[int, int, int, int]]
"""Code, how many lines to skip where it holds and where not, and its number."""


@dataclass(frozen=True, kw_only=True)
class _Calls:
    """The numbers of calls on one kind of machine.

    `mode_at` says which argument is a mode, `opening` where the flags of an open stand, its mode
    after them; `refused` with what error.
    """

    architecture: int
    mode_at: Mapping[int, int]
    opening: Mapping[int, int]
    refused: Mapping[int, int]


# io_uring, openat2, fchmodat2, memfd_secret: their numbers are the same everywhere
_EVERYWHERE = {425: errno.ENOSYS, 437: errno.ENOSYS, 452: errno.ENOSYS, 447: errno.ENOSYS}
_X86 = _Calls(
    architecture=0xC000003E,
    # creat, chmod, fchmod, mknod, mknodat, fchmodat
    mode_at={85: 1, 90: 1, 91: 1, 133: 1, 259: 2, 268: 2},
    opening={2: 1, 257: 2},
    refused={
        **_EVERYWHERE,
        285: errno.EOPNOTSUPP,  # fallocate
        # shmget, memfd_create, add_key, request_key, keyctl
        **dict.fromkeys((29, 319, 248, 249, 250), errno.ENOSYS),
    },
)
_ARM = _Calls(
    architecture=0xC00000B7,
    # mknodat, fchmod, fchmodat
    mode_at={33: 2, 52: 1, 53: 2},
    opening={56: 2},
    refused={
        **_EVERYWHERE,
        47: errno.EOPNOTSUPP,
        **dict.fromkeys((194, 279, 217, 218, 219), errno.ENOSYS),
    },
)
_MACHINES = {"x86_64": _X86, "aarch64": _ARM}


def seccomp_filter(machine: str) -> bytes | None:
    """Return the filter for a kind of machine, as `uname -m` names it; None for one not known.

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
    for number, error in calls.refused.items():
        lines += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _REFUSED | error)]
    for number, place in calls.mode_at.items():
        lines += _only(number, _without_special_rights(place))
    for number, place in calls.opening.items():
        check = _without_special_rights(place + 1)
        flags: _Lines = [(_LOAD, 0, 0, _argument(place)), (_ANY_BIT, 0, len(check) - 1, _CREATES)]
        lines += _only(number, [*flags, *check])
    lines.append((_RETURN, 0, 0, _ALLOWED))
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


def _only(number: int, then: _Lines) -> _Lines:
    return [(_EQUAL, 0, len(then), number), *then]


def _without_special_rights(place: int) -> _Lines:
    return [
        (_LOAD, 0, 0, _argument(place)),
        (_ANY_BIT, 0, 1, _SPECIAL_RIGHTS),
        (_RETURN, 0, 0, _REFUSED | errno.EPERM),
        (_RETURN, 0, 0, _ALLOWED),
    ]


def _argument(place: int) -> int:
    """Return where the lower half of an argument stands; both kinds have it first."""
    return _ARGUMENTS + 8 * place
