"""tasks.json as a desk: what editors may do to it, and what becomes of it."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from app.core.errors import DeskBusy, NothingHeld, SpaceError, TaskNotFound
from app.database import Database
from app.schedule.timetable import TaskTimetable
from app.tasks import desk_row
from app.tasks.desk import Desk, SyncReport
from app.tasks.merge import Hold
from app.tasks.registry import Registry
from app.tasks.space_file import SpaceFile, Swap
from tests.conftest import on_sqlite
from tests.house import OWNER, House, definition

pytestmark = on_sqlite


class Place:
    """A desk in a folder of its own, and what an owner and an editor do."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.house = House(database, folder)
        self.registry, self.clock = self.house.registry, self.house.clock
        self.file = SpaceFile(folder / "tasks")
        self.path = self.file.path
        self.lock_path = folder / "desk.lock"
        self.desk = self.another_process()

    def another_process(self, registry: Registry | None = None) -> Desk:
        return Desk(
            self.database,
            registry or self.registry,
            self.file,
            self.clock,
            lock_path=self.lock_path,
        )

    def begin(self, *task_ids: str) -> None:
        """Have these tasks in force, and a file that shows them."""
        for task_id in task_ids:
            self.registry.create(definition(task_id), OWNER)
        self.desk.sync()

    def patch(self, task_id: str, **fields: Any) -> None:
        self.registry.update(task_id, fields, OWNER)

    def run(self, task_id: str) -> None:
        """Let the task run once, by hand."""
        self.house.executions.start(task_id)
        self.house.settle()

    def definition(self, task_id: str) -> dict[str, Any]:
        return dict(self.registry.get(task_id).definition)

    def in_force(self) -> list[str]:
        return list(self.registry.snapshot().records)

    # ---- the editor

    def text(self) -> str:
        return self.path.read_text()

    def content(self) -> dict[str, Any]:
        return json.loads(self.text())  # type: ignore[no-any-return]

    def entry(self, task_id: str) -> dict[str, Any]:
        (found,) = [entry for entry in self.content()["tasks"] if entry["id"] == task_id]
        return found  # type: ignore[no-any-return]

    def edit(
        self, change: Callable[[list[dict[str, Any]]], object], text: str | None = None
    ) -> None:
        """Save what an editor made of the text, by default of the present one."""
        content = json.loads(self.text() if text is None else text)
        change(content["tasks"])
        self.path.write_text(json.dumps(content, indent=2) + "\n")

    def put(self, task_id: str, text: str | None = None, **fields: Any) -> None:
        """Change fields of an entry in the file."""
        self.edit(
            lambda tasks: next(e for e in tasks if e["id"] == task_id).update(fields),
            text,
        )

    def take_away(self, *task_ids: str) -> None:
        def change(tasks: list[dict[str, Any]]) -> None:
            tasks[:] = [entry for entry in tasks if entry["id"] not in task_ids]

        self.edit(change)

    def put_at(self, index: int, **fields: Any) -> None:
        self.edit(lambda tasks: tasks[index].update(fields))

    def entry_names(self) -> list[str]:
        names = []
        for piece in self.text().split('"name": "')[1:]:
            names.append(piece.split('"')[0])
        return names

    def held(self) -> Hold | None:
        held = self.desk.status().held
        return held.reason if held is not None else None

    def wait(self) -> SyncReport:
        """Let the grace for unfinished files pass."""
        self.desk.sync()
        self.clock.advance(timedelta(seconds=2))
        return self.desk.sync()

    def told(self) -> dict[str, Any] | None:
        path = self.path.with_name("tasks.errors.json")
        return json.loads(path.read_text()) if path.exists() else None


@pytest.fixture
def place(database: Database, tmp_path: Path) -> Place:
    return Place(database, tmp_path)


# ---- the file mirrors the registry


def test_a_fresh_file_explains_itself_and_shows_what_is_in_force(place: Place) -> None:
    assert place.desk.is_new()
    place.begin("a")
    assert not place.desk.is_new()
    content = place.content()
    assert list(content) == ["_note", "_revision", "tasks"]
    assert "schedule" in content["_note"]
    assert content["_revision"] == place.desk.registry_version()
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
    assert place.content()["_revision"] == place.desk.registry_version()


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
    names = [revision.definition["name"] for revision in place.registry.history("a")]  # type: ignore[index]
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
    assert place.content()["_revision"] == place.desk.registry_version()


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


