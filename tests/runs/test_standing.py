"""Whether the persona answers is told by the runs of all processes, and told alike by each."""

import logging
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from app.database import Database
from app.persona.client import Reply
from app.persona.errors import (
    EmptyAnswer,
    PersonaAuth,
    PersonaCancelled,
    PersonaError,
    PersonaFailed,
    PersonaLimit,
    PersonaProtocol,
    PersonaRefused,
    PersonaTooLong,
    PersonaUnreachable,
)
from app.persona.fakes import ScriptedPersona
from app.runs import standing
from app.runs.run import REASONS
from app.runs.standing import Standing
from app.runs.tables import runs
from tests.house import House

BROKE = PersonaFailed("the persona answered 500: it broke")


@pytest.fixture
def persona() -> ScriptedPersona:
    return ScriptedPersona()


@pytest.fixture
def house(database: Database, tmp_path: Path, persona: ScriptedPersona) -> House:
    house = House(database, tmp_path, persona=persona)
    house.add()
    return house


def run(house: House, said: str | PersonaError | Reply) -> None:
    """Let a run by hand end so, a second after the last one."""
    house.persona.say(said)
    house.pass_time(seconds=1)
    house.executions.start("daily_reflection")
    house.settle()


def turns(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    said = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    return [each for each in said if str(each.get("event")).startswith("persona.")]


@pytest.mark.parametrize(
    "failure",
    [
        BROKE,
        PersonaUnreachable("no connection"),
        PersonaAuth("401"),
        PersonaLimit("later"),
        PersonaProtocol("no JSON"),
    ],
)
def test_a_failed_run_is_a_problem_for_every_process_until_one_works(
    database: Database, tmp_path: Path, house: House, failure: PersonaError
) -> None:
    other = House(database, tmp_path, clock=house.clock, persona=house.persona, pid=2)
    run(house, "Well.")
    assert Standing(database).problem() is None
    run(house, failure)
    problem = Standing(database).problem()
    at = "2026-11-23T23:00:02Z"
    assert problem == f"the last call, at {at}, failed ({failure.reason}): {failure.detail}"
    run(other, "Well again.")
    assert Standing(database).problem() is None


@pytest.mark.parametrize("works", [PersonaRefused("no"), PersonaTooLong("long"), EmptyAnswer()])
def test_what_concerns_one_prompt_says_that_the_persona_works(
    database: Database, house: House, works: PersonaError
) -> None:
    run(house, works)
    assert Standing(database).problem() is None
    run(house, BROKE)
    assert Standing(database).problem() is not None
    run(house, works)
    assert Standing(database).problem() is None


def test_what_tells_nothing_of_the_persona_leaves_it_as_it_stands(
    database: Database, house: House
) -> None:
    run(house, BROKE)
    run(house, PersonaCancelled())
    house.add("late", schedule="* * * * *", missed="skip", on_interrupt="leave")
    house.pass_time(hours=3)
    house.plan()
    assert house.claim()
    house.pass_time(hours=1)
    house.release("drained")
    told = {reason for _, reason in house.outcomes()}
    assert told >= {"persona_error", "cancelled", "missed_skip", "drained"}
    assert "it broke" in str(Standing(database).problem())


def test_every_reason_is_weighed_and_none_that_there_is_not() -> None:
    assert not standing._FAILS & standing._WORKS
    weighed = standing._FAILS | standing._WORKS
    assert weighed < REASONS.keys()
    assert {each for each in REASONS if each.startswith("persona_")} < weighed


def test_the_turns_are_logged_once_whoever_notices_them(
    database: Database, tmp_path: Path, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    other = House(database, tmp_path, clock=house.clock, persona=house.persona, pid=2)
    with caplog.at_level(logging.INFO):
        run(house, "Well.")
        run(house, BROKE)
        run(other, BROKE)
        run(other, PersonaCancelled())
        run(other, "Well again.")
        run(house, "And again.")
    broke, mended = turns(caplog)
    assert (broke["event"], broke["level"]) == ("persona.broke", "warning")
    assert (broke["reason"], broke["problem"]) == ("persona_error", BROKE.detail)
    assert (mended["event"], mended["level"]) == ("persona.mended", "info")
    assert mended["failed_last"] == "2026-11-23T23:00:03Z"
    assert mended["reason"] == "persona_error"
    assert all(value for each in (broke, mended) for value in each.values())


def test_an_outcome_that_comes_late_is_no_turn(
    database: Database, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.executions.start("daily_reflection")
    (claim,) = house.claim()
    house.persona.say(BROKE)
    late = house.run(claim)
    house.add("another")
    house.pass_time(seconds=1)
    house.executions.start("another")
    house.settle()
    house.engine._attempts._ended.append((claim, late))
    with caplog.at_level(logging.INFO):
        house.settle()
    assert turns(caplog) == []
    assert Standing(database).problem() is None


def test_many_slots_that_did_not_run_are_passed_by(
    database: Database, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """The query goes by the indexes of runs that have a result file."""
    run(house, BROKE)
    skipped = [
        {
            **{"id": f"slot_{number:021}", "task_id": "t", "task_name": "T", "origin": "schedule"},
            **{"status": "skipped", "reason": "overlap", "revision": 1, "rank": 0, "attempt": 0},
            **{"recorded_at": house.clock.now(), "due_at": house.clock.now(), "exclusive": True},
            "completed_at": house.pass_time(seconds=1),
        }
        for number in range(2000)
    ]
    with database.write() as connection:
        connection.execute(insert(runs), skipped)
    assert "it broke" in str(Standing(database).problem())
    if not database.is_sqlite:
        return
    with database.read() as connection:
        query = str(standing._NEWEST.compile(connection, compile_kwargs={"literal_binds": True}))
        plan = str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}").all())
    assert "ix_runs_filed" in plan
    assert "ix_runs_unfiled" in plan
    assert "TEMP B-TREE" not in plan
