"""Tasks over HTTP beyond what older clients know: refusals, changes, what stands beside them."""

import json
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from app import create_app
from app.config import read_settings
from app.wiring import Services
from tests.api.clocks import ShiftedClock
from tests.conftest import on_sqlite

PLANNING = {
    "id": "weekly_planning",
    "name": "Weekly Planning Session",
    "type": "custom",
    "schedule": "weekly",
    "prompt": "Plan your focus areas for the coming week.",
}
REFLECTION = "/api/tasks/daily_reflection"


def body_of(response: Any) -> Any:
    return json.loads(response.data)


def wrong_fields(response: Any) -> dict[str, str]:
    assert response.status_code == 422, response.data
    assert response.content_type == "application/problem+json"
    return {error["field"]: error["message"] for error in body_of(response)["errors"]}


# ---- refusals


@on_sqlite
def test_every_wrong_field_is_named_at_once(client: FlaskClient) -> None:
    response = client.post(
        "/api/tasks",
        json={
            "id": "Not An Id",
            "type": "poetry",
            "schedule": 5,
            "prompt": " ",
            "enabled": "yes",
            "timeout": "soon",
            "missed": "never",
            "metadata": [],
            "colour": "red",
            "last_run": "2026-01-01T00:00:00Z",
        },
    )
    wrong = wrong_fields(response)
    assert set(wrong) == {
        "id",
        "name",
        "type",
        "schedule",
        "prompt",
        "enabled",
        "timeout",
        "missed",
        "metadata",
        "colour",
        "last_run",
    }
    assert "`metadata`" in wrong["colour"]
    assert "cannot be set" in wrong["last_run"]
    assert isinstance(body_of(response)["detail"], str)


@on_sqlite
@pytest.mark.parametrize("name", ["metadata", "parameters"])
def test_own_data_that_is_too_deep_too_many_or_too_large_is_refused(
    client: FlaskClient, name: str
) -> None:
    for data in (json.loads("[" * 12 + "]" * 12), [{"n": 1}] * 1_000, "x" * 70_000):
        response = client.patch("/api/tasks/daily_reflection", json={name: {"a": data}})
        assert wrong_fields(response).keys() == {name}


@on_sqlite
@pytest.mark.parametrize("schedule", ["30m", "0 0 30 2 *", "every 1s", "at 2020-01-01T00:00", ""])
def test_a_schedule_that_cannot_be_used_is_refused_with_a_reason(
    client: FlaskClient, schedule: str
) -> None:
    response = client.post("/api/tasks", json={**PLANNING, "schedule": schedule})
    assert set(wrong_fields(response)) == {"schedule"}
    assert client.get("/api/tasks/weekly_planning").status_code == 404


@on_sqlite
@pytest.mark.parametrize("body", [[], "x", 5, None, True])
def test_a_body_that_is_no_object_is_refused(client: FlaskClient, body: Any) -> None:
    response = client.post("/api/tasks", data=json.dumps(body))
    assert wrong_fields(response) == {"body": "must be a JSON object"}


@on_sqlite
def test_a_missing_body_is_refused_where_one_is_needed(client: FlaskClient) -> None:
    for method, path in (("POST", "/api/tasks"), ("PATCH", REFLECTION)):
        assert set(wrong_fields(client.open(path, method=method))) == {"body"}


@on_sqlite
@pytest.mark.parametrize(
    ("field", "value"),
    [("prompt", "x" * 100_001), ("name", "x" * 201), ("schedule", "0 " * 101)],
)
def test_sizes_have_limits_that_are_named(client: FlaskClient, field: str, value: str) -> None:
    wrong = wrong_fields(client.post("/api/tasks", json={**PLANNING, field: value}))
    assert set(wrong) == {field}


def test_an_id_that_exists_is_a_conflict_and_changes_nothing(client: FlaskClient) -> None:
    client.post("/api/tasks", json=PLANNING)
    response = client.post("/api/tasks", json={**PLANNING, "prompt": "Another"})
    assert response.status_code == 409
    assert body_of(response)["type"] == "/problems/task-exists"
    assert body_of(response)["detail"].endswith(" exists; change it, or choose another id")
    assert body_of(response)["task_id"] == "weekly_planning"
    assert body_of(client.get("/api/tasks/weekly_planning"))["prompt"] == PLANNING["prompt"]


# ---- changing


@on_sqlite
def test_null_means_not_given_for_the_old_fields(client: FlaskClient) -> None:
    before = body_of(client.get(REFLECTION))
    nothing = dict.fromkeys(["name", "type", "prompt", "enabled", "schedule"])
    assert client.patch(REFLECTION, json=nothing).status_code == 200
    assert body_of(client.get(REFLECTION)) == before


@on_sqlite
def test_null_takes_any_other_field_back_to_its_default(client: FlaskClient) -> None:
    set_all = {
        "timezone": "Europe/Berlin",
        "missed": "skip",
        "missed_window": "1h",
        "overlap": "allow",
        "timeout": "5m",
        "on_interrupt": "leave",
        "metadata": {"mine": 1},
    }
    before = body_of(client.get(REFLECTION))
    assert client.patch(REFLECTION, json=set_all).status_code == 200
    changed = body_of(client.get(REFLECTION))
    assert {name: changed[name] for name in set_all} == set_all
    assert client.patch(REFLECTION, json=dict.fromkeys(set_all)).status_code == 200
    after = body_of(client.get(REFLECTION))
    del before["revision"], after["revision"]
    assert after == before


