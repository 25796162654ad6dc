"""The persona as author of tasks: what it may create, how many, and what it may not bring back."""

from datetime import timedelta
from pathlib import Path

import pytest

from app.database import Database
from app.tasks.task import Author
from tests.house import OWNER, House
from tests.persona.tools.hands import ALL, DAILY, Hands


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    house = House(database, tmp_path)
    house.add("housekeeping", type="custom", prompt="Keep order.", tools=list(ALL))
    return house


@pytest.fixture
def hands(house: House) -> Hands:
    return Hands(house)


def ids(house: House) -> list[str]:
    return list(house.registry.snapshot().records)


# ---- creating


def test_a_created_task_is_in_force_and_carries_its_author(house: House, hands: Hands) -> None:
    text = hands.done("create_task", run="01k8hq0000000000000000000a", **DAILY)
    assert text.splitlines()[0] == "created `water_plants`: every day at 09:00 (UTC)"
    assert "2026-11-24T09:00:00Z" in text.splitlines()[1]
    (made,) = house.registry.history("water_plants")
    assert made.author == Author(kind="persona", name="housekeeping/01k8hq0000000000000000000a")
    tools = ["list_tasks", "preview_schedule"]
    assert made.definition == {"type": "custom", **DAILY, "tools": tools}


def test_a_prompt_is_stored_as_it_stands(house: House, hands: Hands) -> None:
    prompt = "{{ config }} {parameters} ${HOME} <!-- # The task -->\n# The clock"
    hands.done("create_task", **{**DAILY, "prompt": prompt})
    assert house.registry.get("water_plants").task.prompt == prompt


def test_what_is_left_empty_counts_as_not_given(house: House, hands: Hands) -> None:
    hands.done("create_task", **DAILY, type=None, timezone="")
    assert house.registry.get("water_plants").task.timezone == "UTC"


def test_once_in_a_while_counts_from_now(house: House, hands: Hands) -> None:
    hands.done("create_task", **{**DAILY, "schedule": "in 30m"})
    assert house.registry.get("water_plants").task.schedule == "at 2026-11-23T23:30Z"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"id": "Water Plants"}, "must be 1 to 64 of a-z"),
        ({"id": "due"}, "is a word that the API uses"),
        ({"schedule": "sometimes"}, "is not a schedule"),
        ({"schedule": "every 4m"}, "at least 5m must lie between"),
        ({"timezone": "Berlin"}, "did you mean Europe/Berlin?"),
        ({"type": "chore"}, "Must be one of"),
        ({"prompt": "  "}, "must not be empty"),
        ({"tools": ["create_task"]}, "create_task cannot be handed on from here"),
        ({"expects": "x.md"}, "Unknown field"),
        ({"model": "big"}, "Unknown field"),
    ],
)
def test_a_bad_task_is_refused_with_its_reason(
    house: House, hands: Hands, changed: dict[str, str], why: str
) -> None:
    before = ids(house)
    assert why in hands.refused("create_task", **{**DAILY, **changed})
    assert ids(house) == before


def test_an_interval_of_the_owner_that_is_longer_counts(database: Database, tmp_path: Path) -> None:
    hands = Hands(House(database, tmp_path, min_interval=timedelta(hours=1)))
    for tool in ("create_task", "preview_schedule"):
        given = {**DAILY} if tool == "create_task" else {}
        text = hands.refused(tool, **{**given, "schedule": "every 30m"})
        assert "at least 1h must lie between" in text


def test_an_id_that_exists_is_to_be_updated(house: House, hands: Hands) -> None:
    house.add("water_plants", schedule="monthly")
    text = hands.refused("create_task", **DAILY)
    assert text == (
        "error: a task `water_plants` exists; change it with update_task, or choose another id if"
        " you mean something else"
    )


@pytest.mark.parametrize(
    "twin",
    [
        {"prompt": "Please remind owner to water plants"},
        {"name": "Water plants", "prompt": "Say it."},
        {"schedule": "daily", "timezone": "Asia/Kathmandu"},
        {"schedule": "10 9 * * *"},
    ],
)
def test_what_is_there_under_another_id_is_not_made_again(
    house: House, hands: Hands, twin: dict[str, str]
) -> None:
    schedule = "15 18 * * *" if "timezone" in twin else DAILY["schedule"]
    hands.done("create_task", **{**DAILY, "schedule": schedule})
    before = ids(house)
    text = hands.refused("create_task", **{**DAILY, "name": "Green", **twin, "id": "other"})
    assert "task `water_plants` does nearly the same at the same times" in text
    assert "update_task" in text
    assert ids(house) == before


