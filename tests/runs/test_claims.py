"""Who works on a run, when it begins, and whose outcome counts; runs by hand among them."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest

from app.core.clock import SystemClock
from app.core.errors import KeyReused, RunOverlap, TaskNotFound
from app.database import Database
from app.persona.client import Deadline, Reply, Request
from app.persona.fakes import ScriptedPersona
from app.runs.engine import Engine
from app.runs.run import Origin, Outcome, Status
from app.runs.runner import Runner
from tests.house import MIDNIGHT, OWNER, House, two_at_midnight


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    return House(database, tmp_path)


def test_a_claim_is_given_to_one_process_only(database: Database, tmp_path: Path) -> None:
    here, there = two_at_midnight(database, tmp_path)
    here.plan()
    assert len(here.claim()) == 1
    assert there.claim() == []


def test_no_more_runs_go_on_than_there_are_places_in_all(
    database: Database, tmp_path: Path
) -> None:
    here, there = two_at_midnight(database, tmp_path, tasks=12)
    here.plan()
    assert len(here.claim(places=5)) == 5
    assert len(there.claim(places=8)) == 3
    assert there.claim(places=8) == []


def test_no_process_takes_more_than_its_share_of_the_places(
    database: Database, tmp_path: Path
) -> None:
    here, there = two_at_midnight(database, tmp_path, tasks=12)
    for house in (here, there):
        house.processes.beat(ticked_at=MIDNIGHT, state="ticking")
    here.plan()
    here.processes.split()
    here.engine.step()
    assert len(here.persona.requests) == 4
    there.processes.beat(ticked_at=MIDNIGHT, state="draining")
    here.processes.split()
    here.engine.step()
    assert len(here.persona.requests) == 12


def test_an_outcome_from_a_process_that_lost_the_run_is_refused(
    database: Database, tmp_path: Path
) -> None:
    here, there = two_at_midnight(database, tmp_path)
    here.plan()
    (stale,) = here.claim()
    here.release()
    (held,) = there.claim()
    late = Outcome(status=Status.SUCCEEDED, completed_at=MIDNIGHT, response="from the grave")
    good = Outcome(status=Status.SUCCEEDED, completed_at=MIDNIGHT, response="from the living")
    with database.write() as connection:
        assert here.ledger.finish(connection, [(stale, late)]) == []
        assert here.ledger.finish(connection, [(held, good)]) == [(held, good)]
        assert here.ledger.finish(connection, [(held, late)]) == []
    assert house_response(here) == "from the living"
    assert here.registry.get("daily_reflection").run_count == 1


@pytest.mark.parametrize("wrong", ["attempt", "owner"])
def test_an_outcome_is_taken_only_from_the_attempt_and_the_owner_that_hold_the_run(
    house: House, wrong: str
) -> None:
    house.add()
    house.executions.start("daily_reflection")
    (held,) = house.claim()
    other = {"attempt": replace(held, attempt=2), "owner": replace(held, owner="x" * 26)}[wrong]
    outcome = Outcome(status=Status.SUCCEEDED, completed_at=MIDNIGHT, response="Done.")
    with house.database.write() as connection:
        assert house.ledger.finish(connection, [(other, outcome)]) == []
    assert house.outcomes() == [("running", None)]


def house_response(house: House) -> str | None:
    (run,) = house.runs()
    return run.response


def test_a_process_that_the_others_do_not_know_of_begins_nothing(house: House) -> None:
    house.engine._is_known = lambda: house.processes.is_known
    house.add()
    house.executions.start("daily_reflection")
    house.settle()
    assert house.outcomes() == [("queued", None)]
    house.processes.beat(ticked_at=MIDNIGHT, state="ticking")
    house.settle()
    assert house.outcomes() == [("succeeded", None)]


def test_a_process_that_drains_begins_nothing_that_is_queued(house: House) -> None:
    house.add()
    house.clock.step_to(MIDNIGHT)
    house.plan()
    house.engine.begin_drain()
    house.settle()
    assert house.outcomes() == [("queued", None)]


def test_a_run_that_ends_only_because_its_process_stops_is_given_back_without_an_outcome(
    house: House,
) -> None:
    begun = Event()

    def until_told(_: Request, deadline: Deadline) -> Reply:
        begun.set()
        while True:
            deadline.pause(timedelta(milliseconds=10))

    clock = SystemClock()
    engine = Engine(
        house.database,
        house.ledger,
        house.history,
        Runner(ScriptedPersona(until_told), house, clock, longest=timedelta(minutes=1)),
        house.results,
        clock,
        owner=house.processes.id,
        places=1,
        pool=ThreadPoolExecutor(),
        closers=ThreadPoolExecutor(),
        filers=ThreadPoolExecutor(),
    )
    house.add()
    run = house.executions.start("daily_reflection")
    engine.step()
    assert begun.wait(20)
    assert [claim.run_id for claim in engine.drain(timedelta(0))] == [run.id]
    assert engine.held_here() == set()
    assert house.outcomes() == [("running", None)]


# ---- by hand


def test_a_run_by_hand_goes_first_and_moves_no_slot(house: House) -> None:
    for number in range(3):
        house.add(f"task_{number}")
    house.clock.step_to(MIDNIGHT)
    house.plan()
    before = house.registry.get("task_1").cursor
    house.add("urgent")
    house.executions.start("urgent")
    assert house.claim(places=1)[0].task_id == "urgent"
    assert house.registry.get("task_1").cursor == before
    assert house.registry.get("urgent").cursor == MIDNIGHT


def test_a_disabled_task_can_be_run_by_hand(house: House) -> None:
    house.add(enabled=False)
    house.executions.start("daily_reflection")
    house.settle()
    (run,) = house.runs()
    assert (run.origin, run.status, run.scheduled_for) == (Origin.MANUAL, Status.SUCCEEDED, None)


def test_a_second_run_by_hand_is_refused_with_the_id_of_the_first(house: House) -> None:
    house.add()
    first = house.executions.start("daily_reflection")
    with pytest.raises(RunOverlap) as caught:
        house.executions.start("daily_reflection")
    assert caught.value.run_id == first.id


def test_a_run_by_hand_of_an_unknown_task_is_refused(house: House) -> None:
    with pytest.raises(TaskNotFound):
        house.executions.start("nobody")
    house.add()
    house.registry.delete("daily_reflection", OWNER)
    with pytest.raises(TaskNotFound):
        house.executions.start("daily_reflection")


def test_the_same_key_starts_one_run(house: House) -> None:
    house.add()
    first = house.executions.start("daily_reflection", key="k", fingerprint="a")
    house.settle()
    again = house.executions.start("daily_reflection", key="k", fingerprint="a")
    assert (again.id, again.status) == (first.id, Status.SUCCEEDED)
    with pytest.raises(KeyReused):
        house.executions.start("daily_reflection", key="k", fingerprint="b")
    house.pass_time(hours=25)
    assert house.executions.start("daily_reflection", key="k", fingerprint="b").id != first.id


def test_a_deleted_task_cancels_what_is_queued_and_lets_what_runs_finish(house: House) -> None:
    house.add("running")
    house.add("waiting")
    house.executions.start("running")
    (claim,) = house.claim()
    house.executions.start("waiting")
    house.registry.delete("running", OWNER)
    house.registry.delete("waiting", OWNER)
    outcome = Outcome(status=Status.SUCCEEDED, completed_at=house.clock.now(), response="done")
    with house.database.write() as connection:
        assert house.ledger.finish(connection, [(claim, outcome)])
    found = {run.task_id: (str(run.status), run.reason) for run in house.runs()}
    assert found == {"running": ("succeeded", None), "waiting": ("cancelled", "task_deleted")}
