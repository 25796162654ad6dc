"""The persona pauses tasks: for good or until a time, and never ends a pause of somebody else."""

from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from app.database import Database
from app.tasks.task import Author
from tests.house import MIDNIGHT, OWNER, House
from tests.persona.tools.hands import ALL, DAILY, Hands

HOUR = timedelta(hours=1)


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    house = House(database, tmp_path)
    house.add("housekeeping", type="custom", prompt="Keep order.", tools=list(ALL))
    house.add("one", schedule="hourly")
    return house


@pytest.fixture
def hands(house: House) -> Hands:
    return Hands(house)


def pause(house: House) -> tuple[bool, str | None]:
    """Return whether the task is enabled, and until when it is paused."""
    definition = house.registry.get("one").definition
    return definition["enabled"], definition.get("paused_until")


def owner_pauses(house: House, until: str = "3d") -> None:
    house.registry.update("one", {"paused_until": until}, OWNER)


def test_a_task_is_paused_until_a_time_and_goes_on_by_itself(house: House, hands: Hands) -> None:
    text = hands.done("pause_task", id="one", until="2h", run="r1")
    assert text == (
        "paused `one` until Tuesday, 24 November 2026, 01:00 UTC (2026-11-24T01:00:00Z);"
        " update_task with enabled=true resumes it"
    )
    assert str(house.registry.history("one")[0].author) == "persona:housekeeping/r1"
    assert house.registry.next_run(house.registry.get("one")) == MIDNIGHT + HOUR
    house.clock.step_to(MIDNIGHT + HOUR)
    assert len(house.planner.plan(["one"])) == 1


def test_the_time_is_one_of_the_tasks_zone(house: House, hands: Hands) -> None:
    house.registry.update("one", {"timezone": "Asia/Tokyo"}, OWNER)
    hands.done("pause_task", id="one", until="2026-12-01T09:00")
    assert pause(house) == (True, "2026-12-01T00:00:00Z")


def test_a_task_pauses_itself(house: House, hands: Hands) -> None:
    house.add("plain")
    hands.done("pause_task", within="plain", allowed=None, id="plain", until="3d")


@pytest.mark.parametrize(
    ("until", "why"),
    [
        ("soon", "until: 'soon' is not a span such as 3d, or a time such as 2030-12-01T09:00"),
        ("2026-11-23T22:59", "until: 2026-11-23T22:59:00Z has passed; it is 2026-11-23T23:00:00Z"),
        ("x" * 65, "until"),
    ],
)
def test_what_is_no_time_to_come_is_refused(
    house: House, hands: Hands, until: str, why: str
) -> None:
    assert why in hands.refused("pause_task", id="one", until=until)
    assert pause(house) == (True, None)


def test_what_would_never_fire_again_is_refused(house: House, hands: Hands) -> None:
    house.add("once", schedule="in 1h")
    text = hands.refused("pause_task", id="once", until="2h")
    assert "lies after the last firing of the schedule, at 2026-11-24T00:00:00Z" in text


def test_a_pause_is_listed_with_its_end(house: House, hands: Hands) -> None:
    hands.done("pause_task", id="one", until="2h")
    (line,) = hands.done("list_tasks", enabled=False).splitlines()[1:]
    shown = orjson.loads(line)
    assert (shown["id"], shown["paused_until"]) == ("one", "2026-11-24T01:00:00Z")
    assert shown["next"] == "2026-11-24T01:00:00Z"
    assert "one" not in hands.done("list_tasks", enabled=True)
    house.clock.step_to(MIDNIGHT + HOUR)
    assert "one" in hands.done("list_tasks", enabled=True)
    assert "paused_until" not in hands.done("list_tasks")
    text = hands.done("update_task", id="one", name="First")
    assert "paused" not in text


def test_a_paused_task_is_not_started_and_is_named_as_paused(house: House, hands: Hands) -> None:
    hands.done("pause_task", id="one", until="2h")
    assert "`one` is paused" in hands.refused("run_task", id="one")
    text = hands.done("update_task", id="one", schedule="every 10m", prompt=DAILY["prompt"])
    assert text.endswith("paused until Tuesday, 24 November 2026, 01:00 UTC (2026-11-24T01:00:00Z)")
    house.clock.step_to(MIDNIGHT + HOUR)
    hands.done("run_task", id="one")


# ---- whose pause it is


def test_its_own_pause_becomes_longer_shorter_and_ends(house: House, hands: Hands) -> None:
    hands.done("pause_task", id="one", until="2h")
    hands.done("pause_task", id="one", until="3h")
    hands.done("pause_task", id="one", until="1h")
    hands.done("pause_task", id="one")
    assert pause(house) == (False, None)
    assert hands.done("pause_task", id="one") == "`one` is paused already"
    hands.done("pause_task", id="one", until="1h")
    assert pause(house) == (True, "2026-11-24T00:00:00Z")
    hands.done("update_task", id="one", enabled=True)
    assert pause(house) == (True, None)


def test_a_pause_of_the_owner_does_not_become_shorter(house: House, hands: Hands) -> None:
    owner_pauses(house, "3d")
    for text in (
        hands.refused("pause_task", id="one", until="1h"),
        hands.refused("update_task", id="one", enabled=True),
    ):
        assert "`one` was paused by the owner, so it is not yours to resume" in text
    assert pause(house) == (True, "2026-11-26T23:00:00Z")


def test_nor_does_one_for_good_become_one_with_an_end(house: House, hands: Hands) -> None:
    house.registry.update("one", {"enabled": False}, OWNER)
    text = hands.refused("pause_task", id="one", until="3d")
    assert "`one` was paused by the owner" in text
    assert pause(house) == (False, None)


def test_a_pause_of_the_owner_that_became_longer_is_the_owners_until_its_own_end(
    house: House, hands: Hands
) -> None:
    owner_pauses(house, "3h")
    hands.done("pause_task", id="one", until="9h")
    hands.done("pause_task", id="one")
    hands.done("update_task", id="one", name="Another")
    assert "paused by the owner" in hands.refused("update_task", id="one", enabled=True)
    assert "paused by the owner" in hands.refused("pause_task", id="one", until="1h")
    house.pass_time(hours=3)
    hands.done("update_task", id="one", enabled=True)
    assert pause(house) == (True, None)


def test_a_pause_that_the_owner_changed_is_the_owners(house: House, hands: Hands) -> None:
    hands.done("pause_task", id="one")
    house.registry.update("one", {"enabled": True, "paused_until": "3d"}, OWNER)
    assert "paused by the owner" in hands.refused("update_task", id="one", enabled=True)


def test_an_edit_of_something_else_leaves_the_pause_its_own(house: House, hands: Hands) -> None:
    hands.done("pause_task", id="one", until="3d")
    house.registry.update("one", {"name": "Another"}, Author(kind="file"))
    hands.done("update_task", id="one", enabled=True)


def test_a_task_that_was_made_paused_is_its_makers(house: House, hands: Hands) -> None:
    house.add("two", paused_until="3d")
    text = hands.refused("update_task", id="two", enabled=True)
    assert "`two` was paused by the owner" in text


def test_a_pause_that_is_over_is_nobodys(house: House, hands: Hands) -> None:
    owner_pauses(house, "1h")
    house.pass_time(hours=1)
    hands.done("update_task", id="one", enabled=True)
    hands.done("pause_task", id="one", until="2h")
    hands.done("update_task", id="one", enabled=True)
