"""What it costs to hold many tasks, and how late one task starts when nothing else goes on."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from app.persona.client import Deadline, Reply, Request, Sent, as_one_message
from app.schedule.jobstore import RegistryJobStore
from tests.bench import peers
from tests.bench.apart import apart, meanwhile, resident
from tests.bench.ours import built, definition, filled, load, opened, scattered, soon
from tests.bench.report import Line, compared, figure, percentile
from tests.bench.scale import Scale

_SETTLED_AFTER = 10.0
"""A start leaves something to do, such as other looks at tasks.json some seconds later."""

_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Seconds of CPU a minute, and bytes of memory."""

    cpu: float
    memory: int


def lines(scale: Scale, folder: Path) -> Iterator[Line]:
    """Measure."""
    count = scale.many
    apart(filled, folder / "held", scattered(count))
    full, empty = (apart(hold, folder / name, scale.span) for name in ("held", "none"))
    peer = apart(hold_jobs, count, scale.span)
    yield Line(
        case=f"idle with {count:,} tasks, CPU a minute, one process",
        ours=f"{figure(full.cpu)} s",
        peer=f"{figure(peer.cpu)} s",
        goal="<= 0.05 s",
        met=full.cpu <= 0.05,
    )
    other = [peer.memory / count / 1024]
    clock = apart(hold_records, folder / "none", folder / "held")
    yield compared(
        "memory a task: registry and clock", [clock / count / 1024], other, "KiB", at_most=1 / 3
    )
    whole = (full.memory - empty.memory) / count / 1024
    yield compared("memory a task: with tasks.json beside it", [whole], other, "KiB")


def hold(folder: Path, span: timedelta) -> Cost:
    """Return what a service costs that has nothing to do."""
    services = opened(folder)
    services.start()
    cost = Cost(cpu=_cpu_a_minute(span), memory=resident())
    services.stop()
    return cost


def hold_records(small: Path, large: Path) -> int:
    """Return the memory that registry and clock take up for the tasks of the large folder."""
    _known(small)  # what is loaded and kept once, whatever the number of tasks
    before = resident()
    held = _known(large)
    memory = resident() - before
    assert held.get_next_run_time() is not None
    return memory


def _known(folder: Path) -> RegistryJobStore:
    services = built(folder)
    store = RegistryJobStore(services.registry, services.clock)
    store.refresh()
    return store


def hold_jobs(count: int, span: timedelta) -> Cost:
    """Return what APScheduler costs that has nothing to do."""
    with peers.scheduler() as made:
        peers.add_jobs(made, 1)
        before = resident()
        peers.add_jobs(made, count)
        made.resume()
        return Cost(cpu=_cpu_a_minute(span), memory=resident() - before)


def _cpu_a_minute(span: timedelta) -> float:
    time.sleep(min(span.total_seconds(), _SETTLED_AFTER))
    before = time.process_time()
    time.sleep(span.total_seconds())
    return (time.process_time() - before) * (_MINUTE / span)


class _Punctual:
    """A persona that notes when it was asked."""

    name = "punctual"
    has_hands = True

    def __init__(self) -> None:
        self.asked: list[float] = []

    def reply(self, request: Request, _deadline: Deadline) -> Reply:
        now = time.time()
        assert request.occasion.scheduled_for is not None
        self.asked.append(now - request.occasion.scheduled_for.timestamp())
        return Reply(text="Here I am.")

    def would_send(self, request: Request, _deadline: Deadline) -> Sequence[Sent]:
        return as_one_message(request)

    def problem(self) -> str | None:
        return None


def punctuality(scale: Scale, folder: Path) -> Iterator[Line]:
    """Compare how late single firings begin; the peer fires in the other half of each second."""
    first = soon(timedelta(seconds=3))
    with (
        meanwhile(lateness, folder / "lateness", first, scale.firings) as ours,
        meanwhile(peers.lateness, first + timedelta(seconds=0.5), scale.firings) as peer,
    ):
        late = [1000 * seconds for seconds in ours.result()]
        other = [1000 * seconds for seconds in peer.result()]
    for share, at_most in ((0.5, 1.5), (0.99, None)):
        yield compared(
            f"one task begins late, p{share * 100:.0f}; against APScheduler",
            [percentile(late, share)],
            [percentile(other, share)],
            "ms",
            at_most=at_most,
        )


def lateness(folder: Path, first: datetime, count: int) -> list[float]:
    """Return by how many seconds the persona was asked late, one task a second."""
    persona = _Punctual()
    services = opened(folder, persona=persona)
    load(
        services,
        [
            definition(number, f"at {first + timedelta(seconds=number):%Y-%m-%dT%H:%M:%SZ}")
            for number in range(count)
        ],
    )
    services.start()
    end = first.timestamp() + count + 5
    while len(persona.asked) < count and time.time() < end:
        time.sleep(0.2)
    services.stop()
    assert len(persona.asked) == count, "a firing is missing"
    return persona.asked
