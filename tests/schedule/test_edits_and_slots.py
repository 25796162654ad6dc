"""Edits, outages and steps of the clock: every slot belongs to one definition and has one row."""

import threading
from collections.abc import Iterator
from datetime import UTC, timedelta
from pathlib import Path

import pytest
from apscheduler.schedulers.background import BackgroundScheduler

from app.core.clock import FakeClock
from app.core.errors import LedgerUnavailable
from app.database import Database
from app.runs.run import Status
from app.schedule.jobstore import LedgerExecutor, RegistryJobStore
from app.schedule.planner import PlanningThread
from app.tasks.changes import ImportedState, Put
from app.tasks.task import Author
from tests.house import MIDNIGHT, OWNER, AwayDatabase, House, definition

FILE = Author(kind="file")


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    return House(database, tmp_path)


def audited(house: House, **window: int) -> tuple[int, int, int, int, int]:
    house.clock.advance(timedelta(seconds=11))
    audit = house.auditor.audit(since=house.clock.now() - timedelta(**window))
    names = ("expected", "recorded", "missing", "duplicated", "unexpected")
    return tuple(audit.total(name) for name in names)  # type: ignore[return-value]  # five names


def test_a_rename_moves_no_slot(house: House) -> None:
    house.add()
    house.clock.step_to(MIDNIGHT + timedelta(minutes=1))
    house.registry.update("daily_reflection", {"name": "Another name"}, OWNER)
    assert len(house.plan()) == 1
    house.settle()
    assert house.outcomes() == [("succeeded", None)]
    assert audited(house, days=1) == (1, 1, 0, 0, 0)


def test_an_edit_of_the_schedule_leaves_the_old_slots_owed(house: House) -> None:
    house.add(schedule="hourly")
    house.clock.step_to(MIDNIGHT + timedelta(minutes=1))
    house.registry.update("daily_reflection", {"schedule": "0 12 * * *"}, OWNER)
    house.settle()
    assert house.outcomes() == [("succeeded", None)]
    house.clock.step_to(MIDNIGHT + timedelta(hours=13))
    house.plan()
    assert len(house.runs()) == 2
    assert audited(house, days=1) == (2, 2, 0, 0, 0)


def test_an_edit_of_the_zone_leaves_the_old_slots_owed(house: House) -> None:
    house.add()
    house.clock.step_to(MIDNIGHT + timedelta(minutes=1))
    house.registry.update("daily_reflection", {"timezone": "Asia/Tokyo"}, OWNER)
    house.settle()
    assert [run.scheduled_for for run in house.runs()] == [MIDNIGHT]
    house.clock.step_to(MIDNIGHT + timedelta(hours=15))
    house.plan()
    assert house.runs()[1].scheduled_for == MIDNIGHT + timedelta(hours=15)
    assert audited(house, days=1) == (2, 2, 0, 0, 0)


def test_a_disabled_task_has_no_next_run(house: House) -> None:
    house.add(enabled=False)
    assert house.registry.next_run(house.registry.get("daily_reflection")) is None


def test_a_disabled_task_expects_nothing_and_goes_on_from_the_day_it_is_enabled(
    house: House,
) -> None:
    house.add(schedule="hourly")
    house.registry.update("daily_reflection", {"enabled": False}, OWNER)
    house.pass_time(hours=5)
    assert house.plan() == []
    house.registry.update("daily_reflection", {"enabled": True}, OWNER)
    house.pass_time(hours=2)
    house.plan()
    assert len(house.runs()) == 2
    assert audited(house, days=1) == (2, 2, 0, 0, 0)


def test_a_deleted_task_keeps_its_slots_and_a_new_one_of_its_name_begins_afresh(
    house: House,
) -> None:
    house.add(schedule="hourly")
    house.pass_time(hours=2)
    house.plan()
    house.registry.delete("daily_reflection", OWNER)
    house.pass_time(hours=3)
    house.add(schedule="hourly")
    house.pass_time(hours=1)
    house.plan()
    assert len(house.runs()) == 3
    assert audited(house, days=1) == (3, 3, 0, 0, 0)


def test_an_imported_overdue_next_run_is_an_owed_slot(house: House) -> None:
    house.clock.step_to(MIDNIGHT + timedelta(hours=3))
    state = ImportedState(next_run=MIDNIGHT, last_run=MIDNIGHT - timedelta(days=1), run_count=7)
    put = Put(task_id="daily_reflection", definition=definition(), imported=state)
    house.registry.apply([put], FILE)
    record = house.registry.get("daily_reflection")
    assert (record.run_count, house.registry.next_run(record)) == (7, MIDNIGHT)
    house.plan()
    house.settle()
    assert house.outcomes() == [("succeeded", None)]
    assert house.registry.get("daily_reflection").run_count == 8
    assert audited(house, days=2) == (1, 1, 0, 0, 0)


