"""A persona elsewhere that fails: every process says so alike, and after a restart too."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from app import create_app
from app.config import Settings
from app.persona.errors import PersonaFailed
from app.persona.fakes import ScriptedPersona
from app.settings_schema import Backend
from app.wiring import Services, build
from tests.api.clocks import ShiftedClock

EXECUTE = "/api/tasks/daily_reflection/execute"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, persona_backend=Backend.SERVICE)


def reasons(client: FlaskClient) -> list[str]:
    found: list[str] = json.loads(client.get("/healthz").data)["reasons"]
    return [each for each in found if "process ticks" not in each]


def another_process(settings: Settings, clock: ShiftedClock) -> Services:
    """Return services that only serve: whatever they know, others found out."""
    services = build(settings, clock=clock, persona=ScriptedPersona())
    services.prepare()
    return services


def test_health_is_one_answer_whichever_process_is_asked(
    client: FlaskClient, settings: Settings, clock: ShiftedClock, persona: ScriptedPersona
) -> None:
    there = another_process(settings, clock)
    other = create_app(settings, services_factory=lambda: there).test_client()
    persona.say(*[PersonaFailed("it broke")] * 3)
    for _ in range(3):
        client.post(EXECUTE)
        clock.advance(timedelta(seconds=1))
    assert reasons(client) == reasons(other)
    assert "failed (persona_error): it broke" in reasons(other)[0]
    restarted = another_process(settings, clock)
    assert restarted.health.check().reasons[-1] == reasons(other)[0]
    client.post(EXECUTE)
    assert reasons(client) == reasons(other) == []
    for services in (there, restarted):
        services.database.close()


def test_the_embedded_persona_is_not_held_to_what_another_one_did_before(
    client: FlaskClient, settings: Settings, clock: ShiftedClock, persona: ScriptedPersona
) -> None:
    persona.say(PersonaFailed("it broke"))
    client.post(EXECUTE)
    embedded = another_process(replace(settings, persona_backend=Backend.EMBEDDED), clock)
    assert "broke" not in str(embedded.health.check().reasons)
    embedded.database.close()
