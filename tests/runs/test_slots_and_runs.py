"""From a due task to a stored result: the slot, its claim, its outcome."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError, OperationalError

from app.core.clock import SystemClock
from app.core.errors import KeyReused, LedgerUnavailable, RunOverlap, SpaceError, TaskNotFound
from app.database import Database
from app.persona.client import Deadline, Reply, Request
from app.persona.errors import PersonaUnreachable
from app.persona.fakes import ScriptedPersona, hang
from app.runs.engine import Engine
from app.runs.history import RunFilter
from app.runs.ledger import Entry
from app.runs.run import Origin, Outcome, Run, Status
from app.runs.runner import MOST_ERROR, MOST_RESPONSE, Runner
from app.runs.tables import runs
from app.tasks.task import Author, Task
from tests.house import MIDNIGHT, OWNER, AwayDatabase, House, run_to_its_end


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    return House(database, tmp_path)


def test_a_due_task_runs_once_and_its_result_is_kept(house: House, tmp_path: Path) -> None:
    house.add()
    assert house.plan() == []
    house.clock.step_to(MIDNIGHT)
    house.plan()
    house.settle()
    (run,) = house.runs()
    assert (run.status, run.scheduled_for, run.response) == (
        Status.SUCCEEDED,
        MIDNIGHT,
        "Done.",
    )
    record = house.registry.get("daily_reflection")
    assert (record.run_count, record.last_run, record.cursor) == (1, MIDNIGHT, MIDNIGHT)
    (file,) = (tmp_path / "results").iterdir()
    assert file.name == f"daily_reflection_20261124_000000_{run.id}.json"
    assert json.loads(file.read_text())["success"] is True


def test_a_slot_that_is_planned_again_stays_one_row(house: House) -> None:
    house.add()
    house.clock.step_to(MIDNIGHT)
    assert len(house.plan()) == 1
    assert house.planner.plan(["daily_reflection"]) == []
    assert len(house.runs()) == 1


def test_two_processes_that_ring_for_one_slot_write_it_down_once(
    database: Database, tmp_path: Path
) -> None:
    here, there = House(database, tmp_path), House(database, tmp_path, pid=2)
    here.add()
    here.clock.step_to(MIDNIGHT)
    there.clock.step_to(MIDNIGHT)
    assert len(here.plan()) == 1
    assert there.planner.plan(["daily_reflection"]) == []
    assert len(there.runs()) == 1


def test_the_database_itself_refuses_a_second_row_of_a_slot(house: House) -> None:
    house.add()
    house.clock.step_to(MIDNIGHT)
    house.plan()
    row = {
        "id": "x" * 26,
        "task_id": "daily_reflection",
        "task_name": "x",
        "revision": 1,
        "origin": "schedule",
        "status": "queued",
        "scheduled_for": MIDNIGHT,
        "recorded_at": MIDNIGHT,
        "rank": 1,
        "due_at": MIDNIGHT,
        "exclusive": True,
        "attempt": 0,
    }
    with pytest.raises(IntegrityError), house.database.write() as connection:
        connection.execute(insert(runs), [row])


def test_a_claim_is_given_to_one_process_only(database: Database, tmp_path: Path) -> None:
    here, there = House(database, tmp_path), House(database, tmp_path, pid=2)
    here.add()
    here.clock.step_to(MIDNIGHT)
    there.clock.step_to(MIDNIGHT)
    here.plan()
    assert len(here.claim()) == 1
    assert there.claim() == []


def test_no_more_runs_go_on_than_there_are_places_in_all(
    database: Database, tmp_path: Path
) -> None:
    here, there = House(database, tmp_path), House(database, tmp_path, pid=2)
    for number in range(12):
        here.add(f"task_{number:02}")
    here.clock.step_to(MIDNIGHT)
    there.clock.step_to(MIDNIGHT)
    here.plan()
    assert len(here.claim(places=5)) == 5
    assert len(there.claim(places=8)) == 3
    assert there.claim(places=8) == []


def test_no_process_takes_more_than_its_share_of_the_places(
    database: Database, tmp_path: Path
) -> None:
    here, there = House(database, tmp_path), House(database, tmp_path, pid=2)
    for number in range(12):
        here.add(f"task_{number:02}")
    for house in (here, there):
        house.clock.step_to(MIDNIGHT)
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
    here, there = House(database, tmp_path), House(database, tmp_path, pid=2)
    here.add()
    here.clock.step_to(MIDNIGHT)
    there.clock.step_to(MIDNIGHT)
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


def test_a_failed_run_ends_its_slot_and_the_task_goes_on(
    database: Database, tmp_path: Path
) -> None:
    house = House(database, tmp_path, persona=ScriptedPersona(PersonaUnreachable()))
    house.add()
    house.clock.step_to(MIDNIGHT)
    house.plan()
    house.settle()
    assert house.plan() == []
    house.pass_time(days=1)
    house.plan()
    house.settle()
    assert house.outcomes() == [("failed", "persona_unreachable"), ("succeeded", None)]
    assert house.registry.get("daily_reflection").run_count == 2


@pytest.mark.parametrize("text", ["", "   \n\t"])
def test_an_empty_answer_fails(database: Database, tmp_path: Path, text: str) -> None:
    house = House(database, tmp_path, persona=ScriptedPersona(text))
    house.add()
    house.executions.start("daily_reflection")
    house.settle()
    assert house.outcomes() == [("failed", "empty_answer")]


def test_a_run_that_takes_too_long_times_out(database: Database, tmp_path: Path) -> None:
    house = House(database, tmp_path, persona=ScriptedPersona(hang))
    house.add(timeout="30s")
    started = house.clock.now()
    house.executions.start("daily_reflection")
    house.settle()
    (run,) = house.runs()
    assert (run.status, run.reason) == (Status.TIMED_OUT, "timeout")
    assert run.completed_at == started + timedelta(seconds=30)


def test_no_run_takes_longer_than_the_service_allows(database: Database, tmp_path: Path) -> None:
    house = House(database, tmp_path, persona=ScriptedPersona(hang))
    house.add(timeout="1h")
    started = house.clock.now()
    house.executions.start("daily_reflection")
    house.settle()
    (run,) = house.runs()
    assert run.status is Status.TIMED_OUT
    assert run.completed_at == started + timedelta(minutes=15)


def test_a_space_that_cannot_be_used_is_an_outcome_with_its_own_reason(
    database: Database, tmp_path: Path
) -> None:
    def is_full(*_: object) -> Reply:
        raise SpaceError("no space is left")

    house = House(database, tmp_path, persona=ScriptedPersona(is_full))
    house.add()
    house.executions.start("daily_reflection")
    house.settle()
    (run,) = house.runs()
    assert (run.status, run.reason) == (Status.FAILED, "space_error")
    assert run.error == "no space is left"


def test_of_an_endless_answer_or_error_the_beginning_is_kept(
    database: Database, tmp_path: Path
) -> None:
    persona = ScriptedPersona("x" * 2 * MOST_RESPONSE, PersonaUnreachable("y" * 2 * MOST_ERROR))
    house = House(database, tmp_path, persona=persona)
    house.add()
    for _ in range(2):
        house.executions.start("daily_reflection")
        house.settle()
        house.pass_time(seconds=1)
    answered, failed = house.runs()
    assert answered.response == "x" * MOST_RESPONSE
    assert failed.error == "y" * MOST_ERROR


class ForgetfulBook:
    """A ledger that does not answer the first two times."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.asked = 0

    def task_at(self, task_id: str, revision: int) -> Task:
        self.asked += 1
        if self.asked < 3:
            raise LedgerUnavailable("not now")
        return self._house.task_at(task_id, revision)

    def refused(self) -> list[str]:
        raise LedgerUnavailable("not now either")


