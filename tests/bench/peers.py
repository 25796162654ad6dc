"""APScheduler as its users run it who know it well: in memory, 64 threads, no grace time."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import requests
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from tests.bench.ours import PROMPT, soon, times_of_day

POOL = 64
_threads = threading.local()


@contextmanager
def scheduler(places: int = POOL) -> Iterator[BackgroundScheduler]:
    """Yield a scheduler that takes jobs but does not fire until it is resumed."""
    made = BackgroundScheduler(
        timezone=UTC,
        executors={"default": ThreadPoolExecutor(places)},
        job_defaults={"misfire_grace_time": None},
    )
    made.start(paused=True)
    try:
        yield made
    finally:
        made.shutdown()


def stampede(url: str, tasks: int, places: int, *, watched: bool = False) -> list[float]:
    """Return how long it took until the last task was answered, storing nothing.

    Where it is `watched`, the waits of somebody who asked for a job all along follow.
    """
    answered: list[float] = []
    waits: list[float] = []

    def fire() -> None:
        _session().post(f"{url}/api/persona/chat", json={"message": PROMPT}).json()
        answered.append(time.time())

    with scheduler(places) as made:
        due = soon(timedelta(seconds=0.5 + tasks / 3000))
        trigger = IntervalTrigger(days=1, start_date=due, timezone=UTC)
        for number in range(tasks):
            made.add_job(fire, trigger, id=f"task-{number}")
        assert datetime.now(UTC) < due, "the machine is too slow to get ready in time"
        made.resume()
        time.sleep(max(due.timestamp() - time.time(), 0))
        while len(answered) < tasks:
            if watched:
                asked = time.perf_counter()
                made.get_job("task-0")
                waits.append(time.perf_counter() - asked)
            time.sleep(0.02)
    return [max(answered) - due.timestamp(), *waits]


def _session() -> requests.Session:
    session: requests.Session | None = getattr(_threads, "session", None)
    if session is None:
        session = _threads.session = requests.Session()
        session.trust_env = False
    return session


def add_jobs(made: BackgroundScheduler, tasks: int) -> None:
    """Add daily jobs of a cron trigger, one by one."""
    for number, (minute, hour) in enumerate(times_of_day(tasks)):
        made.add_job(
            _nothing,
            CronTrigger(minute=minute, hour=hour, timezone=UTC),
            id=f"task-{number}",
            replace_existing=True,
        )


def _nothing() -> None:
    pass


def lateness(first: datetime, count: int) -> list[float]:
    """Return by how many seconds each of so many jobs, one a second, began late."""
    begun: list[float] = []
    with scheduler() as made:
        for number in range(count):
            due = first + timedelta(seconds=number)
            made.add_job(lambda: begun.append(time.time()), DateTrigger(due, timezone=UTC))
        made.resume()
        while len(begun) < count:
            time.sleep(0.2)
    return [began - first.timestamp() - number for number, began in enumerate(begun)]
