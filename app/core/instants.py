"""Instants in and out: RFC 3339 text with `Z`, aware UTC datetimes inside."""

from datetime import UTC, datetime


def read_instant(text: str) -> datetime:
    """Read an ISO 8601 instant as aware UTC; a naive one is UTC (the reference wrote those).

    Raises ValueError for anything else, a bare date included.
    """
    if "T" not in text and " " not in text:
        raise ValueError(f"{text!r} is not an instant such as 2030-12-01T09:00:00Z")
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text!r} is outside the years 1 to 9999") from error


def write_instant(moment: datetime) -> str:
    """Write an aware instant as RFC 3339 in UTC with `Z`; microseconds only where there are any."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
