"""The mood over time: a table to which every answer that carries feeling adds a row."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import (
    Column,
    Connection,
    Double,
    Index,
    String,
    Table,
    delete,
    func,
    insert,
    select,
)
from sqlalchemy import Row as TableRow

from app.core.ids import Ids
from app.database import Database, Instant, metadata
from app.persona.client import Holding, anyway
from app.persona.feelings.mood import Mood, decayed, moved
from app.persona.feelings.values import DIMENSIONS, NEUTRAL, Affect, clamped

MOST_MOODS = 1000
_NEXT = timedelta(microseconds=1)

moods = Table(
    "moods",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("at", Instant, nullable=False),
    Column("valence", Double, nullable=False),
    Column("arousal", Double, nullable=False),
    Column("dominance", Double, nullable=False),
    Column("run_id", String(26), nullable=True),
    Column("source", String(20), nullable=False),
    Column("origin", String(10), nullable=False),
    Index("uq_moods_at", "at", unique=True),
    comment="the mood after each answer that moved it; between two rows it fades",
)


class MoodSeries:
    """Keeps the mood. Raises LedgerUnavailable where the database does not answer."""

    def __init__(self, database: Database, ids: Ids) -> None:
        self._database = database
        self._ids = ids

    def note(
        self,
        affect: Affect,
        *,
        weight: float,
        at: datetime,
        run_id: str | None,
        source: str,
        origin: str,
        holding: Holding = anyway,
    ) -> tuple[Affect, Mood]:
        """Move the mood by this share of the way towards an affect; return it before and after.

        Two at once move it one after the other. Instants only rise, so that they tell the order:
        a mood that is noted in the same one, or after the clock was put back, gets the next one.
        Raises what `holding` raises.
        """
        with self._database.write() as connection:
            holding(connection)
            self._database.take_turns(connection, "moods")
            last = _last(connection)
            at = max(at, last.at + _NEXT) if last is not None else at
            before = _faded(last, at)
            mood = Mood(
                at=at,
                affect=moved(before, affect, weight),
                run_id=run_id,
                source=source,
                origin=origin,
            )
            connection.execute(insert(moods).values(id=self._ids.new(at), **_row(mood)))
        return before, mood

    def series(self, *, since: datetime | None = None, limit: int = 100) -> list[Mood]:
        """Return the newest moods since an instant (inclusive), at most 1,000, oldest first."""
        query = select(moods).order_by(moods.c.at.desc())
        if since is not None:
            query = query.where(moods.c.at >= since)
        with self._database.read() as connection:
            rows = connection.execute(query.limit(min(max(limit, 0), MOST_MOODS))).all()
        return [_mood(row) for row in reversed(rows)]

    def current(self, now: datetime) -> Mood:
        """Return the mood as it is now: the last one, faded; neutral where there is none."""
        with self._database.read() as connection:
            last = _last(connection)
        return Mood(
            at=now,
            affect=_faded(last, now),
            run_id=last.run_id if last is not None else None,
            source=last.source if last is not None else None,
            origin=last.origin if last is not None else None,
        )

    def gone(self, noted: Sequence[tuple[str, datetime]]) -> set[str]:
        """Return which of these runs, each with an instant at which it moved the mood, have no mood
        any more, though moods as old are kept: they count as if they had not been."""
        with self._database.read() as connection:
            oldest = connection.execute(select(func.min(moods.c.at))).scalar_one()
            of_runs = moods.c.run_id.in_({run_id for run_id, _ in noted})
            left = set(connection.execute(select(moods.c.run_id).where(of_runs)).scalars())
        return {run_id for run_id, at in noted if oldest and at >= oldest and run_id not in left}

    def forget(self, before: datetime) -> int:
        """Remove moods older than an instant; return how many."""
        with self._database.write() as connection:
            return connection.execute(delete(moods).where(moods.c.at < before)).rowcount

    def unlive(self, connection: Connection, run_id: str, since: datetime) -> int:
        """Remove the moods that a run noted from an instant on, and return how many.

        Within the transaction of a caller, for an attempt that counts as if it had not been. What
        was noted after them keeps what they had moved.
        """
        of_run = (moods.c.run_id == run_id) & (moods.c.at >= since)
        return connection.execute(delete(moods).where(of_run)).rowcount


def _last(connection: Connection) -> Mood | None:
    query = select(moods).order_by(moods.c.at.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    return _mood(row) if row is not None else None


def _faded(last: Mood | None, now: datetime) -> Affect:
    return decayed(last.affect, now - last.at) if last is not None else NEUTRAL


def _mood(row: TableRow[tuple[object, ...]]) -> Mood:
    return Mood(
        at=row.at,
        affect=clamped(row.valence, row.arousal, row.dominance),
        run_id=row.run_id,
        source=row.source,
        origin=row.origin,
    )


def _row(mood: Mood) -> dict[str, object]:
    numbers = {name: getattr(mood.affect, name) for name in DIMENSIONS}
    kept = {"run_id": mood.run_id, "source": mood.source, "origin": mood.origin}
    return {"at": mood.at, **numbers, **kept}
