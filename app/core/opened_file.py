"""The file of a database that is kept open, and whether it is still the one at its path."""

import math
import time
from pathlib import Path

from app.core.errors import LedgerRemoved

_LOOK_EVERY = 1.0

_Number = tuple[int, int]
"""Device and inode: no other file is given them while it is open."""


class OpenedFile:
    """Notices that the file of a SQLite database, or the log beside it (`-wal`), was removed, moved
    or replaced while it is open.

    It could still be written to, but nobody would find that again. Where both are put back, all is
    well. Until the file is `opened`, any is right.
    """

    def __init__(self, path: str) -> None:
        # absolute, as the database itself remembers it
        self._path = Path(path).absolute()
        self._log = self._path.with_name(f"{self._path.name}-wal")
        self._known: _Number | None = None
        self._known_log: _Number | None = None
        self._is_in_place = True
        self._looked_at = -math.inf

    def opened(self) -> None:
        """Remember which files are there, where none are known yet."""
        if self._known is None:
            self._known, self._known_log = _number_of(self._path), _number_of(self._log)

    def is_in_place(self) -> bool:
        """Say whether they were there at the last look; there is one a second at most."""
        if time.monotonic() - self._looked_at >= _LOOK_EVERY:
            self._look()
        return self._is_in_place

    def check(self) -> None:
        """Raise LedgerRemoved where they are not in place."""
        if not self.is_in_place():
            raise LedgerRemoved(f"{self._path} was removed or replaced while it was open")

    def check_at_once(self) -> None:
        """Do the same after a new look, before the file is opened once more.

        Where it is gone SQLite would make a new one, and remove the log of the old one, in which
        another process may have all that it wrote lately.
        """
        self._look()
        self.check()
        if not self._path.exists() and _is_filled(self._log):
            raise LedgerRemoved(
                f"{self._path} is gone, but the log of it, {self._log.name}, is there: put the file"
                f" back, or remove {self._log.name} as well to begin with an empty one"
            )

    def _look(self) -> None:
        self._looked_at = time.monotonic()
        if self._known is None:
            return
        log = _number_of(self._log)
        # SQLite makes the log with the first transaction, and keeps it while anybody is connected
        self._known_log = self._known_log or log
        self._is_in_place = (self._known, self._known_log) == (_number_of(self._path), log)


def _number_of(path: Path) -> _Number | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_filled(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:
        return False
