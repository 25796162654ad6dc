"""From a due task to its slots: one row each, run on time, late, beside another, or missed."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from app.database import Database
from app.runs.run import Entry, Origin, Status
from app.runs.tables import runs
from app.tasks.task import Author
from tests.house import MIDNIGHT, OWNER, House, two_at_midnight


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
    here, there = two_at_midnight(database, tmp_path)
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


def test_slots_on_time_begin_all_at_once(house: House) -> None:
    for number in range(5):
        house.add(f"task_{number}")
    house.clock.step_to(MIDNIGHT)
    house.plan()
    assert len(house.claim()) == 5


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
