"""Runs that somebody cancels: before they begin, while they go on, and too late."""

import threading
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from app.core.errors import RunFinished, RunNotFound
from app.database import Database
from app.persona.client import Deadline, Reply, Request
from app.runs.run import Run, Status
from tests.house import AwayDatabase, House


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    house = House(database, tmp_path)
    house.add("one", on_interrupt="rerun")
    return house


def asked_meanwhile(house: House, by: House, *, heeds: bool = True) -> Run:
    """Return a run that somebody asks `by` to cancel while its persona answers."""

    def work(request: Request, deadline: Deadline) -> Reply:
        found = by.cancelling.cancel(request.occasion.run_id)
        assert found.status is Status.RUNNING
        if house is not by:
            by.cancelling.step()
            # nobody has told it yet
            deadline.check()
            house.cancelling.step()
        if heeds:
            deadline.check()
        return Reply(text="I have answered.")

    house.persona.say(work)
    started = house.executions.start("one")
    house.settle()
    return house.history.run(started.id)


def test_a_run_that_waits_never_begins(house: House) -> None:
    started = house.executions.start("one")
    cancelled = house.cancelling.cancel(started.id)
    assert (str(cancelled.status), cancelled.reason) == ("cancelled", "cancelled")
    assert (cancelled.started_at, cancelled.completed_at) == (None, house.clock.now())
    house.settle()
    assert house.persona.requests == []
    assert list(house.results.path.glob("*")) == []
    # it stands in the way of no other one
    house.executions.start("one")
    house.settle()
    assert house.outcomes(status=Status.SUCCEEDED) == [("succeeded", None)]


def test_a_run_that_goes_on_is_told_to_end(house: House) -> None:
    ended = asked_meanwhile(house, house)
    assert (str(ended.status), ended.reason) == ("cancelled", "cancelled")
    assert house.results.holds(ended)
    assert house.cancelling.cancel(ended.id) == ended


def test_a_run_of_another_process_is_told_by_that(
    house: House, database: Database, tmp_path: Path
) -> None:
    there = House(database, tmp_path, pid=2)
    assert str(asked_meanwhile(house, there).status) == "cancelled"


def test_an_answer_that_is_there_stays(house: House) -> None:
    ended = asked_meanwhile(house, house, heeds=False)
    assert (str(ended.status), ended.response) == ("succeeded", "I have answered.")
    with pytest.raises(RunFinished, match="is finished"):
        house.cancelling.cancel(ended.id)


def test_what_is_cancelled_is_not_made_again_after_its_process_died(house: House) -> None:
    house.executions.start("one")
    (claim,) = house.claim()
    assert house.cancelling.cancel(claim.run_id).status is Status.RUNNING
    assert house.release() == 1
    assert house.outcomes() == [("interrupted", "process_died")]
    house.settle()
    assert house.persona.requests == []


def test_others_go_on(house: House) -> None:
    house.add("two")

    def work(request: Request, deadline: Deadline) -> Reply:
        first = house.runs(task_id="one")[0]
        house.cancelling.cancel(first.id)
        house.cancelling.step()
        deadline.check()
        return Reply(text="I go on.")

    house.executions.start("one")
    house.claim()
    house.persona.say(work)
    other = house.executions.start("two")
    house.settle()
    assert str(house.history.run(other.id).status) == "succeeded"


def test_a_run_that_never_was_cannot_be_cancelled(house: House) -> None:
    with pytest.raises(RunNotFound):
        house.cancelling.cancel("0" * 26)


def test_who_cancels_while_a_dead_attempt_is_ended_is_heard(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.executions.start("one")
    (claim,) = house.claim()
    reruns = house.recovery._reruns

    def overtaken(run_ids: Sequence[str]) -> dict[str, bool]:
        found = reruns(run_ids)
        assert house.cancelling.cancel(claim.run_id).status is Status.RUNNING
        return found

    monkeypatch.setattr(house.recovery, "_reruns", overtaken)
    house.release()
    house.settle()
    assert house.outcomes() == [("interrupted", "process_died")]
    assert house.persona.requests == []


def test_a_run_that_goes_back_into_the_queue_meanwhile_is_cancelled_there(
    database: Database, tmp_path: Path
) -> None:
    """Recovery has the row, and puts the run back; the wish waits for it."""
    house = House(database, tmp_path)
    house.add("one", on_interrupt="rerun")
    house.executions.start("one")
    (claim,) = house.claim()
    asking = threading.Thread(target=house.cancelling.cancel, args=(claim.run_id,))
    with database.write() as connection:
        (row,) = house.ledger.locked_running(connection, [claim.run_id])
        asking.start()
        asking.join(0.3)
        assert asking.is_alive()
        house.ledger.release(
            connection, row, reason="process_died", rerun=True, now=house.clock.now()
        )
    asking.join()
    assert house.outcomes() == [("cancelled", "cancelled")]
    house.settle()
    assert house.persona.requests == []


def test_what_a_cancelled_run_changed_is_told_when_the_ledger_is_back(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away, told = AwayDatabase(str(database.url)), threading.Event()
    house = House(away, tmp_path)
    house.add("one")

    def work(request: Request, deadline: Deadline) -> Reply:
        (house.space.files.root / "a.md").write_text("before the end\n")
        house.cancelling.cancel(request.occasion.run_id)
        told.set()
        away.away = True
        deadline.check()
        return Reply(text="too late")

    def back_at_last(event: threading.Event, _: timedelta) -> bool:
        away.away = False
        return event.is_set()

    house.persona.say(work)
    house.executions.start("one")
    (claim,) = house.claim()
    answered = house.runner.ask(claim, told)
    monkeypatch.setattr(house.clock, "wait", back_at_last)
    ((_, outcome),) = house.runner.close([answered], threading.Event())
    assert outcome.status is Status.CANCELLED
    assert outcome.metadata["files"] == [{"path": "a.md", "change": "created"}]
    away.close()
