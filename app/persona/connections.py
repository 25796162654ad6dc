"""An adapter of `requests` whose connections end with the deadline of their call.

Timeouts of sockets bound one read, not an answer: a byte every second keeps them quiet for ever.
Here every connect, send and receive gets what is left of the call's whole time, headers included,
and looks now and then whether the run was cancelled; so no second thread has to watch. A name that
the resolver does not answer is the one wait that cannot be cut short.

The connections are those of `http.client`: see docs/adr/0021-http-client-below-requests.md.
"""

import http.client
import select
import socket
import ssl
import struct
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import urlsplit

from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from app.persona.client import Deadline
from app.persona.errors import PersonaUnreachable

LONGEST_CONNECT = timedelta(seconds=3)
_CANCEL_NOTICED_WITHIN = timedelta(seconds=0.5)
_SHORTEST_WAIT = timedelta(milliseconds=1)
"""A timeout of nothing would mean "do not block" to a socket."""

_DEADLINE: ContextVar[Deadline] = ContextVar("deadline of this call")

T = TypeVar("T")


@contextmanager
def bound_by(deadline: Deadline) -> Iterator[None]:
    """Bind what this thread does on connections of this module to the deadline."""
    token = _DEADLINE.set(deadline)
    try:
        yield
    finally:
        _DEADLINE.reset(token)


class BoundAdapter(BaseAdapter):
    """An adapter for one thread and one server: one connection, kept open between calls.

    `raw` of its responses is an `http.client.HTTPResponse`, nothing of whose body is read or
    decoded yet. Whoever does not read all of it closes the adapter: the next answer would begin
    with the rest.
    """

    def __init__(self, *, trusted: str | None = None) -> None:
        """`trusted` may name a file of the certificates to trust."""
        super().__init__()
        self._trusted = trusted
        self._connection: _Connection | None = None

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """Send a request whose `body` is bytes, and return the answer as soon as its head is there.

        Raises PersonaUnreachable, http.client.HTTPException and OSError.
        """
        connection = self._connection or self._connection_to(request.url or "")
        connection.drop_if_spoilt()
        connection.request(
            request.method or "", request.path_url, request.body, dict(request.headers)
        )
        raw = connection.getresponse()
        response = Response()
        response.raw, response.status_code, response.reason = raw, raw.status, raw.reason
        response.url, response.request = request.url or "", request
        response.headers.update(raw.headers.items())
        return response

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        if self._connection is not None:
            self._connection.close()

    def _connection_to(self, url: str) -> "_Connection":
        server = urlsplit(url)
        host = server.hostname or ""
        if server.scheme == "https":
            self._connection = _TlsConnection(host, server.port, self._trusted)
        else:
            self._connection = _Connection(host, server.port)
        # a thread that ends leaves it behind
        weakref.finalize(self, self._connection.close)
        return self._connection


def _within(deadline: Deadline, longest: timedelta) -> float:
    return max(min(deadline.remaining(), longest), _SHORTEST_WAIT).total_seconds()


class _Socket(socket.socket):
    """Waits in the kernel: Python's own timeouts ask whether they may read before each read."""

    _wait = 0.0

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        receive = super().recv_into
        return _patiently(self._wait_at_most, lambda: receive(*args, **kwargs))

    def sendall(self, data: Any, flags: int = 0) -> None:
        send, left = super().send, memoryview(data)
        while left:
            sent = _patiently(self._wait_at_most, lambda part=left: send(part, flags))  # type: ignore[misc]  # a lambda has none
            left = left[sent:]

    def _wait_at_most(self, seconds: float) -> None:
        if seconds != self._wait:
            # each setting is a call of the system, and nearly always it is the same again
            span = struct.pack("@ll", int(seconds), int(seconds % 1 * 1e6))
            self.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, span)
            self.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, span)
            self._wait = seconds


class _TlsSocket(ssl.SSLSocket):
    def read(self, *args: Any, **kwargs: Any) -> Any:
        read = super().read
        return _patiently(self.settimeout, lambda: read(*args, **kwargs))

    def send(self, *args: Any, **kwargs: Any) -> int:
        send = super().send
        return _patiently(self.settimeout, lambda: send(*args, **kwargs))


def _patiently(wait_at_most: Callable[[float], None], operate: Callable[[], T]) -> T:
    deadline = _DEADLINE.get()
    while True:
        deadline.check()
        wait_at_most(_within(deadline, _CANCEL_NOTICED_WITHIN))
        try:
            return operate()
        except (TimeoutError, BlockingIOError):
            continue


class _Connection(http.client.HTTPConnection):
    """Sends head and body in one piece, for each send wakes the other side."""

    sock: socket.socket | None
    _unsent = b""

    def __init__(self, host: str, port: int | None) -> None:
        # without a port the last group of an IPv6 address would be taken for it
        super().__init__(host, port or self.default_port)

    def request(self, *args: Any, **kwargs: Any) -> None:
        self._unsent = b""
        super().request(*args, **kwargs)
        super().send(self._unsent)

    def send(self, data: Any) -> None:
        self._unsent += data

    def drop_if_spoilt(self) -> None:
        """Close the connection where the other side did, or where it said what nobody asked for."""
        if self.sock is not None:
            poll = select.poll()
            poll.register(self.sock, select.POLLIN)
            if poll.poll(0):
                self.close()

    def connect(self) -> None:
        """Open the connection; raise PersonaUnreachable."""
        try:
            self.sock = self._opened()
        except (OSError, UnicodeError) as error:
            _DEADLINE.get().check()
            raise PersonaUnreachable(
                f"no connection to {self.host}:{self.port}: {error}"
            ) from error

    def _opened(self) -> socket.socket:
        sock = self._first_that_answers()
        sock.settimeout(None)
        return sock

    def _first_that_answers(self) -> socket.socket:
        deadline, failure = _DEADLINE.get(), OSError("the name has no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(
            self.host, self.port, type=socket.SOCK_STREAM
        ):
            deadline.check()
            sock = _Socket(family, kind, protocol)
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.settimeout(_within(deadline, LONGEST_CONNECT))
                sock.connect(address)
                return sock
            except OSError as error:
                sock.close()
                failure = error
        raise failure


class _TlsConnection(_Connection):
    default_port = http.client.HTTPS_PORT

    def __init__(self, host: str, port: int | None, trusted: str | None) -> None:
        super().__init__(host, port)
        self._context = ssl.create_default_context(cafile=trusted or DEFAULT_CA_BUNDLE_PATH)
        self._context.sslsocket_class = _TlsSocket

    def _opened(self) -> socket.socket:
        # the wait for the connection bounds that for the handshake too, as a whole
        sock = self._first_that_answers()
        try:
            return self._context.wrap_socket(sock, server_hostname=self.host)
        except BaseException:
            sock.close()
            raise