def test_a_run_waits_for_a_ledger_that_does_not_answer(house: House) -> None:
    house.add()
    house.executions.start("daily_reflection")
    (claim,) = house.claim()
    book = ForgetfulBook(house)
    runner = Runner(house.persona, book, house.clock, longest=timedelta(minutes=1))
    assert run_to_its_end(runner, claim).status is Status.SUCCEEDED
    assert book.asked == 3


def test_a_fault_of_our_own_is_an_outcome_too(database: Database, tmp_path: Path) -> None:
    def breaks(*_: object) -> Reply:
        raise ZeroDivisionError("secret detail")

    house = House(database, tmp_path, persona=ScriptedPersona(breaks))
    house.add()
    house.executions.start("daily_reflection")
    house.settle()
    (run,) = house.runs()
    assert (run.status, run.reason) == (Status.FAILED, "internal")
    assert "secret" not in (run.error or "")


@pytest.mark.parametrize("odd", ["nul \0 inside", "half a pair \ud800"])
def test_an_answer_that_no_database_can_hold_is_stored_all_the_same(
    database: Database, tmp_path: Path, odd: str
) -> None:
    house = House(database, tmp_path, persona=ScriptedPersona(odd))
    house.add()
    house.executions.start("daily_reflection")
    house.settle()
    (run,) = house.runs()
    assert run.status is Status.SUCCEEDED
    assert run.response is not None
    assert run.response.startswith(odd[:4])