# ---- bad entries


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"schedule": "bananas"}, "schedule", "bananas"),
    ({"schedule": "at 2020-01-01T00:00"}, "schedule", ""),
    ({"type": "unknown"}, "type", "must be one of"),
    ({"enabled": "yes"}, "enabled", "must be true or false"),
    ({"prompt": 5}, "prompt", "string"),
    ({"prompt": " "}, "prompt", "must not be empty"),
    ({"name": None}, "name", ""),
    ({"timeout": "soon"}, "timeout", "soon"),
]


@pytest.mark.parametrize(("fields", "field", "reason"), BAD)
def test_a_bad_entry_is_left_where_it_stands_and_all_others_are_applied(
    place: Place, fields: dict[str, Any], field: str, reason: str
) -> None:
    place.begin("a", "b", "c")
    place.put("b", **fields)
    place.put("c", name="Changed")
    place.edit(lambda tasks: tasks.append(definition("fresh")))
    bad = place.entry("b")
    place.desk.sync()
    assert place.definition("b") == definition("b"), "its last good revision stays in force"
    assert place.definition("c")["name"] == "Changed"
    assert place.in_force() == ["a", "b", "c", "fresh"]
    assert place.entry("b") == bad
    (fault,) = place.desk.status().errors
    assert (fault.index, fault.id, fault.field) == (1, "b", field)
    assert reason in fault.message


def test_a_required_field_that_was_deleted_makes_the_entry_bad(place: Place) -> None:
    place.begin("a", "b")
    place.edit(lambda tasks: tasks[0].pop("prompt"))
    place.desk.sync()
    assert place.definition("a") == definition("a")
    assert [(f.id, f.field) for f in place.desk.status().errors] == [("a", "prompt")]


def test_text_of_a_bad_entry_stays_byte_for_byte_while_others_change(place: Place) -> None:
    place.begin("a", "b")
    bad = '{"id":"b" ,  "enabled": NaN, "mine": "\\u00e9"}'
    content = place.content()
    content["tasks"][1] = "HERE"
    place.path.write_text(json.dumps(content, indent=3).replace('"HERE"', bad))
    place.desk.sync()
    place.patch("a", name="Changed")
    place.patch("b", name="Not shown till it is mended")
    place.desk.sync()
    assert bad in place.text()
    assert place.entry_names() == ["Changed"]


def test_the_reason_is_told_everywhere_and_goes_away_when_mended(place: Place) -> None:
    place.begin("a", "b")
    place.put("b", schedule="bananas")
    place.desk.sync()
    told = place.told()
    assert told is not None
    assert (told["file"], told["at"], told["held"]) == ("tasks.json", "2026-11-23T23:00:00Z", None)
    (error,) = told["errors"]
    assert (error["index"], error["id"], error["field"]) == (1, "b", "schedule")
    (sentence,) = place.desk.refused()
    assert sentence.startswith("tasks.json, entry 1 (b), schedule: 'bananas'")
    assert place.another_process().refused() == [sentence]

    place.put("b", schedule="weekly")
    place.desk.sync()
    assert place.definition("b")["schedule"] == "weekly"
    assert (place.told(), place.desk.refused(), place.desk.status().errors) == (None, [], ())


def test_a_bad_entry_stays_bad_until_its_own_text_is_mended(place: Place) -> None:
    place.begin("a", "b")
    place.put("b", schedule="bananas")
    place.desk.sync()
    since = place.desk.status().errors_at
    place.clock.advance(timedelta(minutes=5))
    place.put("a", name="Changed")
    place.desk.sync()
    place.another_process().sync()
    assert place.entry("b")["schedule"] == "bananas"
    assert [fault.id for fault in place.desk.status().errors] == ["b"]
    assert place.desk.status().errors_at == since


