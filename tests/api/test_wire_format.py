"""The ten endpoints answer as older clients know them: paths, keys, their order, messages."""

import json
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.persona.errors import PersonaFailed
from app.persona.fakes import ScriptedPersona
from tests.api.clocks import ShiftedClock

TASK_KEYS = [
    "id",
    "name",
    "type",
    "schedule",
    "enabled",
    "last_run",
    "next_run",
    "run_count",
    "prompt",
]
DEFAULTS = [
    "daily_reflection",
    "weekly_goal_assessment",
    "memory_consolidation",
    "capability_exploration",
    "emotional_check_in",
]
PLANNING = {
    "id": "weekly_planning",
    "name": "Weekly Planning Session",
    "type": "custom",
    "schedule": "weekly",
    "prompt": "Plan your focus areas:\n\n1. Review\n\nWrite your plan to meta/weekly_plan.md",
    "enabled": True,
}


def keys_of(response: Any) -> list[str]:
    return list(json.loads(response.data))


def test_the_list_shows_the_five_default_tasks_in_the_order_of_their_creation(
    client: FlaskClient,
) -> None:
    body = json.loads(client.get("/api/tasks").data)
    assert list(body)[:2] == ["tasks", "total"]
    assert [task["id"] for task in body["tasks"]] == DEFAULTS
    assert body["total"] == 5


def test_a_task_of_the_list_begins_with_the_old_keys_in_their_order(client: FlaskClient) -> None:
    task = json.loads(client.get("/api/tasks").data)["tasks"][0]
    assert list(task)[:9] == TASK_KEYS
    assert "metadata" not in task
    assert task["type"] == "self_reflection"
    assert task["schedule"] == "daily"
    assert task["enabled"] is True
    assert task["last_run"] is None
    assert task["next_run"] == "2026-11-24T00:00:00Z"
    assert task["run_count"] == 0


def test_a_task_alone_is_a_bare_object_with_its_metadata_after_the_old_keys(
    client: FlaskClient,
) -> None:
    task = json.loads(client.get("/api/tasks/weekly_goal_assessment").data)
    assert list(task)[:10] == [*TASK_KEYS, "metadata"]
    assert task["metadata"] == {}
    assert task["next_run"] == "2026-11-30T00:00:00Z"


def test_due_tasks_have_five_keys_and_a_count(client: FlaskClient, clock: ShiftedClock) -> None:
    assert json.loads(client.get("/api/tasks/due").data)["count"] == 0
    clock.advance(timedelta(hours=1))
    body = json.loads(client.get("/api/tasks/due").data)
    assert list(body)[:2] == ["tasks", "count"]
    assert body["count"] == 3
    assert body["tasks"][0] == {
        "id": "daily_reflection",
        "name": "Daily Self-Reflection",
        "type": "self_reflection",
        "schedule": "daily",
        "next_run": "2026-11-24T00:00:00Z",
    }
    assert list(body["tasks"][0]) == ["id", "name", "type", "schedule", "next_run"]


def test_executing_what_is_due_runs_each_slot_once_and_tells_how_each_went(
    client: FlaskClient, clock: ShiftedClock, persona: ScriptedPersona
) -> None:
    clock.advance(timedelta(hours=1))
    response = client.post("/api/tasks/execute-due")
    body = json.loads(response.data)
    assert response.status_code == 200
    assert list(body)[:2] == ["executed", "results"]
    assert body["executed"] == 3
    assert list(body["results"][0])[:4] == ["task_id", "task_name", "success", "error"]
    assert {result["task_id"] for result in body["results"]} == {
        "daily_reflection",
        "memory_consolidation",
        "emotional_check_in",
    }
    assert all(result["success"] for result in body["results"])
    again = client.post("/api/tasks/execute-due")
    assert json.loads(again.data) == {"executed": 0, "results": []}
    assert len(persona.requests) == 3


def test_an_execution_answers_with_the_whole_run(client: FlaskClient) -> None:
    response = client.post("/api/tasks/daily_reflection/execute")
    body = json.loads(response.data)
    assert response.status_code == 200
    assert list(body)[:7] == [
        "task_id",
        "task_name",
        "success",
        "started_at",
        "completed_at",
        "response",
        "error",
    ]
    assert (body["success"], body["response"], body["error"]) == (True, "Done.", None)
    assert body["started_at"].endswith("Z")
    assert body["completed_at"].endswith("Z")


class TestAFailingPersona:
    @pytest.fixture
    def persona(self) -> ScriptedPersona:
        return ScriptedPersona(otherwise=PersonaFailed("out of ideas"))

    def test_a_failed_run_is_still_a_200_that_says_so(self, client: FlaskClient) -> None:
        response = client.post("/api/tasks/daily_reflection/execute")
        body = json.loads(response.data)
        assert response.status_code == 200
        assert body["success"] is False
        assert body["response"] is None
        assert body["error"] == "out of ideas"

    def test_one_failure_does_not_stop_the_rest(
        self, client: FlaskClient, clock: ShiftedClock
    ) -> None:
        clock.advance(timedelta(hours=1))
        body = json.loads(client.post("/api/tasks/execute-due").data)
        assert body["executed"] == 3
        assert [r["error"] for r in body["results"]] == ["out of ideas"] * 3


