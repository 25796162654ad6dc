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
        milliseconds = int(now.astimezone(UTC).timestamp() * 1000)
        value = (milliseconds << 80) | secrets.randbits(80)
        return "".join(_ALPHABET[(value >> shift) & 31] for shift in range(125, -1, -5))
