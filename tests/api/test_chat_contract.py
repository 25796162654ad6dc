"""What the client of a persona service relies on, asked of this service's own chat over HTTP."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from werkzeug.serving import make_server

from app import create_app
from app.config import Settings
from app.core.clock import FakeClock, SystemClock
from app.persona.client import Reply
from app.persona.errors import (
    PersonaAuth,
    PersonaError,
    PersonaFailed,
    PersonaLimit,
    PersonaRefused,
    PersonaTimeout,
    PersonaUnreachable,
)
from app.persona.fakes import ScriptedPersona
from app.persona.service import ServicePersona
from app.wiring import Services, build
from tests.conftest import EVENING, on_sqlite
from tests.persona.given import a_real_deadline, a_request, a_task

pytestmark = on_sqlite
TOKEN = "t" * 40


@pytest.fixture
def persona() -> ScriptedPersona:
    return ScriptedPersona(has_hands=True)


@pytest.fixture
def services(settings: Settings, persona: ScriptedPersona) -> Iterator[Services]:
    services = build(settings, clock=FakeClock(EVENING), persona=persona)
    services.prepare()
    yield services
    services.stop()


@contextmanager
def served(settings: Settings, services: Services) -> Iterator[str]:
    """Serve the app of these services on a port of loopback, and give its address."""
    app = create_app(settings, services_factory=lambda: services)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def url(settings: Settings, services: Services) -> Iterator[str]:
    with served(settings, services) as url:
        yield url


def ask(url: str, key: str | None = None, **request: Any) -> Reply:
    asked = a_request(**request) if "task" in request else a_request(a_task("How are you?"))
    return ServicePersona(url, SystemClock(), key=key).reply(asked, a_real_deadline(20))


def fail(url: str, **request: Any) -> PersonaError:
    with pytest.raises(PersonaError) as caught:
        ask(url, **request)
    return caught.value


def test_an_answer_comes_with_its_feeling_and_the_id_of_its_memory(
    url: str, persona: ScriptedPersona, services: Services
) -> None:
    persona.say("I am glad and grateful.")
    reply = ask(url)
    assert reply.text == "I am glad and grateful."
    assert reply.reconciliation is not None
    assert reply.reconciliation["reconciled_state"]
    memory = services.being.memories.get(reply.metadata["experience_id"])
    assert memory.text.startswith("Said to me: How are you?")
    (request,) = persona.requests
    assert request.talk is not None
    assert request.talk.most_memories == 10


def test_a_run_that_asks_again_gets_its_answer_and_nothing_is_done_twice(
    url: str, persona: ScriptedPersona
) -> None:
    assert ask(url) == ask(url)
    assert len(persona.requests) == 1


def test_a_prompt_of_nothing_is_refused(url: str) -> None:
    error = fail(url, task=a_task("  "))
    assert type(error) is PersonaRefused
    assert "Message cannot be empty" in error.detail


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (PersonaTimeout(timedelta(minutes=15)), PersonaFailed),
        (PersonaFailed("it fell over"), PersonaFailed),
        (PersonaUnreachable("no model there"), PersonaFailed),
    ],
)
def test_what_went_wrong_behind_it_is_a_failure_of_the_persona(
    url: str, persona: ScriptedPersona, line: PersonaError, kind: type[PersonaError]
) -> None:
    persona.say(line)
    error = fail(url)
    assert type(error) is kind
    assert error.reached, "it may have acted, so nothing is sent again blindly"


def test_a_limit_is_told_with_the_time_to_come_back(url: str, persona: ScriptedPersona) -> None:
    persona.say(PersonaLimit("later", retry_after=timedelta(seconds=90)))
    error = fail(url)
    assert isinstance(error, PersonaLimit)
    assert error.retry_after == timedelta(seconds=90)


def test_a_service_with_too_many_chats_asks_to_come_back(
    url: str, settings: Settings, services: Services
) -> None:
    places = services.chatting._places
    for _ in range(settings.chat_concurrency):
        assert places.acquire(blocking=False)
    error = fail(url)
    places.release(settings.chat_concurrency)
    assert isinstance(error, PersonaLimit)
    assert error.retry_after == timedelta(seconds=5)


def test_a_service_that_stops_asks_to_come_back(url: str, services: Services) -> None:
    services.begin_drain()
    error = fail(url)
    assert isinstance(error, PersonaLimit)
    assert error.retry_after == timedelta(seconds=2)


def test_a_service_that_only_has_tasks_never_saw_the_prompt(settings: Settings) -> None:
    elsewhere = ScriptedPersona(has_hands=False)
    services = build(settings, clock=FakeClock(EVENING), persona=elsewhere)
    services.prepare()
    with served(settings, services) as url:
        error = fail(url)
    services.stop()
    assert isinstance(error, PersonaUnreachable)
    assert not error.reached


def test_a_token_is_shown_where_one_is_wanted(settings: Settings, services: Services) -> None:
    with served(replace(settings, api_token=TOKEN), services) as url:
        assert isinstance(fail(url), PersonaAuth)
        assert isinstance(fail(url, key="wrong"), PersonaAuth)
        assert ask(url, key=TOKEN).text == "Done."
