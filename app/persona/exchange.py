"""One request and its answer over HTTP, read within bounds of time and size."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from urllib.parse import urlsplit

import structlog
from requests import PreparedRequest, Request

from app.core.clock import Clock
from app.persona.client import Deadline
from app.persona.connections import Connection
from app.persona.errors import PersonaProtocol, PersonaTimeout, PersonaTooLong
from app.persona.incoming import Incoming
from app.persona.words import one_line

log = structlog.get_logger(__name__)

_EVIDENCE_WAIT = timedelta(seconds=1)
_TRUSTED_IDLE = timedelta(seconds=1).total_seconds()
"""Servers drop idle connections after two seconds or more; meeting that very moment would look
like an answer that was lost."""

_ALWAYS = {
    "Accept-Encoding": "identity",
    "Content-Type": "application/json",
    "User-Agent": "persona-tasks",
}


class Answer:
    """An answer whose head is there; its body comes piece by piece."""

    def __init__(self, incoming: Incoming, connection: Connection, deadline: Deadline) -> None:
        self._incoming = incoming
        self._connection = connection
        self._deadline = deadline

    @property
    def status(self) -> int:
        """The status code."""
        return self._incoming.status

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, their names in small letters."""
        return self._incoming.headers

    @property
    def media_type(self) -> str:
        """The type of the body in small letters, without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def whole_body(self, most_bytes: int) -> bytes:
        """Return the body as it was sent; raise PersonaTooLong for a longer one."""
        return b"".join(self.pieces_of_body(most_bytes))

    def pieces_of_body(self, most_bytes: int) -> Iterator[bytes]:
        """Give the body piece by piece as it arrives; raise PersonaTooLong for a longer one."""
        encoding = self.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("", "identity"):
            raise PersonaProtocol(f"the answer is compressed ({one_line(encoding, 40)}), unasked")
        size = 0
        while piece := self._piece(self._deadline):
            size += len(piece)
            if size > most_bytes:
                raise PersonaTooLong(f"the answer is longer than {most_bytes} bytes")
            yield piece

    def evidence(self, most_bytes: int) -> str:
        """Return the beginning of the body of a failure, waiting for it no longer than a second."""
        found, deadline = b"", self._deadline.sooner(_EVIDENCE_WAIT)
        try:
            while len(found) < most_bytes and (more := self._piece(deadline)):
                found += more
        except (PersonaTimeout, PersonaProtocol, OSError) as error:
            # the status is known and decides; what is missing is only what stands beside it
            log.debug("persona.evidence_cut", error=type(error).__name__)
        return found[:most_bytes].decode("utf-8", "replace")

    def _piece(self, deadline: Deadline) -> bytes:
        """Return what has come of the body, waiting where nothing has; `b""` at its end."""
        incoming = self._incoming
        while not (incoming.body or incoming.is_whole):
            self._connection.receive(incoming, deadline)
        piece = b"".join(incoming.body)
        incoming.body.clear()
        return piece


class Sender:
    """Posts to one address, each thread over its own connection, kept while it is fresh.

    A request is sent once. No redirect, proxy, cookie or .netrc is followed, used or kept.
    """

    def __init__(
        self, url: str, headers: Mapping[str, str], clock: Clock, *, trusted: str | None = None
    ) -> None:
        """`headers` go with every request; `trusted` may name a file of the certificates to
        trust."""
        blank = Request("POST", url, headers={**_ALWAYS, **headers}).prepare()
        self._url = blank.url or url
        self._head = _head(blank)
        self._clock = clock
        self._trusted = trusted
        self._threads = threading.local()

    @contextmanager
    def send(self, body: bytes, headers: Mapping[str, str], deadline: Deadline) -> Iterator[Answer]:
        """Post a JSON document and give the answer, whose body is still to be read.

        Raises PersonaUnreachable, PersonaProtocol where the answer breaks off, and what the
        deadline raises.
        """
        deadline.check()
        connection, incoming, may_stay = self._connection(), Incoming(), False
        try:
            connection.ask(self._written(body, headers), incoming, deadline)
            yield Answer(incoming, connection, deadline)
            may_stay = incoming.is_whole and not incoming.is_last
        except OSError as error:
            deadline.check()
            raise PersonaProtocol(
                f"the connection ended before the answer was complete: {one_line(str(error), 300)}"
            ) from error
        finally:
            incoming.let_go()
            if not may_stay:
                connection.close()
        self._threads.used = self._clock.monotonic()

    def forget(self) -> None:
        """Close the connection of this thread: its server behaves as if it were about to."""
        self._connection().close()

    def _written(self, body: bytes, headers: Mapping[str, str]) -> bytes:
        more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        # in one piece, for each send wakes the other side
        return f"{self._head}{more}Content-Length: {len(body)}\r\n\r\n".encode("latin-1") + body

    def _connection(self) -> Connection:
        connection: Connection | None = getattr(self._threads, "connection", None)
        if connection is None:
            connection = Connection(self._url, trusted=self._trusted)
            self._threads.connection = connection
        elif self._clock.monotonic() - self._threads.used > _TRUSTED_IDLE:
            connection.close()
        self._threads.used = self._clock.monotonic()
        return connection


def _head(request: PreparedRequest) -> str:
    server = urlsplit(request.url or "")
    name, colon, port = server.netloc.rpartition("@")[2].partition(":")
    host = f"{name.rstrip('.')}{colon}{port}"
    lines = [f"POST {request.path_url} HTTP/1.1", f"Host: {host}"]
    lines += [
        f"{name}: {value}" for name, value in request.headers.items() if name != "Content-Length"
    ]
    return "".join(f"{line}\r\n" for line in lines)
