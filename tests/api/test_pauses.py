"""A pause until a time, as the API, tasks.json and the command line show and set it."""

import json
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from app.cli import persona as command_line
from app.config import Settings
from app.wiring import Services
from tests.api.clocks import ShiftedClock
from tests.conftest import on_sqlite

REFLECTION = "/api/tasks/daily_reflection"


def body_of(response: Any) -> Any:
    return json.loads(response.data)


def test_a_pause_is_set_shown_and_ended(client: FlaskClient) -> None:
    assert "paused_until" not in body_of(client.get(REFLECTION))
    end = {"paused_until": "2026-11-26T23:00"}
    assert client.patch(REFLECTION, json=end).status_code == 200
    shown = body_of(client.get(REFLECTION))
    assert (shown["enabled"], shown["paused_until"]) == (True, "2026-11-26T23:00:00Z")
    assert shown["next_run"] == "2026-11-27T00:00:00Z"
    (listed, *_) = body_of(client.get("/api/tasks"))["tasks"]
    assert listed["paused_until"] == "2026-11-26T23:00:00Z"
    ahead = body_of(client.get(f"{REFLECTION}/next?count=1"))
    assert ahead["paused_until"] == "2026-11-26T23:00:00Z"
    assert ahead["next"][0]["utc"] == "2026-11-27T00:00:00Z"
    assert client.patch(REFLECTION, json={"enabled": True}).status_code == 200
    shown = body_of(client.get(REFLECTION))
    assert "paused_until" not in shown
    assert shown["next_run"] == "2026-11-24T00:00:00Z"
    assert body_of(client.get(f"{REFLECTION}/next"))["paused_until"] is None
    newest, before, _ = body_of(client.get(f"{REFLECTION}/history"))["revisions"]
    assert newest["changes"] == {"paused_until": {"from": "2026-11-26T23:00:00Z", "to": None}}
    assert before["changes"] == {"paused_until": {"from": None, "to": "2026-11-26T23:00:00Z"}}


@on_sqlite
def test_null_ends_a_pause_and_null_for_enabled_does_not(client: FlaskClient) -> None:
    client.patch(REFLECTION, json={"paused_until": "3d"})
    client.patch(REFLECTION, json={"enabled": None, "name": "Another"})
    assert "paused_until" in body_of(client.get(REFLECTION))
    client.patch(REFLECTION, json={"paused_until": None})
    assert "paused_until" not in body_of(client.get(REFLECTION))


@on_sqlite
def test_a_task_is_created_with_a_pause(client: FlaskClient) -> None:
    task = {"id": "plan", "name": "Plan", "type": "custom", "schedule": "daily", "prompt": "Plan."}
    task |= {"timezone": "Asia/Tokyo", "paused_until": "2026-12-01T09:00"}
    assert client.post("/api/tasks", json=task).status_code == 201
    assert body_of(client.get("/api/tasks/plan"))["paused_until"] == "2026-12-01T00:00:00Z"


@on_sqlite
@pytest.mark.parametrize("value", ["soon", "", 3, True, "2020-01-01T00:00Z", "x" * 65])
def test_what_is_no_time_to_come_is_refused_by_its_name(client: FlaskClient, value: Any) -> None:
    response = client.patch(REFLECTION, json={"paused_until": value})
    assert response.status_code == 422
    assert [error["field"] for error in body_of(response)["errors"]] == ["paused_until"]


@on_sqlite
def test_a_paused_task_is_neither_due_nor_overdue(
    client: FlaskClient, services: Services, clock: ShiftedClock
) -> None:
    for task in body_of(client.get("/api/tasks"))["tasks"]:
        client.patch(f"/api/tasks/{task['id']}", json={"paused_until": "3d"})
    clock.advance(timedelta(days=2, hours=12))
    assert body_of(client.get("/api/tasks/due"))["tasks"] == []
    assert services.health.check().overdue is None
    clock.advance(timedelta(days=1))
    assert services.health.check().overdue is not None


@on_sqlite
def test_a_paused_task_is_run_by_hand_all_the_same(client: FlaskClient) -> None:
    client.patch(REFLECTION, json={"paused_until": "3d"})
    assert body_of(client.post(f"{REFLECTION}/execute"))["success"] is True


@on_sqlite
def test_the_command_line_pauses_until_a_time(
    services: Services, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", settings.database_url)
    monkeypatch.setenv("PERSONA_SPACE", str(settings.persona_space))
    runner = CliRunner()
    services.registry.get("daily_reflection")

    def told(*arguments: str) -> str:
        result = runner.invoke(command_line, arguments)
        assert result.exit_code == 0, result.output
        return result.output

    told("disable", "daily_reflection")
    assert "next run 9000-01-01T00:00:00Z" in told(
        "disable", "daily_reflection", "--until", "9000-01-01T00:00"
    )
    (line,) = [each for each in told("list").splitlines() if each.startswith("daily_reflection")]
    assert "from 9000-01-01T00:00:00Z" in line
    shown = told("show", "daily_reflection")
    assert "paused_until: 9000-01-01T00:00:00Z" in shown
    assert "  9000-01-01T00:00:00Z\n  9000-01-02T00:00:00Z" in shown
    told("enable", "daily_reflection")
    assert "from 9000" not in told("list")
