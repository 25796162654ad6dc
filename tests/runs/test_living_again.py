"""What runs remember and feel: once, whatever dies, and only of runs that count."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from app.database import Database
from app.persona.client import Deadline, Reply, Request
from app.persona.errors import PersonaCancelled, PersonaFailed
from app.persona.fakes import ScriptedPersona
from app.persona.feelings.values import Affect
from app.persona.journal import write_entry
from app.persona.memory.memory import Memory, Within
from app.persona.memory.recall import Recall
from app.persona.tools.memories import MemoryTools
from app.runs.ledger import Ledger
from app.runs.remembering import Remembering
from app.runs.run import Outcome, Status
from tests.house import MIDNIGHT, House
from tests.persona.given import a_deadline
from tests.persona.tools.given import Calling
from tests.runs.hands import append

GLAD = Affect(valence=0.8, arousal=0.5, dominance=0.5)
NOTE = "Ada likes yellow tomatoes."


def remember(house: House, request: Request, text: str = NOTE) -> str:
    tools = MemoryTools(house.memories, Recall(house.memories)).tools()
    calling = Calling(tools, request=request, changes=request.changes, deadline=a_deadline())
    return calling.ok("remember", text=text)


def feel(house: House, request: Request, affect: Affect = GLAD) -> None:
    house.moods.note(
        affect,
        weight=0.5,
        at=house.clock.now(),
        run_id=request.occasion.run_id,
        source="reply",
        origin=request.occasion.origin,
        holding=request.changes.hold,
    )


def a_house(database: Database, folder: Path, pid: int = 1, **more: Any) -> House:
    house = House(database, folder, persona=ScriptedPersona(has_hands=True), pid=pid, **more)
    house.persona._otherwise = lambda request, _: lived(house, request)
    return house


def lived(house: House, request: Request, text: str = "I wrote to Ada.") -> Reply:
    """Remember and feel something, as every run of these tests does."""
    house.clock.advance(timedelta(seconds=3))
    remember(house, request)
    feel(house, request)
    return Reply(text=text)


def all_memories(house: House) -> list[Memory]:
    return list(house.memories.page(Within(), limit=100).memories)[::-1]


def kinds(house: House) -> list[tuple[str, str]]:
    return [(memory.kind, memory.text) for memory in all_memories(house)]


class Killed(BaseException):
    """Ends a run in the middle, as the death of its process would."""


def dies(house: House, *steps: Callable[[House, Request], object]) -> Callable[..., Any]:
    def work(request: Request, _: Deadline) -> Reply:
        house.clock.advance(timedelta(seconds=3))
        for step in steps:
            step(house, request)
        raise Killed

    return work


def begun(database: Database, folder: Path, *steps: Any, **task: Any) -> House:
    """Return a process that died in the middle of a run after these steps."""
    house = a_house(database, folder)
    house.add("one", **task)
    house.executions.start("one")
    house.persona._script.append(dies(house, *steps))
    with pytest.raises(Killed):
        house.engine.step()
    return house


def survivor(house: House, folder: Path) -> House:
    house.clock.advance(timedelta(minutes=1))
    return a_house(house.database, folder, pid=2, clock=house.clock)


# ---- runs that count


def test_the_answer_of_a_run_is_remembered_with_what_it_came_from(
    database: Database, tmp_path: Path
) -> None:
    house = a_house(database, tmp_path)
    house.add("one")
    house.clock.step_to(MIDNIGHT)
    house.plan()
    house.settle()
    (run,) = house.runs()
    note, result = all_memories(house)
    assert (note.kind, note.text, note.origin) == ("note", NOTE, "schedule")
    assert (result.kind, result.text, result.origin) == ("result", "I wrote to Ada.", "schedule")
    assert (result.at, result.run_id, result.task_id) == (run.completed_at, run.id, "one")
    assert note.is_scheduled
    assert result.is_scheduled


@pytest.mark.parametrize("line", [PersonaFailed("down"), " \n"], ids=["failed", "empty"])
def test_a_run_that_failed_leaves_no_result_in_memory(
    database: Database, tmp_path: Path, line: Any
) -> None:
    house = a_house(database, tmp_path)
    house.add("one")
    house.executions.start("one")
    house.persona._script.append(line)
    house.settle()
    assert [str(run.status) for run in house.runs()] == ["failed"]
    assert kinds(house) == []


def test_an_answer_that_is_refused_is_not_remembered(database: Database, tmp_path: Path) -> None:
    house = a_house(database, tmp_path)
    house.add("one")
    house.executions.start("one")

    def given_up(request: Request, _: Deadline) -> Reply:
        a_house(database, tmp_path, pid=2, clock=house.clock).release()
        return Reply(text="Too late.")

    house.persona._script.append(given_up)
    house.settle()
    assert "Too late." not in [text for _, text in kinds(house)]


def test_what_cannot_be_remembered_takes_the_outcome_back_with_it(
    database: Database, tmp_path: Path
) -> None:
    house = a_house(database, tmp_path)
    house.add("one")
    house.executions.start("one")
    (claim,) = house.claim()
    outcome = house.runner._ended(Status.FAILED, "internal", PersonaFailed("x"))

    def broken(connection: Connection, accepted: Any) -> None:
        raise ValueError(len(accepted))

    with pytest.raises(ValueError, match="1"), database.write() as connection:
        Ledger(database, also=broken).finish(connection, [(claim, outcome)])
    assert house.outcomes() == [("running", None)]


def test_nothing_accepted_asks_for_nothing_more(database: Database, tmp_path: Path) -> None:
    house = a_house(database, tmp_path)
    house.add("one")
    house.executions.start("one")
    (claim,) = house.claim()
    outcome = house.runner._ended(Status.FAILED, "internal", PersonaFailed("x"))
    heard: list[Any] = []
    ledger = Ledger(database, also=lambda _, accepted: heard.append(accepted))
    house.release()
    with database.write() as connection:
        ledger.finish(connection, [(claim, outcome)])
        Remembering(house.memories)(connection, [(claim, outcome)])
    assert heard == []
    assert kinds(house) == []


# ---- runs that are made again


@pytest.mark.parametrize("also_writes", [False, True], ids=["no files", "files"])
def test_what_a_dead_attempt_remembered_and_felt_does_not_double(
    database: Database, tmp_path: Path, also_writes: bool
) -> None:
    def writes(house: House, request: Request) -> None:
        append(house.space.files.root, "note.md", "Half done.", request)

    steps = [remember, feel, *([writes] if also_writes else [])]
    dead = begun(database, tmp_path, *steps)
    assert [text for _, text in kinds(dead)] == [NOTE]
    other = survivor(dead, tmp_path)
    other.release()
    assert (kinds(other), other.moods.series()) == ([], [])
    assert not (other.space.files.root / "note.md").exists()
    other.settle()
    assert [(str(run.status), run.attempt) for run in other.runs()] == [("succeeded", 2)]
    assert kinds(other) == [("note", NOTE), ("result", "I wrote to Ada.")]
    assert len(other.moods.series()) == 1


def test_a_run_that_is_not_made_again_leaves_nothing_either(
    database: Database, tmp_path: Path
) -> None:
    dead = begun(database, tmp_path, remember, feel, on_interrupt="leave")
    other = survivor(dead, tmp_path)
    other.release()
    assert other.outcomes() == [("interrupted", "process_died")]
    assert (kinds(other), other.moods.series()) == ([], [])


def test_what_others_remember_and_feel_stays(database: Database, tmp_path: Path) -> None:
    house = a_house(database, tmp_path)
    house.add("before")
    house.executions.start("before")
    house.settle()
    dead = begun(database, tmp_path, remember, feel)
    dead.add("after")
    dead.executions.start("after")
    dead.settle()
    felt = len(dead.moods.series())
    other = survivor(dead, tmp_path)
    other.release()
    tasks = [(memory.task_id, memory.kind) for memory in all_memories(other)]
    assert sorted(tasks) == [
        ("after", "note"),
        ("after", "result"),
        ("before", "note"),
        ("before", "result"),
    ]
    assert len(other.moods.series()) == felt - 1


def test_an_attempt_that_wakes_up_after_it_was_given_up_remembers_and_feels_nothing(
    database: Database, tmp_path: Path
) -> None:
    def given_up(house: House, request: Request) -> None:
        survivor(house, tmp_path).release()
        for act in (remember, feel):
            with pytest.raises(PersonaCancelled):
                act(house, request)

    dead = begun(database, tmp_path, given_up)
    assert (kinds(dead), dead.moods.series()) == ([], [])


def test_an_entry_of_the_embedded_persona_is_remembered_without_its_marks(
    database: Database, tmp_path: Path
) -> None:
    house = a_house(database, tmp_path)
    house.add("one")
    house.executions.start("one")
    entry = write_entry(
        run_id="01k8a", task_id="one", at=MIDNIGHT, title="Monday", body=["- Ada called."]
    )
    house.persona._script.append(entry.text)
    house.settle()
    assert [text for _, text in kinds(house)] == ["## Monday\n\n- Ada called."]


def test_a_run_that_promised_and_did_not_write_is_not_remembered(
    database: Database, tmp_path: Path
) -> None:
    house = a_house(database, tmp_path)
    house.add("one", expects=[{"path": "note.md", "change": "created"}])
    house.executions.start("one")
    house.persona._script.append("I wrote note.md, as promised.")
    house.settle()
    assert house.outcomes() == [("failed", "no_effect")]
    assert kinds(house) == []


def test_of_outcomes_that_come_together_only_those_that_count_are_remembered(
    database: Database, tmp_path: Path
) -> None:
    house = a_house(database, tmp_path)
    for task_id in ("lost", "kept"):
        house.add(task_id)
        house.executions.start(task_id)
    claims = house.claim()
    done = [
        Outcome(
            status=Status.SUCCEEDED, completed_at=house.clock.now(), response=f"From {c.task_id}."
        )
        for c in claims
    ]
    (lost,) = [claim for claim in claims if claim.task_id == "lost"]
    house.recovery.release({lost.run_id: (lost.attempt, lost.owner)}, reason="process_died")
    with database.write() as connection:
        house.ledger.finish(connection, list(zip(claims, done, strict=True)))
    assert kinds(house) == [("result", "From kept.")]
