"""Schedules looked ahead, revisions shown and restored, the desk decided about."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.wiring import Services
from tests.conftest import on_sqlite

pytestmark = on_sqlite

REFLECTION = "/api/tasks/daily_reflection"


def body_of(response: Any) -> Any:
    return json.loads(response.data)


def wrong_fields(response: Any) -> set[str]:
    assert response.status_code == 422, response.data
    return {error["field"] for error in body_of(response)["errors"]}


# ---- schedules


def preview(client: FlaskClient, **body: Any) -> Any:
    return client.post("/api/schedules/preview", json=body)


def test_a_schedule_is_shown_in_words_with_its_next_fires_in_both_clocks(
    client: FlaskClient,
) -> None:
    body = body_of(preview(client, schedule="0 9 * * MON-FRI", timezone="Europe/Berlin", count=2))
    assert body["next"] == [
        {"utc": "2026-11-24T08:00:00Z", "local": "2026-11-24T09:00:00+01:00"},
        {"utc": "2026-11-25T08:00:00Z", "local": "2026-11-25T09:00:00+01:00"},
    ]
    assert "09:00" in body["sentence"]
    assert body["timezone"] == "Europe/Berlin"
    assert body["warnings"] == []
    assert set(body["clock"]) == {"alive", "processes", "ticked_at"}


def test_a_preview_begins_after_the_instant_that_is_asked_for(client: FlaskClient) -> None:
    body = body_of(preview(client, schedule="monthly", after="2027-01-01T00:00:00Z", count=1))
    assert body["next"][0]["utc"] == "2027-02-01T00:00:00Z"


def test_a_preview_warns_of_a_change_of_the_clocks(client: FlaskClient) -> None:
    body = body_of(preview(client, schedule="30 2 * * *", timezone="Europe/Berlin"))
    assert body["warnings"]


def test_a_manual_schedule_has_no_fires(client: FlaskClient) -> None:
    assert body_of(preview(client, schedule="manual"))["next"] == []


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"schedule"}),
        ({"schedule": "30m"}, {"schedule"}),
        ({"schedule": "every 1s"}, {"schedule"}),
        ({"schedule": "daily", "timezone": "Mars/Olympus"}, {"timezone"}),
        ({"schedule": "daily", "timezone": "../../etc/passwd"}, {"timezone"}),
        ({"schedule": "daily", "count": 0}, {"count"}),
        ({"schedule": "daily", "count": True}, {"count"}),
        ({"schedule": "daily", "count": 1.5}, {"count"}),
        ({"schedule": "daily", "after": 5}, {"after"}),
        ({"schedule": "daily", "after": "soon", "colour": 1}, {"after", "colour"}),
    ],
)
def test_a_preview_names_what_is_wrong(
    client: FlaskClient, body: dict[str, Any], fields: set[str]
) -> None:
    assert wrong_fields(preview(client, **body)) == fields


@pytest.mark.parametrize("after", ["9000-12-31T23:59:59Z", "1970-01-01T00:00:00Z"])
def test_the_ends_of_the_calendar_are_no_trap(client: FlaskClient, after: str) -> None:
    for schedule in ("daily", "every 1h", "at 2027-01-01T00:00", "0 0 29 2 *"):
        response = preview(client, schedule=schedule, timezone="Pacific/Kiritimati", after=after)
        assert response.status_code == 200, response.data
    assert wrong_fields(preview(client, schedule="daily", after="9001-01-01T00:00:00Z")) == {
        "after"
    }


def test_the_next_fires_of_a_task(client: FlaskClient) -> None:
    body = body_of(client.get(f"{REFLECTION}/next?count=2"))
    assert [fire["utc"] for fire in body["next"]] == [
        "2026-11-24T00:00:00Z",
        "2026-11-25T00:00:00Z",
    ]
    assert (body["task_id"], body["enabled"]) == ("daily_reflection", True)
    assert client.get("/api/tasks/unknown/next").status_code == 404


# ---- revisions


def test_the_history_tells_who_changed_what(client: FlaskClient) -> None:
    client.patch(REFLECTION, json={"enabled": False, "timeout": "5m"})
    client.delete(REFLECTION)
    body = body_of(client.get(f"{REFLECTION}/history"))
    assert (body["task_id"], body["count"], body["total"]) == ("daily_reflection", 3, 3)
    deleted, changed, created = body["revisions"]
    assert list(changed) == [
        "revision",
        "at",
        "author",
        "action",
        "effective_from",
        "definition",
        "changes",
        "reason",
    ]
    assert (changed["revision"], changed["author"], changed["action"]) == (2, "owner", "updated")
    assert changed["changes"] == {
        "enabled": {"from": True, "to": False},
        "timeout": {"from": None, "to": "5m"},
    }
    assert changed["definition"]["timeout"] == "5m"
    assert (deleted["action"], deleted["definition"]) == ("deleted", None)
    assert deleted["changes"]["schedule"] == {"from": "daily", "to": None}
    assert created["author"] == "service:default tasks"
    assert set(created["changes"]) == set(created["definition"])


def test_the_history_may_be_asked_for_in_part(client: FlaskClient) -> None:
    client.patch(REFLECTION, json={"enabled": False})
    body = body_of(client.get(f"{REFLECTION}/history?limit=1"))
    assert (body["count"], body["total"]) == (1, 2)
    assert body["revisions"][0]["changes"] == {"enabled": {"from": True, "to": False}}


def test_an_id_that_never_was_has_no_history(client: FlaskClient) -> None:
    assert client.get("/api/tasks/never_was/history").status_code == 404


def test_a_revision_is_put_in_force_again(client: FlaskClient) -> None:
    client.patch(REFLECTION, json={"prompt": "Second"})
    client.patch(REFLECTION, json={"prompt": "Third"})
    body = body_of(client.post(f"{REFLECTION}/restore", json={"revision": 2}))
    assert body == {
        "success": True,
        "task_id": "daily_reflection",
        "message": "Task restored successfully",
        "revision": 4,
    }
    assert body_of(client.get(REFLECTION))["prompt"] == "Second"


def test_without_a_number_the_newest_that_is_not_in_force_is_restored(
    client: FlaskClient,
) -> None:
    client.delete(REFLECTION)
    assert client.post(f"{REFLECTION}/restore").status_code == 200
    assert body_of(client.get(REFLECTION))["name"] == "Daily Self-Reflection"


def test_where_no_revision_differs_there_is_nothing_to_restore(client: FlaskClient) -> None:
    refused = client.post(f"{REFLECTION}/restore")
    assert (refused.status_code, body_of(refused)["type"]) == (409, "/problems/nothing-to-restore")
    assert body_of(client.get(REFLECTION))["revision"] == 1


def test_what_cannot_be_restored_is_said(client: FlaskClient) -> None:
    missing = client.post(f"{REFLECTION}/restore", json={"revision": 9})
    assert (missing.status_code, body_of(missing)["type"]) == (404, "/problems/revision-not-found")
    assert client.post("/api/tasks/never_was/restore").status_code == 404
    for body in ({"revision": "2"}, {"revision": 0}, {"revision": 2**40}, {"rev": 1}):
        assert client.post(f"{REFLECTION}/restore", json=body).status_code == 422


# ---- the desk


def hold_removals(services: Services) -> None:
    (services.settings.persona_space / "tasks" / "tasks.json").write_text('{"tasks": []}')
    services.desk.sync()


def test_a_tidy_desk_has_nothing_to_decide(client: FlaskClient) -> None:
    assert body_of(client.get("/api/desk")) == {
        "file": "tasks.json",
        "errors": [],
        "held": None,
        "since": None,
    }
    for decision in ("confirm", "restore"):
        response = client.post(f"/api/desk/{decision}")
        assert (response.status_code, body_of(response)["type"]) == (409, "/problems/nothing-held")


def test_held_removals_are_shown_and_may_be_confirmed(
    client: FlaskClient, services: Services
) -> None:
    hold_removals(services)
    held = body_of(client.get("/api/desk"))["held"]
    assert held["reason"] == "emptied"
    assert len(held["task_ids"]) == 5
    assert body_of(client.get("/api/tasks"))["total"] == 5
    body = body_of(client.post("/api/desk/confirm"))
    assert body["success"] is True
    assert body["desk"]["held"] is None
    assert body_of(client.get("/api/tasks"))["total"] == 0
    assert services.registry.history("daily_reflection")[0].author.kind == "owner"


def test_held_removals_may_be_undone(client: FlaskClient, services: Services) -> None:
    readme = services.settings.persona_space / "tasks" / "README.md"
    before = readme.read_text()
    readme.unlink()
    hold_removals(services)
    body = body_of(client.post("/api/desk/restore"))
    assert body["desk"]["held"] is None
    assert body_of(client.get("/api/tasks"))["total"] == 5
    path = services.settings.persona_space / "tasks" / "tasks.json"
    assert len(json.loads(path.read_text())["tasks"]) == 5
    assert readme.read_text() == before
