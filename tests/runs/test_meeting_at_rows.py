"""Two processes that want the same rows at the same time: the second one waits, and sees."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from app.core.errors import TaskExists, TaskNotFound
from app.database import Database
from app.runs.run import Outcome, Status
from app.tasks import rows
from app.tasks.changes import Change, Put, Remove
from tests.house import MIDNIGHT, OWNER, House, definition

AS_FAR_AS_IT_CAN = 0.3
LONG_ENOUGH = 20.0


class Meanwhile:
    """What another process does while this one is in the middle of a transaction."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._results: list[Any] = []

    def begin(self, work: Callable[[], Any], *, within: float = AS_FAR_AS_IT_CAN) -> None:
        """Begin, and go on for a while: until it is done or has to wait."""

        def carry_out() -> None:
            try:
                self._results.append(work())
            except BaseException as error:
                self._results.append(error)

        self._thread = threading.Thread(target=carry_out)
        self._thread.start()
        self._thread.join(within)

    @property
    def waits(self) -> bool:
        """Whether it has begun and is not done."""
        return self._thread is not None and self._thread.is_alive()

    def result(self) -> Any:
        """Return what came of it in the end: a value or an error."""
        assert self._thread is not None
        self._thread.join(LONG_ENOUGH)
        (found,) = self._results
        return found


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    return House(database, tmp_path)


@pytest.fixture
def other(house: House, tmp_path: Path) -> House:
    """Another process of the same ledger and clock."""
    return House(house.database, tmp_path, clock=house.clock, pid=2)


@pytest.fixture
def meanwhile() -> Iterator[Meanwhile]:
    work = Meanwhile()
    yield work
    assert not work.waits


def change(house: House, changed: Change, at_its_end: Callable[[], None]) -> None:
    """Change a task, and do something else just before the change is committed."""

    def also(_: Connection) -> None:
        at_its_end()

    house.registry.change([changed.task_id], lambda _: [changed], OWNER, also)


def test_a_run_by_hand_waits_for_a_deletion_and_is_refused(
    house: House, other: House, meanwhile: Meanwhile
) -> None:
    house.add()
    change(
        house,
        Remove(task_id="daily_reflection"),
        lambda: meanwhile.begin(lambda: other.executions.start("daily_reflection")),
    )
    assert isinstance(meanwhile.result(), TaskNotFound)
    assert house.runs() == []


def test_planning_waits_for_an_edit_and_goes_by_it(
    house: House, other: House, meanwhile: Meanwhile
) -> None:
    house.add(schedule="hourly")
    other.registry.snapshot()

    def midnight() -> None:
        house.clock.step_to(MIDNIGHT)
        meanwhile.begin(lambda: other.planner.plan(["daily_reflection"]))

    noon = Put(task_id="daily_reflection", definition=definition(schedule="0 12 * * *"))
    change(house, noon, midnight)
    assert meanwhile.result() == []
    assert house.runs() == []


def test_a_task_that_is_just_being_created_exists(
    house: House, other: House, meanwhile: Meanwhile
) -> None:
    new = Put(task_id="daily_reflection", definition=definition())
    change(house, new, lambda: meanwhile.begin(other.add))
    assert isinstance(meanwhile.result(), TaskExists)


@pytest.mark.parametrize("step", ["finish", "release", "plan"])
def test_whoever_waits_for_a_task_holds_nothing_that_its_holder_needs(
    house: House, other: House, meanwhile: Meanwhile, step: str
) -> None:
    """Tasks first, then runs, then the version: another order would end in a deadlock."""
    house.add(schedule="hourly", on_interrupt="leave")
    house.clock.step_to(MIDNIGHT)
    other.plan()
    (claim,) = other.claim()
    house.pass_time(hours=1)
    outcome = Outcome(status=Status.SUCCEEDED, completed_at=MIDNIGHT, response="Done.")

    def finish() -> object:
        with other.database.write() as connection:
            return other.ledger.finish(connection, [(claim, outcome)])

    work = {"finish": finish, "release": other.release, "plan": other.plan}
    with house.database.write() as connection:
        rows.lock_rows(connection, ["daily_reflection"])
        meanwhile.begin(work[step])
        rows.raise_version(connection)
    results = {"finish": [(claim, outcome)], "release": 1, "plan": []}
    assert meanwhile.result() == results[step]


def test_claims_take_turns_so_that_no_more_runs_go_on_than_there_are_places(
    house: House, other: House, meanwhile: Meanwhile
) -> None:
    for number in range(12):
        house.add(f"task_{number:02}")
    house.clock.step_to(MIDNIGHT)
    house.plan()
    with house.database.write() as connection:
        assert house.ledger.count_running(connection, "here") == (0, 0)
        claims = house.ledger.claim(connection, owner="here", now=MIDNIGHT, places=8)
        meanwhile.begin(other.claim)
    assert len(claims) == 8
    assert meanwhile.result() == []


def test_a_claim_waits_for_no_run_that_is_being_cancelled_and_does_not_take_it(
    house: House, other: House, meanwhile: Meanwhile
) -> None:
    house.add("first")
    house.add("second")
    house.clock.step_to(MIDNIGHT)
    house.plan()

    def claim() -> None:
        # SQLite lets one writer in at a time, whatever it writes
        meanwhile.begin(other.claim, within=0.1 if house.database.is_sqlite else LONG_ENOUGH)
        assert meanwhile.waits == house.database.is_sqlite

    change(house, Remove(task_id="first"), claim)
    assert [claimed.task_id for claimed in meanwhile.result()] == ["second"]
    found = {run.task_id: (str(run.status), run.reason) for run in house.runs()}
    assert found == {"first": ("cancelled", "task_deleted"), "second": ("running", None)}


def test_a_clock_that_was_ahead_is_mended_by_one_process_only(
    house: House, other: House, meanwhile: Meanwhile
) -> None:
    house.add(schedule="hourly")
    house.clock.step_to(MIDNIGHT + timedelta(days=365))
    house.plan()
    house.clock.step_to(MIDNIGHT)
    other.registry.snapshot()
    with house.database.write() as connection:
        rows.lock_states(connection, ["daily_reflection"])
        meanwhile.begin(other.planner.mend_clock_ahead)
        rows.advance(connection, {"daily_reflection": MIDNIGHT - timedelta(minutes=1)})
    assert meanwhile.result() == []