@pytest.mark.parametrize(
    "other",
    [
        {"schedule": "0 18 * * *"},
        {"schedule": "0 9 * * 1"},
        {"schedule": "manual"},
        {"schedule": "at 2026-11-24T09:00"},
        {"name": "Dentist", "prompt": "Remind the owner to call the dentist."},
    ],
)
def test_what_differs_in_time_or_words_is_another_task(
    house: House, hands: Hands, other: dict[str, str]
) -> None:
    hands.done("create_task", **DAILY)
    hands.done("create_task", **{**DAILY, **other, "id": "other"})


def test_two_that_only_run_by_hand_may_be_the_same(house: House, hands: Hands) -> None:
    house.add("once", schedule="in 5m", prompt=DAILY["prompt"])
    house.pass_time(minutes=6)
    hands.done("create_task", **{**DAILY, "schedule": "manual"})
    hands.refused("create_task", **{**DAILY, "schedule": "manual", "id": "other"})


def test_a_paused_one_is_named_as_paused(house: House, hands: Hands) -> None:
    house.add("green", schedule="0 9 * * *", prompt=DAILY["prompt"], enabled=False)
    assert "task `green`, which is paused, does" in hands.refused("create_task", **DAILY)


def test_a_day_has_room_for_so_many(house: House) -> None:
    hands = Hands(house, per_day=2)
    for number, minute in enumerate((0, 20)):
        hands.done(
            "create_task", **{**DAILY, "id": f"t{number}", "schedule": f"{minute} {number} * * *"}
        )
        house.pass_time(hours=1)
    text = hands.refused("create_task", **DAILY)
    assert "you may make 2 tasks in 24 hours (PERSONA_TASKS_PER_DAY)" in text
    assert "after 2026-11-24T23:00:00Z" in text
    hands.done("delete_task", id="t0", reason="to make room")
    hands.refused("create_task", **DAILY)
    house.pass_time(hours=22)
    hands.done("create_task", **DAILY)
    hands.refused("create_task", **{**DAILY, "id": "one_more", "schedule": "weekly"})


def test_tasks_of_others_and_changes_do_not_count(house: House) -> None:
    hands = Hands(house, per_day=1)
    house.add("persona_like", schedule="weekly")
    house.registry.create(
        {**house.registry.get("persona_like").definition, "id": "b"}, Author(kind="personal")
    )
    hands.done("update_task", id="housekeeping", name="Order")
    hands.done("create_task", **DAILY)
    hands.done("update_task", id="water_plants", schedule="0 10 * * *")


def test_a_day_may_have_no_room_at_all(house: House) -> None:
    hands = Hands(house, per_day=0)
    text = hands.refused("create_task", **DAILY)
    assert "you may make 0 tasks" in text
    assert "say in your answer which task you would make" in text


# ---- what was deleted


def test_what_was_deleted_lately_is_not_made_again(house: House, hands: Hands) -> None:
    hands.done("create_task", **DAILY)
    hands.done("delete_task", id="water_plants", reason="The plants are gone.")
    house.pass_time(days=6)
    text = hands.refused("create_task", **DAILY)
    assert (
        "task `water_plants` was deleted by the persona at 2026-11-23T23:00:00Z:"
        " “The plants are gone.”" in text
    )
    assert "so that the owner can restore it; for something else choose another id" in text
    assert "water_plants" not in ids(house)
    house.pass_time(days=2)
    hands.done("create_task", **DAILY)
    assert house.registry.get("water_plants").revision == 3


def test_nor_under_another_id_if_it_was_not_its_own(house: House, hands: Hands) -> None:
    house.add("green", schedule="0 9 * * *", prompt=DAILY["prompt"])
    house.registry.delete("green", OWNER)
    text = hands.refused("create_task", **DAILY)
    assert "task `green` was deleted by the owner at 2026-11-23T23:00:00Z. If it is needed" in text


def test_its_own_mistake_may_be_made_good(house: House, hands: Hands) -> None:
    hands.done("create_task", **{**DAILY, "id": "wrong"})
    hands.done("delete_task", id="wrong", reason="wrong id")
    hands.done("create_task", **DAILY)


def test_what_was_restored_counts_as_there(house: House, hands: Hands) -> None:
    hands.done("create_task", **DAILY)
    hands.done("delete_task", id="water_plants", reason="a mistake")
    house.registry.restore("water_plants", OWNER)
    assert "a task `water_plants` exists" in hands.refused("create_task", **DAILY)
