"""Which results are kept: by age, by count, by bytes.

What goes is the answer and its file. The row of the slot stays, because the audit needs it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection, Row, Select, func, literal_column, select, update
from sqlalchemy.sql.elements import ColumnElement

from app.core.clock import Clock
from app.core.instants import write_instant
from app.database import Database
from app.runs.history import run_of
from app.runs.keys import Keys
from app.runs.results import ResultFolder, file_name
from app.runs.tables import runs

log = structlog.get_logger(__name__)

_FILED: ColumnElement[bool] = literal_column("runs.filed = 1")
_BATCH = 200


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much is kept; the newest result of each task is kept whatever they say."""

    max_age: timedelta
    max_count: int
    max_bytes: int


class Retention:
    """Removes results beyond the limits, a small batch at a time."""

    def __init__(
        self,
        database: Database,
        results: ResultFolder,
        keys: Keys,
        clock: Clock,
        limits: Limits,
    ) -> None:
        self._database = database
        self._results = results
        self._keys = keys
        self._clock = clock
        self._limits = limits

    def step(self) -> bool:
        """Remove one batch; say whether there was anything to remove.

        The files go first: a kill in between leaves rows that are pruned again the next time,
        never a file that nobody knows of.
        """
        now = self._clock.now()
        with self._database.write() as connection:
            self._database.take_turns(connection, "retention")
            self._keys.purge(connection, now)
            rows = self._beyond(connection, now)
            if not rows:
                return False
            self._results.remove([file_name(run_of(row)) for row in rows])
            connection.execute(
                update(runs)
                .where(runs.c.id.in_([row.id for row in rows]))
                .values(
                    filed=None,
                    response=None,
                    size=0,
                    metadata={"pruned_at": write_instant(now)},
                )
            )
        log.info("results.pruned", runs=len(rows))
        return True

    def _beyond(self, connection: Connection, now: datetime) -> Sequence[Row[Any]]:
        kept = connection.execute(
            select(func.count(), func.coalesce(func.sum(runs.c.size), 0))
            .select_from(runs)
            .where(_FILED)
        ).one()
        too_many = kept[0] - self._limits.max_count
        too_big = kept[1] - self._limits.max_bytes
        if too_many > 0 or too_big > 0:
            return _enough(connection.execute(_oldest(_BATCH)).all(), too_many, too_big)
        too_old = _oldest(_BATCH).where(runs.c.completed_at < now - self._limits.max_age)
        return connection.execute(too_old).all()


def _enough(oldest: Sequence[Row[Any]], number: int, size: int) -> Sequence[Row[Any]]:
    """Return as many of the oldest as must go to be rid of a number of runs and of bytes."""
    for place, row in enumerate(oldest):
        if place >= number and size <= 0:
            return oldest[:place]
        size -= row.size
    return oldest


def _oldest(limit: int) -> Select[Any]:
    """Select the oldest results that are not the newest one of their task."""
    newer = runs.alias("newer")
    has_newer = (
        select(literal_column("1"))
        .select_from(newer)
        .where(
            newer.c.task_id == runs.c.task_id,
            newer.c.completed_at > runs.c.completed_at,
            newer.c.filed == 1,
        )
        .exists()
    )
    return select(runs).where(_FILED, has_newer).order_by(runs.c.completed_at).limit(limit)
