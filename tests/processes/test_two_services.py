"""Two instances of this service, one the persona of the other."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes.service import Service, eventually

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]

TOKEN = "a-token-that-only-the-two-of-them-know"
TASK = {
    "id": "gardening",
    "name": "Gardening",
    "type": "custom",
    "schedule": "manual",
    "prompt": "What do you remember about the tomatoes?",
}


@pytest.fixture
def persona(tmp_path: Path) -> Iterator[Service]:
    """The service that is the persona: embedded, and open only to who has its token."""
    (tmp_path / "b").mkdir()
    service = Service(tmp_path / "b", workers=2, API_TOKEN=TOKEN)
    yield service
    service.kill_everything()


@pytest.fixture
def asking(tmp_path: Path, persona: Service) -> Iterator[Service]:
    """The service whose persona is the other one."""
    (tmp_path / "a").mkdir()
    service = Service(
        tmp_path / "a",
        workers=2,
        PERSONA_BACKEND="service",
        PERSONA_URL=f"http://127.0.0.1:{persona.port}",
        PERSONA_API_KEY=TOKEN,
    )
    yield service
    service.kill_everything()


def of_persona(persona: Service, method: str, path: str, body: Any = None) -> Any:
    status, said = persona.request(method, path, body, Authorization=f"Bearer {TOKEN}")
    assert status < 300, said
    return said


def execute(asking: Service) -> dict[str, Any]:
    status, result = asking.request("POST", "/api/tasks/gardening/execute")
    assert status == 200, result
    return dict(result)


def test_a_task_of_one_is_answered_by_the_other_which_may_go_and_come_back(
    asking: Service, persona: Service
) -> None:
    persona.start()
    asking.start()
    memory = {"text": "We planted the tomatoes by the wall.", "kind": "interaction"}
    of_persona(persona, "POST", "/api/memories", memory)
    assert asking.request("POST", "/api/tasks", TASK)[0] == 201

    result = execute(asking)
    assert result["success"], result
    assert "We planted the tomatoes by the wall." in result["response"]
    assert "no language model was used" in result["response"]
    newest = of_persona(persona, "GET", "/api/memories?limit=1")["memories"][0]
    assert (newest["kind"], newest["origin"]) == ("interaction", "chat")
    assert newest["text"].startswith("Said to me: What do you remember about the tomatoes?\n")
    (run,) = asking.get("/api/runs?task_id=gardening")["runs"]
    assert run["metadata"]["experience_id"] == newest["id"]

    persona.kill_everything()
    failed = execute(asking)
    assert not failed["success"]
    assert asking.get("/api/runs?limit=1")["runs"][0]["reason"] == "persona_unreachable"

    persona.start()
    assert execute(asking)["success"]
    eventually(
        lambda: "failed" not in str(asking.request("GET", "/healthz")[1].get("reasons")),
        within=30,
        what="the one that asks is well again",
    )


def test_the_id_of_a_run_is_answered_once_also_after_a_kill(persona: Service) -> None:
    persona.start()
    body = json.dumps({"message": "What do you remember?", "top_k": 10})

    def ask() -> str:
        said = subprocess.run(
            [
                *("curl", "-sS", "--fail-with-body", "-X", "POST"),
                *("-H", f"Authorization: Bearer {TOKEN}"),
                *("-H", "Idempotency-Key: 01k8hq0000000000000000000a"),
                *("-H", "Content-Type: application/json", "-d", body),
                f"http://127.0.0.1:{persona.port}/api/persona/chat",
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        return said.stdout

    first = ask()
    persona.kill_everything()
    persona.start()
    assert ask() == first
    assert of_persona(persona, "GET", "/api/memories")["count"] == 1
