"""Names for things that happen."""

import secrets
from datetime import UTC, datetime
from typing import Protocol

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


class Ids(Protocol):
    """Gives out names that nobody has had before."""

    def new(self, now: datetime) -> str:
        """Return a name of 26 characters that sorts by the time it was given out."""


class RandomIds:
    """Ids of 48 bits of time and 80 bits of chance, in Crockford's base 32 (the ULID layout)."""

    def new(self, now: datetime) -> str:
        return _written((_milliseconds(now) << 80) | secrets.randbits(80))


def first_id(moment: datetime) -> str:
    """Return the lowest id that can be given out in the millisecond of a moment."""
    return _written(_milliseconds(moment) << 80)


def _milliseconds(moment: datetime) -> int:
    return max(int(moment.astimezone(UTC).timestamp() * 1000), 0)


def _written(value: int) -> str:
    return "".join(_ALPHABET[(value >> shift) & 31] for shift in range(125, -1, -5))
