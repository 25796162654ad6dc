"""Which memories mean the same as a text: vectors, kept beside the memories.

Without a vector index only so many are compared: those that the words found best, and those lived
last. Where the server that makes vectors does not answer, the search goes on by words alone.
"""

import struct
import threading
from collections.abc import Mapping, Sequence
from datetime import timedelta
from math import sqrt
from operator import mul

import structlog
from sqlalchemy import Connection, Select, select

from app.core.clock import Clock
from app.database import Database
from app.persona.client import Deadline
from app.persona.errors import PersonaError
from app.persona.memory.embedding import MOST_TEXTS, Embedder, Vector
from app.persona.memory.fulltext import conditions, typed
from app.persona.memory.memory import Within
from app.persona.memory.ranking import standing_out
from app.persona.memory.tables import memories, memory_vectors

log = structlog.get_logger(__name__)

_COMPARED = 500
_PATIENCE = timedelta(seconds=3)
_MAKING = timedelta(seconds=60)
_ASK_AGAIN_AFTER = timedelta(minutes=1)
_ALIKE = 0.5


class Meaning:
    """Compares texts by their vectors, which one model makes."""

    def __init__(self, database: Database, embedder: Embedder, clock: Clock) -> None:
        self._database = database
        self._embedder = embedder
        self._clock = clock
        self._quiet_until = clock.monotonic()

    def likeness(self, text: str, within: Within, words: Mapping[int, float]) -> dict[int, float]:
        """Return how near memories come to a text, 0 to 1, by place; nothing where it fails.

        `words` is their relevance by words. Memories that lack a vector get one by the way.
        """
        if self._clock.monotonic() < self._quiet_until:
            return {}
        best = sorted(words, key=lambda place: -words[place])[:_COMPARED]
        places = [*dict.fromkeys([*best, *self._newest(within)])]
        missing = self._lacking(_of(places), MOST_TEXTS - 1)
        try:
            vectors = self._made([text, *missing.values()], _PATIENCE)
        except PersonaError as error:
            self._quiet_until = self._clock.monotonic() + _ASK_AGAIN_AFTER.total_seconds()
            log.warning("memory.meaning_failed", reason=error.reason, error=error.detail)
            return {}
        self._keep(dict(zip(missing, vectors[1:], strict=True)))
        cosines = {
            place: sum(map(mul, vectors[0], vector))
            for place, vector in self._vectors(places).items()
            if len(vector) == len(vectors[0])
        }
        return {
            place: share
            for place, share in standing_out(cosines).items()
            if place in words or share >= _ALIKE
        }

    def make_missing(self) -> int:
        """Make the vectors of some memories that lack one, the newest first; return how many.

        Raises PersonaError.
        """
        newest = select(memories.c.id, memories.c.text).order_by(memories.c.place.desc())
        missing = self._lacking(newest, MOST_TEXTS)
        if missing:
            vectors = self._made([*missing.values()], _MAKING)
            self._keep(dict(zip(missing, vectors, strict=True)))
        return len(missing)

    def _made(self, texts: Sequence[str], span: timedelta) -> list[Vector]:
        deadline = Deadline(self._clock, span, threading.Event())
        return [_of_length_one(vector) for vector in self._embedder.embed(texts, deadline)]

    def _newest(self, within: Within) -> list[int]:
        condition, given = conditions(within)
        query = select(memories.c.place).where(typed(condition, given).bindparams(**given))
        query = query.order_by(memories.c.place.desc()).limit(_COMPARED)
        with self._database.read() as connection:
            return list(connection.execute(query).scalars())

    def _lacking(self, texts: "Select[tuple[str, str]]", most: int) -> dict[str, str]:
        has_one = (
            select(memory_vectors.c.memory_id)
            .where(
                memory_vectors.c.memory_id == memories.c.id,
                memory_vectors.c.model == self._embedder.model,
            )
            .exists()
        )
        with self._database.read() as connection:
            rows = connection.execute(texts.where(~has_one).limit(most)).all()
        return {row.id: row.text for row in rows}

    def _keep(self, vectors: Mapping[str, Vector]) -> None:
        if not vectors:
            return
        with self._database.write() as connection:
            there = _still_there(connection, [*vectors])
            rows = [
                {
                    "memory_id": memory_id,
                    "model": self._embedder.model,
                    "vector": struct.pack(f"<{len(vectors[memory_id])}f", *vectors[memory_id]),
                }
                for memory_id in there
            ]
            if rows:
                connection.execute(self._database.insert_ignoring(memory_vectors), rows)

    def _vectors(self, places: Sequence[int]) -> dict[int, Vector]:
        query = (
            select(memories.c.place, memory_vectors.c.vector)
            .join(memory_vectors, memory_vectors.c.memory_id == memories.c.id)
            .where(memories.c.place.in_(places), memory_vectors.c.model == self._embedder.model)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return {row.place: struct.unpack(f"<{len(row.vector) // 4}f", row.vector) for row in rows}


def _of(places: Sequence[int]) -> "Select[tuple[str, str]]":
    query = select(memories.c.id, memories.c.text).where(memories.c.place.in_(places))
    return query.order_by(memories.c.place.desc())


def _still_there(connection: Connection, ids: Sequence[str]) -> list[str]:
    """Return the memories that nobody has forgotten meanwhile, and keep them for this moment."""
    query = select(memories.c.id).where(memories.c.id.in_(ids)).with_for_update(key_share=True)
    return list(connection.execute(query).scalars())


def _of_length_one(vector: Vector) -> Vector:
    length = sqrt(sum(number * number for number in vector)) or 1.0
    return [number / length for number in vector]
