"""Which memories hold the words of a query, and how well: FTS5 on SQLite, tsvector on PostgreSQL.

Ranking costs time for every row that is ranked, so only so many are: those that hold the rarer
words of the query, and where all its words are common, those lived last. A word counts as common
that more than 1,000 memories hold, within the span and kind that is asked for.

The SQL here is put together from names only; every value is bound.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import starmap
from math import log
from typing import Any, NamedTuple, Protocol

from sqlalchemy import BigInteger, Connection, TextClause, bindparam, text
from sqlalchemy.types import TypeEngine

from app.database import Database, Instant
from app.persona.memory.memory import SCHEDULED, Within

_MOST_RANKING_WORDS = 12
_SECOND = 24
_FIRST, _BEYOND = -(2**63), 2**63 - 1
_RARITY_FROM = 10_000
_SCHEDULED = "memories.origin IN ({})".format(", ".join(f"'{o}'" for o in sorted(SCHEDULED)))


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How many memories are ranked: by rarer words, and where all words are common."""

    rare: int = 1000
    common: int = 500


class Match(NamedTuple):
    """A memory that holds words of a query; a higher `score` is a better match."""

    place: int
    is_scheduled: bool
    score: float


@dataclass(frozen=True, kw_only=True)
class Matches:
    """The memories that hold words of a query; not all of them where they are too many."""

    matches: Sequence[Match]
    complete: bool


@dataclass(frozen=True, kw_only=True)
class Word:
    """A word, and how many memories hold it, counted no further than what is ranked."""

    text: str
    count: int


def first_place(second: int) -> int:
    """Return the lowest place of a second since 1970."""
    return second << _SECOND


def second_of(place: int) -> int:
    """Return the second of a place."""
    return place >> _SECOND


