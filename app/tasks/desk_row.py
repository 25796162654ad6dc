"""What the desk remembers between two looks at tasks.json: the one row of its table."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from app.core.instants import read_instant, write_instant
from app.tasks.merge import Fault, Hold
from app.tasks.saved import Saved
from app.tasks.tables import desk

_ID = 1


@dataclass(frozen=True, kw_only=True)
class Held:
    """Removals that wait for a confirmation: why, of which tasks, since when."""

    reason: Hold
    task_ids: tuple[str, ...]
    since: datetime


@dataclass(frozen=True, kw_only=True)
class DeskRow:
    """What is known of the file at `path`.

    `seen` is its text as it was last merged or written, None before the first time. `faults` are
    the entries of that text that were refused, `trouble` says why the file as a whole cannot be
    read or written, and `unread` that it is the former. `bases` holds, for each task whose entry
    is refused or held, the definition that its entry showed before. `saved` is what an editor
    changed last.
    """

    path: str
    seen: str | None = None
    held: Held | None = None
    trouble: str | None = None
    unread: bool = False
    faults: tuple[Fault, ...] = ()
    bases: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    saved: Saved | None = None
    errors_at: datetime | None = None

    @property
    def is_new(self) -> bool:
        """Whether no file was ever read or written here."""
        return self.seen is None

    @property
    def errors(self) -> tuple[Fault, ...]:
        """All that is wrong, what concerns the whole file first.

        Where the file cannot be read, that is all: the faults are those of an earlier text.
        """
        if self.trouble is None:
            return self.faults
        return (
            Fault(index=None, id=None, message=self.trouble),
            *(() if self.unread else self.faults),
        )

    def dated(self, before: "DeskRow", now: datetime) -> "DeskRow":
        """Return this row with the instant since which it has just these errors."""
        if not self.errors and self.held is None:
            return replace(self, errors_at=None)
        is_same = (self.errors, self.held) == (before.errors, before.held)
        return replace(self, errors_at=before.errors_at if is_same else now)


def load(connection: Connection, path: str) -> DeskRow:
    """Return what is known of the file at this path; nothing if the row is about another one."""
    row = connection.execute(select(desk).where(desk.c.id == _ID)).one_or_none()
    if row is None or row.path != path:
        return DeskRow(path=path)
    return DeskRow(
        path=path,
        seen=row.seen,
        held=_read_held(row.held),
        trouble=row.errors["trouble"],
        unread=row.errors.get("unread", False),  # rows of older versions do not say
        faults=tuple(Fault(**fault) for fault in row.errors["faults"]),
        bases=row.errors["bases"],
        saved=_read_saved(row.errors.get("saved")),
        errors_at=row.errors_at,
    )


def store(connection: Connection, row: DeskRow) -> None:
    """Write the row over the one that was there."""
    values = {
        "path": row.path,
        "seen": row.seen,
        "held": _write_held(row.held),
        "errors": {
            "trouble": row.trouble,
            "unread": row.unread,
            "faults": [asdict(fault) for fault in row.faults],
            "bases": dict(row.bases),
            "saved": asdict(row.saved) if row.saved is not None else None,
        },
        "errors_at": row.errors_at,
    }
    changed = connection.execute(update(desk).where(desk.c.id == _ID).values(values))
    if changed.rowcount == 0:
        connection.execute(insert(desk).values(id=_ID, **values))


def _read_saved(value: Any) -> Saved | None:
    return Saved(**value) if value is not None else None


def _read_held(value: Any) -> Held | None:
    if value is None:
        return None
    return Held(
        reason=Hold(value["reason"]),
        task_ids=tuple(value["task_ids"]),
        since=read_instant(value["since"]),
    )


def _write_held(held: Held | None) -> dict[str, Any] | None:
    if held is None:
        return None
    return {
        "reason": str(held.reason),
        "task_ids": list(held.task_ids),
        "since": write_instant(held.since),
    }
