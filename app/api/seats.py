"""How many requests of one process may wait for runs, so that all others find a thread."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

THREADS = 32
"""With which a worker answers requests."""

_FREE = 8
"""Of these nobody keeps one for long: they are for probes, and for all that comes back at once."""


class Seats:
    """Lets some of the threads wait; each chat may keep one as well."""

    def __init__(self, *, chats: int) -> None:
        self.count = THREADS - _FREE - chats
        self._left = threading.BoundedSemaphore(self.count)

    @contextmanager
    def one(self) -> Iterator[bool]:
        """Give a seat until the end of the block, and say so; False where none is left."""
        if not self._left.acquire(blocking=False):
            yield False
            return
        try:
            yield True
        finally:
            self._left.release()