def test_one_outcome_that_cannot_be_stored_does_not_hold_up_the_others(
    database: Database, tmp_path: Path
) -> None:
    odd = Reply(text="Done.", metadata={"half": "\ud800"})
    house = House(database, tmp_path, persona=ScriptedPersona(odd))
    house.add("first")
    house.add("second")
    house.executions.start("first")
    house.executions.start("second")
    house.settle()
    assert sorted(house.outcomes()) == [("failed", "internal"), ("succeeded", None)]


def test_an_outcome_is_kept_while_the_ledger_does_not_answer(
    database_url: str, tmp_path: Path
) -> None:
    database = AwayDatabase(database_url)
    house = House(database, tmp_path)
    house.add()
    house.executions.start("daily_reflection")
    assert house.engine.step()
    database.away = True
    for _ in range(2):
        with pytest.raises(LedgerUnavailable):
            house.engine.step()
    database.away = False
    house.settle()
    assert house.outcomes() == [("succeeded", None)]
    assert len(list(house.results.path.iterdir())) == 1
    database.close()


def test_a_slot_during_a_run_of_the_same_task_is_skipped(house: House) -> None:
    house.add(schedule="hourly")
    house.clock.step_to(MIDNIGHT)
    house.plan()
    house.claim()
    house.pass_time(hours=1)
    house.plan()
    assert house.outcomes() == [("running", None), ("skipped", "overlap")]


def test_a_task_that_allows_overlap_starts_beside_itself(house: House) -> None:
    house.add(schedule="hourly", overlap="allow")
    house.clock.step_to(MIDNIGHT)
    house.plan()
    house.claim()
    house.pass_time(hours=1)
    house.plan()
    assert len(house.claim()) == 1
    assert house.outcomes() == [("running", None), ("running", None)]


def test_owed_slots_of_one_task_run_one_after_the_other(house: House) -> None:
    house.add(schedule="hourly", missed="all", missed_window="12h")
    house.pass_time(hours=4)
    assert len(house.plan()) == 4
    house.pass_time(minutes=1)
    assert len(house.claim()) == 1
    assert house.claim() == []


def test_after_an_outage_the_newest_slot_runs_and_the_older_are_missed(house: House) -> None:
    house.add(schedule="hourly", missed_window="12h")
    house.pass_time(hours=3)
    house.plan()
    house.settle()
    assert house.outcomes() == [
        ("missed", "superseded"),
        ("missed", "superseded"),
        ("succeeded", None),
    ]


def test_a_catch_up_begins_one_run_after_the_other(house: House) -> None:
    for number in range(5):
        house.add(f"task_{number}")
    house.pass_time(hours=2)
    house.plan()
    began = [len(house.claim())]
    for _ in range(5):
        house.pass_time(seconds=1)
        began.append(len(house.claim()))
    assert began == [1, 1, 1, 1, 1, 0]


