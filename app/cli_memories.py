"""The commands about memories: `persona-tasks memories ...`."""

import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import islice
from typing import BinaryIO

import click
from marshmallow import ValidationError

from app.api.memory_schemas import NewMemory
from app.cli_parts import InstantParameter, opened, table, told, when
from app.core import strict_json
from app.core.errors import BadJson, FieldError
from app.persona.memory.memory import KIND, Draft, Memory, Query, Within
from app.persona.memory.store import MOST_AT_ONCE
from app.persona.words import one_line
from app.tasks.schema import field_errors

_LONGEST_LINE = 1024 * 1024
_SHOWN = 100
_NEW_MEMORY = NewMemory()


def _kind(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and KIND.fullmatch(value) is None:
        raise click.BadParameter("must be 1 to 32 of a-z, 0-9, _ and -, and begin with a letter")
    return value


@click.group(name="memories")
def memories() -> None:
    """What the persona lived: import, list, search."""


@memories.command("import")
@click.argument("file", type=click.File("rb"))
@told
def import_memories(file: BinaryIO) -> None:
    """Import JSON Lines such as {"text": ..., "kind": ..., "at": ..., "metadata": {...}}.

    Only text is needed. Lines that are wrong are named and left out, the rest is imported. What is
    known already, the same text at the same instant, is not imported again.
    """
    counted = {"new": 0, "known": 0, "wrong": 0}

    def tell(number: int, message: str) -> None:
        counted["wrong"] += 1
        click.echo(f"line {number}: {message}", err=True)

    with opened() as services:
        drafts = _drafts(file, services.clock.now(), tell)
        for batch in _batches(drafts):
            for kept in services.being.memories.remember_all(batch):
                counted["new" if kept.is_new else "known"] += 1
        services.being.memories.refresh_statistics()
    click.echo(f"imported {counted['new']}, known already {counted['known']}")
    if counted["wrong"]:
        click.echo(f"left out {counted['wrong']}", err=True)
        sys.exit(1)


@memories.command("list")
@click.option("--kind", callback=_kind)
@click.option("--since", type=InstantParameter())
@click.option("--until", type=InstantParameter())
@click.option("--limit", default=20, type=click.IntRange(1, 200), show_default=True)
@told
def list_memories(
    kind: str | None, since: datetime | None, until: datetime | None, limit: int
) -> None:
    """List memories, those lived last first."""
    with opened() as services:
        within = Within(since=since, until=until, kind=kind)
        page = services.being.memories.page(within, limit=limit)
        table(("memory", "at", "kind", "origin", "text"), [_row(m) for m in page.memories])


@memories.command("search")
@click.argument("words", nargs=-1, required=True)
@click.option("--kind", callback=_kind)
@click.option("--since", type=InstantParameter())
@click.option("--until", type=InstantParameter())
@click.option("--limit", default=10, type=click.IntRange(1, 200), show_default=True)
@told
def search(
    words: tuple[str, ...],
    kind: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
) -> None:
    """Find memories by words, the best first."""
    with opened() as services:
        within = Within(since=since, until=until, kind=kind)
        query = Query(text=" ".join(words), within=within, limit=limit)
        result = services.being.memories.search(query)
        table(
            ("score", "memory", "at", "kind", "origin", "text"),
            [(f"{found.score:.2f}", *_row(found.memory)) for found in result.found],
        )
        if not result.complete:
            click.echo("very many hold these words: only the newest were ranked", err=True)


@memories.command("embed")
@told
def embed() -> None:
    """Make the vectors that memories lack, by EMBEDDING_MODEL; search makes a few by the way."""
    with opened() as services:
        if services.meaning is None:
            raise click.ClickException("EMBEDDING_MODEL is not set")
        made = 0
        while more := services.meaning.make_missing():
            made += more
        click.echo(f"made {made}")


def _drafts(file: BinaryIO, now: datetime, tell: Callable[[int, str], None]) -> Iterator[Draft]:
    for number, line in enumerate(_lines(file), start=1):
        if not line.strip():
            continue
        try:
            yield _draft(line, now)
        except ValidationError as error:
            wrong = field_errors(error.messages_dict)
            tell(number, one_line("; ".join(map(_sentence, wrong)), 300))
        except BadJson as error:
            tell(number, error.detail)


def _sentence(wrong: FieldError) -> str:
    # of the whole line marshmallow says _schema, and "line 3" stands before it already
    return wrong.message if wrong.field == "_schema" else f"{wrong.field} {wrong.message}"


def _draft(line: bytes, now: datetime) -> Draft:
    given = _NEW_MEMORY.load(strict_json.loads(line, most_bytes=_LONGEST_LINE))
    at = given.get("at")
    return Draft(
        text=given["text"],
        at=at or now,
        origin="import",
        kind=given["kind"],
        metadata=given.get("metadata", {}),
        undated=at is None,
    )


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines, of those that are too long only so much that they are seen to be."""
    while line := file.readline(_LONGEST_LINE + 2):
        rest = line
        while len(rest) == _LONGEST_LINE + 2 and not rest.endswith(b"\n"):
            rest = file.readline(_LONGEST_LINE + 2)
        yield line


def _batches(drafts: Iterator[Draft]) -> Iterator[list[Draft]]:
    while batch := list(islice(drafts, MOST_AT_ONCE)):
        yield batch


def _row(memory: Memory) -> tuple[str, ...]:
    text = one_line(memory.text, _SHOWN)
    return memory.id, when(memory.at), memory.kind, memory.origin, text
