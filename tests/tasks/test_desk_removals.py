"""Removing too much at once is held for the owner, who may confirm it or restore the file."""

from datetime import timedelta
from typing import Any

import pytest

from app.core.errors import NothingHeld
from app.tasks.merge import Hold
from tests.conftest import on_sqlite
from tests.house import OWNER, definition
from tests.tasks.place import Place

pytestmark = on_sqlite


# ---- removing too much


def deleted(place: Place) -> None:
    place.path.unlink()


def truncated(place: Place) -> None:
    place.path.write_text("")


def emptied(place: Place) -> None:
    place.edit(lambda tasks: tasks.clear())


def bare_and_empty(place: Place) -> None:
    place.path.write_text("[]")


def mostly_removed(place: Place) -> None:
    place.take_away("a", "b", "c")


REMOVED = [
    (deleted, Hold.MISSING),
    (truncated, Hold.EMPTIED),
    (emptied, Hold.EMPTIED),
    (bare_and_empty, Hold.EMPTIED),
    (mostly_removed, Hold.MOST_REMOVED),
]
removals = pytest.mark.parametrize(("remove", "reason"), REMOVED)


@removals
def test_removing_too_much_is_held(place: Place, remove: Any, reason: Hold) -> None:
    place.begin("a", "b", "c", "d")
    remove(place)
    before = place.path.read_bytes() if place.path.exists() else None
    place.wait()
    place.patch("a", name="By the API")
    place.desk.sync()
    assert place.in_force() == ["a", "b", "c", "d"]
    held = place.desk.status().held
    assert held is not None
    assert held.reason is reason
    assert set(held.task_ids) >= {"a", "b", "c"}
    assert (place.path.read_bytes() if place.path.exists() else None) == before
    told = place.told()
    assert told is not None
    assert told["held"]["reason"] == str(reason)
    assert "stay in force until the owner decides" in place.desk.refused()[-1]


@removals
def test_a_confirmed_removal_leaves_tombstones(place: Place, remove: Any, reason: Hold) -> None:
    place.begin("a", "b", "c", "d")
    remove(place)
    place.wait()
    place.desk.confirm(OWNER)
    left = ["d"] if remove is mostly_removed else []
    assert place.in_force() == left
    assert str(place.registry.history("a")[0].author) == "owner"
    assert place.registry.history("a")[0].action == "deleted"
    assert (place.desk.status().held, place.told()) == (None, None)
    place.wait()
    shown = place.content()
    assert [entry["id"] for entry in (shown if isinstance(shown, list) else shown["tasks"])] == left


@removals
def test_a_restored_file_is_as_it_was_with_what_is_in_force(
    place: Place, remove: Any, reason: Hold
) -> None:
    place.begin("a", "b", "c", "d")
    before = place.text()
    place.path.write_text(before.replace('"_note"', '"_mine": 1, "_note"'))
    place.desk.sync()
    remove(place)
    place.wait()
    place.patch("a", name="By the API")
    place.desk.restore(OWNER)
    shown = place.content()
    tasks = shown if isinstance(shown, list) else shown["tasks"]
    assert {entry["id"]: entry["name"] for entry in tasks} == {
        "a": "By the API",
        "b": "B",
        "c": "C",
        "d": "D",
    }
    if remove is not bare_and_empty:
        assert shown["_mine"] == 1
    assert place.in_force() == ["a", "b", "c", "d"]
    assert (place.desk.status().held, place.told()) == (None, None)
    assert not place.desk.sync().written


@removals
def test_a_file_that_comes_back_ends_the_hold_and_undoes_nothing(
    place: Place, remove: Any, reason: Hold
) -> None:
    place.begin("a", "b", "c", "d")
    before = place.text()
    remove(place)
    place.wait()
    place.patch("a", name="By the API")
    place.desk.sync()
    place.put("a", before, prompt="By the editor")
    place.desk.sync()
    assert place.definition("a") == definition("a", name="By the API", prompt="By the editor")
    assert place.desk.status().held is None
    assert place.entry("a")["name"] == "By the API"
    with pytest.raises(NothingHeld):
        place.desk.confirm(OWNER)
    with pytest.raises(NothingHeld):
        place.desk.restore(OWNER)


@pytest.mark.parametrize("remove", [deleted, truncated])
def test_the_same_file_again_ends_the_hold_too(place: Place, remove: Any) -> None:
    place.begin("a", "b")
    before = place.text()
    remove(place)
    place.wait()
    place.path.write_text(before)
    place.desk.sync()
    assert (place.held(), place.told()) == (None, None)


