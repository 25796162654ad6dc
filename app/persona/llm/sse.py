"""Server-sent events taken apart as they come in. Pure.

The format is that of the HTML standard: lines that end with CR, LF or both, a blank line ends an
event, a line that begins with a colon is a comment.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.persona.errors import PersonaTooLong

LARGEST_EVENT = 2 * 1024 * 1024
MOST_LINES = 1_000_000
_END_OF_LINE = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True, kw_only=True)
class Event:
    """One event; `name` is empty where the server gave it none."""

    data: str
    name: str = ""


class EventReader:
    """Makes events of bytes that arrive in any fragments."""

    def __init__(self) -> None:
        self._unfinished: list[bytes] = []
        self._data: list[bytes] = []
        self._name = b""
        self._size = 0
        self._count = 0
        self._began = False

    def feed(self, data: bytes) -> Sequence[Event]:
        """Take the next bytes and return the events that are complete with them.

        Raises PersonaTooLong where one event has more than 2 MiB, or all have a million lines.
        """
        self._size += len(data)
        self._unfinished.append(data)
        events: list[Event] = []
        if b"\n" in data or b"\r" in b"".join(self._unfinished[-2:]):
            for line in self._lines(b"".join(self._unfinished)):
                events += self._line(line)
        if self._count > MOST_LINES:
            raise PersonaTooLong(f"the stream has more than {MOST_LINES} lines")
        if self._size > LARGEST_EVENT:
            raise PersonaTooLong(f"one event of the stream has more than {LARGEST_EVENT} bytes")
        return events

    def end(self) -> Sequence[Event]:
        """Return the event that the end of the stream completes: servers forget the blank line."""
        rest, self._unfinished = b"".join(self._unfinished), []
        return [*self._line(rest.rstrip(b"\r")), *self._dispatch()]

    def _lines(self, data: bytes) -> list[bytes]:
        if not self._began:
            self._began, data = True, data.removeprefix(b"\xef\xbb\xbf")
        # the other half of an end of a line may be still to come
        held = b"\r" if data.endswith(b"\r") else b""
        *lines, rest = _END_OF_LINE.split(data.removesuffix(b"\r"))
        self._unfinished = [rest + held]
        self._count += len(lines)
        return lines

    def _line(self, line: bytes) -> Sequence[Event]:
        if not line:
            return self._dispatch()
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
        elif field == b"event":
            self._name = value
        return ()

    def _dispatch(self) -> Sequence[Event]:
        data, name = self._data, self._name
        self._data, self._name = [], b""
        self._size = sum(map(len, self._unfinished))
        if not data:
            return ()
        text = b"\n".join(data).decode("utf-8", "replace")
        return (Event(data=text, name=name.decode("utf-8", "replace")),)
