"""What goes wrong is said in one shape and without the inside of the service; health tells why."""

import json
import logging
import time
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask import Response
from flask.testing import FlaskClient
from gunicorn.http.errors import InvalidChunkSize

from app import create_app
from app.config import Settings
from app.core.errors import SpaceError
from app.persona.fakes import ScriptedPersona
from app.runs.processes import Processes
from app.tasks.task import Author
from app.wiring import Services, build
from tests.api.clocks import ShiftedClock
from tests.conftest import on_sqlite

pytestmark = on_sqlite

NEW = {"id": "x", "name": "X", "type": "custom", "schedule": "daily", "prompt": "Do."}


def body_of(response: Any) -> Any:
    return json.loads(response.data)


@pytest.fixture
def breaking(settings: Settings, services: Services) -> FlaskClient:
    """A client of an app with routes that break."""
    app = create_app(settings, services_factory=lambda: services)

    @app.get("/break/unexpected")
    def unexpected() -> Response:
        raise RuntimeError("secret inside /etc/passwd")

    @app.get("/break/expected")
    def expected() -> Response:
        raise SpaceError("results cannot be written to /srv/space")

    return app.test_client()


def test_an_unexpected_error_says_nothing_of_the_inside(
    breaking: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        response = breaking.get("/break/unexpected")
    assert response.status_code == 500
    assert response.content_type == "application/problem+json"
    text = response.get_data(as_text=True) + str(response.headers)
    for inside in ("secret", "/etc", "Traceback", "RuntimeError", "app/", "Flask", "Python"):
        assert inside not in text
    request_id = body_of(response)["request_id"]
    assert response.headers["X-Request-Id"] == request_id
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert any(request_id in str(record.msg) for record in caplog.records)


def test_a_known_failure_tells_its_kind_and_keeps_its_detail_to_the_log(
    breaking: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        response = breaking.get("/break/expected")
    assert response.status_code == 503
    assert body_of(response)["type"] == "/problems/space"
    assert "/srv/space" not in response.get_data(as_text=True)
    assert any("/srv/space" in str(record.msg) for record in caplog.records)


def test_a_database_that_does_not_answer_is_a_503_that_says_when_to_come_back(
    client: FlaskClient, services: Services
) -> None:
    services.engine.drain(timedelta(0))
    services.database.close()
    path = Path(services.settings.database_url.removeprefix("sqlite:///"))
    aside = path.rename(path.with_name("aside"))
    path.mkdir()
    try:
        response = client.get("/api/tasks")
        health = client.get("/healthz")
    finally:
        path.rmdir()
        aside.rename(path)
    assert response.status_code == health.status_code == 503
    assert body_of(response)["type"] == "/problems/ledger-unavailable"
    assert response.headers["Retry-After"] == "5"
    assert str(path) not in response.get_data(as_text=True)
    assert body_of(health)["reasons"] == ["it cannot be looked at: Database unavailable"]
    assert client.get("/api/tasks").status_code == 200


# ---- health


def test_where_nothing_ticks_health_is_red_and_says_so(client: FlaskClient) -> None:
    response = client.get("/healthz")
    body = body_of(response)
    assert response.status_code == 503
    assert list(body) == [
        "status",
        "reasons",
        "notes",
        "tick_age_seconds",
        "oldest_overdue_slot",
        "processes",
        "scripts",
        "version",
    ]
    assert body["status"] == "failing"
    assert "no process ticks" in body["reasons"][0]
    assert client.get("/livez").status_code == 200


def test_where_something_ticks_health_is_green(client: FlaskClient, services: Services) -> None:
    services.clockwork.start()
    services.clockwork.wake()
    response = client.get("/healthz")
    assert response.status_code == 200
    assert body_of(response)["status"] == "ok"
    assert body_of(response)["processes"] == 1


def test_where_nothing_can_be_written_health_is_red_although_all_can_be_read(
    client: FlaskClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.clockwork.start()
    services.clockwork.wake()
    silence = timedelta(seconds=20)
    monkeypatch.setattr(Processes, "silence", property(lambda _: silence))
    response = client.get("/healthz")
    assert response.status_code == 503
    assert body_of(response)["reasons"] == [
        "nothing could be written to the ledger for 20 s: it is locked, its disk is full, or it is "
        "away"
    ]
    silence -= timedelta(seconds=1)
    assert client.get("/healthz").status_code == 200


def test_a_process_knows_how_long_it_could_not_write_that_it_lives(
    services: Services, clock: ShiftedClock
) -> None:
    services.processes.beat(ticked_at=None, state="ticking")
    clock.advance(timedelta(seconds=30))
    assert services.processes.silence
    assert timedelta(seconds=30) <= services.processes.silence < timedelta(seconds=40)


class Broken(BytesIO):
    """A body of chunks one of which has a size that is none."""

    def read(self, *_: Any) -> bytes:
        raise InvalidChunkSize(b"ZZ")

    readinto = read  # type: ignore[assignment]  # it returns as little


def test_a_body_that_cannot_be_read_is_malformed(client: FlaskClient) -> None:
    response = client.post(
        "/api/tasks",
        headers={"Content-Type": "application/json"},
        environ_overrides={"wsgi.input": Broken(), "wsgi.input_terminated": True},
    )
    assert response.status_code == 400
    assert body_of(response)["detail"] == "the body cannot be read (InvalidChunkSize)"


def test_an_overdue_slot_that_nobody_takes_up_is_named(
    client: FlaskClient, services: Services, clock: ShiftedClock
) -> None:
    clock.advance(timedelta(hours=2))
    services.processes.beat(ticked_at=None, state="working")
    body = body_of(client.get("/healthz"))
    assert body["oldest_overdue_slot"] == "2026-11-24T00:00:00Z"
    assert len(body["reasons"]) == 2


def test_trouble_with_the_whole_of_tasks_json_is_no_refused_edit(
    client: FlaskClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: Any, **__: Any) -> None:
        raise SpaceError("tasks.json cannot be written: Read-only file system")

    monkeypatch.setattr(type(services.desk._file), "write", read_only)
    services.registry.update("daily_reflection", {"name": "Another"}, Author(kind="owner"))
    services.desk.sync()
    (note,) = body_of(client.get("/healthz"))["notes"]
    assert note == "tasks.json as a whole cannot be used: GET /api/desk says why"


def test_results_that_cannot_be_written_are_noted(
    client: FlaskClient,
    services: Services,
    clock: ShiftedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def read_only(*_: Any) -> None:
        raise SpaceError("read-only")

    monkeypatch.setattr(services.results, "write", read_only)
    client.post("/api/tasks/daily_reflection/execute")
    assert body_of(client.get("/healthz"))["notes"] == []
    clock.advance(timedelta(minutes=2))
    (note,) = body_of(client.get("/healthz"))["notes"]
    assert note.startswith("result files cannot be written")


def test_a_persona_with_a_problem_turns_it_red(
    client: FlaskClient, services: Services, persona: ScriptedPersona
) -> None:
    services.clockwork.start()
    persona.break_with("the persona is on strike")
    response = client.get("/healthz")
    assert response.status_code == 503
    assert body_of(response)["reasons"] == ["the persona is on strike"]


def test_health_tells_whether_scripts_can_be_run_and_stays_green_where_not(
    settings: Settings, clock: ShiftedClock, persona: ScriptedPersona
) -> None:
    services = build(replace(settings, scripts=False), clock=clock, persona=persona)
    services.prepare()
    services.start()
    services.clockwork.wake()
    response = create_app(settings, services_factory=lambda: services).test_client().get("/healthz")
    services.stop()
    assert response.status_code == 200
    assert body_of(response)["scripts"] == {
        "available": False,
        "reason": "scripts are switched off: SCRIPTS=off",
    }


def test_a_ledger_that_was_removed_turns_it_red_and_is_not_written_to(
    client: FlaskClient, services: Services
) -> None:
    services.clockwork.start()
    services.clockwork.wake()
    assert client.get("/healthz").status_code == 200
    path = Path(services.settings.database_url.removeprefix("sqlite:///"))
    aside = path.rename(path.with_name("aside"))
    time.sleep(1.01)
    health = client.get("/healthz")
    assert health.status_code == 503
    assert body_of(health)["reasons"][0].startswith("the file of the database, or its log")
    created = client.post("/api/tasks", json=NEW)
    assert created.status_code == 503
    executed = client.post("/api/tasks/daily_reflection/execute")
    assert executed.status_code == 503
    assert body_of(executed)["type"] == "/problems/ledger-unavailable"
    assert body_of(executed)["title"] == "Database removed"
    assert executed.headers["Retry-After"] == "5"
    assert str(path) not in executed.get_data(as_text=True)
    aside.rename(path)
    time.sleep(1.01)
    assert client.get("/healthz").status_code == 200
    assert client.post("/api/tasks/daily_reflection/execute").status_code == 200
