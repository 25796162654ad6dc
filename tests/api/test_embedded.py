"""The five default tasks with the embedded persona, through the whole service."""

import json
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.persona.journal import without_marks
from app.wiring import Services, default_tasks
from tests.api.clocks import ShiftedClock

TASKS = [put.task_id for put in default_tasks()]
REMEMBERED = (
    "Watered the lemon tree. I was happy.",
    "As an AI, I have no feelings about the heater.",
    "I learned that the heater in the greenhouse hates the frost.",
    "I am worried about the frost in the greenhouse.",
)


@pytest.fixture
def persona() -> None:
    """No persona of the test's own: the one that the settings name."""


def body_of(response: Any) -> Any:
    assert response.status_code in (200, 201)
    return json.loads(response.data)


@pytest.mark.parametrize("task_id", TASKS)
def test_a_default_task_keeps_its_promise_and_answers_with_its_entry(
    client: FlaskClient, services: Services, clock: ShiftedClock, task_id: str
) -> None:
    for text in REMEMBERED:
        body_of(client.post("/api/memories", json={"text": text, "kind": "interaction"}))
    for _ in range(2):
        clock.advance(timedelta(hours=1))
        run = body_of(client.post(f"/api/tasks/{task_id}/execute"))
        assert run["success"] is True, run
        task = services.registry.snapshot().records[task_id].task
        (expected,) = task.expects
        path = services.settings.persona_space / expected.path
        written = path.read_text(encoding="utf-8")
        assert without_marks(written).rstrip().endswith(run["response"])
        assert written.endswith(" -->\n")
        results = services.settings.persona_space / "tasks" / "results"
        for shown in (run, *(json.loads(one.read_bytes()) for one in results.glob("*.json"))):
            assert "<!--" not in shown["response"]
        metadata = services.history.run(run["run_id"]).metadata
        assert expected.path in [each["path"] for each in metadata["files"]]
        assert metadata["meta_talk"] == {"found": [], "done": "none"}
        assert "As an AI" not in run["response"]


def test_a_consolidation_remembers_its_insight_once(
    client: FlaskClient, clock: ShiftedClock
) -> None:
    for text in REMEMBERED:
        client.post("/api/memories", json={"text": text, "kind": "interaction"})
    for _ in range(2):
        clock.advance(timedelta(minutes=1))
        body_of(client.post("/api/tasks/memory_consolidation/execute"))
    found = body_of(client.get("/api/memories?kind=insight"))["memories"]
    assert [(one["text"], one["origin"]) for one in found] == [(REMEMBERED[2], "manual")]


def test_a_check_in_feels_what_was_lived_once_and_no_other_entry_feels_anything(
    client: FlaskClient, services: Services, clock: ShiftedClock
) -> None:
    for text in REMEMBERED:
        client.post("/api/memories", json={"text": text, "kind": "interaction"})
    felt = {}
    for task_id in [*TASKS, "emotional_check_in"]:
        clock.advance(timedelta(minutes=1))
        run = body_of(client.post(f"/api/tasks/{task_id}/execute"))
        metadata = services.history.run(run["run_id"]).metadata
        felt[run["run_id"]] = metadata["reconciliation"]
    runs = [run_id for run_id, reconciliation in felt.items() if reconciliation is not None]
    assert len(runs) == 1
    found = felt[runs[0]]
    assert found["internal_assessment"].startswith("What was lived since ")
    assert found["outer"] is None
    assert found["inner"] == found["reconciled"]
    moods = body_of(client.get("/api/persona/mood"))["mood"]
    assert [mood["run_id"] for mood in moods] == runs
    log = services.settings.persona_space / "emotional_state" / "reconciliation_log.json"
    (entry,) = json.loads(log.read_bytes())["reconciliations"]
    assert entry["run_id"] == runs[0]
