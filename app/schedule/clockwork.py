"""The APScheduler of this process, and the threads that watch over it.

It is started in every worker after the fork, never at import; there is no leader. The heart says
every ten seconds that the process lives. The pulse looks for runs that are to be cancelled and for
those of dead processes, and starts the clock again if its thread has died; that may take long, and
must not look like death.
"""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.schedulers.background import BackgroundScheduler

from app.core.clock import Clock, until_look
from app.core.errors import LedgerUnavailable, PersonaTasksError
from app.runs.processes import HEARTBEAT_EVERY, Liveness, Processes
from app.runs.recovery import Recovery
from app.schedule.jobstore import LedgerExecutor, RegistryJobStore
from app.schedule.planner import Planner, PlanningThread

log = structlog.get_logger(__name__)

_PULSE_EVERY = timedelta(seconds=2)
_STUCK_AFTER = timedelta(seconds=10)


class _Scheduler(BackgroundScheduler):  # type: ignore[misc]  # it has no types
    """An APScheduler that can tell whether its thread still lives."""

    @property
    def is_alive(self) -> bool:
        thread = getattr(self, "_thread", None)
        return thread is not None and thread.is_alive()


class Clockwork:
    """Rings for due tasks in this process."""

    def __init__(
        self,
        store: RegistryJobStore,
        planner: Planner,
        planning: PlanningThread,
        processes: Processes,
        recovery: Recovery,
        clock: Clock,
        *,
        cancelling: Callable[[], None],
        upkeep: Callable[[], None],
    ) -> None:
        self._store = store
        self._planner = planner
        self._planning = planning
        self._processes = processes
        self._recovery = recovery
        self._clock = clock
        self._cancelling = cancelling
        self._upkeep = upkeep
        self._scheduler: _Scheduler | None = None
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._state = "stopped"

    def start(self, *, ticking: bool = True) -> None:
        """Begin to tick; call it in the process that shall tick, after any fork.

        A process that only works off a run, as the command line does, does not tick.
        """
        self._state = "ticking" if ticking else "working"
        if ticking:
            self._planning.start()
            self._start_scheduler()
        try:
            self._beat()
        except LedgerUnavailable as error:
            # the heart goes on trying; a worker that gave up here would take the service with it
            log.warning("clock.starts_without_ledger", error=error.detail)
        for name, part, every in (
            ("heart", self._beat, HEARTBEAT_EVERY),
            ("pulse", self.pulse, _PULSE_EVERY),
        ):
            thread = threading.Thread(target=self._loop, args=(part, every), name=name, daemon=True)
            thread.start()
            self._threads.append(thread)
        log.info("clock.started", process=self._processes.id)

    def stop_ringing(self) -> None:
        """Start no new slot from now on; the heartbeat goes on until `stop`."""
        self._state = "draining"
        if self._scheduler is not None and self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        self._planning.stop()

    def stop(self) -> None:
        """Stop altogether; the process holds nothing any more."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(5.0)
        self._processes.leave()
        log.info("clock.stopped", process=self._processes.id)

    @property
    def is_started(self) -> bool:
        """Whether this process ticks."""
        return self._scheduler is not None and self._state == "ticking"

    @property
    def tick_age(self) -> timedelta | None:
        """How long ago this process last looked at the clock; None where it never did."""
        ticks = self._store.ticks
        return timedelta(seconds=self._clock.monotonic() - ticks) if ticks is not None else None

    @property
    def ticked_at(self) -> datetime | None:
        """When this process last looked at the clock."""
        return self._store.ticked_at

    def liveness(self) -> Liveness:
        """Say whether something alive will fire what is due: this process or another."""
        others = self._processes.liveness()
        ticked = self.ticked_at
        if not self.is_started or ticked is None or self._is_stuck():
            return others
        return Liveness(
            alive=True,
            processes=max(others.processes, 1),
            ticked_at=max(ticked, others.ticked_at or ticked),
        )

    def wake(self) -> None:
        """Look at once whether something is due or has changed."""
        if self._scheduler is not None and self._scheduler.running:
            self._scheduler.wakeup()

    def pulse(self) -> None:
        """Do one unit of watching: recovery, the clock's own health, upkeep."""
        if self.is_started and not self._is_alive():
            log.error("clock.thread_died", ticked_at=str(self.ticked_at))
            self._start_scheduler()
        parts = (self._recovery.step, self._planner.mend_clock_ahead, self._upkeep)
        for part in (self._cancelling, *parts):
            # one that cannot do its work must not keep the others from theirs
            _goes_well(part)

    def _loop(self, part: Callable[[], None], every: timedelta) -> None:
        look_every = _PULSE_EVERY
        while not self._clock.wait(self._stopping, until_look(self._clock.now(), look_every)):
            # again soon, where it failed
            look_every = every if _goes_well(part) else _PULSE_EVERY

    def _start_scheduler(self) -> None:
        scheduler = _Scheduler(timezone=UTC, daemon=True)
        scheduler.add_jobstore(self._store, "default")
        scheduler.add_executor(LedgerExecutor(self._planning.ring), "default")
        scheduler.start()
        self._scheduler = scheduler

    def _is_alive(self) -> bool:
        return self._scheduler is not None and self._scheduler.is_alive

    def _is_stuck(self) -> bool:
        ticks = self._store.ticks
        since = self._clock.monotonic() - ticks if ticks is not None else 0.0
        return not self._is_alive() or since > _STUCK_AFTER.total_seconds()

    def _beat(self) -> None:
        self._processes.beat(ticked_at=self.ticked_at, state=self._state)


def _goes_well(part: Callable[[], object]) -> bool:
    """Do a part of the watching and say whether it went well; the thread goes on in any case."""
    try:
        part()
    except PersonaTasksError as error:
        log.warning("pulse.failed", error=error.detail)
    except Exception:
        log.exception("pulse.broke")
    else:
        return True
    return False