def test_mending_a_bad_entry_does_not_undo_what_the_api_changed_meanwhile(place: Place) -> None:
    place.begin("a", "b")
    place.put("b", schedule="bananas")
    place.desk.sync()
    place.patch("b", prompt="By the API")
    place.patch("a", prompt="By the API")
    place.desk.sync()
    place.put("b", schedule="weekly")
    place.desk.sync()
    assert place.definition("b") == definition("b", schedule="weekly", prompt="By the API")
    assert place.entry("b")["prompt"] == "By the API"


def test_an_old_copy_with_the_good_entry_ends_the_quarantine_and_undoes_nothing(
    place: Place,
) -> None:
    place.begin("a", "b")
    place.patch("b", name="Before")
    place.desk.sync()
    old = place.text()
    place.put("b", schedule="bananas")
    place.desk.sync()
    place.patch("b", name="After")
    place.patch("a", name="After")
    place.desk.sync()
    place.path.write_text(old)
    place.desk.sync()
    assert place.desk.status().errors == ()
    assert place.entry_names() == ["After", "After"]


def test_a_new_bad_entry_is_kept_and_becomes_a_task_when_mended(place: Place) -> None:
    place.begin("a")
    place.edit(lambda tasks: tasks.append({**definition("b"), "schedule": "bananas"}))
    place.desk.sync()
    place.patch("a", name="Changed")
    place.desk.sync()
    assert place.entry("b")["schedule"] == "bananas"
    place.put("b", schedule="daily")
    assert place.desk.sync().notes == []
    assert place.in_force() == ["a", "b"]


def test_a_task_deleted_while_its_entry_is_bad_comes_back_with_the_mended_entry(
    place: Place,
) -> None:
    place.begin("a", "b")
    place.put("b", schedule="bananas")
    place.desk.sync()
    place.registry.delete("b", OWNER)
    place.desk.sync()
    assert place.entry("b")["schedule"] == "bananas"
    place.put("b", schedule="weekly")
    place.desk.sync()
    assert place.definition("b")["schedule"] == "weekly"


def test_of_two_entries_of_one_id_the_known_one_stays_in_force(place: Place) -> None:
    place.begin("a")
    place.edit(lambda tasks: tasks.insert(0, {**tasks[0], "prompt": "A copy"}))
    place.desk.sync()
    assert place.definition("a") == definition("a")
    (fault,) = place.desk.status().errors
    assert (fault.index, fault.id, fault.field) == (0, "a", "id")
    place.edit(lambda tasks: tasks[0].update(id="b"))
    place.desk.sync()
    assert place.definition("b")["prompt"] == "A copy"
    assert place.desk.status().errors == ()


def test_faults_keep_their_place_when_entries_before_them_go(place: Place) -> None:
    place.begin("a", "b", "c")
    place.put("c", schedule="bananas")
    place.desk.sync()
    place.registry.delete("a", OWNER)
    place.desk.sync()
    assert [fault.index for fault in place.desk.status().errors] == [1]
    place.patch("b", name="Changed")
    place.desk.sync()
    assert place.entry("c")["schedule"] == "bananas"
    assert place.entry("b")["name"] == "Changed"


# ---- files that are no JSON, or are being written


WHOLE_FILE: list[bytes] = [
    b"{",
    b"null",
    b'"x"',
    b"{}",
    b'{"tasks": [], "tasks": []}',
    b"\xef\xbb\xbf[]",
    '{"tasks": []}'.encode("utf-16"),
    b"[" * 100_000,
    b'{"tasks": [{"id": "a",}]}',
    b"\xff\xfe",
]


@pytest.mark.parametrize("data", WHOLE_FILE)
def test_a_file_that_is_no_json_changes_nothing_and_is_left(place: Place, data: bytes) -> None:
    place.begin("a", "b")
    place.path.write_bytes(data)
    place.patch("a", name="By the API")
    report = place.wait()
    assert (report.changes, report.written) == ([], False)
    assert place.path.read_bytes() == data
    assert place.in_force() == ["a", "b"]
    (fault,) = place.desk.status().errors
    assert fault.index is None
    assert fault.message.startswith("tasks.json is not JSON: ")
    assert place.desk.refused() == [f"tasks.json: {fault.message}"]
    told = place.told()
    assert told is not None
    assert told["errors"] == [{"index": None, "id": None, "message": fault.message}]