def test_results_of_a_task_are_newest_first_with_their_keys(client: FlaskClient) -> None:
    for _ in range(2):
        client.post("/api/tasks/daily_reflection/execute")
    client.post("/api/tasks/memory_consolidation/execute")
    body = json.loads(client.get("/api/tasks/daily_reflection/results?limit=10").data)
    assert list(body)[:3] == ["task_id", "results", "count"]
    assert (body["task_id"], body["count"]) == ("daily_reflection", 2)
    assert list(body["results"][0])[:6] == [
        "task_name",
        "started_at",
        "completed_at",
        "success",
        "response",
        "error",
    ]
    newest, oldest = body["results"]
    assert newest["completed_at"] > oldest["completed_at"]


def test_results_of_an_id_that_never_was_are_an_empty_list(client: FlaskClient) -> None:
    response = client.get("/api/tasks/never_was/results")
    assert response.status_code == 200
    assert json.loads(response.data) == {"task_id": "never_was", "results": [], "count": 0}


def test_results_of_a_deleted_task_stay_readable(client: FlaskClient) -> None:
    client.post("/api/tasks/daily_reflection/execute")
    client.delete("/api/tasks/daily_reflection")
    assert json.loads(client.get("/api/tasks/daily_reflection/results").data)["count"] == 1


class TestALongAnswer:
    @pytest.fixture
    def persona(self) -> ScriptedPersona:
        return ScriptedPersona("é" * 201)

    def test_recent_results_cut_it_to_200_characters_and_a_tasks_own_do_not(
        self, client: FlaskClient
    ) -> None:
        client.post("/api/tasks/daily_reflection/execute")
        recent = json.loads(client.get("/api/tasks/results/recent?limit=20").data)
        assert list(recent)[:2] == ["results", "count"]
        assert list(recent["results"][0])[:7] == [
            "task_id",
            "task_name",
            "started_at",
            "completed_at",
            "success",
            "response",
            "error",
        ]
        assert recent["results"][0]["response"] == "é" * 200
        own = json.loads(client.get("/api/tasks/daily_reflection/results").data)
        assert own["results"][0]["response"] == "é" * 201


class TestAnEmptyAnswer:
    @pytest.fixture
    def persona(self) -> ScriptedPersona:
        return ScriptedPersona("")

    def test_it_is_null_among_recent_results(self, client: FlaskClient) -> None:
        client.post("/api/tasks/daily_reflection/execute")
        recent = json.loads(client.get("/api/tasks/results/recent").data)
        assert recent["results"][0]["response"] is None


def test_creating_a_task_answers_as_ever_but_with_201_and_where_it_is(client: FlaskClient) -> None:
    response = client.post("/api/tasks", json=PLANNING)
    body = json.loads(response.data)
    assert response.status_code == 201
    assert response.headers["Location"] == "/api/tasks/weekly_planning"
    assert list(body)[:3] == ["success", "task_id", "message"]
    assert body["success"] is True
    assert body["task_id"] == "weekly_planning"
    assert body["message"] == "Task 'Weekly Planning Session' created successfully"
    task = json.loads(client.get(response.headers["Location"]).data)
    assert task["prompt"] == PLANNING["prompt"]


def test_a_created_task_is_enabled_unless_it_says_otherwise(client: FlaskClient) -> None:
    client.post("/api/tasks", json={key: PLANNING[key] for key in PLANNING if key != "enabled"})
    assert json.loads(client.get("/api/tasks/weekly_planning").data)["enabled"] is True


def test_changing_a_task_answers_as_ever(client: FlaskClient) -> None:
    changes = {"enabled": False, "prompt": "Updated prompt..."}
    response = client.patch("/api/tasks/daily_reflection", json=changes)
    body = json.loads(response.data)
    assert response.status_code == 200
    assert list(body)[:3] == ["success", "task_id", "message"]
    assert body["message"] == "Task updated successfully"
    task = json.loads(client.get("/api/tasks/daily_reflection").data)
    assert (task["enabled"], task["prompt"]) == (False, "Updated prompt...")
    assert task["next_run"] is None


def test_deleting_a_task_answers_as_ever(client: FlaskClient) -> None:
    response = client.delete("/api/tasks/daily_reflection")
    assert response.status_code == 200
    assert json.loads(response.data) == {
        "success": True,
        "task_id": "daily_reflection",
        "message": "Task deleted successfully",
    }
    assert client.get("/api/tasks/daily_reflection").status_code == 404


def test_a_path_with_a_slash_at_its_end_leads_on(client: FlaskClient) -> None:
    response = client.get("/api/tasks/")
    assert (response.status_code, response.headers["Location"], response.data) == (
        307,
        "/api/tasks",
        b"",
    )


def test_a_body_without_a_content_type_is_read_as_json(client: FlaskClient) -> None:
    response = client.post("/api/tasks", data=json.dumps(PLANNING))
    assert response.status_code == 201


@pytest.mark.parametrize(
    ("method", "path", "status", "detail"),
    [
        ("GET", "/api/tasks/unknown", 404, "Task not found: unknown"),
        ("POST", "/api/tasks/unknown/execute", 404, "Task not found: unknown"),
        ("DELETE", "/api/tasks/unknown", 404, "Task not found: unknown"),
        ("GET", "/api/nowhere", 404, "Not Found"),
        ("PUT", "/api/tasks", 405, "Method Not Allowed"),
    ],
)
def test_the_detail_of_an_error_is_a_sentence_where_older_clients_look(
    client: FlaskClient, method: str, path: str, status: int, detail: str
) -> None:
    response = client.open(path, method=method)
    assert response.status_code == status
    assert json.loads(response.data)["detail"] == detail
