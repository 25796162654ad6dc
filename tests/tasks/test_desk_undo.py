"""An editor that keeps its own text, and takes back in it what it saved before."""

import json
from typing import Any

import pytest

from app.tasks.saved import Saved
from tests.tasks.place import Place

Tasks = list[dict[str, Any]]


class Editor:
    """Reads tasks.json once, and never again; each save is looked at by another process."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.content: dict[str, Any] = place.content()

    @property
    def tasks(self) -> Tasks:
        tasks: Tasks = self.content["tasks"]
        return tasks

    def save(self) -> None:
        self.place.path.write_text(json.dumps(self.content, indent=2) + "\n")
        self.place.another_process().sync()


@pytest.fixture
def editor(place: Place) -> Editor:
    place.begin("a", "b", "c", "d", "e")
    return Editor(place)


def test_a_field_goes_there_and_back(place: Place, editor: Editor) -> None:
    for enabled in (False, True, False, True):
        editor.tasks[0]["enabled"] = enabled
        editor.save()
        assert place.definition("a")["enabled"] is enabled
        assert place.entry("a")["enabled"] is enabled


def test_one_of_two_changes_is_taken_back(place: Place, editor: Editor) -> None:
    before = editor.tasks[0]["name"]
    editor.tasks[0].update(name="Other", prompt="Think.")
    editor.save()
    editor.tasks[0]["name"] = before
    editor.save()
    assert (place.definition("a")["name"], place.definition("a")["prompt"]) == (before, "Think.")


def test_a_field_that_was_not_there_goes_again(place: Place, editor: Editor) -> None:
    editor.tasks[0]["timeout"] = "5m"
    editor.save()
    del editor.tasks[0]["timeout"]
    editor.save()
    assert "timeout" not in place.definition("a")


def test_a_task_that_was_removed_comes_back_and_a_new_one_goes(
    place: Place, editor: Editor
) -> None:
    before = json.dumps(editor.content)
    editor.tasks[0]["id"] = "renamed"
    editor.save()
    assert place.in_force() == ["b", "c", "d", "e", "renamed"]
    editor.content = json.loads(before)
    editor.save()
    assert sorted(place.in_force()) == ["a", "b", "c", "d", "e"]


def test_what_others_changed_meanwhile_stays(place: Place, editor: Editor) -> None:
    editor.tasks[0]["enabled"] = False
    editor.save()
    place.patch("a", name="By the API")
    place.patch("b", name="By the API")
    editor.tasks[0]["enabled"] = True
    editor.save()
    assert (place.definition("a")["name"], place.definition("a")["enabled"]) == ("By the API", True)
    assert place.definition("b")["name"] == "By the API"


def test_another_editor_that_began_with_the_same_text_takes_nothing_back(
    place: Place, editor: Editor
) -> None:
    other = Editor(place)
    editor.tasks[0]["enabled"] = False
    editor.save()
    other.tasks[0]["name"] = "By the other"
    other.save()
    assert place.definition("a")["enabled"] is False
    assert place.definition("a")["name"] == "By the other"


def test_an_editor_that_read_the_file_anew_counts_from_there(place: Place, editor: Editor) -> None:
    editor.tasks[0]["enabled"] = False
    editor.save()
    other = Editor(place)
    other.tasks[1]["enabled"] = False
    other.save()
    editor.tasks[0]["enabled"] = True
    editor.save()
    assert place.definition("b")["enabled"] is False, "it never saw that"


def test_a_change_of_two_saves_ago_is_taken_back(place: Place, editor: Editor) -> None:
    editor.tasks[0]["enabled"] = False
    editor.save()
    editor.tasks[1]["name"] = "Other"
    editor.save()
    editor.tasks[0]["enabled"] = True
    editor.save()
    assert (place.definition("a")["enabled"], place.definition("b")["name"]) == (True, "Other")


def test_what_was_saved_before_the_file_was_read_is_of_no_account(
    place: Place, editor: Editor
) -> None:
    editor.tasks[0]["enabled"] = False
    editor.save()
    place.patch("a", name="By the API")
    place.desk.sync()
    other = Editor(place)
    other.tasks[1]["enabled"] = False
    other.save()
    place.patch("a", name="By the API again")
    other.tasks[1]["enabled"] = True
    other.save()
    assert place.definition("a")["name"] == "By the API again"
    assert place.definition("b")["enabled"] is True


def test_what_was_refused_is_no_change_that_could_be_taken_back(
    place: Place, editor: Editor
) -> None:
    editor.tasks[0].update(name="Other", schedule="sometimes")
    editor.tasks[1]["enabled"] = False
    editor.save()
    editor.tasks[0]["schedule"] = "weekly"
    editor.tasks[1]["enabled"] = True
    editor.save()
    found = place.definition("a")
    assert (found["name"], found["schedule"]) == ("Other", "weekly")
    assert place.definition("b")["enabled"] is True


WRITTEN: dict[str, dict[str, Any]] = {"a": {"x": 1, "y": 1}, "b": {"x": 1}}


@pytest.mark.parametrize(
    ("before", "now", "goes_on"),
    [
        ({"a": {"x": 2, "y": 1}}, WRITTEN, True),
        ({"a": {"x": 2, "y": 2}}, {"a": {"x": 2, "y": 1}, "b": {"x": 1}}, True),
        ({"a": {"x": 2, "y": 1}}, {"a": {"x": 1, "y": 2}, "b": {"x": 1}}, False),
        ({"a": {"x": 2, "y": 1}}, {"a": {"x": 1, "y": 1}, "b": {"x": 2}}, False),
        ({"a": {"y": 1}}, {"a": {"y": 1}, "b": {"x": 2}}, True),
        ({"a": {"x": 1, "y": 1, "z": None}}, {"a": {"z": None}, "b": {"x": 2}}, True),
        ({"a": None}, {"b": {"x": 2}}, True),
        ({"a": None}, {"a": {"x": 1, "y": 1}, "b": {"x": 2}}, False),
        ({"c": {"x": 1}}, {**WRITTEN, "c": {"x": 1}, "d": {}}, True),
        ({"c": {"x": 1}}, {**WRITTEN, "d": {}}, False),
    ],
)
def test_an_editor_is_known_by_what_it_changed_before(
    before: dict[str, Any], now: dict[str, Any], goes_on: bool
) -> None:
    assert Saved(stamp=1, entries=before).goes_on_in(now, WRITTEN) is goes_on