def test_a_later_catch_up_begins_after_the_one_before_it(house: House) -> None:
    for number in range(3):
        house.add(f"task_{number}")
    house.pass_time(hours=2)
    house.planner.plan(["task_0", "task_1"])
    house.planner.plan(["task_2"])
    began = [len(house.claim())]
    for _ in range(2):
        house.pass_time(seconds=1)
        began.append(len(house.claim()))
    assert began == [1, 1, 1]


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


def test_slots_on_time_begin_all_at_once(house: House) -> None:
    for number in range(5):
        house.add(f"task_{number}")
    house.clock.step_to(MIDNIGHT)
    house.plan()
    assert len(house.claim()) == 5


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


def test_a_run_that_was_queued_while_the_clock_was_ahead_begins(house: House) -> None:
    house.add()
    house.clock.step_to(MIDNIGHT + timedelta(days=3650))
    house.executions.start("daily_reflection")
    house.clock.step_to(MIDNIGHT)
    assert len(house.claim()) == 1


def test_what_was_queued_while_the_clock_was_ahead_does_not_hold_up_a_catch_up(
    house: House,
) -> None:
    house.add("ahead")
    house.add("behind", schedule="manual")
    house.clock.step_to(MIDNIGHT + timedelta(days=3650, hours=1))
    house.plan()
    house.clock.step_to(MIDNIGHT - timedelta(hours=1))
    house.registry.update("behind", {"schedule": "daily"}, OWNER)
    house.clock.step_to(MIDNIGHT + timedelta(hours=1))
    assert len(house.planner.plan(["behind"])) == 1
    assert "behind" in [claim.task_id for claim in house.claim()]


def test_recording_tells_which_slots_were_new(house: House) -> None:
    house.add(schedule="hourly")
    house.clock.step_to(MIDNIGHT)
    house.plan()
    (first,) = house.runs()
    house.pass_time(hours=1)
    entries = [
        Entry(
            id=f"{number}" * 26,
            task_id="daily_reflection",
            task_name="Daily Reflection",
            revision=1,
            origin=Origin.SCHEDULE,
            status=Status.QUEUED,
            recorded_at=house.clock.now(),
            due_at=house.clock.now(),
            exclusive=True,
            scheduled_for=MIDNIGHT + timedelta(hours=number),
        )
        for number in range(2)
    ]
    with house.database.write() as connection:
        assert house.ledger.record(connection, entries) == entries[1:]
    assert [run.id for run in house.runs()] == [first.id, entries[1].id]


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


def test_the_persona_is_told_the_slot_and_how_late_it_is(house: House) -> None:
    house.add()
    house.clock.step_to(MIDNIGHT + timedelta(hours=2))
    house.plan()
    house.settle()
    occasion = house.persona.requests[0].occasion
    assert occasion.scheduled_for == MIDNIGHT
    assert occasion.lateness == timedelta(hours=2)
    assert (occasion.number, occasion.previous) == (1, None)
    house.pass_time(days=1)
    house.plan()
    house.settle()
    occasion = house.persona.requests[1].occasion
    assert occasion.number == 2
    assert occasion.previous is not None
    assert occasion.previous.status == "succeeded"


def test_a_run_uses_the_revision_of_its_slot(house: House) -> None:
    house.add(prompt="the old words")
    house.clock.step_to(MIDNIGHT)
    house.plan()
    house.registry.update("daily_reflection", {"prompt": "the new words"}, Author(kind="owner"))
    house.settle()
    assert house.persona.requests[0].task.prompt == "the old words"


