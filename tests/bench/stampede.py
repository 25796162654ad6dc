"""Many tasks due in the same second: is any lost, and how long does it take?"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.bench import peers
from tests.bench.apart import apart, persona
from tests.bench.ours import asking, is_drained, load, opened, soon, stored, together
from tests.bench.report import Line, compared
from tests.bench.scale import Scale

POOL = 64
_GIVEN_UP_AFTER = timedelta(minutes=3)


@dataclass(frozen=True, kw_only=True)
class Drained:
    """How long it took until the last result was stored, and how many runs lack what they must
    have: a row that says `succeeded`, and their file."""

    seconds: float
    lost: int


def ours(folder: Path, url: str, tasks: int, places: int) -> Drained:
    """Run a stampede through the whole service, in this process."""
    services = opened(folder, persona=None, RUN_CONCURRENCY=str(places), **asking(url))
    due = soon(timedelta(seconds=1 + tasks / 1500))
    load(services, together(tasks, due))
    services.start()
    assert datetime.now(UTC) < due, "the machine is too slow to get ready in time"
    time.sleep(max(due.timestamp() - time.time(), 0))
    while not is_drained(folder, tasks) and datetime.now(UTC) < due + _GIVEN_UP_AFTER:
        time.sleep(0.1)
    services.stop()
    files = [path.stat() for path in services.results.path.glob("*.json")]
    kept = min(stored(folder, "status = 'succeeded'"), len(files))
    # the inode changes for the last time when a file that is synced already gets its name
    ended = max((file.st_ctime for file in files), default=float("inf"))
    return Drained(seconds=ended - due.timestamp(), lost=tasks - kept)


def lines(scale: Scale, folder: Path) -> Iterator[Line]:
    """Measure."""
    lost = 0
    for tasks in (scale.few, scale.many):
        drained, others = [], []
        for number in range(scale.repeats):
            with persona() as url:
                place = folder / f"stampede-{tasks}-{number}"
                drained.append(apart(ours, place, url, tasks, POOL))
            with persona() as url:
                others.append(apart(peers.stampede, url, tasks, POOL)[0])
        lost += sum(each.lost for each in drained)
        yield compared(
            f"{tasks:,} at once, 0 ms: drained, ours stored",
            [each.seconds for each in drained],
            others,
            "s",
            at_most=1.0,
        )
    patience = scale.patience
    for places in scale.places:
        ideal = scale.many * patience.total_seconds() / places
        with persona(patience) as url:
            drained_slowly = apart(ours, folder / f"patient-{places}", url, scale.many, places)
        with persona(patience) as url:
            other = apart(peers.stampede, url, scale.many, places)[0]
        lost += drained_slowly.lost
        yield compared(
            f"{scale.many:,} at once, {_ms(patience)}, {places} places: over tasks x time / places",
            [drained_slowly.seconds],
            [ideal],
            "s",
            at_most=1.05,
        )
        yield compared(f"the same by APScheduler, {places} threads", [other], [ideal], "s")
    yield Line(case="lost of all these", ours=str(lost), goal="0", met=lost == 0)


def _ms(span: timedelta) -> str:
    return f"{span / timedelta(milliseconds=1):.0f} ms"