@removals
def test_it_is_told_since_when_something_is_held(place: Place, remove: Any, reason: Hold) -> None:
    place.begin("a", "b", "c", "d")
    remove(place)
    place.wait()
    held = place.desk.status().held
    place.clock.advance(timedelta(minutes=5))
    place.patch("a", name="By the API")
    place.wait()
    place.another_process().sync()
    assert place.desk.status().held == held


@removals
def test_another_process_and_a_restart_know_what_is_held(
    place: Place, remove: Any, reason: Hold
) -> None:
    place.begin("a", "b", "c", "d")
    remove(place)
    place.wait()
    place.desk = place.another_process()
    place.desk.sync()
    assert place.held() is reason
    place.desk.confirm(OWNER)
    assert "a" not in place.in_force()


def test_entries_put_back_one_by_one_bring_the_hold_down_to_what_is_still_gone(
    place: Place,
) -> None:
    place.begin("a", "b", "c", "d")
    entries = {entry["id"]: entry for entry in place.content()["tasks"]}
    place.take_away("a", "b", "c")
    place.desk.sync()
    place.patch("b", name="By the API")
    place.edit(lambda tasks: tasks.append(entries["b"]))
    place.desk.sync()
    assert (place.in_force(), place.held()) == (["b", "d"], None)
    assert place.definition("b")["name"] == "By the API"


def test_other_edits_of_a_held_edit_are_applied_at_once(place: Place) -> None:
    place.begin("a", "b", "c", "d")
    place.edit(
        lambda tasks: tasks.__setitem__(
            slice(None), [tasks[0] | {"name": "Changed"}, definition("fresh")]
        )
    )
    place.desk.sync()
    assert place.held() is Hold.MOST_REMOVED
    assert place.definition("a")["name"] == "Changed"
    assert place.in_force() == ["a", "b", "c", "d", "fresh"]


def test_what_was_undone_while_held_is_undone(place: Place) -> None:
    place.begin("a", "b", "c", "d")
    place.take_away("b", "c", "d")
    place.desk.sync()
    place.put("a", name="Changed")
    place.desk.sync()
    assert place.definition("a")["name"] == "Changed"
    place.put("a", name="A")
    place.desk.sync()
    assert place.definition("a")["name"] == "A"


def test_while_an_id_cannot_be_read_the_task_that_is_gone_stays(place: Place) -> None:
    place.begin("a", "b", "c", "d")
    place.edit(lambda tasks: tasks[0].pop("id"))
    place.put_at(1, name="Changed")
    place.desk.sync()
    assert place.in_force() == ["a", "b", "c", "d"]
    assert place.held() is Hold.UNREADABLE_ID
    assert place.definition("b")["name"] == "Changed"
    place.edit(lambda tasks: tasks[0].update(id="a", name="Mended"))
    place.desk.sync()
    assert (place.held(), place.definition("a")["name"]) == (None, "Mended")
    assert place.desk.status().errors == ()


def test_an_entry_without_an_id_that_replaces_none_holds_nothing_up(place: Place) -> None:
    place.begin("a")
    place.edit(lambda tasks: tasks.append({"name": "no id"}))
    place.patch("a", name="By the API")
    place.desk.sync()
    assert place.held() is None
    assert place.content()["tasks"][0]["name"] == "By the API"
    assert place.content()["tasks"][1] == {"name": "no id"}


def test_a_hold_ends_when_all_its_tasks_are_deleted_otherwise(place: Place) -> None:
    place.begin("a")
    place.path.unlink()
    place.wait()
    assert place.held() is Hold.MISSING
    place.registry.delete("a", OWNER)
    place.registry.create(definition("fresh"), OWNER)
    place.desk.sync()
    assert (place.held(), place.told()) == (None, None)
    assert [entry["id"] for entry in place.content()["tasks"]] == ["fresh"]


def test_half_of_the_tasks_may_be_removed_in_one_edit(place: Place) -> None:
    place.begin("a", "b")
    place.take_away("a")
    place.desk.sync()
    assert (place.in_force(), place.held()) == (["b"], None)


def test_deleting_a_file_that_showed_nothing_is_not_held(place: Place) -> None:
    place.begin()
    place.path.unlink()
    place.wait()
    assert place.held() is None
    assert place.content()["tasks"] == []


def test_an_unreadable_file_can_be_restored(place: Place) -> None:
    place.begin("a")
    place.path.write_text("nonsense")
    place.wait()
    place.patch("a", name="By the API")
    place.desk.restore(OWNER)
    assert place.entry("a")["name"] == "By the API"
    assert place.desk.status().errors == ()


def test_there_is_nothing_to_confirm_or_restore_when_all_is_well(place: Place) -> None:
    place.begin("a")
    with pytest.raises(NothingHeld):
        place.desk.confirm(OWNER)
    with pytest.raises(NothingHeld):
        place.desk.restore(OWNER)
