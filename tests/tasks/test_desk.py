"""tasks.json as a desk: it shows what is in force, and what is edited comes into force."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import DeskBusy, SpaceError, TaskNotFound
from app.tasks import desk_row
from app.tasks.desk import Desk
from app.tasks.space_file import SpaceFile, Swap
from tests.conftest import on_sqlite
from tests.house import OWNER, definition
from tests.tasks.place import Place

pytestmark = on_sqlite


# ---- the file mirrors the registry


def test_a_fresh_file_explains_itself_and_shows_what_is_in_force(place: Place) -> None:
    assert place.desk.is_new()
    place.begin("a")
    assert not place.desk.is_new()
    content = place.content()
    assert list(content) == ["_note", "_revision", "tasks"]
    assert "schedule" in content["_note"]
    assert content["_revision"] == place.registry.snapshot().version
    assert content["tasks"] == [
        definition("a") | {"last_run": None, "next_run": "2026-11-24T00:00:00Z", "run_count": 0}
    ]
    assert place.text().endswith("]\n}\n")


def test_what_the_api_changes_is_shown(place: Place) -> None:
    place.begin("a", "b")
    place.patch("a", name="Changed", timeout="5m")
    place.registry.delete("b", OWNER)
    place.registry.create(definition("c"), OWNER)
    place.desk.sync()
    assert [entry["id"] for entry in place.content()["tasks"]] == ["a", "c"]
    assert (place.entry("a")["name"], place.entry("a")["timeout"]) == ("Changed", "5m")
    assert place.content()["_revision"] == place.registry.snapshot().version


def test_a_file_that_shows_all_is_not_written_again(place: Place) -> None:
    place.begin("a")
    before = place.path.stat().st_ino
    assert not place.desk.sync().written
    assert place.path.stat().st_ino == before


def test_the_read_out_is_written_once_a_second_at_most(place: Place) -> None:
    place.begin("a")
    place.house.registry.update("a", {"schedule": "hourly"}, OWNER)
    place.desk.sync()
    place.clock.advance(timedelta(milliseconds=100))
    place.run("a")
    report = place.desk.sync()
    assert (report.written, report.again) == (False, timedelta(milliseconds=500))
    assert place.entry("a")["run_count"] == 0
    place.clock.advance(timedelta(seconds=1))
    assert place.desk.sync().written
    assert place.entry("a")["run_count"] == 1


def test_a_changed_definition_is_written_at_once(place: Place) -> None:
    place.begin("a")
    place.patch("a", name="Changed")
    assert place.desk.sync().written


# ---- edits of the file


def test_an_edit_of_the_file_is_in_force_and_its_author_is_the_file(place: Place) -> None:
    place.begin("a", "b")
    place.put("a", schedule="hourly", enabled=False)
    place.desk.sync()
    assert place.definition("a") == definition("a", schedule="hourly", enabled=False)
    assert str(place.registry.history("a")[0].author) == "file"
    assert place.entry("a")["next_run"] is None
    assert place.registry.get("b").revision == 1


def test_an_entry_without_run_state_is_a_new_task_and_is_shown_with_it(place: Place) -> None:
    place.begin("a")
    place.edit(lambda tasks: tasks.append(definition("mine", x={"deep": 1})))
    place.desk.sync()
    assert place.definition("mine") == definition("mine", x={"deep": 1})
    assert place.entry("mine")["next_run"] == "2026-11-24T00:00:00Z"


def test_an_entry_that_is_gone_is_a_deleted_task_with_a_tombstone(place: Place) -> None:
    place.begin("a", "b", "c")
    place.take_away("b")
    place.desk.sync()
    assert place.in_force() == ["a", "c"]
    assert place.registry.history("b")[0].action == "deleted"
    place.registry.restore("b", OWNER)
    place.desk.sync()
    assert place.entry("b")["name"] == definition("b")["name"]


def test_different_fields_changed_by_two_both_stay(place: Place) -> None:
    place.begin("a")
    place.put("a", prompt="By the editor")
    place.patch("a", name="By the API")
    place.desk.sync()
    for found in (place.definition("a"), place.entry("a")):
        assert (found["prompt"], found["name"]) == ("By the editor", "By the API")


def test_an_editor_that_read_an_older_file_turns_nothing_back(place: Place) -> None:
    place.begin("a", "b")
    old = place.text()
    place.patch("a", name="By the API", timeout="5m")
    place.registry.create(definition("fresh"), OWNER)
    place.registry.delete("b", OWNER)
    place.desk.sync()
    place.put("a", old, prompt="By the editor")
    place.desk.sync()
    assert place.definition("a") == definition(
        "a", name="By the API", timeout="5m", prompt="By the editor"
    )
    assert place.in_force() == ["a", "fresh"]
    assert [entry["id"] for entry in place.content()["tasks"]] == ["a", "fresh"]


def test_the_same_field_goes_to_the_later_edit_and_the_other_is_in_the_history(
    place: Place,
) -> None:
    place.begin("a")
    place.patch("a", name="By the API")
    place.put("a", name="By the editor")
    place.desk.sync()
    assert place.definition("a")["name"] == "By the editor"
    place.patch("a", name="By the API again")
    place.desk.sync()
    assert place.entry("a")["name"] == "By the API again"
    names = [(each.definition or {})["name"] for each in place.registry.history("a")]
    assert names[:3] == ["By the API again", "By the editor", "By the API"]


def test_a_second_editor_with_the_same_old_copy_does_not_undo_the_first(place: Place) -> None:
    place.begin("a")
    old = place.text()
    place.put("a", old, name="First")
    place.desk.sync()
    place.put("a", old, prompt="Second")
    place.desk.sync()
    assert (place.definition("a")["name"], place.definition("a")["prompt"]) == ("First", "Second")


def test_an_edit_that_was_merged_is_not_merged_again_from_a_copy_of_it(place: Place) -> None:
    place.begin("a")
    place.put("a", name="First")
    copy = place.text()
    place.desk.sync()
    place.patch("a", name="By the API")
    place.desk.sync()
    place.put("a", copy, prompt="Second")
    place.desk.sync()
    assert place.definition("a") == definition("a", name="By the API", prompt="Second")


@pytest.mark.parametrize("stamp", [None, 10**6, "seven"])
def test_without_a_stamp_that_is_known_the_file_last_seen_is_the_base(
    place: Place, stamp: Any
) -> None:
    place.begin("a", "b")
    content = place.content()
    content["_revision"] = stamp
    content["tasks"][0]["name"] = "By the editor"
    place.path.write_text(json.dumps(content))
    place.patch("b", name="By the API")
    place.desk.sync()
    assert place.definition("a")["name"] == "By the editor"
    assert place.definition("b")["name"] == "By the API"
    assert place.content()["_revision"] == place.registry.snapshot().version


def test_a_task_deleted_by_the_api_comes_back_only_with_an_edit_of_its_entry(place: Place) -> None:
    place.begin("a", "b")
    old = place.text()
    place.registry.delete("b", OWNER)
    place.desk.sync()
    place.put("a", old, name="Changed")
    place.desk.sync()
    with pytest.raises(TaskNotFound):
        place.definition("b")
    place.put("b", old, name="Edited")
    report = place.desk.sync()
    assert place.definition("b")["name"] == "Edited"
    assert "deleted meanwhile" in report.notes[0]


def test_once_is_written_as_the_instant_that_it_became(place: Place) -> None:
    place.begin("a")
    place.put("a", schedule="in 30m")
    place.desk.sync()
    assert place.entry("a")["schedule"] == "at 2026-11-23T23:30Z"
    revision = place.registry.get("a").revision
    place.clock.advance(timedelta(hours=2))
    place.desk.sync()
    place.put("a", name="After it fired")
    place.desk.sync()
    assert place.desk.status().errors == ()
    assert place.registry.get("a").revision == revision + 1


def test_hand_edits_of_the_read_out_are_put_right_and_noted(place: Place) -> None:
    place.begin("a")
    place.put("a", run_count=99, next_run="2020-01-01T00:00:00Z", last_run="nonsense")
    place.clock.advance(timedelta(seconds=1))
    report = place.desk.sync()
    assert report.changes == []
    assert report.notes == [
        "a: last_run, next_run, run_count was edited by hand and is put right again"
    ]
    assert place.entry("a")["run_count"] == 0
    assert place.entry("a")["next_run"] == "2026-11-24T00:00:00Z"
    assert place.house.plan() == []


def test_a_new_entry_that_is_a_copy_of_another_brings_no_run_state(place: Place) -> None:
    place.begin("a")
    copy = place.entry("a") | {"id": "b", "run_count": 7, "next_run": "2020-01-01T00:00:00Z"}
    place.edit(lambda tasks: tasks.append(copy))
    place.desk.sync()
    assert place.registry.get("b").run_count == 0
    assert place.house.plan() == []


# ---- what is kept as it is


ODD = """{ "_note": "My own note", "_mine": [1,  2],
    "tasks": [
        { "id": "b", "x_weight": 1.50, "name":"B", "type": "custom", "schedule": "manual",
          "prompt": "caf\\u00e9 – é", "_remark": {"z": 1, "a": null}},
        { "id": "a", "name": "A", "type": "custom",
          "schedule": "daily", "prompt": "p", "enabled": true }
    ],
    "later": {"tasks": "no list"}
}


