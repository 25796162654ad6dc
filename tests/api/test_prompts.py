"""What a task would send, over HTTP: shown, not sent."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from app import create_app
from app.config import Settings, read_settings
from app.core.clock import Clock
from app.persona.fakes import ScriptedPersona
from app.wiring import Services, build
from tests.conftest import on_sqlite, work
from tests.persona.model_server import ModelServer, Say

PREVIEW = "/api/tasks/daily_reflection/prompt-preview"
EXECUTE = "/api/tasks/daily_reflection/execute"


def body_of(response: Any) -> Any:
    return json.loads(response.data)


def timeless(prompt: str) -> str:
    """Return a prompt without what is new each time."""
    return re.sub(r"- Now: .*|[0-9a-f]{16}", "", prompt)


@on_sqlite
def test_a_persona_that_takes_the_rendered_prompt_is_shown_that(
    client: FlaskClient, persona: ScriptedPersona
) -> None:
    response = client.post(PREVIEW)
    assert response.status_code == 200
    shown = body_of(response)
    assert list(shown) == ["messages", "tokens"]
    (message,) = shown["messages"]
    assert message["role"] == "user"
    assert message["content"].startswith("# The clock\n- Now: Monday, 23 November 2026, 23:00 UTC")
    assert "This is run 1 of “Daily Self-Reflection”, started by hand." in message["content"]
    assert shown["tokens"] >= len(message["content"]) // 4
    assert persona.requests == []
    client.post(EXECUTE)
    assert timeless(persona.requests[0].prompt) == timeless(message["content"])


@on_sqlite
def test_the_run_before_is_told_as_a_run_would_be(client: FlaskClient) -> None:
    client.post(EXECUTE)
    content = body_of(client.post(PREVIEW))["messages"][0]["content"]
    assert "This is run 2 of" in content
    assert "The run before it succeeded on Monday, 23 November 2026" in content
    assert body_of(client.get("/api/runs"))["count"] == 1


@on_sqlite
def test_an_unknown_task_has_no_prompt(client: FlaskClient) -> None:
    assert client.post("/api/tasks/unknown/prompt-preview").status_code == 404
    assert client.get(PREVIEW).status_code == 405


@pytest.fixture
def model_settings(settings: Settings, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "prices.json").write_text('{"tiny": {"prompt": 1, "completion": 2}}')
    return {
        "DATABASE_URL": settings.database_url,
        "PERSONA_SPACE": str(settings.persona_space),
        "DRAIN_TIMEOUT": "1s",
        "PERSONA_BACKEND": "llm",
        "PERSONA_MODEL": "tiny",
        "PERSONA_API_KEY": "sk-a-key-that-nobody-may-see",
        "PERSONA_PRICES": str(tmp_path / "prices.json"),
    }


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_with_a_model_the_messages_are_shown_and_a_run_sends_them(
    model_settings: dict[str, str], clock: Clock, dialect: str
) -> None:
    with ModelServer(Say(text="A calm day.", usage=(1000, 500))) as server:
        settings = read_settings(
            {**model_settings, "PERSONA_URL": server.url(dialect), "PERSONA_DIALECT": dialect}
        )
        services = build(settings, clock=clock)
        try:
            shown, run = preview_and_run(settings, services)
        finally:
            services.stop()
    assert [message["role"] for message in shown["messages"]] == ["system", "user"]
    assert shown["messages"][1]["content"].startswith("# The clock")
    (body,) = server.bodies
    assert run["response"] == "A calm day."
    assert run["metadata"]["tokens"] == {"prompt": 1000, "completion": 500}
    assert run["metadata"]["cost"] == 0.002
    assert run["metadata"]["persona"] == "llm"
    last = body["messages"][-1]["content"]
    sent = last if dialect == "openai" else last[0]["text"]
    assert timeless(sent) == timeless(shown["messages"][1]["content"])


def preview_and_run(settings: Settings, services: Services) -> tuple[Any, Any]:
    services.prepare()
    work(services)
    client = create_app(settings, services_factory=lambda: services).test_client()
    shown = body_of(client.post(PREVIEW))
    run_id = body_of(client.post(EXECUTE))["run_id"]
    return shown, body_of(client.get(f"/api/runs/{run_id}"))


@on_sqlite
def test_a_failed_run_of_a_model_says_why_and_what_it_cost(
    model_settings: dict[str, str], clock: Clock
) -> None:
    with ModelServer(Say(text="", usage=(1000, 0))) as server:
        settings = read_settings({**model_settings, "PERSONA_URL": server.url()})
        services = build(settings, clock=clock)
        try:
            _, run = preview_and_run(settings, services)
        finally:
            services.stop()
    assert (run["status"], run["reason"]) == ("failed", "empty_answer")
    assert run["metadata"]["tokens"] == {"prompt": 1000, "completion": 0}
    assert run["metadata"]["cost"] == 0.001
