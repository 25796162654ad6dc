"""Every outcome is stored, filed and found again, whatever stands in its way."""

from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from app.core.errors import LedgerUnavailable, SpaceError
from app.database import Database
from app.persona.client import Reply
from app.persona.fakes import ScriptedPersona
from app.runs.history import RunFilter
from app.runs.run import Outcome, Run, Status
from tests.house import AwayDatabase, House


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    return House(database, tmp_path)


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


def _ended(house: House, *names: str) -> None:
    """Let runs end that are not stored yet."""
    for name in names:
        house.add(name)
        house.executions.start(name)
    for claim in house.claim():
        done = Outcome(status=Status.SUCCEEDED, completed_at=house.clock.now(), response="Done.")
        house.engine._attempts._ended.append((claim, done))


def test_what_may_begin_does_not_wait_for_what_ended(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    _ended(house, "one")
    house.add("two")
    house.executions.start("two")

    def away(*_: Any, **__: Any) -> Any:
        raise LedgerUnavailable("gone")

    monkeypatch.setattr(type(house.ledger), "finish", away)
    with pytest.raises(LedgerUnavailable):
        house.engine.step()
    assert {run.task_id: run.status for run in house.runs()}["two"] is Status.RUNNING


def test_what_ended_is_stored_where_nothing_can_be_claimed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    _ended(house, "one")
    house.add("two")
    house.executions.start("two")

    def broken(*_: Any, **__: Any) -> Any:
        raise ValueError

    monkeypatch.setattr(type(house.ledger), "claim", broken)
    assert house.engine.step()
    assert ("succeeded", None) in house.outcomes()


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


# ---- files and pages


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
