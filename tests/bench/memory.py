"""Memories found by words, among many, on each database that is there."""

import os
import random
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import text
from sqlalchemy.engine import make_url

from app.persona.memory.memory import Draft, Query, Within
from app.persona.memory.store import MOST_AT_ONCE
from app.wiring import Services
from tests.bench.apart import apart
from tests.bench.ours import opened
from tests.bench.report import Line, figure, percentile
from tests.bench.scale import Scale

_POSTGRES = os.environ.get("TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
_VOCABULARY = 30_000
_WORDS = 40
_WANTED = 20
_GOAL = 50.0
_END = datetime(2026, 11, 24, tzinfo=UTC)
_KINDS = ("interaction", "note", "result")
_COMMON, _MIDDLING, _RARE = range(20), range(100, 600), range(3_000, 20_000)


def lines(scale: Scale, folder: Path) -> Iterator[Line]:
    """Measure."""
    yield from _lines("SQLite", apart(measure, folder / "memory", None, scale), scale)
    with suppress(psycopg.OperationalError), _postgres() as url:
        yield from _lines("PostgreSQL", apart(measure, folder / "memory-pg", url, scale), scale)


_Times = dict[str, tuple[list[float], list[float]]]


def _lines(name: str, measured: tuple[float, _Times], scale: Scale) -> Iterator[Line]:
    took, times = measured
    yield Line(case=f"{name}: {scale.results:,} memories imported", ours=f"{figure(took)} s")
    for which, (ours, scans) in times.items():
        ours_p95, scans_p95 = percentile(ours, 0.95), percentile(scans, 0.95)
        yield Line(
            case=f"{name}: p95 of a search for {which}, {scale.results:,} memories; against LIKE",
            ours=f"{figure(ours_p95)} ms",
            peer=f"{figure(scans_p95)} ms",
            ratio=ours_p95 / scans_p95,
            goal=f"<= {figure(_GOAL)} ms",
            met=ours_p95 <= _GOAL,
        )


def measure(folder: Path, url: str | None, scale: Scale) -> tuple[float, _Times]:
    """Return the seconds of the import, and of each kind of search the milliseconds, ours and by
    a scan that counts which words each text holds."""
    settings: dict[str, Any] = {} if url is None else {"DATABASE_URL": url}
    services = opened(folder, **settings)
    chance = random.Random(1)
    began = time.perf_counter()
    _fill(services, scale.results, chance)
    took = time.perf_counter() - began
    times: _Times = {}
    for which, ask in _QUERIES.items():
        queries = [ask(chance) for _ in range(100 * scale.repeats)]
        ours = [_timed(partial(services.being.memories.search, query)) for query in queries]
        scans = [_timed(partial(_scan, services, query)) for query in queries[:20]]
        times[which] = ours, scans
    services.stop()
    return took, times


def _fill(services: Services, count: int, chance: random.Random) -> None:
    vocabulary = [_word(number) for number in range(_VOCABULARY)]
    weights = list(accumulate(1 / (number + 1) for number in range(_VOCABULARY)))
    for start in range(0, count, MOST_AT_ONCE):
        services.being.memories.remember_all(
            [
                Draft(
                    text=" ".join(chance.choices(vocabulary, cum_weights=weights, k=_WORDS)),
                    at=_END - timedelta(minutes=5 * (count - number)),
                    origin="import",
                    kind=chance.choice(_KINDS),
                )
                for number in range(start, min(start + MOST_AT_ONCE, count))
            ]
        )
    services.being.memories.refresh_statistics()


def _word(number: int) -> str:
    """Return a word that looks like one, the shorter the more common."""
    syllables = ("ka", "lo", "mi", "re", "su", "ta", "no", "ve", "di", "po")
    return "".join(syllables[int(digit)] for digit in str(number)[::-1]) + "n"


def _of(*ranges: range) -> Callable[[random.Random], Query]:
    return lambda chance: Query(
        text=" ".join(_word(chance.choice(words)) for words in ranges), limit=_WANTED
    )


def _in_a_week(chance: random.Random) -> Query:
    until = _END - timedelta(days=chance.randrange(0, 300))
    within = Within(since=until - timedelta(days=7), until=until)
    return Query(text=_of(_COMMON, _MIDDLING)(chance).text, within=within, limit=_WANTED)


_QUERIES: dict[str, Callable[[random.Random], Query]] = {
    "a rare word": _of(_RARE),
    "a common word": _of(_COMMON),
    "two common words": _of(_COMMON, _COMMON),
    "three middling words": _of(_MIDDLING, _MIDDLING, _MIDDLING),
    "a sentence": _of(_COMMON, _COMMON, _COMMON, _MIDDLING, _MIDDLING, _MIDDLING, _RARE, _RARE),
    "two words in a week": _in_a_week,
}


def _timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return (time.perf_counter() - began) * 1000


def _scan(services: Services, query: Query) -> Sequence[object]:
    """Find as one would without an index of words."""
    words = {f"w{n}": f"%{word}%" for n, word in enumerate(query.text.split())}
    held = " + ".join(f"(CASE WHEN text LIKE :{name} THEN 1 ELSE 0 END)" for name in words)
    any_of = " OR ".join(f"text LIKE :{name}" for name in words)
    sql = f"SELECT id, text FROM memories WHERE {any_of} ORDER BY {held} DESC, place DESC LIMIT 20"
    with services.database.read() as connection:
        return connection.execute(text(sql), words).all()


@contextmanager
def _postgres() -> Iterator[str]:
    """Yield the address of an empty database on the server of the tests."""
    name = f"bench_{uuid.uuid4().hex}"
    with psycopg.connect(_POSTGRES, autocommit=True, connect_timeout=5) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield make_url(_POSTGRES).set(database=name).render_as_string(hide_password=False)
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
