"""The memories in the database: kept, listed, found, forgotten."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection, Select, delete, func, insert, select, text

from app.core.clock import Clock
from app.core.errors import FieldError, InvalidInput
from app.core.ids import Ids
from app.database import Database
from app.persona.client import Holding, anyway
from app.persona.errors import MemoryNotFound
from app.persona.memory import fulltext
from app.persona.memory.fulltext import Limits, conditions, first_place, second_of, typed
from app.persona.memory.meaning import Meaning
from app.persona.memory.memory import (
    KIND,
    MOST_TEXT_BYTES,
    Draft,
    Found,
    Kept,
    Memory,
    Page,
    Query,
    Search,
    Within,
)
from app.persona.memory.ranking import Distinct, blend, relative, together
from app.persona.memory.tables import memories
from app.persona.memory.terms import query_words, words_of
from app.persona.words import storable

log = structlog.get_logger(__name__)

MOST_AT_ONCE = 500
_COLUMNS = [column for column in memories.c if column.name not in {"words", "digest"}]
_SPARE = 3


class Memories:
    """Remembers and finds again; with a `meaning` also what says the same in other words."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ids: Ids,
        meaning: Meaning | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._meaning = meaning
        self._limits = limits or Limits()
        self._full_text = fulltext.full_text(database)

    # ---- writing

    def remember(self, draft: Draft, holding: Holding = anyway) -> Memory:
        """Keep a memory and return it; the one of then where it is known already.

        Raises InvalidInput for a text that is blank or longer than 64 KiB, and for an odd kind,
        and what `holding` raises.
        """
        with self._database.write() as connection:
            holding(connection)
            kept = self.write(connection, [draft])[0]
        if kept.is_new:
            log.info("memory.kept", memory_id=kept.memory.id, kind=draft.kind, origin=draft.origin)
        return kept.memory

    def remember_all(self, drafts: Sequence[Draft]) -> list[Kept]:
        """Keep up to 500 memories in one transaction, as `remember` does."""
        with self._database.write() as connection:
            return self.write(connection, drafts)

    def write(self, connection: Connection, drafts: Sequence[Draft]) -> list[Kept]:
        """Keep memories within the transaction of a caller."""
        checked = [_checked(draft) for draft in drafts]
        self.take_turns(connection)
        kept = self._known(connection, [draft.digest for draft in checked])
        rows: list[dict[str, Any]] = []
        places: dict[int, int] = {}
        answers = []
        for draft in checked:
            is_new = draft.digest not in kept
            if is_new:
                rows.append(self._row(draft, _next_place(connection, draft.at, places)))
                kept[draft.digest] = _memory(rows[-1])
            answers.append(Kept(memory=kept[draft.digest], is_new=is_new))
        if rows:
            connection.execute(insert(memories), rows)
        return answers

    def take_turns(self, connection: Connection) -> None:
        """Let one transaction at a time write memories, until it ends."""
        self._database.take_turns(connection, "memories")

    def forget(self, memory_id: str) -> None:
        """Remove a memory for good; raise MemoryNotFound."""
        with self._database.write() as connection:
            gone = connection.execute(delete(memories).where(memories.c.id == memory_id))
            if not gone.rowcount:
                raise MemoryNotFound(memory_id)
        log.info("memory.forgotten", memory_id=memory_id)

    def unlive(self, connection: Connection, run_id: str, since: datetime) -> int:
        """Remove what a run remembered from an instant on, and return how much.

        Within the transaction of a caller, for an attempt that counts as if it had not been.
        """
        of_run = (memories.c.run_id == run_id) & (
            memories.c.place >= first_place(int(since.timestamp() // 1))
        )
        return connection.execute(delete(memories).where(of_run)).rowcount

    def refresh_statistics(self) -> None:
        """Tell PostgreSQL, after many were added, which words are common; SQLite counts anew."""
        if not self._database.is_sqlite:
            with self._database.write() as connection:
                connection.execute(text("ANALYZE memories"))

    # ---- reading

    def get(self, memory_id: str) -> Memory:
        """Return one memory; raise MemoryNotFound."""
        with self._database.read() as connection:
            return self.read(connection, memory_id)

    def read(self, connection: Connection, memory_id: str) -> Memory:
        """Return one memory within the transaction of a caller; raise MemoryNotFound."""
        query = select(*_COLUMNS).where(memories.c.id == memory_id)
        row = connection.execute(query).one_or_none()
        if row is None:
            raise MemoryNotFound(memory_id)
        return _memory(row._mapping)

    def page(self, within: Within, *, limit: int, cursor: int | None = None) -> Page:
        """Return up to `limit` memories, those lived last first; `cursor` is that of a page."""
        query = _newest(within, limit + 1)
        if cursor is not None:
            query = query.where(memories.c.place < cursor)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        shown = rows[:limit]
        return Page(
            memories=[_memory(row._mapping) for row in shown],
            next_cursor=shown[-1].place if len(rows) > limit else None,
        )

    def search(self, query: Query) -> Search:
        """Return the memories that fit a query best, by words (and meaning) and recency."""
        words = query_words(query.text)
        with self._database.read() as connection:
            found = fulltext.find(
                self._full_text,
                connection,
                words,
                query.within,
                wanted=query.limit,
                limits=self._limits,
            )
        relevance = relative({match.place: match.score for match in found.matches})
        scheduled = {match.place for match in found.matches if match.is_scheduled}
        if self._meaning is not None and words:
            likeness = self._meaning.likeness(query.text, query.within, relevance)
            relevance = together(relevance, likeness)
        return Search(found=self._best(query, relevance, scheduled), complete=found.complete)

    def _best(
        self, query: Query, relevance: Mapping[int, float], scheduled: set[int]
    ) -> list[Found]:
        now = self._clock.now().timestamp()
        scores = {
            place: blend(
                share,
                timedelta(seconds=now - second_of(place)),
                scheduled=query.prefers_life and place in scheduled,
            )
            for place, share in relevance.items()
        }
        spare = _SPARE if query.distinct else 1
        first = sorted(scores, key=lambda place: (-scores[place], -place))[: query.limit * spare]
        with self._database.read() as connection:
            rows = connection.execute(select(*_COLUMNS).where(memories.c.place.in_(first))).all()
        by_place = {row.place: row for row in rows}
        found = [
            Found(memory=_memory(by_place[place]._mapping), score=round(scores[place], 4))
            for place in first
            if place in by_place
        ]
        if query.distinct:
            found = list(Distinct().of(found, lambda one: one.memory.text))
        return found[: query.limit]

    # ---- rows

    def _row(self, draft: Draft, place: int) -> dict[str, Any]:
        now = self._clock.now()
        return {
            "place": place,
            "id": self._ids.new(now),
            "kind": draft.kind,
            "at": draft.at.astimezone(UTC),
            "origin": draft.origin,
            "run_id": draft.run_id,
            "task_id": draft.task_id,
            "digest": draft.digest,
            "created_at": now,
            "metadata": dict(draft.metadata),
            "text": draft.text,
            "words": " ".join(words_of(draft.text)),
        }

    def _known(self, connection: Connection, digests: Sequence[str]) -> dict[str, Memory]:
        query = select(memories.c.digest, *_COLUMNS).where(memories.c.digest.in_(digests))
        return {row.digest: _memory(row._mapping) for row in connection.execute(query)}


def _newest(within: Within, limit: int) -> Select[Any]:
    condition, given = conditions(within)
    query = select(*_COLUMNS).where(typed(condition, given).bindparams(**given))
    return query.order_by(memories.c.place.desc()).limit(limit)


def _next_place(connection: Connection, at: datetime, taken: dict[int, int]) -> int:
    """Return the place after the last one of the second; `taken` are those of this transaction."""
    second = int(at.timestamp() // 1)
    if second not in taken:
        first, beyond = first_place(second), first_place(second + 1)
        last = select(func.max(memories.c.place)).where(
            memories.c.place >= first, memories.c.place < beyond
        )
        highest = connection.execute(last).scalar_one()
        taken[second] = first - 1 if highest is None else highest
    taken[second] += 1
    return taken[second]


def _checked(draft: Draft) -> Draft:
    clean = storable(draft.text)
    errors = [
        FieldError(field=field, message=message) for field, message in _problems(clean, draft.kind)
    ]
    if errors:
        raise InvalidInput(errors)
    return replace(draft, text=clean)


def _problems(clean: str, kind: str) -> Iterable[tuple[str, str]]:
    if not clean.strip():
        yield "text", "must not be empty"
    if len(clean.encode()) > MOST_TEXT_BYTES:
        yield "text", f"must have at most {MOST_TEXT_BYTES} bytes"
    if KIND.fullmatch(kind) is None:
        yield "kind", "must be 1 to 32 of a-z, 0-9, _ and -, and begin with a letter"


def _memory(row: Mapping[Any, Any]) -> Memory:
    return Memory(
        id=row["id"],
        text=row["text"],
        kind=row["kind"],
        at=row["at"],
        origin=row["origin"],
        run_id=row["run_id"],
        task_id=row["task_id"],
        metadata=row["metadata"],
        created_at=row["created_at"],
    )
