"""Notices that tasks.json or the registry changed, and has the desk look at it.

It polls: a `stat` and one small query. That works on every file system, in containers and over
mounts, where notifications do not.
"""

import threading
from datetime import timedelta

import structlog

from app.core.clock import Clock, until_look
from app.core.errors import PersonaTasksError
from app.tasks.desk import Desk
from app.tasks.space_file import Signature, SpaceFile

log = structlog.get_logger(__name__)

EVERY = timedelta(milliseconds=500)
AFTER_FAILURE = timedelta(seconds=2)
_REST = 4  # times as long as a look took: looking costs a fifth of one core at most
_STOP_TIMEOUT = 10.0


class Watcher:
    """A thread that keeps the desk up to date."""

    def __init__(
        self,
        file: SpaceFile,
        desk: Desk,
        clock: Clock,
        stop: threading.Event,
        *,
        every: timedelta = EVERY,
    ) -> None:
        self._file = file
        self._desk = desk
        self._clock = clock
        self._stop = stop
        self._every = every
        self._thread: threading.Thread | None = None
        self._known: tuple[Signature | None, int] | None = None
        self._shown: int | None = None
        self._due_at: float | None = None
        self._rests_until = clock.monotonic()

    def start(self) -> None:
        """Begin to watch, in a thread of its own."""
        self._thread = threading.Thread(target=self._watch, name="watcher", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop watching and wait for the look that is going on."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_STOP_TIMEOUT)

    def _watch(self) -> None:
        while not self._clock.wait(self._stop, until_look(self._clock.now(), self._every)):
            self.step()

    def step(self) -> bool:
        """Look at the desk if something changed or a look is due; say whether it looked.

        What goes wrong is logged and tried again later.
        """
        if self._clock.monotonic() < self._rests_until:
            return False
        try:
            return self._look()
        except PersonaTasksError as error:
            log.warning("watcher.failed", reason=error.detail)
        except Exception:  # the thread must outlive what nobody foresaw, or edits go unseen
            log.exception("watcher.failed")
        self._rests_until = self._clock.monotonic() + AFTER_FAILURE.total_seconds()
        return True

    def _look(self) -> bool:
        began = self._clock.monotonic()
        definitions, run_state = self._desk.wanted()
        found = (self._file.signature(), definitions)
        has_moved = found != self._known or run_state not in {None, self._shown}
        if not has_moved and (self._due_at is None or began < self._due_at):
            return False
        report = self._desk.sync()
        ended = self._clock.monotonic()
        self._rests_until = ended + _REST * (ended - began)
        self._known, self._shown = found, run_state or self._shown
        # A write within the same tick of the file's clock looks like none: look twice at a change.
        again = report.again if not has_moved else min(report.again or self._every, self._every)
        self._due_at = ended + again.total_seconds() if again is not None else None
        return True
