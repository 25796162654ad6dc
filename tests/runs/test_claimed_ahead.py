"""Runs that are claimed ahead of a free place, and what becomes of them where it is not free."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from app.core.errors import LedgerUnavailable
from app.database import Database
from app.persona.client import Deadline, Reply, Request
from app.runs.processes import STALE_AFTER
from app.runs.run import Run
from app.runs.tables import attempts, runs
from tests.house import MIDNIGHT, OWNER, AwayDatabase, House, Later
from tests.runs.hands import doing
from tests.runs.test_attribution import appends, files

A_SECOND = timedelta(seconds=1)
TOO_LONG = timedelta(milliseconds=1001)


class Waiting:
    """A process with one place, in which `asked` is asked and `waiting` is claimed ahead."""

    def __init__(self, database: Database, folder: Path, **fields: Any) -> None:
        self.house = House(database, folder, places=1)
        self.pool = Later()
        self.engine = self.house.engine
        self.engine._attempts._pool = self.pool
        for name in ("quick", "asked", "waiting"):
            self.house.add(name, **(fields if name == "waiting" else {}))
            self.house.executions.start(name)
            self.house.clock.advance(timedelta(milliseconds=1))
        self.engine.step()
        self.pool.go_on()
        self.engine.step()
        assert [run.task_id for run in self.running()] == ["asked", "waiting"]
        assert len(self.pool.work) == 1, "one place, one run that asks"

    def running(self) -> list[Run]:
        found = [run for run in self.house.runs() if str(run.status) == "running"]
        return sorted(found, key=lambda run: run.id)

    def row(self, task_id: str) -> Any:
        with self.house.database.read() as connection:
            return connection.execute(select(runs).where(runs.c.task_id == task_id)).one()

    def run(self, task_id: str) -> tuple[str, str | None]:
        row = self.row(task_id)
        return row.status, row.reason


@pytest.fixture
def place(database: Database, tmp_path: Path) -> Waiting:
    return Waiting(database, tmp_path)


def test_it_begins_when_the_one_before_is_answered_and_says_so(place: Waiting) -> None:
    def answers(request: Request, _: Deadline) -> Reply:
        place.house.clock.advance(A_SECOND / 2)
        return Reply(text=request.task.id)

    place.house.persona.say(answers, answers)
    began = place.house.clock.now()
    place.pool.go_on()
    asked_at = [each.occasion.now for each in place.house.persona.requests[1:]]
    assert asked_at == [began, began + A_SECOND / 2]
    place.engine.step()
    waited = place.house.history.run(place.row("waiting").id)
    assert (str(waited.status), waited.response) == ("succeeded", "waiting")
    assert waited.started_at == began + A_SECOND / 2, "not when it was claimed"
    assert place.house.results.holds(waited)


def test_one_for_which_there_is_no_place_within_a_second_is_queued_again(place: Waiting) -> None:
    place.house.clock.advance(A_SECOND - timedelta(milliseconds=1))
    place.engine.step()
    assert len(place.running()) == 2
    place.house.clock.advance(timedelta(milliseconds=2))
    place.engine.step()
    row = place.row("waiting")
    assert (row.status, row.attempt, row.owner, row.started_at) == ("queued", 0, None, None)
    assert place.row("asked").status == "running"
    assert row.id not in place.engine.held_here()
    with place.house.database.read() as connection:
        assert list(connection.execute(select(attempts))) == [], "nobody tried"
    place.pool.go_on()
    assert len(place.house.persona.requests) == 2, "it does not begin here any more"
    place.engine.step()
    place.pool.go_on()
    place.engine.step()
    row = place.row("waiting")
    assert (row.status, row.attempt) == ("succeeded", 1)


def test_one_that_was_cancelled_meanwhile_is_not_queued_again(place: Waiting) -> None:
    run_id = place.row("waiting").id
    assert str(place.house.cancelling.cancel(run_id).status) == "running"
    place.house.clock.advance(TOO_LONG)
    place.engine.step()
    assert place.run("waiting") == ("cancelled", "cancelled")
    assert place.row("waiting").completed_at == place.house.clock.now()


def test_one_that_was_cancelled_meanwhile_ends_when_there_is_a_place(place: Waiting) -> None:
    def heeds(_: Request, deadline: Deadline) -> Reply:
        deadline.check()
        return Reply(text="I have answered.")

    place.house.persona.say(heeds, heeds)
    place.house.cancelling.cancel(place.row("waiting").id)
    place.pool.go_on()
    place.engine.step()
    assert place.run("asked") == ("succeeded", None)
    assert place.run("waiting") == ("cancelled", "cancelled")


def test_one_whose_task_was_deleted_meanwhile_is_not_queued_again(place: Waiting) -> None:
    place.house.registry.delete("waiting", OWNER)
    place.house.registry.delete("asked", OWNER)
    place.house.clock.advance(TOO_LONG)
    place.engine.step()
    assert place.run("waiting") == ("cancelled", "task_deleted")
    assert place.run("asked") == ("running", None)


@pytest.mark.parametrize(
    "other",
    [{"attempt": 2}, {"owner": "x" * 26}, {"attempt": 2, "cancel_asked_at": MIDNIGHT}],
)
def test_one_that_another_attempt_holds_by_now_is_left_alone(
    place: Waiting, other: dict[str, Any]
) -> None:
    with place.house.database.write() as connection:
        connection.execute(update(runs).where(runs.c.task_id == "waiting").values(other))
    place.house.clock.advance(TOO_LONG)
    place.engine.step()
    row = place.row("waiting")
    assert row.status == "running"
    assert {name: row._mapping[name] for name in other} == other


def test_one_that_others_gave_up_for_lost_keeps_its_outcome(place: Waiting) -> None:
    with place.house.database.write() as connection:
        lost = {"status": "interrupted"}
        connection.execute(update(runs).where(runs.c.task_id == "waiting").values(lost))
    place.house.clock.advance(TOO_LONG)
    place.engine.step()
    assert place.row("waiting").status == "interrupted"


def test_a_process_that_stops_puts_it_back_at_once(place: Waiting) -> None:
    place.engine.begin_drain()
    place.engine.step()
    assert place.run("waiting") == ("queued", None)
    assert place.run("asked") == ("running", None)


class LosesAnAnswer(AwayDatabase):
    """The answer to its next commit is lost on the way."""

    loses = False

    @contextmanager
    def write(self) -> Iterator[Connection]:
        with super().write() as connection:
            yield connection
        if self.loses:
            self.loses = False
            raise LedgerUnavailable("the connection broke")


@pytest.mark.parametrize("is_committed", [False, True])
def test_while_nobody_knows_whether_it_was_queued_again_it_does_not_begin(
    database_url: str, tmp_path: Path, is_committed: bool
) -> None:
    database = LosesAnAnswer(database_url)
    place = Waiting(database, tmp_path)
    run_id = place.row("waiting").id
    place.house.clock.advance(TOO_LONG)
    database.loses, database.away = is_committed, not is_committed
    with pytest.raises(LedgerUnavailable):
        place.engine.step()
    database.away = False
    assert run_id in place.engine.held_here()
    assert place.run("waiting") == ("queued" if is_committed else "running", None)
    place.pool.go_on()
    assert [each.task.id for each in place.house.persona.requests] == ["quick", "asked"]
    for _ in range(3):
        place.engine.step()
        place.pool.go_on()
    assert [each.task.id for each in place.house.persona.requests[2:]] == ["waiting"]
    assert (place.run("waiting"), place.row("waiting").attempt) == (("succeeded", None), 1)
    database.close()


def test_a_fault_while_it_is_queued_again_keeps_no_outcome_from_being_stored(
    place: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any) -> None:
        raise ValueError

    monkeypatch.setattr(place.engine._ledger, "put_back", refused)
    place.house.clock.advance(TOO_LONG)
    place.pool.go_on()
    place.engine.step()
    assert place.run("asked") == ("succeeded", None)
    assert place.run("waiting") == ("running", None)


def test_a_drain_without_patience_queues_it_again(place: Waiting) -> None:
    left = place.engine.drain(timedelta(0))
    assert [each.task_id for each in left] == ["asked"]
    assert place.run("waiting") == ("queued", None)


def test_recovery_does_not_take_it_for_lost_once_it_is_claimed_again(
    place: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, run_id = place.house, place.row("waiting").id
    house.clock.advance(STALE_AFTER + A_SECOND)
    house.processes.beat(ticked_at=house.clock.now(), state="ticking")
    house.recovery._seen_wall = house.clock.now()
    house.recovery._seen_ticks = house.clock.monotonic()
    split = house.processes.split

    def meanwhile() -> Any:
        place.pool.go_on()
        for _ in range(2):
            place.engine.step()
        assert place.row("waiting").started_at == house.clock.now(), "it is asked now"
        return split()

    monkeypatch.setattr(house.processes, "split", meanwhile)
    monkeypatch.setattr(house.recovery, "_held_here", place.engine.held_here)
    house.recovery.step()
    assert house.history.attempts(run_id) == []


def test_what_the_run_before_wrote_is_its_own_though_the_waiting_one_is_meant_to_write_it(
    database: Database, tmp_path: Path
) -> None:
    place = Waiting(database, tmp_path, expects=[{"path": "a.md", "change": "updated"}])
    house = place.house
    house.persona.say(doing(appends(house, "a.md", "by asked\n")))
    place.pool.work.pop()()
    for _ in range(2):
        place.engine.step()
        place.pool.go_on()
    found = {name: list(files(house, place.row(name).id)) for name in ("asked", "waiting")}
    assert found == {"asked": ["a.md"], "waiting": []}


# ---- several processes


@dataclass
class Two:
    """Two processes that know of each other, or the second of which is about to leave."""

    here: House
    there: House

    @classmethod
    def of(cls, database: Database, folder: Path, places: int, *, leaving: bool) -> "Two":
        here, there = (House(database, folder, pid=pid, places=places) for pid in (1, 2))
        for house in (here, there):
            house.engine._attempts._pool = Later()
            state = "draining" if leaving and house is there else "ticking"
            house.processes.beat(ticked_at=house.clock.now(), state=state)
        for house in (here, there):
            house.processes.split()
        for number in range(5 * places):
            here.add(f"task_{number:02}")
        return cls(here, there)

    def queue(self, first: int, last: int) -> None:
        for number in range(first, last):
            self.here.executions.start(f"task_{number:02}")

    def answered_quickly(self, house: House, number: int) -> None:
        self.queue(number, number + 1)
        house.engine.step()
        house.engine._attempts._pool.go_on()  # type: ignore[union-attr]  # it is Later
        house.engine.step()

    def asking(self) -> int:
        return sum(house.engine._attempts._asking for house in (self.here, self.there))


@pytest.mark.parametrize("places", [1, 3, 7])
@pytest.mark.parametrize("leaving", [False, True])
def test_no_more_ask_than_there_are_places_in_all(
    database: Database, tmp_path: Path, places: int, leaving: bool
) -> None:
    two = Two.of(database, tmp_path, places, leaving=leaving)
    two.answered_quickly(two.here, 0)
    share = ceil(places / 2)
    two.queue(1, 1 + share)
    two.there.engine.step()
    assert two.asking() == share, "the other one has all that it may"
    two.queue(1 + share, 5 * places)
    for _ in range(3):
        two.here.engine.step()
    assert two.asking() == places


def test_where_others_work_too_nothing_waits(database: Database, tmp_path: Path) -> None:
    two = Two.of(database, tmp_path, 8, leaving=False)
    two.answered_quickly(two.here, 0)
    two.queue(1, 30)
    two.here.engine.step()
    assert two.here.engine._attempts.count == two.here.engine._attempts._asking == 4
    two.there.engine.step()
    assert two.there.engine._attempts._asking == 4, "its share is not taken by who waits"


def test_while_another_one_has_runs_left_nothing_waits(database: Database, tmp_path: Path) -> None:
    two = Two.of(database, tmp_path, 4, leaving=True)
    two.queue(0, 1)
    two.there.engine.step()
    two.answered_quickly(two.here, 1)
    two.queue(2, 15)
    two.here.engine.step()
    assert two.here.engine._attempts.count == two.here.engine._attempts._asking == 3