def test_an_imported_next_run_off_the_hour_owes_the_slot_before_it(house: House) -> None:
    at = MIDNIGHT + timedelta(minutes=22, seconds=57)
    house.clock.step_to(MIDNIGHT + timedelta(minutes=40))
    put = Put(
        task_id="daily_reflection",
        definition=definition(schedule="hourly"),
        imported=ImportedState(next_run=at),
    )
    house.registry.apply([put], FILE)
    house.plan()
    (run,) = house.runs()
    assert run.scheduled_for == MIDNIGHT


@pytest.mark.parametrize("days", [0, 3650])
def test_an_imported_next_run_to_come_owes_nothing_and_puts_nothing_off(
    house: House, days: int
) -> None:
    put = Put(
        task_id="daily_reflection",
        definition=definition(),
        imported=ImportedState(next_run=MIDNIGHT + timedelta(days=days)),
    )
    house.registry.apply([put], FILE)
    assert house.plan() == []
    assert house.registry.next_run(house.registry.get("daily_reflection")) == MIDNIGHT


def test_what_a_deleted_task_once_owed_is_not_imported_with_its_id(house: House) -> None:
    house.add()
    house.registry.delete("daily_reflection", OWNER)
    put = Put(
        task_id="daily_reflection",
        definition=definition(),
        imported=ImportedState(next_run=MIDNIGHT - timedelta(days=1), run_count=7),
    )
    house.registry.apply([put], FILE)
    record = house.registry.get("daily_reflection")
    assert (record.run_count, house.registry.next_run(record)) == (0, MIDNIGHT)


def test_a_long_outage_is_one_summary_and_the_audit_counts_it(house: House) -> None:
    house.add(schedule="* * * * *")
    house.pass_time(days=30)
    house.plan()
    assert audited(house, days=40)[2:] == (0, 0, 0)
    assert audited(house, days=7)[2:] == (0, 0, 0)
    summary = list(house.history.slots(MIDNIGHT - timedelta(days=1), MIDNIGHT))
    assert summary[0].count == 30 * 24 * 60 - 1000


def test_the_clock_stepped_back_repeats_nothing(house: House) -> None:
    house.add(schedule="hourly")
    house.clock.step_to(MIDNIGHT + timedelta(hours=2))
    house.plan()
    house.settle()
    rows = len(house.runs())
    house.clock.step_to(MIDNIGHT)
    assert house.plan() == []
    house.registry.update("daily_reflection", {"schedule": "every 30m"}, OWNER)
    house.clock.step_to(MIDNIGHT + timedelta(hours=2, minutes=31))
    house.plan()
    assert len(house.runs()) == rows + 1
    assert audited(house, days=1)[2:] == (0, 0, 0)


def test_a_clock_that_was_years_ahead_does_not_silence_a_task(house: House) -> None:
    house.add(schedule="hourly")
    house.clock.step_to(MIDNIGHT)
    house.plan()
    house.settle()
    house.clock.step_to(MIDNIGHT + timedelta(days=3650))
    house.plan()
    house.settle()
    house.registry.update("daily_reflection", {"schedule": "every 30m"}, OWNER)
    house.clock.step_to(MIDNIGHT + timedelta(minutes=1))
    assert house.plan() == []
    assert house.planner.mend_clock_ahead() == ["daily_reflection"]
    assert house.planner.mend_clock_ahead() == []
    house.clock.step_to(MIDNIGHT + timedelta(minutes=30))
    house.plan()
    house.settle()
    slots = [run.scheduled_for for run in house.runs()]
    assert slots[:2] == [MIDNIGHT, MIDNIGHT + timedelta(minutes=30)]
    assert audited(house, hours=1)[2:] == (0, 0, 0)


def ahead(house: House, *task_ids: str) -> None:
    """Let the clock be ten years ahead for a moment, in which these tasks are planned."""
    now = house.clock.now()
    house.clock.step_to(now + timedelta(days=3650))
    house.planner.plan(task_ids)
    house.clock.step_to(now)


def test_mending_a_clock_that_was_ahead_leaves_alone_what_has_run(house: House) -> None:
    house.add()
    house.clock.step_to(MIDNIGHT + timedelta(days=3650))
    house.plan()
    house.settle()
    ran = {run.id for run in house.runs(status=Status.SUCCEEDED)}
    assert len(ran) == 1
    house.clock.step_to(MIDNIGHT)
    assert house.planner.mend_clock_ahead() == ["daily_reflection"]
    assert {run.id for run in house.runs()} == ran


