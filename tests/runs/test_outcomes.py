"""How a run ends, whatever the persona, the space or the ledger do."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import LedgerUnavailable, SpaceError
from app.database import Database
from app.persona.client import Reply
from app.persona.errors import PersonaUnreachable
from app.persona.fakes import ScriptedPersona, hang
from app.runs.run import Status
from app.runs.runner import MOST_ERROR, MOST_RESPONSE, Runner
from app.tasks.task import Task
from tests.house import MIDNIGHT, House, run_to_its_end


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    return House(database, tmp_path)


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
    broken: Any = _Breaks()
    house.runner._recorder = broken
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
