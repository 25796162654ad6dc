"""Reading a file that the owner names: a regular one of a fit size, and nothing to wait for."""

import os
import stat
from pathlib import Path

from app.core.errors import UnfitFile


def read_plain(path: Path, *, most_bytes: int) -> bytes:
    """Return what a file holds, links followed; raise UnfitFile.

    A pipe may have no other end, a device no end at all, and a file may be larger than memory.
    """
    try:
        # looked at twice: to open some devices does something, and another may come to stand there
        _check_regular(path.stat())
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            _check_regular(os.fstat(descriptor))
            data = file.read(most_bytes + 1)
    except OSError as error:
        raise UnfitFile(f"cannot be read: {error}") from error
    if len(data) > most_bytes:
        raise UnfitFile(f"has more than {most_bytes} bytes")
    return data


def _check_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UnfitFile("is not a regular file")
