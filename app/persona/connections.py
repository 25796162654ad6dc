"""A connection over HTTP/1.1 whose every wait ends with the deadline of its call.

Timeouts of sockets bound one read, not an answer: a byte every second keeps them quiet for ever.
Here every connect, send and receive gets what is left of the call's whole time, headers included,
and looks now and then whether the run was cancelled; so no second thread has to watch. A name that
the resolver does not answer is the one wait that cannot be cut short.

Why this is ours: see docs/adr/0021-connections-of-our-own.md.
"""

import select
import socket
import ssl
import struct
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar
from urllib.parse import urlsplit

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from app.persona.client import Deadline
from app.persona.errors import PersonaUnreachable
from app.persona.incoming import Incoming

_LONGEST_CONNECT = timedelta(seconds=3).total_seconds()
_CANCEL_NOTICED_WITHIN = timedelta(seconds=0.5).total_seconds()
_SHORTEST_WAIT = timedelta(milliseconds=1).total_seconds()
"""A timeout of nothing would mean "do not block" to a socket."""

_PART_BYTES = 64 * 1024
_PORTS = {"http": 80, "https": 443}

T = TypeVar("T")


class Connection:
    """A connection to the server of a URL, for one thread; it opens when it is needed.

    One request is answered at a time. Whoever does not take in all of an answer closes it: the
    next one would begin with the rest.
    """

    def __init__(self, url: str, *, trusted: str | None = None) -> None:
        """`trusted` may name a file of the certificates to trust."""
        server = urlsplit(url)
        self._socket: socket.socket | None = None
        self._poll = select.poll()
        self._wait = 0.0
        self._host = server.hostname or ""
        self._port = server.port or _PORTS[server.scheme]
        self._is_tls = server.scheme == "https"
        self._trusted = trusted or DEFAULT_CA_BUNDLE_PATH
        self._tls: ssl.SSLContext | None = None

    def ask(self, request: bytes, incoming: Incoming, deadline: Deadline) -> None:
        """Send a request, head and body, and take in the answer until its head is there.

        Raises PersonaUnreachable, PersonaProtocol, OSError and what the deadline raises.
        """
        self._drop_if_spoilt()
        if self._socket is None:
            self._open(deadline)
        try:
            self._send(request, deadline)
        except (BrokenPipeError, ConnectionResetError):
            # who listens no more may have said why
            incoming.is_last = True
        while not incoming.has_head:
            self.receive(incoming, deadline)

    def receive(self, incoming: Incoming, deadline: Deadline) -> None:
        """Wait for more of an answer and take it in; raise PersonaProtocol, OSError, as above."""
        incoming.check()
        sock = self._opened()
        incoming.take(self._patiently(lambda: sock.recv(_PART_BYTES), deadline))

    def close(self) -> None:
        """Close it; the next request opens it anew."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def __del__(self) -> None:
        # a thread that ends leaves it open
        self.close()

    def _send(self, data: bytes, deadline: Deadline) -> None:
        sock, left = self._opened(), memoryview(data)
        while left:
            left = left[self._patiently(lambda part=left: sock.send(part), deadline) :]  # type: ignore[misc]  # a lambda has none

    def _opened(self) -> socket.socket:
        if self._socket is None:
            raise ConnectionError("it was closed")
        return self._socket

    # ---- waiting

    def _patiently(self, operate: Callable[[], T], deadline: Deadline) -> T:
        while True:
            deadline.check()
            self._wait_at_most(_within(deadline, _CANCEL_NOTICED_WITHIN))
            try:
                return operate()
            except (TimeoutError, BlockingIOError):
                continue

    def _wait_at_most(self, seconds: float) -> None:
        if seconds == self._wait:
            # each setting is a call of the system, and nearly always it is the same again
            return
        sock, self._wait = self._opened(), seconds
        if self._is_tls:
            sock.settimeout(seconds)
            return
        # the kernel waits: Python's own timeouts ask before each read whether there is something
        span = struct.pack("@ll", int(seconds), int(seconds % 1 * 1e6))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, span)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, span)

    # ---- opening

    def _drop_if_spoilt(self) -> None:
        """Close it where the other side did, or where that said something nobody asked for."""
        if self._socket is not None and self._poll.poll(0):
            self.close()

    def _open(self, deadline: Deadline) -> None:
        try:
            sock = self._first_that_answers(deadline)
            # the wait for the connection bounds that for the handshake too, as a whole
            self._socket = self._secured(sock) if self._is_tls else sock
        except (OSError, UnicodeError) as error:
            deadline.check()
            raise PersonaUnreachable(
                f"no connection to {self._host}:{self._port}: {error}"
            ) from error
        self._wait = 0.0
        if not self._is_tls:
            self._socket.settimeout(None)
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)

    def _first_that_answers(self, deadline: Deadline) -> socket.socket:
        failure = OSError("the name has no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(
            self._host, self._port, type=socket.SOCK_STREAM
        ):
            deadline.check()
            sock = socket.socket(family, kind, protocol)
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.settimeout(_within(deadline, _LONGEST_CONNECT))
                sock.connect(address)
                return sock
            except OSError as error:
                sock.close()
                failure = error
        raise failure

    def _secured(self, sock: socket.socket) -> socket.socket:
        try:
            if self._tls is None:
                self._tls = ssl.create_default_context(cafile=self._trusted)
            # a dot at the end only tells the resolver that the name is whole
            return self._tls.wrap_socket(sock, server_hostname=self._host.rstrip("."))
        except BaseException:
            sock.close()
            raise


def _within(deadline: Deadline, longest: float) -> float:
    return max(min(deadline.seconds_left(), longest), _SHORTEST_WAIT)
