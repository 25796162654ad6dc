"""Nobody can tell what a run changed: it is not held to have changed nothing."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from app.core.errors import LedgerUnavailable, SpaceBusy
from app.database import Database
from app.persona.fakes import ScriptedPersona
from app.runs.contract import Changed
from app.runs.recording import Look, Unchanged
from app.runs.run import Outcome
from tests.house import House

PROMISED: dict[str, Any] = {"expects": [{"path": "a.md", "change": "updated"}]}


class Away(Unchanged):
    """The ledger does not say what was changed."""

    def finish(self, compared: Collection[str] = (), seen: Look | None = None) -> Sequence[Changed]:
        raise LedgerUnavailable("it is away")


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    house = House(database, tmp_path, persona=ScriptedPersona(has_hands=False))
    (house.space.files.root / "a.md").write_text("a\n")
    return house


def busy(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the history be locked from the persona's answer on."""

    def take(note: str = "") -> str:
        raise SpaceBusy("somebody keeps it locked")

    house.space.snapshots.recent()
    monkeypatch.setattr(house.space.snapshots, "take", take)


def ended_at_last(house: House) -> Outcome:
    """Return how a run ends whose changes the ledger never tells, where the process stops."""
    stopping = Event()
    (claim,) = house.claim()
    answered = replace(house.runner.ask(claim, Event()), recording=Away())
    stopping.set()
    ((_, outcome),) = house.runner.close([answered], stopping)
    return outcome


def test_a_run_that_promised_something_fails_and_does_not_pass_for_idle(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.add("one", **PROMISED)
    run_id = house.executions.start("one").id
    busy(house, monkeypatch)
    house.settle()
    run = house.history.run(run_id)
    assert (str(run.status), run.reason) == ("failed", "space_error")
    assert run.error == "what it changed in the space is not known"
    assert "files" not in run.metadata


def test_a_run_that_promised_nothing_succeeds_and_does_not_say_that_it_changed_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.add("one")
    run_id = house.executions.start("one").id
    busy(house, monkeypatch)
    house.settle()
    run = house.history.run(run_id)
    assert str(run.status) == "succeeded"
    assert "files" not in run.metadata


def test_a_run_whose_process_stops_meanwhile_is_given_back(house: House) -> None:
    house.add("one", **PROMISED)
    house.executions.start("one")
    assert str(ended_at_last(house).status) == "cancelled"


def test_what_is_owed_to_nobody_is_kept_when_its_process_stops(house: House) -> None:
    house.add("one")
    house.executions.start("one")
    assert str(ended_at_last(house).status) == "succeeded"