def bounds(within: Within) -> tuple[int, int]:
    """Return the first place and the one beyond the last, to the second."""
    first, beyond = _FIRST, _BEYOND
    if within.since is not None:
        first = first_place(int(within.since.timestamp() // 1))
    if within.until is not None:
        beyond = first_place(int(within.until.timestamp() // 1) + 1)
    return first, beyond


def conditions(within: Within) -> tuple[str, dict[str, Any]]:
    """Return the condition on `memories` and its parameters."""
    first, beyond = bounds(within)
    parts = ["memories.place >= :first", "memories.place < :beyond"]
    given: dict[str, Any] = {"first": first, "beyond": beyond}
    if within.since is not None:
        parts.append("memories.at >= :since")
        given["since"] = within.since
    if within.until is not None:
        parts.append("memories.at < :until")
        given["until"] = within.until
    if within.kind is not None:
        parts.append("memories.kind = :kind")
        given["kind"] = within.kind
    if within.not_scheduled_by is not None:
        parts.append(f"NOT ({_SCHEDULED} AND coalesce(memories.task_id, '') = :task_id)")
        given["task_id"] = within.not_scheduled_by
    return " AND ".join(parts), given


def typed(sql: str, given: dict[str, Any]) -> TextClause:
    """Return a statement whose instants and places are bound as such."""
    kinds: dict[str, TypeEngine[Any]] = {
        "since": Instant(),
        "until": Instant(),
        "first": BigInteger(),
        "beyond": BigInteger(),
    }
    return text(sql).bindparams(
        *(bindparam(name, type_=kinds[name]) for name in given if name in kinds)
    )


class FullText(Protocol):
    """What a database can do with words; none of them holds anything but letters and digits."""

    def counts(
        self, connection: Connection, words: Sequence[str], within: Within, most: int
    ) -> list[int]:
        """Return how many memories hold each word, counted no further than `most`."""

    def ranked(
        self,
        connection: Connection,
        found_by: Sequence[Word],
        ranked_by: Sequence[Word],
        within: Within,
        *,
        all_of_them: bool,
        most: int,
    ) -> list[Match]:
        """Return the memories lived last that hold any (or all) of the words, ranked."""


def full_text(database: Database) -> FullText:
    """Return the full text of a database."""
    return _Fts5() if database.is_sqlite else _Tsvector()


def find(
    full_text: FullText,
    connection: Connection,
    words: Sequence[str],
    within: Within,
    *,
    wanted: int,
    limits: Limits,
) -> Matches:
    """Return memories that hold the words; `wanted` are enough of those that hold all of them."""
    counts = full_text.counts(connection, words, within, limits.rare + 1) if words else []
    held = [Word(text=w, count=n) for w, n in zip(words, counts, strict=True) if n]
    held.sort(key=lambda word: word.count)
    if not held:
        return Matches(matches=(), complete=True)
    best, rare = held[:_MOST_RANKING_WORDS], _rare(held, limits.rare)
    if rare:
        matches = full_text.ranked(
            connection, rare, best, within, all_of_them=False, most=limits.rare
        )
        return Matches(matches=matches, complete=len(rare) == len(held))
    found: dict[int, Match] = {}
    for all_of_them in (True, False):
        if len(found) < wanted:
            matches = full_text.ranked(
                connection, best, best, within, all_of_them=all_of_them, most=limits.common
            )
            found.update((match.place, match) for match in matches)
    return Matches(matches=list(found.values()), complete=False)


def _rare(held: Sequence[Word], most: int) -> list[Word]:
    """Return as many of the rarest words as find no more memories than are ranked."""
    rare, total = [], 0
    for word in held:
        total += word.count
        if total > most:
            break
        rare.append(word)
    return rare


class _Fts5:
    def counts(
        self, connection: Connection, words: Sequence[str], within: Within, most: int
    ) -> list[int]:
        first, beyond = bounds(within)
        counting = ", ".join(
            f"(SELECT count(*) FROM (SELECT 1 FROM memories_words WHERE memories_words MATCH :w{n}"
            f" AND rowid >= :first AND rowid < :beyond LIMIT :most))"
            for n in range(len(words))
        )
        given: dict[str, Any] = {f"w{n}": _match(_quoted(w), within) for n, w in enumerate(words)}
        given.update(first=first, beyond=beyond, most=most)
        return list(connection.execute(typed(f"SELECT {counting}", given), given).one())

    def ranked(
        self,
        connection: Connection,
        found_by: Sequence[Word],
        ranked_by: Sequence[Word],
        within: Within,
        *,
        all_of_them: bool,
        most: int,
    ) -> list[Match]:
        asked = (" AND " if all_of_them else " OR ").join(_quoted(w.text) for w in found_by)
        if {*ranked_by} - {*found_by}:
            # what the other words add to the rank; those that find count twice by this
            others = " OR ".join(_quoted(word.text) for word in ranked_by)
            asked = f"({asked}) AND ({others})"
        condition, given = conditions(within)
        given.update(match=_match(asked, within), most=most)
        # CROSS JOIN fixes the order of the two: the words first
        sql = f"""
            SELECT memories.place, {_SCHEDULED} AS is_scheduled,
                -bm25(memories_words, 1.0, 0.0) AS score
            FROM memories_words CROSS JOIN memories ON memories.place = memories_words.rowid
            WHERE memories_words MATCH :match
                AND memories_words.rowid >= :first AND memories_words.rowid < :beyond
                AND {condition}
            ORDER BY memories_words.rowid DESC LIMIT :most"""
        return _matches(connection, sql, given)


def _quoted(word: str) -> str:
    return f'"{word}"'


def _match(words: str, within: Within) -> str:
    of_kind = f'kind : "{within.kind}" AND ' if within.kind is not None else ""
    return f"{of_kind}words : ({words})"


class _Tsvector:
    def counts(
        self, connection: Connection, words: Sequence[str], within: Within, most: int
    ) -> list[int]:
        # a plan for any word would be one for rare words, and compiling it takes longer than it
        connection.execute(
            text(
                "SELECT set_config('plan_cache_mode', 'force_custom_plan', true),"
                " set_config('jit', 'off', true)"
            )
        )
        first, beyond = bounds(within)
        of_kind = " AND kind = :kind" if within.kind is not None else ""
        counting = ", ".join(
            f"(SELECT count(*) FROM (SELECT 1 FROM memories WHERE document @@ {_query(n)}"
            f" AND place >= :first AND place < :beyond{of_kind} LIMIT :most) AS w{n})"
            for n in range(len(words))
        )
        given: dict[str, Any] = {f"w{n}": word for n, word in enumerate(words)}
        given.update(first=first, beyond=beyond, kind=within.kind, most=most)
        return list(connection.execute(typed(f"SELECT {counting}", given), given).one())

    def ranked(
        self,
        connection: Connection,
        found_by: Sequence[Word],
        ranked_by: Sequence[Word],
        within: Within,
        *,
        all_of_them: bool,
        most: int,
    ) -> list[Match]:
        words = list(dict.fromkeys([*found_by, *ranked_by]))
        asked = (" && " if all_of_them else " || ").join(_query(n) for n in range(len(found_by)))
        score = " + ".join(
            f"{log(1 + _RARITY_FROM / word.count):.3f} * ts_rank_cd(document, {_query(n)}, 1)"
            for n, word in enumerate(words)
            if word in ranked_by
        )
        condition, given = conditions(within)
        given.update({f"w{n}": word.text for n, word in enumerate(words)}, most=most)
        # the inner one ends before anything is ranked
        sql = f"""
            SELECT place, is_scheduled, {score} AS score
            FROM (
                SELECT memories.place, {_SCHEDULED} AS is_scheduled, memories.document
                FROM memories WHERE memories.document @@ ({asked}) AND {condition}
                ORDER BY memories.place DESC LIMIT :most
            ) AS newest"""
        return _matches(connection, sql, given)


def _query(number: int) -> str:
    return f"plainto_tsquery('memory_words'::regconfig, :w{number})"


def _matches(connection: Connection, sql: str, given: dict[str, Any]) -> list[Match]:
    return [*starmap(Match, connection.execute(typed(sql, given), given))]
