"""Waiting for a run: whoever is told that it is finished finds its result file."""

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from app.core.clock import FakeClock
from app.database import Database
from app.runs.results import file_name
from app.runs.run import Run
from tests.house import MIDNIGHT, OWNER, House, Later

SPAN = timedelta(seconds=5)


class Ringing(FakeClock):
    """A clock that does something after so many waits."""

    def __init__(self, after: int, act: Callable[[], object]) -> None:
        super().__init__(MIDNIGHT - timedelta(hours=1))
        self.waits, self._after, self._act = 0, after, act

    def wait(self, event: threading.Event, span: timedelta) -> bool:
        self.waits += 1
        if self.waits == self._after:
            self._act()
        return super().wait(event, span)


def two(database: Database, folder: Path, clock: FakeClock, later: Later) -> tuple[House, House]:
    """Return two processes, the first of which writes its files later."""
    one = House(database, folder)
    one.engine._storing._filers = later
    one.add("one")
    return one, House(database, folder, clock=clock, pid=2)


def file_of(house: House, run: Run) -> Path:
    return house.results.path / file_name(run)


def test_a_run_that_another_process_finished_is_waited_for_until_its_file_is_there(
    database: Database, tmp_path: Path
) -> None:
    later = Later()
    clock = Ringing(50, later.go_on)
    one, other = two(database, tmp_path, clock, later)
    run_id = other.executions.start("one").id
    one.settle()
    assert not other.history.run(run_id).status.is_open
    found = other.engine.wait(run_id, SPAN)
    assert file_of(other, found).exists()
    assert clock.waits >= 50


def test_a_file_that_does_not_come_is_not_waited_for_without_end(
    database: Database, tmp_path: Path
) -> None:
    clock = Ringing(0, lambda: None)
    one, other = two(database, tmp_path, clock, Later())
    run_id = other.executions.start("one").id
    one.settle()
    assert not other.engine.wait(run_id, SPAN).status.is_open
    assert timedelta(minutes=1) <= clock.now() - MIDNIGHT + timedelta(hours=1)
    assert clock.now() - MIDNIGHT + timedelta(hours=1) < timedelta(minutes=2)


def test_a_file_that_this_process_cannot_get_written_is_not_waited_for_without_end(
    database: Database, tmp_path: Path
) -> None:
    def give_up() -> None:
        pytest.fail("it waits for ever")

    house = House(database, tmp_path, clock=Ringing(1000, give_up))
    house.engine._storing._filers = Later()
    house.add("one")
    run_id = house.executions.start("one").id
    house.settle()
    assert not house.engine.wait(run_id, SPAN).status.is_open


def test_a_run_whose_file_was_written_or_never_comes_is_not_waited_for(
    database: Database, tmp_path: Path
) -> None:
    clock = Ringing(0, lambda: None)
    later = Later()
    one, other = two(database, tmp_path, clock, later)
    run_id = other.executions.start("one").id
    one.settle()
    later.go_on()
    one.engine.step()
    one.results.remove([file_name(one.history.run(run_id))])
    other.engine.wait(run_id, SPAN)
    one.add("two")
    queued = other.executions.start("two").id
    one.registry.delete("two", OWNER)
    other.engine.wait(queued, SPAN)
    assert clock.waits <= 2
