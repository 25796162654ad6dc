"""An APScheduler job store and executor over the registry: APScheduler is the alarm clock.

One job per enabled task, made only when it is due; nothing is pickled and nothing persisted, for
the registry and the ledger are the truth. The executor is where APScheduler tells the scheduled
instants; it hands them to planning and lets no job body run here.
"""

import heapq
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from apscheduler.executors.base import BaseExecutor
from apscheduler.job import Job
from apscheduler.jobstores.base import BaseJobStore
from apscheduler.triggers.base import BaseTrigger

from app.core.clock import Clock, until_look
from app.core.errors import LedgerUnavailable
from app.core.garbage import no_search
from app.tasks.record import Snapshot, TaskRecord
from app.tasks.registry import Registry

RING_AGAIN = timedelta(seconds=2)
LONGEST_WAIT = timedelta(seconds=1)
"""The wall clock is read again at least this often: it may have been stepped, or we suspended."""


class _RingAgain(BaseTrigger):  # type: ignore[misc]  # it has no types
    """Rings every two seconds once a slot is due, until planning has moved the task's cursor.

    What is owed, and which slot comes next, is known from the cursor alone: so neither a failed
    attempt to plan nor a wall clock that is stepped back meanwhile can silence a task.
    """

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        return now + RING_AGAIN


class RegistryJobStore(BaseJobStore):  # type: ignore[misc]  # it has no types
    """Shows the registry's tasks to APScheduler, brought up to date at every look."""

    def __init__(self, registry: Registry, clock: Clock) -> None:
        super().__init__()
        self._registry = registry
        self._clock = clock
        self._version = 0
        self._next: dict[str, datetime] = {}
        self._seen: Mapping[str, TaskRecord] = {}
        self._heap: list[tuple[datetime, str]] = []
        self.ticked_at: datetime | None = None
        self.ticks: float | None = None

    def start(self, scheduler: Any, alias: str) -> None:
        """Begin with nothing known: a clock that died may have taken due tasks with it."""
        super().start(scheduler, alias)
        self._version = 0
        self._next.clear()
        self._seen = {}
        self._heap.clear()
        self.ticked_at, self.ticks = self._clock.now(), self._clock.monotonic()

    def refresh(self) -> None:
        """Take over what changed in the registry since the last look.

        While the ledger does not answer, what is known stays in force.
        """
        with no_search(), suppress(LedgerUnavailable):
            self._take_over(self._registry.snapshot())

    def _take_over(self, snapshot: Snapshot) -> None:
        if snapshot.version == self._version:
            return
        for task_id in self._seen.keys() - snapshot.records.keys():
            self._next.pop(task_id, None)
        for task_id, record in snapshot.records.items():
            held = self._seen.get(task_id)
            if held is record:
                continue
            if held is None or (held.cursor, held.revision) != (record.cursor, record.revision):
                self._set_next(task_id, self._registry.next_run(record))
        self._seen, self._version = snapshot.records, snapshot.version

    def _set_next(self, task_id: str, instant: datetime | None) -> None:
        if instant is None:
            self._next.pop(task_id, None)
            return
        if self._next.get(task_id) != instant:
            self._next[task_id] = instant
            heapq.heappush(self._heap, (instant, task_id))

    # ---- what APScheduler asks

    def get_due_jobs(self, now: datetime) -> list[Job]:
        self.refresh()
        self.ticked_at, self.ticks = self._clock.now(), self._clock.monotonic()
        due: list[Job] = []
        taken: set[str] = set()
        while self._heap and self._heap[0][0] <= now:
            instant, task_id = heapq.heappop(self._heap)
            if self._next.get(task_id) == instant and task_id not in taken:
                taken.add(task_id)
                due.append(self._job(task_id, instant))
        return due

    def get_next_run_time(self) -> datetime:
        """Return when to look again: at the next slot, or earlier to read the wall clock again."""
        now = self._clock.now()
        soon = now + until_look(now, LONGEST_WAIT)
        while self._heap and self._next.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return min(self._heap[0][0], soon) if self._heap else soon

    def update_job(self, job: Job) -> None:
        """Ring again at the job's next time; for a task that was deleted meanwhile, never again."""
        if job.id in self._seen:
            self._set_next(job.id, job.next_run_time)

    def remove_job(self, job_id: str) -> None:
        """Ring no more for a task whose last slot has passed; the task itself stays."""
        self._next.pop(job_id, None)

    def lookup_job(self, job_id: str) -> Job | None:
        instant = self._next.get(job_id)
        return self._job(job_id, instant) if instant is not None else None

    def get_all_jobs(self) -> list[Job]:
        ordered = sorted(self._next.items(), key=lambda item: item[1])
        return [self._job(task_id, instant) for task_id, instant in ordered]

    def add_job(self, job: Job) -> None:
        raise TypeError("jobs come from the registry; create a task instead")

    def remove_all_jobs(self) -> None:
        self._next.clear()

    def _job(self, task_id: str, instant: datetime) -> Job:
        # filled by hand, since Job's own constructor inspects the signature of `func` each time,
        # which for a thousand tasks of midnight takes longer than all the rest
        job = Job.__new__(Job)
        job._scheduler, job._jobstore_alias = self._scheduler, self._alias
        job.id = job.name = task_id
        job.trigger, job.next_run_time = _RingAgain(), instant
        job.func, job.func_ref, job.args, job.kwargs = _no_body, None, (), {}
        job.executor, job.misfire_grace_time = "default", None
        job.coalesce, job.max_instances = True, 1
        return job


class LedgerExecutor(BaseExecutor):  # type: ignore[misc]  # it has no types
    """Takes the scheduled instants to planning."""

    def __init__(self, ring: Callable[[str], None]) -> None:
        super().__init__()
        self._ring = ring

    def submit_job(self, job: Job, run_times: list[datetime]) -> None:
        if run_times:
            self._ring(job.id)

    def _do_submit_job(self, job: Job, run_times: list[datetime]) -> Any:
        raise TypeError("runs are executed by the engine, not here")


def _no_body() -> None:
    """A job has no body of its own."""