def test_when_it_is_json_again_its_edits_count_from_where_they_started(place: Place) -> None:
    place.begin("a")
    old = place.text()
    place.path.write_text("{")
    place.wait()
    place.patch("a", name="By the API")
    place.wait()
    place.put("a", old, prompt="By the editor")
    place.desk.sync()
    assert place.definition("a") == definition("a", name="By the API", prompt="By the editor")
    assert place.entry("a")["name"] == "By the API"
    assert (place.desk.status().errors, place.told()) == ((), None)


def test_the_same_text_again_takes_the_complaint_back(place: Place) -> None:
    place.begin("a")
    old = place.text()
    place.path.write_text("{")
    place.wait()
    place.path.write_text(old)
    place.desk.sync()
    assert (place.desk.status().errors, place.told()) == ((), None)


@pytest.mark.parametrize("torn", [b"", b"  \n", b"{", b'{"tasks": [{"id": "a"'])
def test_a_half_written_file_is_not_complained_about_for_two_seconds(
    place: Place, torn: bytes
) -> None:
    place.begin("a", "b")
    good = place.text()
    place.path.write_bytes(torn)
    for _ in range(4):
        report = place.desk.sync()
        assert report.again == timedelta(milliseconds=200)
        assert place.desk.status().errors == ()
        assert place.desk.status().held is None
        place.clock.advance(timedelta(seconds=0.45))
    place.put("a", good, name="Finished")
    place.desk.sync()
    assert place.definition("a")["name"] == "Finished"
    assert place.told() is None


def test_a_slow_writer_is_given_time_as_long_as_it_goes_on(place: Place) -> None:
    place.begin("a")
    good = place.text()
    for length in range(1, 8):
        place.path.write_text(good[:length])
        place.desk.sync()
        place.clock.advance(timedelta(seconds=1.3))
        assert place.desk.status().errors == ()
    place.path.write_text(good[:9])
    place.desk.sync()
    place.clock.advance(timedelta(seconds=1.3))
    place.path.write_text(good[:10])
    place.desk.sync()
    assert len(place.desk.status().errors) == 1, "but not for ever"


def test_a_file_that_vanishes_for_a_moment_is_not_held(place: Place) -> None:
    place.begin("a")
    text = place.text()
    place.path.unlink()
    place.desk.sync()
    place.clock.advance(timedelta(seconds=1.9))
    place.desk.sync()
    place.path.write_text(text)
    place.desk.sync()
    assert place.desk.status().held is None


def a_link(path: Path) -> None:
    (path.parent.parent / "elsewhere").write_text('{"tasks": []}')
    path.symlink_to(path.parent.parent / "elsewhere")


def a_hard_link(path: Path) -> None:
    (path.parent.parent / "elsewhere").write_text('{"tasks": []}')
    path.hardlink_to(path.parent.parent / "elsewhere")


def a_huge_file(path: Path) -> None:
    path.touch()
    os.truncate(path, 5 * 1024 * 1024)


@pytest.mark.parametrize(
    ("put", "reason"),
    [
        (a_link, "symbolic link"),
        (a_hard_link, "hard link"),
        (Path.mkdir, "folder"),
        (os.mkfifo, "pipe"),
        (a_huge_file, "at most 4194304"),
    ],
)
def test_anything_else_in_its_place_is_refused_with_a_reason(
    place: Place, put: Callable[[Path], None], reason: str
) -> None:
    place.begin("a")
    place.path.unlink()
    put(place.path)
    place.patch("a", name="By the API")
    assert place.wait().changes == []
    assert place.in_force() == ["a"]
    assert reason in place.desk.status().errors[0].message
    assert place.told() is not None
    with pytest.raises(SpaceError):
        place.desk.restore(OWNER)


