"""How long the history of the space is kept."""

from datetime import datetime, timedelta

import structlog

from app.core.clock import Clock
from app.core.errors import SpaceError
from app.runs.recording import Space

log = structlog.get_logger(__name__)

_BATCH = 1_000
_SWEEP_EVERY = timedelta(days=1)


class Forgetting:
    """Removes steps beyond an age, a batch at a time, and once a day the contents they needed."""

    def __init__(self, space: Space, clock: Clock, max_age: timedelta) -> None:
        self._space = space
        self._clock = clock
        self._max_age = max_age
        self._swept_at: datetime | None = None

    def step(self) -> bool:
        """Remove one batch; say whether there was anything to remove. Raises SpaceError.

        The steps go first: a kill in between leaves contents that are removed the next time.
        """
        before = self._clock.now() - self._max_age
        with self._space.database.write() as connection:
            if self._space.trail.forget(connection, before, _BATCH) > 0:
                return True
        self._sweep(before)
        return False

    def _sweep(self, before: datetime) -> None:
        now = self._clock.now()
        if self._swept_at is not None and now - self._swept_at < _SWEEP_EVERY:
            return
        self._swept_at = now
        with self._space.database.read() as connection:
            wanted = self._space.trail.contents(connection)
        try:
            removed = self._space.store.sweep(wanted, before)
        except SpaceError as error:
            log.warning("space.history_not_swept", error=error.detail)
            return
        if removed:
            log.info("space.history_swept", contents=removed)
