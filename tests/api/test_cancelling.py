"""Cancelling a run, over HTTP and from the command line."""

import json
import threading
from typing import Any

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from app.cli import persona as command_line
from app.persona.client import Deadline, Reply, Request
from app.persona.fakes import ScriptedPersona
from app.wiring import Services
from tests.conftest import on_sqlite

EXECUTE = "/api/tasks/daily_reflection/execute?wait=false"


def body_of(response: Any) -> Any:
    return json.loads(response.data)


@pytest.fixture
def asked(persona: ScriptedPersona) -> threading.Event:
    """Let the persona take its time; this tells when it was asked."""
    asked = threading.Event()

    def slowly(_: Request, deadline: Deadline) -> Reply:
        asked.set()
        deadline.pause(deadline.remaining())
        return Reply(text="too late")

    persona.say(slowly)
    return asked


@on_sqlite
def test_a_run_that_goes_on_is_told_to_end(
    client: FlaskClient, services: Services, asked: threading.Event
) -> None:
    run_id = body_of(client.post(EXECUTE))["run_id"]
    assert asked.wait(10)
    answered = client.post(f"/api/runs/{run_id}/cancel")
    assert (answered.status_code, body_of(answered)["id"]) == (202, run_id)
    ended = services.engine.wait(run_id, services.settings.persona_timeout)
    assert (str(ended.status), ended.reason) == ("cancelled", "cancelled")
    again = client.post(f"/api/runs/{run_id}/cancel")
    assert (again.status_code, body_of(again)["status"]) == (200, "cancelled")


@on_sqlite
def test_what_has_ended_cannot_be_cancelled(client: FlaskClient) -> None:
    run_id = body_of(client.post("/api/tasks/daily_reflection/execute"))["run_id"]
    refused = client.post(f"/api/runs/{run_id}/cancel")
    assert refused.status_code == 409
    assert body_of(refused)["detail"] == (
        f"Run {run_id} is finished (succeeded); there is nothing to cancel"
    )
    assert client.post(f"/api/runs/{'0' * 26}/cancel").status_code == 404


@on_sqlite
def test_the_command_line_cancels_a_run_of_the_service(
    client: FlaskClient,
    services: Services,
    asked: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each has its own process in the ledger: the service finds the wish when it looks."""
    settings = services.settings
    monkeypatch.setenv("PERSONA_SPACE", str(settings.persona_space))
    monkeypatch.setenv("DATABASE_URL", settings.database_url)
    run_id = body_of(client.post(EXECUTE))["run_id"]
    assert asked.wait(10)
    watch = threading.Timer(0.5, services.clockwork.pulse)
    watch.start()
    told = CliRunner().invoke(command_line, ["cancel", run_id])
    watch.join()
    assert (told.exit_code, told.stdout) == (0, f"cancelled, run {run_id}\n")
    refused = CliRunner().invoke(command_line, ["cancel", "0" * 26])
    assert refused.exit_code == 1
    assert refused.stderr.endswith(f"Error: Run not found: {'0' * 26}\n")
