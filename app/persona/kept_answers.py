"""Answers of chats that came with an Idempotency-Key: given once, and again to who asks again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, Connection, Index, String, Table, delete, select, update
from sqlalchemy.sql.elements import ColumnElement

from app.database import Database, Instant, Json, metadata

KEPT_FOR = timedelta(hours=24)

chats = Table(
    "chats",
    metadata,
    Column("key", String(200), primary_key=True),
    Column("turn", String(26), nullable=False),
    Column("holder", String(26), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("answer", Json, nullable=True),
    Index("ix_chats_created_at", "created_at"),
    comment="chats that may be asked for twice; without an answer while the holder works on it",
)


class TurnLost(Exception):
    """Somebody took the key over, because this process looked dead: they will have the answer."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How it stands with a key: answered, or being answered by this caller or by somebody else."""

    answer: Mapping[str, Any] | None
    is_ours: bool


class KeptAnswers:
    """Gives each key to one holder at a time, and keeps its answer for 24 hours.

    `holder` is this process and `is_alive` tells whether another one lives: what a dead process
    held is given to whoever asks next. All raise LedgerUnavailable.
    """

    def __init__(self, database: Database, *, holder: str, is_alive: Callable[[str], bool]) -> None:
        self._database = database
        self._holder = holder
        self._is_alive = is_alive

    def find(self, key: str, now: datetime) -> Mapping[str, Any] | None:
        """Return the answer that is kept for a key."""
        query = select(chats.c.answer).where(
            chats.c.key == key, chats.c.created_at > now - KEPT_FOR
        )
        with self._database.read() as connection:
            answer: Mapping[str, Any] | None = connection.execute(query).scalar()
        return answer

    def take(self, key: str, turn: str, now: datetime) -> Standing:
        """Take the key for a turn, unless it is answered or a living process holds it."""
        values = {"turn": turn, "holder": self._holder, "created_at": now}
        with self._database.write() as connection:
            connection.execute(delete(chats).where(chats.c.created_at <= now - KEPT_FOR))
            new = self._database.insert_ignoring(chats).values(key=key, **values)
            if connection.execute(new.returning(chats.c.key)).one_or_none() is not None:
                return Standing(answer=None, is_ours=True)
            row = connection.execute(select(chats).where(chats.c.key == key)).one()
        if row.answer is not None:
            return Standing(answer=row.answer, is_ours=False)
        if row.holder == self._holder or self._is_alive(row.holder):
            return Standing(answer=None, is_ours=False)
        return Standing(answer=None, is_ours=self._take_over(key, row.turn, values))

    def settle(
        self, connection: Connection, key: str, turn: str, answer: Mapping[str, Any]
    ) -> None:
        """Keep the answer within the transaction of a caller; raise TurnLost."""
        kept = update(chats).where(*_open(key, turn)).values(answer=answer)
        if connection.execute(kept).rowcount != 1:
            raise TurnLost

    def give_back(self, key: str, turn: str) -> None:
        """Let the key be taken again: there was no answer."""
        with self._database.write() as connection:
            connection.execute(delete(chats).where(*_open(key, turn)))

    def _take_over(self, key: str, turn: str, values: Mapping[str, Any]) -> bool:
        taken = update(chats).where(*_open(key, turn)).values(**values)
        with self._database.write() as connection:
            return connection.execute(taken).rowcount == 1


def _open(key: str, turn: str) -> tuple[ColumnElement[bool], ...]:
    return chats.c.key == key, chats.c.turn == turn, chats.c.answer.is_(None)
