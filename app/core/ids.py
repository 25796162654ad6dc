"""Names for things that happen."""

import secrets
import threading
from datetime import UTC, datetime
from typing import Protocol

from app.core.forks import after_fork

_CHANCE = 80
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


class Ids(Protocol):
    """Gives out names that nobody has had before."""

    def new(self, now: datetime) -> str:
        """Return a name of 26 characters that sorts by the time it was given out."""


class RandomIds:
    """Ids of 48 bits of time and 79 bits of chance, in Crockford's base 32 (the ULID layout).

    Those of one millisecond follow one another as they are given out: rows that are written down
    together, and looked for together, then lie together in the database. They are names, not
    secrets.
    """

    def __init__(self) -> None:
        self._forget()
        after_fork(self._forget)

    def _forget(self) -> None:
        # two processes that went on from the same id would give out the same ones
        self._lock = threading.Lock()
        self._last = 0

    def new(self, now: datetime) -> str:
        milliseconds = _milliseconds(now)
        with self._lock:
            if self._last >> _CHANCE == milliseconds:
                self._last += 1
            else:
                # one bit less, so that there is always a next one
                self._last = milliseconds << _CHANCE | secrets.randbits(_CHANCE - 1)
            return _written(self._last)


def first_id(moment: datetime) -> str:
    """Return the lowest id that can be given out in the millisecond of a moment."""
    return _written(_milliseconds(moment) << _CHANCE)


def _milliseconds(moment: datetime) -> int:
    return max(int(moment.astimezone(UTC).timestamp() * 1000), 0)


def _written(value: int) -> str:
    return "".join(_ALPHABET[(value >> shift) & 31] for shift in range(125, -1, -5))
