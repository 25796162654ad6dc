"""A client that asks over connections that stay open."""

import http.client
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from selectors import EVENT_READ, DefaultSelector
from typing import cast


def ask(
    port: int, paths: Sequence[str], is_over: Callable[[], bool], *, pause: float = 0.02
) -> dict[str, list[float]]:
    """Ask for the paths in turn, with a pause after each; return how long the answers took."""
    took: dict[str, list[float]] = {path: [] for path in paths}
    connection = http.client.HTTPConnection("127.0.0.1", port)
    while not is_over():
        for path in paths:
            asked = time.perf_counter()
            _get(connection, path)
            took[path].append(time.perf_counter() - asked)
            time.sleep(pause)
    connection.close()
    return took


def is_past(moment: float) -> bool:
    """Say whether a moment of the monotonic clock is over; all processes share that clock."""
    return time.monotonic() >= moment


def throughput(port: int, path: str, seconds: float, connections: int) -> float:
    """Return how many answers a second come over so many connections that never rest.

    It reads without looking, so that the client is not what is measured.
    """
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    buffer = memoryview(bytearray(1 << 20))
    answers, began = 0, time.monotonic()
    end = began + seconds
    with DefaultSelector() as ready, ExitStack() as opened:
        missing: dict[socket.socket, int] = {}
        for _ in range(connections):
            connection = opened.enter_context(socket.create_connection(("127.0.0.1", port)))
            connection.sendall(request)
            ready.register(connection, EVENT_READ)
        # a slow machine may not give one in that time
        while time.monotonic() < end or not answers:
            for key, _ in ready.select():
                connection = cast(socket.socket, key.fileobj)
                count = connection.recv_into(buffer)
                if connection not in missing:
                    missing[connection] = _size(bytes(buffer[:count]))
                missing[connection] -= count
                if missing[connection] == 0:
                    del missing[connection]
                    answers += 1
                    connection.sendall(request)
    return answers / (time.monotonic() - began)


def _size(begun: bytes) -> int:
    """Return how many bytes an answer has, head and body; the head came in one piece."""
    head, separator, _ = begun.partition(b"\r\n\r\n")
    assert separator and b" 200 " in head, begun
    length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
    return len(head) + len(separator) + int(length)


def _get(connection: http.client.HTTPConnection, path: str) -> None:
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200, body