def test_mending_a_clock_that_was_ahead_leaves_alone_what_has_passed(house: House) -> None:
    house.add(schedule="hourly", missed="skip")
    house.pass_time(hours=3)
    house.plan()
    passed = {run.id for run in house.runs()}
    ahead(house, "daily_reflection")
    house.planner.mend_clock_ahead()
    assert {run.id for run in house.runs()} == passed
    assert audited(house, days=1) == (3, 3, 0, 0, 0)


def test_mending_a_clock_that_was_ahead_leaves_alone_tasks_that_were_not(house: House) -> None:
    house.add("often", schedule="hourly")
    house.add("seldom")
    house.clock.step_to(MIDNIGHT)
    house.planner.plan(["seldom"])
    house.clock.step_to(MIDNIGHT - timedelta(minutes=2))
    ahead(house, "often")
    assert house.planner.mend_clock_ahead() == ["often"]
    assert [run.task_id for run in house.runs()] == ["seldom"]


def test_slots_that_a_clock_ahead_has_summed_up_with_those_to_come_are_owed_again(
    house: House,
) -> None:
    house.add(schedule="* * * * *")
    house.clock.step_to(MIDNIGHT - timedelta(minutes=30))
    ahead(house, "daily_reflection")
    house.planner.mend_clock_ahead()
    house.plan()
    assert audited(house, days=1) == (30, 30, 0, 0, 0)


def test_a_one_off_fires_once_and_stays_readable(house: House) -> None:
    house.add(schedule="in 30m")
    house.pass_time(minutes=31)
    house.plan()
    house.settle()
    record = house.registry.get("daily_reflection")
    assert record.task.schedule.startswith("at 2026-11-23T23:30")
    assert house.registry.next_run(record) is None
    house.registry.update("daily_reflection", {"name": "Still here"}, OWNER)
    assert audited(house, days=1) == (1, 1, 0, 0, 0)


def test_another_default_zone_is_a_revision_of_every_task_that_names_none(
    database: Database, tmp_path: Path
) -> None:
    before = House(database, tmp_path)
    before.add("bare")
    before.add("zoned", timezone="Asia/Tokyo")
    house = House(database, tmp_path, clock=before.clock, default_timezone="Europe/Berlin")
    house.registry.adopt_default_timezone("Europe/Berlin")
    assert house.registry.get("bare").task.timezone == "Europe/Berlin"
    assert house.registry.get("zoned").revision == 1
    house.pass_time(days=1)
    house.plan()
    assert audited(house, days=3)[2:] == (0, 0, 0)
    house.registry.adopt_default_timezone("Europe/Berlin")
    assert house.registry.get("bare").revision == 2


@pytest.mark.parametrize(
    "begin", [timedelta(0), timedelta(hours=6), timedelta(hours=11, minutes=59)]
)
def test_the_audit_expects_the_slots_of_a_part_of_a_day(house: House, begin: timedelta) -> None:
    house.add(schedule="* * * * *")
    house.clock.step_to(MIDNIGHT + timedelta(hours=3))
    house.registry.update("daily_reflection", {"name": "Another name"}, OWNER)
    house.clock.step_to(MIDNIGHT + timedelta(hours=12))
    house.plan()
    house.clock.advance(timedelta(seconds=11))
    audit = house.auditor.audit(since=MIDNIGHT + begin)
    assert audit.is_clean
    assert audit.total("expected") == (timedelta(hours=12) - begin) // timedelta(minutes=1)


def test_the_audit_of_a_part_of_a_day_expects_nothing_of_a_task_deleted_before(
    house: House,
) -> None:
    house.add(schedule="hourly")
    house.clock.step_to(MIDNIGHT + timedelta(hours=3))
    house.plan()
    house.registry.delete("daily_reflection", OWNER)
    house.clock.step_to(MIDNIGHT + timedelta(hours=12))
    audit = house.auditor.audit(since=MIDNIGHT + timedelta(hours=6))
    assert (audit.total("expected"), audit.total("recorded")) == (0, 0)


def test_the_audit_sees_a_slot_that_is_missing(house: House) -> None:
    house.add(schedule="hourly")
    house.pass_time(hours=3)
    assert audited(house, days=1) == (3, 0, 3, 0, 0)


def test_the_audit_sees_a_slot_that_nobody_expected(house: House) -> None:
    house.add(schedule="hourly")
    house.pass_time(hours=2)
    house.plan()
    with house.database.write() as connection:
        connection.exec_driver_sql(
            "UPDATE task_revisions SET definition = replace(definition, 'hourly', 'daily')"
        )
    assert audited(house, days=1) == (1, 2, 0, 0, 1)


