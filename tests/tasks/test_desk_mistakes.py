"""Mistakes in tasks.json: each is left where it stands, told, and does no harm."""

import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import SpaceError
from app.tasks.merge import Hold
from app.tasks.space_file import SpaceFile, Swap
from tests.conftest import on_sqlite
from tests.house import OWNER, definition
from tests.tasks.place import Place

pytestmark = on_sqlite


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
    old = place.text()
    place.patch("b", name="Before")
    place.desk.sync()
    place.put("b", schedule="bananas")
    place.desk.sync()
    place.patch("b", name="After")
    place.patch("a", name="After")
    place.desk.sync()
    place.path.write_text(old)
    place.desk.sync()
    assert place.desk.status().errors == ()
    assert place.entry_names() == ["After", "After"]


def test_mending_a_bad_entry_in_an_older_copy_undoes_nothing_either(place: Place) -> None:
    place.begin("a", "b")
    place.put("b", schedule="bananas")
    place.later()
    place.patch("b", prompt="By the API")
    place.later()
    copy = place.text()
    place.patch("a", prompt="By the API")
    place.later()
    place.put("a", copy, name="Another edit of the copy")
    place.later()
    copy = place.text()
    place.patch("a", prompt="Again by the API")
    place.later()
    place.put("b", copy, schedule="weekly")
    place.later()
    assert place.definition("b") == definition("b", schedule="weekly", prompt="By the API")


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
    assert fault.message.startswith(("tasks.json is not JSON: ", "tasks.json cannot be used: "))
    assert place.desk.refused() == [fault.message]
    told = place.told()
    assert told is not None
    assert told["errors"] == [{"index": None, "id": None, "message": fault.message}]


def test_the_log_says_when_trouble_with_the_file_begins_and_when_it_is_over(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.begin("a")
    before = place.path.read_text()
    caplog.clear()
    place.path.write_text("{")
    place.wait()
    place.path.write_text(before)
    place.wait()
    said: list[tuple[str, Any]] = [(r.levelname, r.msg) for r in caplog.records]
    (began, ended) = [(level, told) for level, told in said if "desk." in told["event"]]
    assert (began[0], began[1]["event"]) == ("WARNING", "desk.trouble")
    assert (ended[0], ended[1]["event"]) == ("INFO", "desk.mended")
    assert began[1]["trouble"] == ended[1]["trouble_was"]
    assert "tasks.json is not JSON" in began[1]["trouble"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{}", "it has no list of tasks"),
        ("null", "it has no list of tasks"),
        ('{"tasks": {"a": 1}}', '"tasks" is no list'),
    ],
)
def test_json_without_a_list_of_tasks_is_told_as_such_and_named_once(
    place: Place, text: str, why: str
) -> None:
    place.begin("a")
    place.put("a", schedule="sometimes")
    place.desk.sync()
    assert [error.field for error in place.desk.status().errors] == ["schedule"]
    place.path.write_text(text)
    place.wait()
    looks = 'it should look like {"tasks": [...]}'
    assert place.desk.refused() == [f"tasks.json cannot be used: {why}; {looks}"]


def test_the_entries_that_were_wrong_are_told_again_when_the_file_can_be_read_again(
    place: Place,
) -> None:
    place.begin("a")
    place.put("a", schedule="sometimes")
    place.desk.sync()
    before = place.text(), place.desk.status().errors
    place.path.write_text("{}")
    place.wait()
    place.path.write_text(before[0])
    place.desk.sync()
    assert place.desk.status().errors == before[1]


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


def test_another_mistake_in_the_file_does_not_take_the_complaint_back(place: Place) -> None:
    place.begin("a")
    place.path.write_text("{")
    place.wait()
    place.path.write_text("{{")
    place.desk.sync()
    assert len(place.desk.status().errors) == 1


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


def test_a_file_that_cannot_be_written_is_told_and_tried_again(place: Place) -> None:
    class Full(SpaceFile):
        """A file on a disk without space."""

        is_full = True

        def write(self, data: bytes, *, expected: bytes | None) -> Swap:
            if self.is_full:
                raise SpaceError("tasks.json cannot be used: no space left on device")
            return super().write(data, expected=expected)

    place.begin("a")
    place.put("a", name="By the editor")
    place.patch("a", prompt="By the API")
    file = Full(place.path.parent)
    desk = place.another_process(file)
    report = desk.sync()
    assert place.definition("a")["name"] == "By the editor", "the edit is in force all the same"
    assert report.trouble is not None
    assert "no space left" in report.trouble
    assert report.again is not None
    (fault,) = desk.status().errors
    assert fault.message == report.trouble
    file.is_full = False
    assert desk.sync().trouble is None
    assert desk.status().errors == ()
    assert place.entry("a")["prompt"] == "By the API"
