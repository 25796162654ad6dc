"""A file by whose lock the processes of a machine take turns."""

import errno
import fcntl
import os
import time
from datetime import timedelta

_LOOK_EVERY = timedelta(milliseconds=1).total_seconds()


class FileTurn:
    """One process at a time has the turn; one of its threads at a time may ask for it.

    The file stays open, because to open it anew for each turn, as filelock does, costs a dozen
    calls of the system, at each of which a busy process may wait for the interpreter. The wait is
    timed by the system's own clock, as all waits for a database are.
    """

    def __init__(self, path: str, patience: timedelta) -> None:
        self._path = path
        self._patience = patience
        self._descriptor: int | None = None

    def take(self) -> None:
        """Wait for the turn and take it; raise OSError where it does not come in time, or cannot.

        Where the file was removed, processes that come now take turns by another than those which
        have it open: whoever uses this needs a lock beneath that does not depend on it.
        """
        if self._descriptor is None:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        descriptor, end = self._descriptor, time.monotonic() + self._patience.total_seconds()
        while not self._tried(descriptor):
            if time.monotonic() >= end:
                raise TimeoutError(errno.ETIMEDOUT, "another process keeps its turn")
            time.sleep(_LOOK_EVERY)

    def give_back(self) -> None:
        """End the turn."""
        if self._descriptor is not None:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def let_go(self) -> None:
        """Close the file: in a child that was forked, which shares the lock of its parent."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _tried(self, descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
