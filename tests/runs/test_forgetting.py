"""How long the history of the space is kept: steps first, then the contents that nothing needs."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.core.errors import SpaceError
from app.database import Database
from app.persona.fakes import ScriptedPersona
from app.runs.forgetting import Forgetting
from tests.house import House
from tests.runs.hands import append, doing

DAY = timedelta(days=1)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC).timestamp()


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    house = House(database, tmp_path, persona=ScriptedPersona(has_hands=True))
    house.add("one")
    return house


def run(house: House, text: str) -> str:
    root = house.space.files.root
    house.persona._script.append(doing(lambda request: append(root, "a.md", text, request)))
    started = house.executions.start("one")
    house.settle()
    return started.id


def test_what_is_too_old_is_forgotten_with_its_contents(house: House) -> None:
    old = run(house, "old\n")
    for file in house.space.store.path.glob("objects/??/*"):
        os.utime(file, (LONG_AGO, LONG_AGO))
    house.pass_time(days=10)
    young = run(house, "young\n")
    forgetting = Forgetting(house.space, house.clock, 5 * DAY)
    assert forgetting.step()
    assert not forgetting.step()
    assert house.space_history.diff(old).files == []
    (shown,) = house.space_history.diff(young).files
    assert "+young" in shown.diff
    assert " old" in shown.diff
    assert house.taking_back.revert(young).reverted == ["a.md"]


def test_contents_go_when_no_step_needs_them(house: House) -> None:
    run(house, "old\n")
    with house.database.read() as connection:
        (content,) = house.space.trail.contents(connection)
    # what the space held when the time that is kept began stays as well
    house.pass_time(days=1)
    run(house, "less old\n")
    house.pass_time(days=1)
    run(house, "newest\n")
    for file in house.space.store.path.glob("objects/??/*"):
        os.utime(file, (LONG_AGO, LONG_AGO))
    house.pass_time(days=10)
    forgetting = Forgetting(house.space, house.clock, 5 * DAY)
    while forgetting.step():
        pass
    with pytest.raises(SpaceError):
        house.space.store.get(content)


def test_a_step_that_goes_on_is_kept_whatever_its_age(house: House) -> None:
    root = house.space.files.root

    def forgets(_: object) -> None:
        house.pass_time(days=10)
        assert not Forgetting(house.space, house.clock, 5 * DAY).step()

    house.persona._script.append(
        doing(lambda request: append(root, "a.md", "slow\n", request), forgets)
    )
    started = house.executions.start("one")
    house.settle()
    assert [file.path for file in house.space_history.diff(started.id).files] == ["a.md"]
