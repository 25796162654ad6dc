"""The threads of a process beside those that run: one says that it lives, one watches."""

import threading
from datetime import datetime, timedelta

from sqlalchemy import select

from app.core.clock import FakeClock
from app.core.errors import LedgerUnavailable
from app.core.ids import RandomIds
from app.runs.processes import STALE_AFTER, Processes, this_place
from app.runs.tables import processes
from app.schedule.clockwork import Clockwork
from app.schedule.jobstore import RegistryJobStore
from app.schedule.planner import PlanningThread
from app.wiring import Services
from tests.conftest import EVENING


def test_a_process_lives_in_the_eyes_of_the_others_while_its_upkeep_takes_long(
    services: Services,
) -> None:
    """A lock that a stopped process holds lets upkeep and recovery wait for minutes."""
    began, go_on, beaten = threading.Event(), threading.Event(), threading.Event()

    def takes_long() -> None:
        began.set()
        go_on.wait(60)

    class Watched(FakeClock):
        def wait(self, event: threading.Event, span: timedelta) -> bool:
            if began.is_set() and self.now() - EVENING > 2 * STALE_AFTER:
                beaten.set()
                return event.wait(60)
            return super().wait(event, span)

    clock = Watched(EVENING)
    here = Processes(services.database, clock, RandomIds(), this_place())
    clockwork = Clockwork(
        RegistryJobStore(services.registry, clock),
        services.planner,
        PlanningThread(services.planner, clock, on_queued=lambda: None),
        here,
        services.recovery,
        clock,
        cancelling=lambda: None,
        upkeep=takes_long,
    )
    clockwork.start(ticking=False)
    try:
        assert began.wait(30)
        assert beaten.wait(30)
        with services.database.read() as connection:
            (beat,) = connection.execute(select(processes.c.heartbeat_at)).scalars()
        assert clock.now() - beat < STALE_AFTER
    finally:
        go_on.set()
        clockwork.stop()


def test_a_beat_that_fails_is_tried_again_soon(services: Services) -> None:
    beats: list[timedelta] = []
    enough = threading.Event()

    class Noted(FakeClock):
        def wait(self, event: threading.Event, span: timedelta) -> bool:
            if threading.current_thread().name != "heart" or enough.is_set():
                return event.wait(60)
            return super().wait(event, span)

    class Failing(Processes):
        def beat(self, *, ticked_at: datetime | None, state: str) -> None:
            beats.append(clock.now() - EVENING)
            if len(beats) == 6:
                enough.set()
            if len(beats) in {2, 3}:
                raise LedgerUnavailable("it is away")
            super().beat(ticked_at=ticked_at, state=state)

    clock = Noted(EVENING)
    clockwork = Clockwork(
        RegistryJobStore(services.registry, clock),
        services.planner,
        PlanningThread(services.planner, clock, on_queued=lambda: None),
        Failing(services.database, clock, RandomIds(), this_place()),
        services.recovery,
        clock,
        cancelling=lambda: None,
        upkeep=lambda: None,
    )
    clockwork.start(ticking=False)
    try:
        assert enough.wait(30)
    finally:
        clockwork.stop()
    at = [beat.total_seconds() for beat in beats]
    assert at == [0, 0.25, 2.25, 4.25, 10.25, 20.25]