def test_a_megabyte_of_spaces_is_an_emptied_file(place: Place) -> None:
    place.begin("a")
    place.path.write_bytes(b" " * 1_000_000)
    place.wait()
    assert place.in_force() == ["a"]
    assert place.held() is Hold.EMPTIED


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
    assert (held.reason, held.since) == (reason, datetime(2026, 11, 23, 23, 0, 2, tzinfo=UTC)) or (
        held.since == datetime(2026, 11, 23, 23, tzinfo=UTC)
    )
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


# ---- dying between two steps


class Killed(BaseException):
    """The process is no more."""


class DyingFile(SpaceFile):
    """Its process dies before or after the next write."""

    after = False

    def write(self, data: bytes, *, expected: bytes | None) -> Swap:
        if self.after:
            super().write(data, expected=expected)
        raise Killed


class DyingRegistry(Registry):
    """Its process dies in the transaction, at its very end."""

    def change(self, *arguments: Any, **options: Any) -> Any:
        *others, also = arguments

        def dies(connection: Connection) -> None:
            also(connection)
            raise Killed

        return super().change(*others, dies, **options)


def dying(place: Place, file: SpaceFile, registry: Registry | None = None) -> Desk:
    return Desk(
        place.database, registry or place.registry, file, place.clock, lock_path=place.lock_path
    )


@pytest.mark.parametrize("after", [False, True])
def test_a_death_around_the_write_loses_and_repeats_nothing(place: Place, after: bool) -> None:
    place.begin("a", "b")
    place.put("a", name="By the editor", schedule="in 30m")
    file = DyingFile(place.path.parent)
    file.after = after
    with pytest.raises(Killed):
        dying(place, file).sync()
    assert place.definition("a")["name"] == "By the editor"
    revision = place.registry.get("a").revision
    place.patch("b", name="By the API")
    place.clock.advance(timedelta(minutes=1))
    place.another_process().sync()
    assert place.registry.get("a").revision == revision, "the edit is not made twice"
    assert place.entry_names() == ["By the editor", "By the API"]

    place.patch("a", name="Later by the API")
    place.another_process().sync()
    assert place.entry_names() == ["Later by the API", "By the API"]


def test_a_death_in_the_transaction_leaves_the_edit_in_the_file(place: Place) -> None:
    place.begin("a")
    place.put("a", name="By the editor")
    registry = DyingRegistry(
        place.database, place.clock, TaskTimetable(place.house.book), place.house.settling
    )
    with pytest.raises(Killed):
        dying(place, place.file, registry).sync()
    assert place.definition("a")["name"] == "A"
    place.another_process().sync()
    assert place.definition("a")["name"] == "By the editor"
    assert place.registry.get("a").revision == 2


def test_a_death_right_after_the_exchange_leaves_the_edit_that_came_out(place: Place) -> None:
    place.begin("a", "b")
    edited = place.text().replace('"B"', '"By the editor"')
    place.patch("a", name="By the API")
    place.desk.sync()
    (name,) = [path.name for path in place.path.parent.iterdir() if path.suffix == ".tmp"]
    place.path.with_name(name).write_text(edited)
    place.another_process().sync()
    assert place.definition("b")["name"] == "By the editor"
    assert place.definition("a")["name"] == "By the API"
    assert place.entry_names() == ["By the API", "By the editor"]


def test_a_left_over_text_never_brings_a_task_back(place: Place) -> None:
    place.begin("a", "gone")
    old = place.text()
    place.registry.delete("gone", OWNER)
    place.desk.sync()
    for name in (".tasks.json.1234.tmp", ".tasks.json.aaaa.bbbb.0.tmp"):
        place.path.with_name(name).write_text(old)
    desk = place.another_process()
    desk.sync()
    assert place.in_force() == ["a"]
    place.clock.advance(timedelta(seconds=4))
    desk.sync()
    assert list(place.path.parent.glob(".tasks.json.*")) == []


# ---- editors that are quicker


class HastyEditor(SpaceFile):
    """A file that is edited in the instant before each of the next writes is put in its place."""

    edits: list[Callable[[], None]]

    def _swap(self, folder: int, temporary: str, expected: bytes | None) -> Swap:
        real = self._rename
        assert real is not None

        def rename(*arguments: Any) -> None:
            self._rename = real
            if self.edits:
                self.edits.pop(0)()
            real(*arguments)

        self._rename = rename
        try:
            return super()._swap(folder, temporary, expected)
        finally:
            self._rename = real


