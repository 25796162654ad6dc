"""What a reader of the API notices of a stampede, and how many readers a list serves."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from tests.bench import peers
from tests.bench.apart import apart, gunicorn, persona
from tests.bench.client import ask, is_past, throughput
from tests.bench.ours import asking, filled, is_drained, scattered, soon, together
from tests.bench.report import Line, compared, percentile
from tests.bench.scale import Scale
from tests.processes.service import Service, free_port

_PATHS = ("/api/tasks/task-1", "/api/runs?limit=20", "/api/tasks")
_STARTING = timedelta(seconds=9)
_CONNECTIONS = 8


def during_a_stampede(scale: Scale, folder: Path) -> Iterator[Line]:
    """Compare how long reads take while many tasks run with how long they take else.

    A persona that takes its time is what is usual, one that answers at once the worst there is.
    """
    with persona() as url:
        waits = apart(peers.stampede, url, scale.many, peers.POOL, watched=True)[1:]
    for patience, places in ((scale.patience, scale.places[-1]), (timedelta(0), peers.POOL)):
        place = folder / f"reads-{places}-{patience.microseconds}"
        with persona(patience) as url:
            due = soon(_STARTING + timedelta(seconds=scale.many / 800))
            apart(filled, place, together(scale.many, due))
            with _service(place, workers=2, **asking(url), RUN_CONCURRENCY=str(places)) as service:
                assert time.time() < due.timestamp(), "the machine is too slow to get ready"
                busy, idle = _reads(service, due.timestamp(), scale)
        answers = f"{patience / timedelta(milliseconds=1):.0f} ms"
        yield from _compared_reads(f"{scale.many:,} run, {answers}", busy, idle)
        worst = max(took for times in busy.values() for took in times)
        yield compared(
            f"worst read while {scale.many:,} run, {answers}; against APScheduler's get_job()",
            [worst],
            [max(waits)],
            "s",
            at_most=0.01,
        )


_Times = Mapping[str, Sequence[float]]


def _reads(service: Service, due: float, scale: Scale) -> tuple[_Times, _Times]:
    """Return how long reads took during the stampede, and after it."""
    time.sleep(due - time.time())
    drained = partial(is_drained, service.folder, scale.many)
    busy = apart(ask, service.port, _PATHS, drained)
    time.sleep(scale.span.total_seconds() / 10)
    enough = partial(is_past, time.monotonic() + scale.span.total_seconds() / 2)
    return busy, apart(ask, service.port, _PATHS, enough)


def _compared_reads(when: str, busy: _Times, idle: _Times) -> Iterator[Line]:
    for path in _PATHS:
        full, calm = (percentile(times[path], 0.99) * 1000 for times in (busy, idle))
        yield compared(
            f"p99 of GET {path} while {when}; against idle", [full], [calm], "ms", at_most=10
        )


def listing(scale: Scale, folder: Path) -> Iterator[Line]:
    """Compare answers a second of the list of all tasks, one worker each, the same server."""
    place = folder / "listing"
    apart(filled, place, scattered(scale.few))
    port = free_port()
    seconds = scale.span.total_seconds() / 5
    ours: list[float] = []
    flask: list[float] = []
    app = f"tests.bench.flask_peer:create_app({scale.few})"
    with _service(place, workers=1) as service, gunicorn(app, port, "--threads", "32"):
        for _ in range(scale.repeats):
            for measured, at in ((ours, service.port), (flask, port)):
                measured.append(apart(throughput, at, "/api/tasks", seconds, _CONNECTIONS))
    yield compared(
        f"GET /api/tasks of {scale.few:,}, against Flask + marshmallow",
        ours,
        flask,
        "/s",
        at_least=20,
    )


@contextmanager
def _service(folder: Path, *, workers: int, **settings: Any) -> Iterator[Service]:
    service = Service(folder, workers=workers, **settings)
    try:
        yield service.start()
    finally:
        service.kill_everything()