"""


def test_unknown_keys_order_notes_and_layout_are_kept(place: Place) -> None:
    place.path.parent.mkdir()
    place.path.write_text(ODD)
    place.desk.sync()
    place.patch("a", name="Changed")
    place.patch("b", prompt="Changed")
    place.desk.sync()
    text = place.text()
    for kept in (
        '{ "_note": "My own note", "_mine": [1,  2],\n',
        '"tasks": [\n        { "id": "b", "x_weight": 1.50, "name":"B", "type": "custom"',
        '"_remark": {"z": 1, "a": null}',
        '        { "id": "a", "name": "Changed", "type": "custom",\n          "schedule": "daily"',
        '\n    ],\n    "later": {"tasks": "no list"}\n}\n\n\n',
    ):
        assert kept in text
    assert place.definition("b")["_remark"] == {"z": 1, "a": None}


def test_a_bare_list_is_read_and_stays_one(place: Place) -> None:
    place.path.parent.mkdir()
    place.path.write_text(json.dumps([definition("a"), definition("b")], indent=4))
    place.desk.sync()
    place.patch("a", name="By the API")
    place.desk.sync()
    tasks = json.loads(place.text())
    assert [entry["name"] for entry in tasks] == ["By the API", "B"]
    assert place.text().startswith('[\n    {\n        "id": "a"')
    tasks[1]["name"] = "By the editor"
    place.path.write_text(json.dumps(tasks))
    place.desk.sync()
    assert place.definition("b")["name"] == "By the editor"
    assert place.definition("a")["name"] == "By the API"
    assert not place.desk.sync().written


# ---- a file from elsewhere


def test_a_space_of_the_reference_implementation_opens(place: Place) -> None:
    place.path.parent.mkdir()
    old = {
        "id": "daily_reflection",
        "name": "Daily Self-Reflection",
        "type": "self_reflection",
        "schedule": "daily",
        "prompt": "Reflect on today's interactions...",
        "enabled": True,
        "last_run": "2026-11-22T00:00:10.763864",
        "next_run": "2026-11-23T00:00:00",
        "run_count": 41,
    }
    tasks = [
        old,
        {**old, "id": "by_hand", "schedule": "manual", "next_run": None, "metadata": {"a": 1}},
        {**old, "id": "of_a_later_one", "type": "code_modify"},
    ]
    place.path.write_text(json.dumps({"_note": "Theirs", "tasks": tasks}, indent=2))
    place.desk.sync()
    record = place.registry.get("daily_reflection")
    assert record.last_run == datetime(2026, 11, 22, 0, 0, 10, 763864, tzinfo=UTC)
    assert record.run_count == 41
    assert place.registry.next_run(record) == datetime(2026, 11, 23, tzinfo=UTC), "it is owed"
    assert place.definition("by_hand")["metadata"] == {"a": 1}
    assert [fault.id for fault in place.desk.status().errors] == ["of_a_later_one"]
    assert place.content()["tasks"][2] == tasks[2]
    assert place.content()["_note"] == "Theirs"


def test_a_file_that_is_new_here_removes_nothing_and_wins(place: Place) -> None:
    place.registry.create(definition("a"), OWNER)
    place.registry.create(definition("b"), OWNER)
    place.path.parent.mkdir()
    place.path.write_text(json.dumps({"_revision": 2, "tasks": [definition("a", name="Theirs")]}))
    place.desk.sync()
    assert place.in_force() == ["a", "b"]
    assert place.definition("a")["name"] == "Theirs"
    assert [entry["id"] for entry in place.content()["tasks"]] == ["a", "b"]


def test_another_space_is_new_even_if_its_file_is_missing(place: Place, tmp_path: Path) -> None:
    place.begin("a")
    place.file = SpaceFile(tmp_path / "moved" / "tasks")
    place.path = place.file.path
    place.desk = place.another_process()
    assert place.desk.is_new()
    place.desk.sync()
    assert place.desk.status().held is None
    assert place.entry("a")["name"] == "A"


# ---- what can go wrong besides


def test_a_file_that_cannot_be_written_is_told_and_tried_again(place: Place) -> None:
    place.begin("a")

    class Full(SpaceFile):
        def write(self, data: bytes, *, expected: bytes | None) -> Swap:
            raise SpaceError("tasks.json cannot be used: No space left on device")

    place.patch("a", name="By the API")
    report = place.another_process(Full(place.path.parent)).sync()
    assert report.again == timedelta(seconds=2)
    assert "No space left" in place.desk.refused()[0]
    place.put("a", prompt="By the editor")
    place.another_process(Full(place.path.parent)).sync()
    assert place.definition("a") == definition("a", name="By the API", prompt="By the editor")
    place.desk.sync()
    assert place.desk.refused() == []
    assert place.entry("a")["name"] == "By the API"


def test_one_process_at_a_time_works_on_the_desk(place: Place) -> None:
    from filelock import FileLock

    place.begin("a")
    desk = Desk(
        place.database,
        place.registry,
        place.file,
        place.clock,
        lock_path=place.lock_path,
        lock_timeout=timedelta(milliseconds=50),
    )
    with FileLock(place.lock_path), pytest.raises(DeskBusy):
        desk.sync()
    desk.sync()


def test_the_row_of_the_desk_is_written_and_read_back(place: Place) -> None:
    place.begin("a", "b", "c", "d")
    place.put("d", schedule="bananas")
    place.take_away("a", "b", "c")
    place.desk.sync()
    with place.database.read() as connection:
        row = desk_row.load(connection, str(place.path))
    assert (row.seen, row.path) == (place.text(), str(place.path))
    assert set(row.bases) == {"a", "b", "c", "d"}
    with place.database.write() as connection:
        desk_row.store(connection, row)
        assert desk_row.load(connection, str(place.path)) == row
        assert desk_row.load(connection, "/elsewhere").is_new
