"""The tasks that are in force, as the registry holds them in memory: thousands, so in little room.

A definition is kept as the text that it is in the database, half the size of the values in it, and
read where somebody asks for it. What the clock wants to know of every task stands beside it. A
record is a tuple because that is made six times as fast as any other frozen value.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from app.tasks.schema import read_task
from app.tasks.task import Task


class TaskRecord(NamedTuple):
    """A task of the registry with its definition as its author wrote it, and its run state.

    `text` is the definition as JSON, without read-out fields; `timezone`, `enabled`, `schedule` and
    `paused_until` are those of the task. `cursor` is the instant up to which and including which
    every slot has its row in the ledger, `changed` the registry version of the last change of
    anything in this record.
    """

    id: str
    text: str
    timezone: str
    enabled: bool
    revision: int
    position: int
    cursor: datetime
    last_run: datetime | None
    last_status: str | None
    last_reason: str | None
    last_completed_at: datetime | None
    run_count: int
    changed: int
    schedule: str
    paused_until: datetime | None

    @property
    def definition(self) -> dict[str, Any]:
        """The JSON object that its author wrote."""
        return orjson.loads(self.text)  # type: ignore[no-any-return]  # an object, as checked

    @property
    def task(self) -> Task:
        """The task that its definition means."""
        return _task(self.text, self.timezone)


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """All tasks that are in force at one registry version, in the order of their creation."""

    version: int
    records: Mapping[str, TaskRecord]


@lru_cache(maxsize=1024)
def _task(text: str, timezone: str) -> Task:
    return read_task(orjson.loads(text), timezone)