def test_what_cannot_be_filed_now_is_filed_later(house: House, tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file where the folder should be")
    house.add()
    house.executions.start("daily_reflection")
    house.settle()
    assert house.outcomes() == [("succeeded", None)]
    with pytest.raises(SpaceError):
        house.pass_time(seconds=20)
        house.recovery.step()
    (tmp_path / "results").unlink()
    house.recovery.step()
    assert len(list((tmp_path / "results").iterdir())) == 1
    house.recovery.step()
    assert len(list((tmp_path / "results").iterdir())) == 1


def test_result_names_differ_for_runs_of_one_second(house: House, tmp_path: Path) -> None:
    house.add()
    for _ in range(3):
        house.executions.start("daily_reflection")
        house.settle()
    assert len(list((tmp_path / "results").iterdir())) == 3


def test_results_of_a_task_are_its_own(house: House) -> None:
    house.add("plan")
    house.add("plan_b")
    for task_id in ("plan_b", "plan", "plan_b"):
        house.executions.start(task_id)
        house.settle()
        house.pass_time(minutes=1)
    assert [run.task_id for run in house.history.results(limit=10, task_id="plan")] == ["plan"]
    newest: list[Run] = house.history.results(limit=2)
    assert [run.task_id for run in newest] == ["plan_b", "plan"]


def test_pages_of_runs_follow_each_other_without_gap_or_repeat(house: House) -> None:
    house.add(schedule="hourly", missed="skip")
    house.pass_time(hours=25)
    house.plan()
    seen: list[str] = []
    cursor = None
    while True:
        page = house.history.page(RunFilter(task_id="daily_reflection"), limit=7, cursor=cursor)
        seen += [run.id for run in page.runs]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 25
    assert seen == sorted(seen, reverse=True)


class _Breaks:
    """A recording that fails in a way that nobody foresaw."""

    is_silent = False

    def begin(self, claim: Any) -> Any:
        return self

    def look_first(self) -> None:
        """See nothing."""

    def finish(self, compared: object = (), seen: object = None) -> Any:
        raise RuntimeError


def test_a_recording_that_breaks_costs_only_its_own_run(house: House) -> None:
    house.runner._recorder = _Breaks()
    house.add()
    house.executions.start("daily_reflection")
    house.settle()
    assert house.outcomes() == [("failed", "internal")]
    assert house.engine.held_here() == set()


def test_a_recorder_that_breaks_costs_only_its_own_run(house: House) -> None:
    house.runner._recorder = None  # type: ignore[assignment]  # a fault of our own
    house.add()
    house.executions.start("daily_reflection")
    house.settle()
    assert house.outcomes() == [("failed", "internal")]


def _ended(house: House, *names: str) -> None:
    """Let runs end that are not stored yet."""
    for name in names:
        house.add(name)
        house.executions.start(name)
    for claim in house.claim():
        done = Outcome(status=Status.SUCCEEDED, completed_at=house.clock.now(), response="Done.")
        house.engine._attempts._ended.append((claim, done))


def test_a_drain_stores_what_it_can_where_the_database_refuses_one_outcome(house: House) -> None:
    _ended(house, "one", "two")
    claim, done = house.engine._attempts._ended[0]
    house.engine._attempts._ended[0] = (claim, replace(done, metadata={"odd": object()}))
    house.close()
    assert sorted(house.outcomes()) == [("failed", "internal"), ("succeeded", None)]


def test_a_database_that_goes_away_while_a_batch_is_stored_costs_no_outcome(house: House) -> None:
    _ended(house, "one", "two", "three")
    finish, calls = house.ledger.finish, count(1)

    class Away(type(house.ledger)):  # type: ignore[misc]  # as it was built
        def finish(self, connection: Any, finished: Any, **how: Any) -> Any:
            if (call := next(calls)) < 3:
                raise RuntimeError
            if call == 3:
                raise LedgerUnavailable("gone")
            return finish(connection, finished, **how)

    house.ledger.__class__ = Away
    with suppress(LedgerUnavailable):
        house.engine.step()
    house.settle()
    house.settle()
    assert len(house.outcomes(status=Status.RUNNING)) == 0


@pytest.mark.parametrize(
    "refusal", [RuntimeError(), OperationalError("INSERT", {}, Exception("no such table: words"))]
)
def test_what_cannot_be_remembered_is_stored_all_the_same(
    database: Database, tmp_path: Path, refusal: Exception
) -> None:
    house = House(database, tmp_path)

    def also(_connection: object, accepted: Any) -> None:
        if any(claim.task_id == "one" for claim, _ in accepted):
            raise refusal

    house.ledger._also = also
    _ended(house, "one", "two")
    house.settle()
    assert house.outcomes() == [("succeeded", None), ("succeeded", None)]
