"""Runs whose process died: found, ended, run again or left, never both."""

import contextlib
import os
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from app.core.clock import FakeClock
from app.core.errors import SpaceError
from app.core.ids import RandomIds
from app.database import Database
from app.runs.processes import STALE_AFTER, Place, Processes, is_gone, this_place
from app.runs.recovery import Recovery
from app.runs.run import Outcome, Status
from app.runs.tables import processes, runs
from tests.house import MIDNIGHT, OWNER, House


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
def house(database: Database, tmp_path: Path) -> House:
    return House(database, tmp_path)


@pytest.fixture
def other(dead: House, tmp_path: Path) -> House:
    """Another process of the same ledger and clock."""
    house = House(dead.database, tmp_path, clock=dead.clock, pid=2)
    house.processes.beat(ticked_at=MIDNIGHT, state="ticking")
    return house


def pulse(house: House, span: timedelta) -> int:
    """Let a process watch for a span, as often as it would; return how many runs it released."""
    released = 0
    while span > timedelta(0):
        step = min(span, timedelta(seconds=2))
        house.clock.advance(step)
        span -= step
        house.processes.beat(ticked_at=None, state="ticking")
        released += house.recovery.step()
    return released


def test_a_silent_process_is_forgotten_though_nothing_runs(house: House, tmp_path: Path) -> None:
    there = House(house.database, tmp_path, clock=house.clock, pid=2)
    there.processes.beat(ticked_at=MIDNIGHT, state="ticking")
    pulse(house, timedelta(seconds=20))
    assert house.processes.sharing == 2
    pulse(house, timedelta(seconds=20))
    assert house.processes.sharing == 1
    with house.database.read() as connection:
        assert list(connection.execute(select(processes.c.id)).scalars()) == [house.processes.id]


def test_a_new_process_is_seen_within_seconds_and_sooner_while_something_runs(
    house: House, tmp_path: Path
) -> None:
    pulse(house, timedelta(seconds=7))
    second = House(house.database, tmp_path, clock=house.clock, pid=2)
    second.processes.beat(ticked_at=MIDNIGHT, state="ticking")
    pulse(house, timedelta(seconds=6))
    assert house.processes.sharing == 2
    house.add()
    house.executions.start("daily_reflection")
    house.claim()
    pulse(house, timedelta(seconds=2))
    third = House(house.database, tmp_path, clock=house.clock, pid=3)
    third.processes.beat(ticked_at=MIDNIGHT, state="ticking")
    pulse(house, timedelta(seconds=2))
    assert house.processes.sharing == 3


def test_a_run_of_a_silent_process_runs_again_once(dead: House, other: House) -> None:
    pulse(other, STALE_AFTER - timedelta(seconds=1))
    assert other.outcomes() == [("running", None)]
    assert pulse(other, timedelta(seconds=1)) == 1
    other.settle()
    (run,) = other.runs()
    assert (str(run.status), run.attempt) == ("succeeded", 2)
    (attempt,) = other.history.attempts(run.id)
    assert (attempt["attempt"], attempt["status"]) == (1, "interrupted")
    assert other.persona.requests[0].occasion.run_id == run.id


def test_a_run_that_is_interrupted_twice_ends_so(dead: House, other: House) -> None:
    other.release()
    other.claim()
    other.release()
    assert other.outcomes() == [("interrupted", "process_died")]
    assert other.registry.get("daily_reflection").run_count == 1


def test_a_task_may_ask_to_leave_it(database: Database, tmp_path: Path) -> None:
    house = House(database, tmp_path)
    house.add(on_interrupt="leave")
    house.executions.start("daily_reflection")
    house.claim()
    house.release()
    assert house.outcomes() == [("interrupted", "process_died")]


def test_a_run_that_is_not_running_is_not_released(dead: House, other: House) -> None:
    assert other.release() == 1
    assert other.release() == 0


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


def test_nobody_is_declared_dead_right_after_everything_stood_still(
    dead: House, other: House
) -> None:
    other.recovery.step()
    dead.clock.advance(timedelta(seconds=60))
    assert other.recovery.step() == 0
    dead.processes.beat(ticked_at=None, state="ticking")
    assert pulse(other, timedelta(seconds=20)) == 0
    assert other.outcomes() == [("running", None)]


def test_nobody_is_declared_dead_where_nobody_can_write_that_it_lives(
    dead: House, other: House
) -> None:
    other.recovery.step()
    for _ in range(40):
        # the database is read, but whoever writes waits: a writer was stopped
        dead.clock.advance(timedelta(seconds=2))
        assert other.recovery.step() == 0
    other.processes.beat(ticked_at=None, state="ticking")
    assert other.recovery.step() == 0, "the others have not had their turn yet"
    dead.processes.beat(ticked_at=None, state="ticking")
    assert pulse(other, timedelta(seconds=20)) == 0
    assert other.outcomes() == [("running", None)]
    assert pulse(other, timedelta(seconds=40)) == 1, "it really says nothing more"


def test_two_recoveries_of_one_run_do_not_end_the_attempt_after_it(
    dead: House, other: House
) -> None:
    (claim,) = other.recovery._running()
    holders = {claim.id: (claim.attempt, claim.owner)}
    assert other.recovery.release(holders, reason="process_died") == 1
    assert len(other.claim()) == 1
    assert other.recovery.release(holders, reason="process_died") == 0
    assert other.outcomes() == [("running", None)]


@pytest.mark.parametrize("wrong", ["attempt", "owner"])
def test_an_attempt_is_ended_only_if_both_its_number_and_its_owner_are_meant(
    dead: House, other: House, wrong: str
) -> None:
    (claim,) = other.recovery._running()
    meant = {"attempt": claim.attempt, "owner": claim.owner}
    meant[wrong] = {"attempt": 2, "owner": other.processes.id}[wrong]
    holder = (meant["attempt"], meant["owner"])
    assert other.recovery.release({claim.id: holder}, reason="process_died") == 0
    assert other.outcomes() == [("running", None)]


