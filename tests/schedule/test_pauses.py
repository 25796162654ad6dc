"""Tasks that are paused until an instant: no slot before it, and one row for each from it on."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from apscheduler.schedulers.background import BackgroundScheduler

from app.core.errors import InvalidInput, NothingToRestore
from app.database import Database
from app.schedule.jobstore import RegistryJobStore
from app.tasks.changes import Put
from app.tasks.task import Author
from tests.house import MIDNIGHT, OWNER, House, definition

FILE = Author(kind="file")
HOUR = timedelta(hours=1)


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    """A house at 23:00 with a task that fires every hour."""
    house = House(database, tmp_path)
    house.add("one", schedule="hourly")
    return house


def change(house: House, **fields: Any) -> None:
    house.registry.update("one", fields, OWNER)


def wrong(house: House, **fields: Any) -> dict[str, str]:
    """Return what is said of each wrong field of a change, which changes nothing."""
    before = house.registry.get("one").revision
    with pytest.raises(InvalidInput) as caught:
        change(house, **fields)
    assert house.registry.get("one").revision == before
    return {error.field: error.message for error in caught.value.errors}


def slots(house: House) -> list[int]:
    """Return the slots that are recorded, in hours after midnight."""
    return [int((run.scheduled_for - MIDNIGHT) / HOUR) for run in house.runs()]  # type: ignore[operator]  # it has one


def is_audited(house: House, expected: int) -> bool:
    """Say whether the last week expected just so many slots, and each has one row."""
    house.pass_time(seconds=11)
    audit = house.auditor.audit(since=house.clock.now() - timedelta(days=7))
    return audit.is_clean and audit.total("expected") == audit.total("recorded") == expected


def tick(house: House, hours: int) -> None:
    """Let so many hours pass as a service lives them: look often, run what is due."""
    for _ in range(hours * 4):
        house.pass_time(minutes=15)
        house.plan()
        house.settle()


def test_a_paused_task_has_no_slot_until_it_wakes_by_itself(house: House) -> None:
    change(house, paused_until="3h")
    record = house.registry.get("one")
    assert record.definition["paused_until"] == "2026-11-24T02:00:00Z"
    assert house.registry.next_run(record) == MIDNIGHT + 2 * HOUR
    tick(house, 5)
    assert slots(house) == [2, 3, 4]
    assert {str(run.status) for run in house.runs()} == {"succeeded"}
    assert house.registry.get("one").revision == 2
    assert is_audited(house, 3)


def test_the_slot_at_the_very_end_of_the_pause_is_the_first(house: House) -> None:
    change(house, paused_until="2026-11-24T02:00:00.000Z")
    tick(house, 3)
    assert slots(house) == [2]


def test_what_was_owed_before_the_pause_stays_owed(house: House) -> None:
    house.clock.step_to(MIDNIGHT + timedelta(minutes=1))
    change(house, paused_until="3h")
    tick(house, 4)
    assert slots(house) == [0, 4]
    assert is_audited(house, 2)


@pytest.mark.parametrize(("missed", "ran"), [("once", 1), ("all", 3), ("skip", 0)])
def test_a_service_that_was_down_at_the_end_owes_only_what_came_after_it(
    house: House, missed: str, ran: int
) -> None:
    change(house, paused_until="3h", missed=missed, missed_window="1d")
    house.pass_time(hours=5, minutes=30)
    assert len(house.plan()) == ran
    assert slots(house) == [2, 3, 4]
    assert is_audited(house, 3)


def test_several_processes_wake_a_task_once_and_write_no_revision(
    house: House, tmp_path: Path
) -> None:
    change(house, paused_until="3h")
    others = [House(house.database, tmp_path, pid=pid, clock=house.clock) for pid in (2, 3)]
    for each in (house, *others):
        assert each.plan() == []
    house.clock.step_to(MIDNIGHT + 2 * HOUR)
    assert [len(each.plan()) for each in (*others, house)] == [1, 0, 0]
    assert slots(house) == [2]
    assert len(house.registry.history("one")) == 2


def test_the_alarm_clock_does_not_ring_for_a_paused_task(house: House) -> None:
    change(house, paused_until="3h")
    scheduler = BackgroundScheduler(timezone="UTC")
    store = RegistryJobStore(house.registry, house.clock)
    scheduler.add_jobstore(store)
    store.start(scheduler, "default")
    wakes = MIDNIGHT + 2 * HOUR
    assert store.get_due_jobs(wakes - timedelta(seconds=1)) == []
    assert [job.id for job in store.get_due_jobs(wakes)] == ["one"]


# ---- edits meanwhile


def test_a_new_schedule_counts_from_the_end_of_the_pause_on(house: House) -> None:
    change(house, paused_until="3h")
    tick(house, 2)
    change(house, schedule="every 30m")
    tick(house, 2)
    assert slots(house) == [2, 2, 3]
    assert is_audited(house, 3)


@pytest.mark.parametrize("end", [{"paused_until": None}, {"enabled": True}])
def test_a_pause_that_is_ended_early_owes_nothing(house: House, end: dict[str, Any]) -> None:
    change(house, paused_until="5h")
    tick(house, 2)
    change(house, **end)
    assert "paused_until" not in house.registry.get("one").definition
    tick(house, 2)
    assert slots(house) == [2, 3]
    assert is_audited(house, 2)


def test_a_pause_may_become_longer_and_shorter(house: House) -> None:
    change(house, paused_until="2h")
    tick(house, 1)
    change(house, paused_until="5h")
    tick(house, 3)
    assert slots(house) == []
    change(house, paused_until="1h")
    tick(house, 2)
    assert slots(house) == [4, 5]
    assert is_audited(house, 2)


def test_a_pause_after_a_pause_leaves_out_both(house: House) -> None:
    change(house, paused_until="2h")
    tick(house, 3)
    change(house, paused_until="2h")
    tick(house, 4)
    assert slots(house) == [1, 2, 4, 5, 6]
    assert is_audited(house, 5)


def test_a_task_that_is_disabled_meanwhile_does_not_wake(house: House) -> None:
    change(house, paused_until="2h")
    change(house, enabled=False)
    assert "paused_until" not in house.registry.get("one").definition
    tick(house, 4)
    assert slots(house) == []
    change(house, enabled=True, paused_until="2h")
    tick(house, 3)
    assert slots(house) == [5, 6]
    assert is_audited(house, 2)


def test_a_rename_leaves_the_pause_alone(house: House) -> None:
    change(house, paused_until="3h")
    change(house, name="Another")
    tick(house, 2)
    assert slots(house) == []
    tick(house, 2)
    change(house, name="A third")
    assert slots(house) == [2, 3]
    assert is_audited(house, 2)


def test_what_is_restored_by_default_differs_from_what_is_in_force(house: House) -> None:
    change(house, paused_until="3h")
    change(house, enabled=False)
    change(house, enabled=True)
    house.registry.delete("one", OWNER)
    restored = [house.registry.restore("one", OWNER) for _ in range(3)]
    assert [record.revision for record in restored] == [6, 7, 8]
    assert [record.enabled for record in restored] == [True, False, True]
    house.add("two", schedule="hourly")
    with pytest.raises(NothingToRestore):
        house.registry.restore("two", OWNER)


def test_a_pause_is_restored_with_its_revision(house: House) -> None:
    change(house, paused_until="3h")
    change(house, enabled=True)
    house.registry.restore("one", OWNER, revision=2)
    tick(house, 4)
    assert slots(house) == [2, 3]
    change(house, enabled=True)
    house.registry.restore("one", OWNER, revision=2)
    tick(house, 1)
    assert slots(house) == [2, 3, 4]
    assert is_audited(house, 3)


def test_a_task_may_begin_with_a_pause(house: House) -> None:
    house.add("other", schedule="hourly", paused_until="2h")
    assert house.registry.next_run(house.registry.get("other")) == MIDNIGHT + HOUR


def test_a_time_without_an_offset_is_one_of_the_tasks_zone(house: House) -> None:
    change(house, paused_until="2026-11-24T09:00", timezone="Asia/Tokyo")
    assert house.registry.get("one").definition["paused_until"] == "2026-11-24T00:00:00Z"


# ---- what is refused


def test_a_task_that_is_not_enabled_cannot_be_paused_until_a_time(house: House) -> None:
    said = {"paused_until": "a task that is not enabled does not wake by itself: take one of both"}
    said["paused_until"] += " away"
    assert wrong(house, enabled=False, paused_until="3h") == said
    change(house, enabled=False)
    assert wrong(house, paused_until="3h") == said
    bad = definition("two", enabled=False, paused_until="3h")
    with pytest.raises(InvalidInput):
        house.registry.create(bad, OWNER)


def test_a_pause_that_is_over_is_none(house: House) -> None:
    past = "2026-11-23T22:59"
    assert wrong(house, paused_until=past) == {"paused_until": "has passed; null ends a pause"}
    assert "paused_until" in wrong(house, paused_until="2026-11-23T23:00Z")


def test_a_pause_that_has_passed_may_stay_with_other_fields(house: House) -> None:
    change(house, paused_until="3h")
    tick(house, 4)
    stale = house.registry.get("one").definition
    change(house, **{**stale, "name": "Another"})
    house.registry.apply([Put(task_id="two", definition={**stale, "id": "two"})], FILE)
    house.registry.check({**stale, "enabled": False}, previous=house.registry.get("one"))
    tick(house, 1)
    assert slots(house) == [2, 3, 4, 4]


@pytest.mark.parametrize("text", ["soon", "30", "2026-12-01", ""])
def test_what_is_no_time_is_said_of_that_field(house: House, text: str) -> None:
    assert set(wrong(house, paused_until=text)) == {"paused_until"}


def test_a_pause_in_which_the_only_slot_would_pass_is_refused(house: House) -> None:
    change(house, schedule="in 2h")
    assert "lies after the last firing" in wrong(house, paused_until="3h")["paused_until"]
    change(house, paused_until="2h")
    tick(house, 3)
    assert slots(house) == [1]


def test_the_end_of_a_pause_is_no_reason_to_refuse_what_has_fired(house: House) -> None:
    change(house, schedule="in 2h", paused_until="1h")
    tick(house, 3)
    change(house, paused_until=None)
    assert "paused_until" not in house.registry.get("one").definition


def test_a_pause_beyond_the_only_firing_is_refused_by_its_own_name(house: House) -> None:
    change(house, schedule="in 3m")
    assert wrong(house, paused_until="1h") == {
        "paused_until": "2026-11-24T00:00:00Z lies after the last firing of the schedule, at"
        " 2026-11-23T23:03:00Z: the task would never run"
    }
    assert wrong(house, schedule="in 3m", paused_until="3d").keys() == {"paused_until"}
    with pytest.raises(InvalidInput, match="paused_until"):
        house.add("two", schedule="in 1h", paused_until="3d")
    assert "never fires" in wrong(house, schedule="at 2020-01-01T00:00")["schedule"]
    change(house, paused_until="2m")
