"""The service under measurement, with tasks in it."""

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from app.config import read_settings
from app.log import configure_logging
from app.persona.client import Persona
from app.tasks.changes import Put
from app.tasks.task import Author
from app.wiring import Services, build

PROMPT = "Reflect on what happened today and write down what you want to keep."


def asking(url: str) -> dict[str, str]:
    """Return the settings of a service that asks the persona of an address."""
    return {"PERSONA_BACKEND": "service", "PERSONA_URL": url}


def built(folder: Path, *, persona: Persona | None = None, **settings: str) -> Services:
    """Return the services of a folder, nothing read yet; they log as shipped, to a file."""
    folder.mkdir(exist_ok=True)
    chosen = read_settings({"PERSONA_SPACE": str(folder / "space"), **settings})
    configure_logging(chosen, stream=(folder / "service.log").open("a"))
    return build(chosen, persona=persona)


def opened(folder: Path, *, persona: Persona | None = None, **settings: str) -> Services:
    """Return the services of a folder, ready to be started."""
    services = built(folder, persona=persona, **settings)
    services.prepare()
    return services


def load(services: Services, definitions: Iterable[dict[str, Any]]) -> None:
    """Put tasks in force, and show them in tasks.json."""
    puts = [Put(task_id=each["id"], definition=each) for each in definitions]
    services.registry.apply(puts, Author(kind="owner"))
    services.desk.sync()


def filled(folder: Path, definitions: Iterable[dict[str, Any]]) -> None:
    """Leave a space with tasks in a folder, as a service leaves it that has stopped."""
    services = opened(folder)
    load(services, definitions)
    services.stop()


def definition(number: int, schedule: str) -> dict[str, Any]:
    """Return the definition of a task."""
    return {
        "id": f"task-{number}",
        "name": f"Task {number}",
        "type": "self_reflection",
        "schedule": schedule,
        "prompt": PROMPT,
        "enabled": True,
    }


def together(count: int, at: datetime) -> list[dict[str, Any]]:
    """Return tasks that all fire daily at the time of day of an instant, first at the instant."""
    return [definition(number, f"every 1d from {at:%Y-%m-%dT%H:%M:%S}") for number in range(count)]


def scattered(count: int) -> list[dict[str, Any]]:
    """Return daily tasks of 720 different minutes, none of which comes within some hours."""
    return [
        definition(number, f"{minute} {hour} * * *")
        for number, (minute, hour) in enumerate(times_of_day(count))
    ]


def times_of_day(count: int) -> Sequence[tuple[int, int]]:
    """Return minute and hour of each of the scattered tasks."""
    first = datetime.now(UTC).hour + 6
    return [(number % 60, (first + number // 60 % 12) % 24) for number in range(count)]


def soon(span: timedelta) -> datetime:
    """Return the first full second after a span from now."""
    return (datetime.now(UTC) + span).replace(microsecond=0) + timedelta(seconds=1)


def is_drained(folder: Path, tasks: int) -> bool:
    """Say whether so many results of runs are stored, row and file, at next to no cost."""
    found = _ledger(folder).execute("SELECT count(*) FROM runs WHERE filed = 1").fetchone()
    return int(found[0]) >= tasks and stored(folder, "filed = 1") >= tasks


@cache
def _ledger(folder: Path) -> sqlite3.Connection:
    return sqlite3.connect(folder / "space.state" / "ledger.sqlite3")


def stored(folder: Path, condition: str) -> int:
    """Return how many runs of our tasks the ledger of a folder has that meet a condition."""
    query = f"SELECT count(*) FROM runs WHERE task_id LIKE 'task-%' AND {condition}"
    return int(_ledger(folder).execute(query).fetchone()[0])
