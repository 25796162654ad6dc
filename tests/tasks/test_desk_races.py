"""Processes that die between two steps, and editors that are quicker than a write."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection

from app.schedule.timetable import TaskTimetable
from app.tasks.registry import Registry
from app.tasks.space_file import SpaceFile, Swap
from tests.conftest import on_sqlite
from tests.house import OWNER, definition
from tests.tasks.place import Place

pytestmark = on_sqlite


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
        task_ids, decide, author, also = arguments

        def dies(connection: Connection) -> None:
            also(connection)
            raise Killed

        return super().change(task_ids, decide, author, dies, **options)


@pytest.mark.parametrize("after", [False, True])
def test_a_death_around_the_write_loses_and_repeats_nothing(place: Place, after: bool) -> None:
    place.begin("a", "b")
    place.put("a", name="By the editor", schedule="in 30m")
    file = DyingFile(place.path.parent)
    file.after = after
    with pytest.raises(Killed):
        place.another_process(file).sync()
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
        place.another_process(registry=registry).sync()
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


def test_left_overs_in_a_space_that_is_new_are_no_edits(place: Place) -> None:
    place.path.parent.mkdir()
    text = json.dumps({"_revision": 0, "tasks": [definition("deleted")]})
    place.path.with_name(".tasks.json.aaaa.bbbb.0.tmp").write_text(text)
    place.desk.sync()
    assert place.in_force() == []


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
    place.another_process(file).sync()
    assert place.definition("b") == definition("b", name="First", prompt="Second")
    assert place.definition("a")["name"] == "By the API"
    assert bad in place.text(), "the text of a bad entry is kept through a race too"


class EarlyEditor(SpaceFile):
    """A file that is edited between the merge and the next write."""

    edits: list[Callable[[], None]]

    def write(self, data: bytes, *, expected: bytes | None) -> Swap:
        if self.edits:
            self.edits.pop(0)()
        return super().write(data, expected=expected)


@pytest.mark.parametrize("kind", [EarlyEditor, HastyEditor])
def test_two_editors_that_started_from_the_same_file_both_count(
    place: Place, kind: type[EarlyEditor | HastyEditor]
) -> None:
    place.begin("a", "b")
    old = place.text()
    place.put("a", old, name="The first")
    file = kind(place.path.parent)
    file.edits = [lambda: place.put("b", old, name="The second")]
    place.another_process(file).sync()
    assert place.entry_names() == ["The first", "The second"]


def test_after_a_death_a_quick_editor_does_not_repeat_what_was_merged(place: Place) -> None:
    place.begin("a", "b")
    place.put("a", name="Merged before the death")
    edited = place.text()
    with pytest.raises(Killed):
        place.another_process(DyingFile(place.path.parent)).sync()
    place.patch("a", name="By the API")
    file = HastyEditor(place.path.parent)
    file.edits = [lambda: place.put("b", edited, name="Quick")]
    place.another_process(file).sync()
    assert place.entry_names() == ["By the API", "Quick"]


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
    place.another_process(file).sync()
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
    place.another_process(registry=registry).sync()
    assert place.definition("a") == definition("a", name="By the API", prompt="By the editor")