def test_a_run_that_was_finished_meanwhile_stays_finished(
    database: Database, tmp_path: Path
) -> None:
    house = House(database, tmp_path)
    house.add()
    run = house.executions.start("daily_reflection")
    (claim,) = house.claim()
    holders = {run.id: (claim.attempt, claim.owner)}
    outcome = Outcome(status=Status.SUCCEEDED, completed_at=MIDNIGHT, response="Done.")
    with database.write() as connection:
        house.ledger.finish(connection, [(claim, outcome)])
    assert house.recovery.release(holders, reason="process_died") == 0
    assert house.outcomes() == [("succeeded", None)]


def test_a_process_that_comes_while_one_looks_keeps_its_run(dead: House, other: House) -> None:
    newcomer = House(dead.database, dead.results.path.parent, clock=dead.clock, pid=3)
    other.add("another")

    class Slow(Processes):
        """Looks at the processes so slowly that one more comes right after the look."""

        def split(self) -> tuple[set[str], set[str]]:
            found = super().split()
            newcomer.processes.beat(ticked_at=None, state="ticking")
            newcomer.executions.start("another")
            newcomer.claim()
            return found

    looking = Recovery(
        other.database,
        other.ledger,
        Slow(other.database, other.clock, RandomIds(), Place(host="here", pid=4, pid_started="")),
        other.registry,
        other.results,
        other.clock,
        held_here=set,
    )
    assert looking.step() == 0
    assert [run.status for run in other.runs(task_id="another")] == [Status.RUNNING]


def test_the_dead_take_no_share_of_the_places(dead: House, other: House) -> None:
    other.processes.split()
    assert other.processes.sharing == 2
    other.clock.advance(STALE_AFTER)
    other.processes.split()
    assert other.processes.sharing == 1


def test_the_dead_are_forgotten(dead: House, other: House) -> None:
    assert other.processes.split()[0] == {dead.processes.id, other.processes.id}
    pulse(other, STALE_AFTER)
    assert other.processes.split() == ({other.processes.id}, set())


def test_a_run_that_its_process_has_only_just_claimed_is_its_own(dead: House) -> None:
    assert pulse(dead, STALE_AFTER - timedelta(seconds=1)) == 0
    assert dead.outcomes() == [("running", None)]


def test_a_heartbeat_from_the_future_keeps_nobody_alive(dead: House, other: House) -> None:
    dead.clock.step_to(MIDNIGHT + timedelta(days=1))
    dead.processes.beat(ticked_at=None, state="ticking")
    dead.clock.step_to(MIDNIGHT)
    assert pulse(other, timedelta(seconds=20)) == 1


def test_a_result_that_is_just_being_filed_is_left_to_whoever_does_it(
    dead: House, other: House
) -> None:
    other.release()
    (held,) = other.claim()
    outcome = Outcome(status=Status.SUCCEEDED, completed_at=other.clock.now(), response="Done.")
    with other.database.write() as connection:
        other.ledger.finish(connection, [(held, outcome)])
    other.recovery.step()
    assert not other.results.path.exists()
    pulse(other, timedelta(seconds=16))
    assert len(list(other.results.path.iterdir())) == 1


def test_a_run_that_its_process_knows_nothing_of_is_released(dead: House, other: House) -> None:
    (run,) = dead.runs()
    dead.held = {run.id}
    assert pulse(dead, timedelta(seconds=60)) == 0
    dead.held = set()
    assert pulse(dead, timedelta(seconds=2)) == 1


def test_an_unusable_results_folder_keeps_nobody_from_being_released(
    dead: House, other: House
) -> None:
    other.add("another")
    other.executions.start("another")
    other.settle()
    with other.database.write() as connection:
        connection.execute(update(runs).where(runs.c.filed == 1).values(filed=0))
    shutil.rmtree(other.results.path)
    other.results.path.write_text("a file where the folder should be")
    for _ in range(20):
        dead.clock.advance(timedelta(seconds=2))
        other.processes.beat(ticked_at=None, state="ticking")
        with contextlib.suppress(SpaceError):
            other.recovery.step()
    assert ("running", None) not in other.outcomes()


def test_a_run_of_a_deleted_task_is_not_run_again(dead: House, other: House) -> None:
    other.registry.delete("daily_reflection", OWNER)
    other.release()
    assert other.outcomes() == [("interrupted", "process_died")]


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


def test_a_process_that_ended_and_that_nobody_buried_is_dead_too() -> None:
    here = this_place()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = (Path("/proc") / str(child.pid) / "stat").read_text().rpartition(")")[2].split()[19]
    place = Place(host=here.host, pid=child.pid, pid_started=started)
    assert child.stdin is not None
    child.stdin.close()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert is_gone(place, here)
    child.wait()


def test_runs_of_a_process_that_is_gone_need_not_wait_for_its_heartbeat(house: House) -> None:
    here = this_place()
    gone = Place(host=here.host, pid=os.getpid(), pid_started="1")
    watching = Processes(house.database, house.clock, RandomIds(), here)
    dead = Processes(house.database, house.clock, RandomIds(), gone)
    dead.beat(ticked_at=None, state="ticking")
    assert watching.split() == ({watching.id}, {dead.id})


def test_a_process_that_beats_but_looks_at_no_clock_is_no_life(house: House) -> None:
    now = house.clock.now()
    house.processes.beat(ticked_at=now - STALE_AFTER, state="ticking")
    assert not house.processes.liveness().alive
    house.processes.beat(ticked_at=now, state="ticking")
    assert house.processes.liveness().alive


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
