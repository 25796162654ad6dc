"""A file by whose lock the processes of a machine take turns, and in which turns are counted."""

import errno
import fcntl
import mmap
import os
import time
from datetime import timedelta

_LOOK_EVERY = timedelta(milliseconds=1).total_seconds()
_COUNT_BYTES = 8


class FileTurn:
    """One process at a time has the turn; one of its threads at a time may ask for it.

    The file stays open, because to open it anew for each turn, as filelock does, costs a dozen
    calls of the system, at each of which a busy process may wait for the interpreter. The wait is
    timed by the system's own clock, as all waits for a database are.

    The file holds one number, which all processes have mapped into memory: odd while somebody has
    the turn, or was killed in it, and an even one that was never there before after each turn.
    """

    def __init__(self, path: str, patience: timedelta) -> None:
        self._path = path
        self._patience = patience
        self._descriptor: int | None = None
        self._count: memoryview | None = None

    def take(self) -> None:
        """Wait for the turn and take it; raise OSError where it does not come in time, or cannot.

        Where the file was removed, processes that come now take turns by another than those which
        have it open, and count in it: whoever uses this needs a lock beneath that does not depend
        on it, and is not to believe a count for long.
        """
        if self._count is None:
            self._count = self._mapped()
        if self._descriptor is None:
            self._descriptor = self._opened()
        descriptor, end = self._descriptor, time.monotonic() + self._patience.total_seconds()
        while not self._tried(descriptor):
            if time.monotonic() >= end:
                raise TimeoutError(errno.ETIMEDOUT, "another process keeps its turn")
            time.sleep(_LOOK_EVERY)
        # it is odd already after a turn that nobody gave back
        self._count[0] |= 1

    def give_back(self) -> None:
        """End the turn."""
        if self._descriptor is not None:
            if self._count is not None:
                self._count[0] += 1
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def passed(self) -> int | None:
        """Return how many turns there were, in a unit of its own; None while that is not sure.

        The same number twice says that nobody had the turn in between. It is None while somebody
        has the turn, after a kill until the next turn, and before the first turn of this process.
        """
        count = self._count
        if count is None:
            return None
        number = count[0]
        return None if number % 2 else number

    def let_go(self) -> None:
        """Close the file: in a child that was forked, which shares the lock of its parent."""
        self._count = None
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _opened(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def _mapped(self) -> memoryview:
        # opened for itself: a map holds its file open, and with it a lock that was taken by it
        descriptor = self._opened()
        try:
            # in advance, because a full disk ends a process that writes into a hole of a map
            os.posix_fallocate(descriptor, 0, _COUNT_BYTES)
            return memoryview(mmap.mmap(descriptor, _COUNT_BYTES)).cast("Q")
        finally:
            os.close(descriptor)

    def _tried(self, descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
