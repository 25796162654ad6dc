"""What is said of the desk: what one look at it did, and what is wrong with it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from app.tasks.changes import Change
from app.tasks.desk_row import Held
from app.tasks.merge import Fault


@dataclass(frozen=True, kw_only=True)
class DeskStatus:
    """What is wrong with the file and which removals wait for the owner; since `errors_at`."""

    path: Path
    errors: Sequence[Fault]
    held: Held | None
    errors_at: datetime | None


@dataclass(kw_only=True)
class SyncReport:
    """What one look at the desk did.

    `trouble` says why the file as a whole is no use, `unread` that it could not be read. `again` is
    the span after which another look is due even if nothing changes till then.
    """

    changes: list[Change] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    written: bool = False
    trouble: str | None = None
    unread: bool = False
    again: timedelta | None = None

    def look_again(self, span: timedelta) -> None:
        """Ask for another look after the span; the earliest wish counts."""
        self.again = span if self.again is None else min(self.again, span)
