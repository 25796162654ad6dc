"""A client that asks over connections that stay open."""

import http.client
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor


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
    """Return how many answers a second come over so many connections that never rest."""
    with ThreadPoolExecutor(connections) as pool:
        counts = [pool.submit(_count, port, path, seconds) for _ in range(connections)]
        return sum(count.result() for count in counts) / seconds


def _count(port: int, path: str, seconds: float) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    answers, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        _get(connection, path)
        answers += 1
    connection.close()
    return answers


def _get(connection: http.client.HTTPConnection, path: str) -> None:
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200, body
