"""Runs whose process died: found, ended, run again or left, never both."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from app.core.clock import FakeClock
from app.database import Database
from app.runs.processes import STALE_AFTER, Place, is_gone, this_place
from app.runs.tables import runs
from tests.house import MIDNIGHT, House


@pytest.fixture
def dead(database: Database, tmp_path: Path) -> House:
    """A process that claimed a run and then said nothing more."""
    house = House(database, tmp_path)
    house.add()
    house.clock.step_to(MIDNIGHT)
    house.processes.beat(ticked_at=MIDNIGHT, state="ticking")
    house.plan()
    house.claim()
    return house


@pytest.fixture
def other(dead: House, tmp_path: Path) -> House:
    """Another process of the same ledger and clock."""
    house = House(dead.database, tmp_path, clock=dead.clock, pid=2)
    house.processes.beat(ticked_at=MIDNIGHT, state="ticking")
    return house


def test_a_run_of_a_silent_process_runs_again_once(dead: House, other: House) -> None:
    dead.clock.advance(STALE_AFTER - timedelta(seconds=1))
    assert other.recovery.step() == 0
    dead.clock.advance(timedelta(seconds=1))
    other.processes.beat(ticked_at=None, state="ticking")
    assert other.recovery.step() == 1
    other.settle()
    (run,) = other.runs()
    assert (str(run.status), run.attempt) == ("succeeded", 2)
    (attempt,) = other.history.attempts(run.id)
    assert (attempt["attempt"], attempt["status"]) == (1, "interrupted")
    assert other.persona.requests[0].occasion.run_id == run.id


def test_a_run_that_is_interrupted_twice_ends_so(dead: House, other: House) -> None:
    (run,) = other.runs()
    other.recovery.release([run.id], reason="process_died")
    other.claim()
    other.recovery.release([run.id], reason="process_died")
    assert other.outcomes() == [("interrupted", "process_died")]
    assert other.registry.get("daily_reflection").run_count == 1


def test_a_task_may_ask_to_leave_it(database: Database, tmp_path: Path) -> None:
    house = House(database, tmp_path)
    house.add(on_interrupt="leave")
    run = house.executions.start("daily_reflection")
    house.claim()
    house.recovery.release([run.id], reason="process_died")
    assert house.outcomes() == [("interrupted", "process_died")]


def test_a_run_that_is_not_running_is_not_released(dead: House, other: House) -> None:
    (run,) = other.runs()
    assert other.recovery.release([run.id], reason="process_died") == 1
    assert other.recovery.release([run.id], reason="process_died") == 0


def test_a_living_process_keeps_its_runs(dead: House, other: House) -> None:
    for _ in range(10):
        dead.clock.advance(timedelta(seconds=10))
        dead.processes.beat(ticked_at=None, state="ticking")
        other.processes.beat(ticked_at=None, state="ticking")
        assert other.recovery.step() == 0
    assert other.outcomes() == [("running", None)]


def test_nobody_is_declared_dead_right_after_a_step_of_the_clock(dead: House, other: House) -> None:
    other.recovery.step()
    dead.clock.step_to(MIDNIGHT + timedelta(hours=2))
    assert other.recovery.step() == 0
    dead.processes.beat(ticked_at=None, state="ticking")
    dead.clock.advance(timedelta(seconds=16))
    assert other.recovery.step() == 0
    assert other.outcomes() == [("running", None)]


def test_a_run_whose_owner_left_no_trace_is_found(dead: House, other: House) -> None:
    with other.database.write() as connection:
        connection.execute(update(runs).values(owner="nobody"))
    assert other.recovery.step() == 1


def test_a_process_that_is_gone_from_this_host_is_dead_at_once() -> None:
    here = this_place()
    if not here.pid_started:
        pytest.skip("this system does not tell when a process was started")
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = (Path("/proc") / str(child.pid) / "stat").read_text().rpartition(")")[2].split()[19]
    place = Place(host=here.host, pid=child.pid, pid_started=started)
    assert not is_gone(place, here)
    child.communicate(b"\n")
    assert is_gone(place, here)
    reused = Place(host=here.host, pid=os.getpid(), pid_started="1")
    assert is_gone(reused, here)
    elsewhere = Place(host="another host", pid=child.pid, pid_started=started)
    assert not is_gone(elsewhere, here)


def test_liveness_says_whether_anything_ticks(database: Database, tmp_path: Path) -> None:
    clock = FakeClock(MIDNIGHT)
    house = House(database, tmp_path, clock=clock)
    assert not house.processes.liveness().alive
    house.processes.beat(ticked_at=clock.now(), state="ticking")
    assert house.processes.liveness().alive
    house.processes.beat(ticked_at=clock.now(), state="draining")
    assert not house.processes.liveness().alive
    house.processes.beat(ticked_at=clock.now(), state="ticking")
    clock.advance(STALE_AFTER)
    assert not house.processes.liveness().alive
    house.processes.leave()
    assert house.processes.liveness().processes == 0