def opened(house: House) -> RegistryJobStore:
    store = RegistryJobStore(house.registry, house.clock)
    store.start(BackgroundScheduler(timezone=UTC), "default")
    return store


def test_the_clock_of_a_process_rings_for_due_tasks_only(house: House) -> None:
    house.add("now", schedule="hourly")
    house.add("later", schedule="0 12 * * *")
    house.add("never", schedule="manual")
    store = opened(house)
    assert store.get_due_jobs(house.clock.now()) == []
    assert store.get_next_run_time() == house.clock.now() + timedelta(seconds=0.25)
    house.clock.advance(timedelta(seconds=0.25))
    assert store.get_next_run_time() == house.clock.now() + timedelta(seconds=1)
    house.clock.step_to(MIDNIGHT)
    (job,) = store.get_due_jobs(house.clock.now())
    assert (job.id, job.next_run_time) == ("now", MIDNIGHT)
    assert store.get_due_jobs(house.clock.now()) == []


def test_a_clock_goes_on_to_the_next_slot_once_the_present_one_is_written_down(
    house: House,
) -> None:
    house.add(schedule="hourly")
    store = opened(house)
    house.clock.step_to(MIDNIGHT)
    store.get_due_jobs(house.clock.now())
    house.plan()
    assert store.get_due_jobs(house.clock.now()) == []
    (job,) = store.get_all_jobs()
    assert job.next_run_time == MIDNIGHT + timedelta(hours=1)


def test_a_clock_rings_again_until_the_slot_is_written_down(house: House) -> None:
    """A wall clock stepped back by a blink between ringing and planning must cost no slot."""
    house.add(schedule="hourly")
    store = opened(house)
    house.clock.step_to(MIDNIGHT)
    (job,) = store.get_due_jobs(house.clock.now())
    job.next_run_time = job.trigger.get_next_fire_time(MIDNIGHT, house.clock.now())
    store.update_job(job)
    house.clock.step_to(MIDNIGHT - timedelta(milliseconds=50))
    assert house.plan() == []
    house.clock.step_to(MIDNIGHT + timedelta(seconds=3))
    assert [job.id for job in store.get_due_jobs(house.clock.now())] == ["daily_reflection"]


def test_a_clock_that_is_started_again_knows_nothing_and_forgets_nothing(house: House) -> None:
    for number in range(3):
        house.add(f"task_{number}")
    store = opened(house)
    house.clock.step_to(MIDNIGHT)
    assert len(store.get_due_jobs(house.clock.now())) == 3
    store.start(BackgroundScheduler(timezone=UTC), "default")
    assert len(store.get_due_jobs(house.clock.now())) == 3


def test_a_zone_that_this_machine_does_not_know_silences_one_task_only(house: House) -> None:
    house.add("lost", timezone="Europe/Berlin")
    house.add("found")
    with house.database.write() as connection:
        connection.exec_driver_sql(
            "UPDATE tasks SET timezone = 'Mars/Olympus', changed = 99 WHERE id = 'lost'"
        )
        connection.exec_driver_sql("UPDATE registry_clock SET version = 99")
    there = House(house.database, house.results.path, clock=house.clock)
    store = opened(there)
    house.clock.step_to(MIDNIGHT + timedelta(minutes=1))
    assert [job.id for job in store.get_due_jobs(house.clock.now())] == ["found"]
    assert len(there.planner.plan(["found", "lost"])) == 1


def test_a_ringing_clock_does_not_walk_through_the_slots_that_passed(house: House) -> None:
    house.add("now", schedule="every 1s")
    store = opened(house)
    house.pass_time(days=30)
    (job,) = store.get_due_jobs(house.clock.now())
    assert len(job._get_run_times(house.clock.now())) == 1


def test_a_task_deleted_while_its_job_is_in_the_air_rings_no_more(house: House) -> None:
    house.add(schedule="hourly")
    store = opened(house)
    house.clock.step_to(MIDNIGHT)
    (job,) = store.get_due_jobs(house.clock.now())
    house.registry.delete("daily_reflection", OWNER)
    store.refresh()
    store.update_job(job)
    assert store.lookup_job("daily_reflection") is None


def test_a_job_that_is_removed_leaves_the_task_and_rings_after_its_next_edit(house: House) -> None:
    house.add(schedule="hourly")
    store = opened(house)
    store.refresh()
    store.remove_job("daily_reflection")
    assert store.get_all_jobs() == []
    house.registry.update("daily_reflection", {"schedule": "every 30m"}, OWNER)
    house.clock.step_to(MIDNIGHT)
    assert [job.id for job in store.get_due_jobs(house.clock.now())] == ["daily_reflection"]


