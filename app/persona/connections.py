"""HTTP connections of `requests` that end with the deadline of their call.

Timeouts of sockets bound one read, not an answer: a byte every second keeps them quiet for ever.
Here every connect, send and receive gets what is left of the call's whole time, headers included,
and looks now and then whether the run was cancelled; so no second thread has to watch. A name that
the resolver does not answer is the one wait that cannot be cut short.
"""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, TypeVar

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError
from urllib3.util.ssl_ import create_urllib3_context

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


class BoundAdapter(HTTPAdapter):
    """An adapter for one thread: one connection, kept open between calls."""

    def __init__(self) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        context = create_urllib3_context()
        context.sslsocket_class = _TlsSocket
        super().init_poolmanager(*args, ssl_context=context, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}


def _within(deadline: Deadline, longest: timedelta) -> float:
    return max(min(deadline.remaining(), longest), _SHORTEST_WAIT).total_seconds()


def _patiently(sock: socket.socket, operate: Callable[[], T]) -> T:
    deadline = _DEADLINE.get()
    while True:
        deadline.check()
        wait = _within(deadline, _CANCEL_NOTICED_WITHIN)
        if sock.gettimeout() != wait:
            # each setting is a call of the system, and nearly always it is the same again
            sock.settimeout(wait)
        try:
            return operate()
        except TimeoutError:
            continue


class _Socket(socket.socket):
    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        receive = super().recv_into
        return _patiently(self, lambda: receive(*args, **kwargs))

    def sendall(self, data: Any, flags: int = 0) -> None:
        send, left = super().send, memoryview(data)
        while left:
            left = left[_patiently(self, lambda part=left: send(part, flags)) :]  # type: ignore[misc]  # a lambda has none


class _TlsSocket(ssl.SSLSocket):
    def read(self, *args: Any, **kwargs: Any) -> Any:
        read = super().read
        return _patiently(self, lambda: read(*args, **kwargs))

    def send(self, *args: Any, **kwargs: Any) -> int:
        send = super().send
        return _patiently(self, lambda: send(*args, **kwargs))


class _Bound(HTTPConnection):
    """Sends head and body in one piece, for each send wakes the other side."""

    _unsent = b""

    def request(self, *args: Any, **kwargs: Any) -> None:
        self._unsent = b""
        super().request(*args, **kwargs)
        super().send(self._unsent)

    def send(self, data: Any) -> None:
        self._unsent += data

    def connect(self) -> None:
        try:
            super().connect()
        except (OSError, HTTPError, UnicodeError) as error:
            _DEADLINE.get().check()
            raise PersonaUnreachable(
                f"no connection to {self.host}:{self.port}: {error}"
            ) from error

    def _new_conn(self) -> socket.socket:
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


class _BoundTls(_Bound, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Bound


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _BoundTls
