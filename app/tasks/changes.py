"""Changes that the registry takes, as values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, kw_only=True)
class ImportedState:
    """Run state found in a file that was written elsewhere, taken over at its first import.

    `next_run` in the past means a slot that is owed.
    """

    last_run: datetime | None = None
    next_run: datetime | None = None
    run_count: int = 0


@dataclass(frozen=True, kw_only=True)
class Put:
    """Create the task or replace its definition."""

    task_id: str
    definition: Mapping[str, Any]
    imported: ImportedState | None = None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Remove:
    """Delete the task; its runs and revisions stay readable, with the reason."""

    task_id: str
    reason: str | None = None


Change = Put | Remove
