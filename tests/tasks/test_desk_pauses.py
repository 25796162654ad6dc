"""A pause until a time in tasks.json: written as an instant, merged as any other field."""

from datetime import timedelta
from typing import Any

from tests.tasks.place import Place

UNTIL = "2026-11-26T23:00:00Z"


def test_a_span_is_written_as_the_instant_that_it_became(place: Place) -> None:
    place.begin("a")
    place.put("a", paused_until="3d")
    place.desk.sync()
    assert place.entry("a")["paused_until"] == UNTIL
    revision = place.registry.get("a").revision
    place.clock.advance(timedelta(days=4))
    place.desk.sync()
    assert place.registry.get("a").revision == revision
    place.put("a", name="After it woke")
    place.desk.sync()
    assert place.desk.status().errors == ()
    assert place.registry.get("a").revision == revision + 1


def test_a_pause_and_another_field_changed_by_two_both_stay(place: Place) -> None:
    place.begin("a")
    old = place.text()
    place.patch("a", name="By the owner", paused_until="1d")
    place.put("a", old, prompt="By the editor")
    place.desk.sync()
    place.patch("a", prompt="By the owner")
    place.put("a", old, paused_until="3d")
    place.desk.sync()
    definition = place.definition("a")
    assert definition["name"] == definition["prompt"] == "By the owner"
    assert definition["paused_until"] == place.entry("a")["paused_until"] == UNTIL


def test_without_its_line_a_pause_is_over(place: Place) -> None:
    place.begin("a")
    place.patch("a", paused_until="3d")
    place.desk.sync()
    assert place.entry("a")["paused_until"] == UNTIL
    place.edit(lambda tasks: tasks[0].pop("paused_until"))
    place.desk.sync()
    assert "paused_until" not in place.definition("a")


def test_what_is_no_time_is_explained_and_the_last_good_pause_stays(place: Place) -> None:
    place.begin("a")
    place.patch("a", paused_until="3d")
    place.desk.sync()
    wrongs: list[dict[str, Any]] = [
        *({"paused_until": "soon"}, {"paused_until": None}, {"enabled": False}),
    ]
    for wrong in wrongs:
        place.put("a", **{"paused_until": UNTIL, "enabled": True, **wrong})
        place.desk.sync()
        (error,) = place.desk.status().errors
        assert (error.id, error.field) == ("a", "paused_until")
        assert place.definition("a")["paused_until"] == UNTIL