@on_sqlite
def test_an_empty_change_is_no_revision_and_moves_no_slot(
    client: FlaskClient, clock: ShiftedClock
) -> None:
    clock.advance(timedelta(hours=2))
    overdue = body_of(client.get(REFLECTION))["next_run"]
    assert overdue == "2026-11-24T00:00:00Z"
    assert body_of(client.patch(REFLECTION, json={}))["revision"] == 1
    assert body_of(client.patch(REFLECTION, json={"name": "Other"}))["revision"] == 2
    assert body_of(client.get(REFLECTION))["next_run"] == overdue


@on_sqlite
def test_the_id_cannot_be_changed_but_may_be_repeated(client: FlaskClient) -> None:
    assert client.patch(REFLECTION, json={"id": "daily_reflection"}).status_code == 200
    assert set(wrong_fields(client.patch(REFLECTION, json={"id": "other"}))) == {"id"}


@on_sqlite
def test_a_change_names_its_wrong_fields(client: FlaskClient) -> None:
    wrong = wrong_fields(client.patch(REFLECTION, json={"enabled": 1, "color": 2}))
    assert set(wrong) == {"enabled", "color"}


@on_sqlite
def test_tools_that_there_are_not_are_named_with_those_that_there_are(
    client: FlaskClient, services: Services
) -> None:
    known = ", ".join(services.being.toolbox.names)
    wrong = {"tools": f"there is no tool 'fly', 'RECALL'; there are: {known}"}
    tools = ["fly", "recall", "RECALL"]
    assert wrong_fields(client.post("/api/tasks", json={**PLANNING, "tools": tools})) == wrong
    assert client.get("/api/tasks/weekly_planning").status_code == 404
    assert wrong_fields(client.patch(REFLECTION, json={"tools": tools})) == wrong
    assert body_of(client.get(REFLECTION))["revision"] == 1
    for fitting in (["recall", "run_script"], [], None):
        assert client.patch(REFLECTION, json={"tools": fitting}).status_code == 200


@on_sqlite
def test_an_unknown_task_cannot_be_changed(client: FlaskClient) -> None:
    response = client.patch("/api/tasks/unknown", json={"enabled": False})
    assert (response.status_code, body_of(response)["type"]) == (404, "/problems/task-not-found")


@on_sqlite
def test_changes_bear_the_name_of_who_made_them(client: FlaskClient, services: Services) -> None:
    token = "a-token-of-at-least-thirty-two-characters"
    environment = {"PERSONA_SPACE": str(services.settings.persona_space), "API_TOKEN": token}
    client.patch(REFLECTION, json={"enabled": False})
    assert services.registry.history("daily_reflection")[0].author.kind == "owner"
    closed = create_app(read_settings(environment), services_factory=lambda: services)
    assert services.settings.api_token is None
    response = closed.test_client().patch(
        REFLECTION,
        json={"enabled": True},
        headers={"Authorization": f"Bearer {token}", "X-Author": "persona"},
    )
    assert response.status_code == 200
    assert services.registry.history("daily_reflection")[0].author.kind == "token"


# ---- the clock and the desk beside the list


@on_sqlite
def test_answers_that_show_a_schedule_say_whether_anything_will_fire(
    client: FlaskClient, services: Services, clock: ShiftedClock
) -> None:
    paths = ["/api/tasks", REFLECTION, "/api/tasks/due", f"{REFLECTION}/next"]
    for path in paths:
        dead = body_of(client.get(path))["clock"]
        assert dead == {"alive": False, "processes": 0, "ticked_at": None}
    services.clockwork.start()
    clock.advance(timedelta(seconds=2))
    for path in paths:
        assert body_of(client.get(path))["clock"]["alive"] is True


@on_sqlite
def test_a_bad_entry_of_the_file_is_shown_beside_the_tasks(
    client: FlaskClient, services: Services, clock: ShiftedClock
) -> None:
    path = services.settings.persona_space / "tasks" / "tasks.json"
    sheet = json.loads(path.read_text())
    sheet["tasks"][0]["schedule"] = "now and then"
    path.write_text(json.dumps(sheet))
    services.desk.sync()
    clock.advance(timedelta(seconds=2))
    body = body_of(client.get("/api/tasks"))
    assert body["tasks"][0]["schedule"] == "daily"
    (fault,) = body["quarantined"]
    assert (fault["index"], fault["id"], fault["field"]) == (0, "daily_reflection", "schedule")
    assert "now and then" in fault["message"]


@pytest.mark.parametrize(
    "path",
    [
        "../x.md",
        "/etc/x.md",
        ".",
        ".hidden/x.md",
        "Tasks/tasks.json",
        "notes/",
        "notes/.",
        "a\nb.md",
    ],
)
def test_a_file_that_no_run_can_change_cannot_be_promised(client: FlaskClient, path: str) -> None:
    response = client.patch(
        "/api/tasks/daily_reflection", json={"expects": [{"path": "a.md"}, {"path": path}]}
    )
    assert response.status_code == 422
    (error,) = body_of(response)["errors"]
    assert error["field"] == "expects.1.path"
    assert ("hidden file cannot be expected" in error["message"]) is path.startswith(".hidden")