@pytest.mark.parametrize("in_place", [True, False])
def test_edits_that_slip_in_before_a_write_are_merged_and_written(
    place: Place, in_place: bool
) -> None:
    place.begin("a", "b")
    bad = '{"id": "c", "schedule": NaN}'

    def slip_in(**fields: Any) -> None:
        text = json.loads(place.text())
        next(entry for entry in text["tasks"] if entry["id"] == "b").update(fields)
        done = json.dumps(text).replace("]}", f", {bad}]}}" if bad not in place.text() else "]}")
        if in_place:
            place.path.write_text(done)
        else:
            place.path.with_name("other").write_text(done)
            place.path.with_name("other").replace(place.path)

    file = HastyEditor(place.path.parent)
    file.edits = [lambda: slip_in(name="First"), lambda: slip_in(prompt="Second")]
    place.patch("a", name="By the API")
    dying(place, file).sync()
    assert place.definition("b") == definition("b", name="First", prompt="Second")
    assert place.definition("a")["name"] == "By the API"
    assert bad in place.text(), "the text of a bad entry is kept through a race too"


def test_an_edit_that_slipped_in_survives_an_editor_who_saw_the_file_without_it(
    place: Place,
) -> None:
    place.begin("a", "b")

    class Unlucky(HastyEditor):
        def _look_at_swapped(self, rename: Any, folder: int, *others: Any) -> Swap:
            ours = place.text()
            swap = super()._look_at_swapped(rename, folder, *others)
            if not swap.done:
                place.put("a", ours, prompt="By one who saw our file")
            return swap

    file = Unlucky(place.path.parent)
    file.edits = [lambda: place.put("b", name="Slipped in")]
    place.patch("a", name="By the API")
    dying(place, file).sync()
    assert place.definition("b")["name"] == "Slipped in"
    assert place.definition("a") == definition(
        "a", name="By the API", prompt="By one who saw our file"
    )


def test_what_is_written_into_the_swapped_out_file_is_merged(place: Place) -> None:
    place.begin("a", "b")
    with place.path.open("r+") as opened:
        content = json.load(opened)
        place.patch("a", name="By the API")
        place.desk.sync()
        content["tasks"][1]["name"] = "By the slow editor"
        opened.seek(0)
        opened.write(json.dumps(content)[:100])
        opened.flush()
        place.desk.sync()
        assert place.definition("b")["name"] == "B"
        opened.write(json.dumps(content)[100:])
        opened.truncate()
    report = place.desk.sync()
    assert place.entry_names() == ["By the API", "By the slow editor"]
    assert report.again is not None
    place.clock.advance(timedelta(seconds=4))
    place.desk.sync()
    place.clock.advance(timedelta(seconds=4))
    place.desk.sync()
    assert list(place.path.parent.glob(".tasks.json.*")) == []


def test_a_patch_during_the_merge_is_neither_lost_nor_undone(place: Place) -> None:
    place.begin("a")
    place.put("a", prompt="By the editor")

    class Overtaken(Registry):
        def change(self, *arguments: Any, **options: Any) -> Any:
            place.patch("a", name="By the API")
            return super().change(*arguments, **options)

    registry = Overtaken(
        place.database, place.clock, TaskTimetable(place.house.book), place.house.settling
    )
    dying(place, place.file, registry).sync()
    assert place.definition("a") == definition("a", name="By the API", prompt="By the editor")


# ---- what can go wrong besides


def test_a_file_that_cannot_be_written_is_told_and_tried_again(place: Place) -> None:
    place.begin("a")

    class Full(SpaceFile):
        def write(self, data: bytes, *, expected: bytes | None) -> Swap:
            raise SpaceError("tasks.json cannot be used: No space left on device")

    place.patch("a", name="By the API")
    report = dying(place, Full(place.path.parent)).sync()
    assert report.again == timedelta(seconds=2)
    assert "No space left" in place.desk.refused()[0]
    place.put("a", prompt="By the editor")
    dying(place, Full(place.path.parent)).sync()
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
