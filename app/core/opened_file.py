"""A file that is kept open, and whether it is still the one at its path."""

import math
import time
from pathlib import Path

from app.core.errors import LedgerRemoved

_LOOK_EVERY = 1.0


class OpenedFile:
    """Notices that the file of a database was removed, moved or replaced while it is open.

    It could still be written to, but nobody would find that again. Where it is put back, all is
    well. Until the file is `opened`, any is right.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._known: tuple[int, int] | None = None
        self._is_in_place = True
        self._looked_at = -math.inf

    def opened(self) -> None:
        """Remember which file is there, where none is known yet."""
        if self._known is None:
            self._known = self._found()

    def is_in_place(self) -> bool:
        """Say whether it was there at the last look; there is one a second at most."""
        if time.monotonic() - self._looked_at >= _LOOK_EVERY:
            self._look()
        return self._is_in_place

    def check(self) -> None:
        """Raise LedgerRemoved where it is not in place."""
        if not self.is_in_place():
            raise LedgerRemoved(f"{self._path} was removed or replaced while it was open")

    def check_at_once(self) -> None:
        """Do the same after a new look."""
        self._look()
        self.check()

    def _look(self) -> None:
        self._looked_at = time.monotonic()
        self._is_in_place = self._known is None or self._known == self._found()

    def _found(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        # no other file is given its number while it is open
        return found.st_dev, found.st_ino
