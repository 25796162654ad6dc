"""What all commands have in common: services opened, errors told, tables written."""

import os
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import wraps
from typing import Any

import click

from app.config import Settings, read_settings
from app.core.errors import PersonaTasksError
from app.core.instants import read_instant, write_instant
from app.log import configure_logging
from app.persona.words import one_line
from app.runs.run import Run
from app.started_with import PERSONA, check_same
from app.tasks.task import Author
from app.wiring import Services, build

AUTHOR = Author(kind="owner", name="command line")
_LONGEST_ERROR = 1000
_ORDERS = frozenset({"Cc", "Cs", "Zl", "Zp"})
_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""What turns the direction of writing, so that a line reads otherwise than it is."""


@contextmanager
def opened(
    *, prepared: bool = True, existing: bool = True, as_service: bool = False
) -> Iterator[Services]:
    """Open the services of this space, and close their database at the end.

    Where there is no space nothing is made, and ClickException says so; without `existing` that is
    no matter. Raises OtherSettings where the service of the space has another ledger, and for what
    is to be done `as_service`, where one is alive that asks another persona. What they log goes to
    stderr, so that stdout has the answer of the command and nothing else.
    """
    settings = read_settings(os.environ)
    if existing:
        _check_space(settings)
        check_same(settings, os.environ)
    configure_logging(settings)
    services = build(settings)
    try:
        if prepared:
            services.prepare(adopting=False)
            # the zone of the running service counts, not what this shell happens to say
            zone = services.registry.default_timezone()
            services.database.close()
            services = build(replace(settings, default_timezone=zone))
        if as_service and services.clockwork.liveness().alive:
            check_same(settings, os.environ, PERSONA)
        yield services
    finally:
        services.database.close()


def _check_space(settings: Settings) -> None:
    # in the wrong folder, or with a slip in the name, a new space looks like tasks that are lost
    if not settings.persona_space.is_dir():
        raise click.ClickException(
            f"there is no space at {settings.persona_space}: set PERSONA_SPACE, or begin one with "
            "`make run` or `persona-tasks serve`"
        )


def told(command: Callable[..., None]) -> Callable[..., None]:
    """Turn an error of the service into one sentence and exit code 1."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except PersonaTasksError as error:
            raise click.ClickException(error.detail) from error

    return run


class InstantParameter(click.ParamType[datetime]):
    """An instant of an option."""

    name = "instant"

    def convert(self, value: Any, param: Any, ctx: Any) -> datetime:
        try:
            return read_instant(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def when(instant: datetime | None) -> str:
    """Write an instant to the second; nothing for none."""
    return write_instant(instant.replace(microsecond=0)) if instant is not None else ""


def ending(ended: Run) -> str:
    """Tell on one line how a run ended and why, whatever a server wrote into its error."""
    said = (ended.reason, ended.error) if ended.reason != ended.status else ()
    why = [one_line(text, _LONGEST_ERROR) for text in said if text]
    return ": ".join([f"{ended.status}, run {ended.id}", *why])


def visible(text: str) -> str:
    """Write what a terminal would take for an order, such as ESC or a newline, as `\\x1b`."""
    if text.isprintable():
        return text
    return "".join(c.encode("unicode_escape").decode() if _is_order(c) else c for c in text)


def visible_lines(text: str) -> str:
    """Write a text of several lines; all but its line ends and tabs as `visible` does."""
    return "\n".join("\t".join(map(visible, line.split("\t"))) for line in text.split("\n"))


def _is_order(character: str) -> bool:
    return unicodedata.category(character) in _ORDERS or character in _TURNS


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows below their headings; of whatever somebody named, a row stays one line."""
    rows = [[visible(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    for row in (head, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())
