"""The threads that ask personas, one for each place.

An executor of the standard library keeps an account of each piece of work for whoever waits for
it. Nobody does here, and in a crowd of quick answers that account takes as long as the ledger.
"""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import structlog

log = structlog.get_logger(__name__)

_Work = tuple[Callable[..., object], tuple[Any, ...]]


class Crew:
    """Up to `most` threads, each started when there is work and nobody to do it."""

    def __init__(self, most: int, *, name: str) -> None:
        self._most = most
        self._name = name
        self._work: SimpleQueue[_Work | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self.at_hand = 0
        """How many wait for work; less than none where work waits for them."""
        self._is_shut = False

    def submit(self, work: Callable[..., object], *args: Any) -> None:
        """Have it done soon; raise RuntimeError where that needs a thread and there can be none.

        Then it is done all the same as soon as a thread is free. After `shutdown` nothing is taken:
        RuntimeError too.
        """
        with self._lock:
            if self._is_shut:
                raise RuntimeError("no work is taken any more")
            self._work.put((work, args))
            self.at_hand -= 1
            if self.at_hand < 0 and self._threads < self._most:
                self._begin()

    def shutdown(self, wait: bool = False) -> None:
        """Take no more work; the threads end when they have done what there is, by themselves."""
        with self._lock:
            self._is_shut = True
            for _ in range(self._threads):
                self._work.put(None)

    def _begin(self) -> None:
        name = f"{self._name}_{self._threads}"
        threading.Thread(target=self._loop, name=name, daemon=True).start()
        self._threads += 1
        self.at_hand += 1

    def _loop(self) -> None:
        while (found := self._work.get()) is not None:
            work, args = found
            try:
                work(*args)
            except BaseException:
                # a thread that ended would be missed for ever
                log.exception("crew.work_broke")
            with self._lock:
                self.at_hand += 1