def test_jobs_come_from_the_registry_only_and_none_has_a_body_here(house: House) -> None:
    house.add()
    store = opened(house)
    store.refresh()
    (job,) = store.get_all_jobs()
    with pytest.raises(TypeError):
        store.add_job(job)
    rung: list[str] = []
    executor = LedgerExecutor(rung.append)
    executor.submit_job(job, [])
    assert rung == []
    executor.submit_job(job, [MIDNIGHT])
    assert rung == ["daily_reflection"]
    with pytest.raises(TypeError):
        executor._do_submit_job(job, [MIDNIGHT])


@pytest.fixture
def away(database_url: str, tmp_path: Path) -> Iterator[House]:
    """A house whose database goes away when it is told to."""
    database = AwayDatabase(database_url)
    yield House(database, tmp_path)
    database.close()


def is_away(house: House, away: bool) -> None:
    assert isinstance(house.database, AwayDatabase)
    house.database.away = away


def test_a_clock_rings_for_what_it_knows_while_the_ledger_does_not_answer(away: House) -> None:
    away.add()
    store = opened(away)
    store.refresh()
    is_away(away, True)
    away.clock.step_to(MIDNIGHT)
    assert [job.id for job in store.get_due_jobs(MIDNIGHT)] == ["daily_reflection"]
    is_away(away, False)


def test_what_could_not_be_planned_is_planned_when_the_ledger_answers_again(away: House) -> None:
    queued: list[bool] = []
    planning = PlanningThread(away.planner, away.clock, on_queued=lambda: queued.append(True))
    away.add()
    away.clock.step_to(MIDNIGHT)
    planning.ring("daily_reflection")
    is_away(away, True)
    with pytest.raises(LedgerUnavailable):
        planning.step()
    is_away(away, False)
    assert planning.step()
    assert len(away.runs()) == len(queued) == 1
    assert not planning.step()


class Crowd:
    """Tasks that are due together, two of which take planning a second; it notes its rests."""

    def __init__(self, house: House, tasks: int, **fields: str) -> None:
        self.rests: list[timedelta] = []
        crowd = self

        class Rests(FakeClock):
            def wait(self, event: threading.Event, span: timedelta) -> bool:
                crowd.rests.append(span)
                return super().wait(event, span)

        self.clock = house.clock = house.planner._clock = Rests(MIDNIGHT - timedelta(hours=1))
        self.planning = PlanningThread(house.planner, self.clock, on_queued=self.works)
        names = [f"task_{number:02}" for number in range(tasks)]
        for name in names:
            house.add(name, **fields)
        self.clock.step_to(MIDNIGHT)
        for name in names:
            self.planning.ring(name)

    def works(self) -> None:
        self.clock.advance(timedelta(seconds=1))


@pytest.fixture
def two_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.schedule.planner._AT_ONCE", 2)


@pytest.mark.usefixtures("two_at_once")
def test_where_much_is_due_at_once_planning_rests_as_long_as_it_works(house: House) -> None:
    crowd = Crowd(house, 3)
    crowd.planning.plan_all()
    assert len(house.runs()) == 3
    assert crowd.rests == [timedelta(seconds=1)], "between the two steps, not after the last"


@pytest.mark.usefixtures("two_at_once")
def test_planning_rests_no_longer_where_slots_would_be_late(house: House) -> None:
    crowd = Crowd(house, 18, missed="skip")
    crowd.planning.plan_all()
    assert house.outcomes() == [("queued", None)] * 18, "after 9 seconds of work"
    assert crowd.rests == [timedelta(seconds=1)]


@pytest.mark.usefixtures("two_at_once")
def test_planning_that_is_to_stop_finishes_the_step_at_hand(house: House) -> None:
    crowd = Crowd(house, 6)
    crowd.planning._stopping.set()
    crowd.planning.plan_all()
    assert len(house.runs()) == 2


def test_planning_tries_again_by_itself_though_nothing_rings_any_more(away: House) -> None:
    queued = threading.Event()

    class AnswersInTheEnd(FakeClock):
        def wait(self, event: threading.Event, span: timedelta) -> bool:
            is_away(away, False)
            return super().wait(event, span)

    planning = PlanningThread(away.planner, AnswersInTheEnd(MIDNIGHT), on_queued=queued.set)
    away.add()
    away.clock.step_to(MIDNIGHT)
    planning.ring("daily_reflection")
    is_away(away, True)
    planning.start()
    try:
        assert queued.wait(30)
    finally:
        planning.stop()
    assert len(away.runs()) == 1
