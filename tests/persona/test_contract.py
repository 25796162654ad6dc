"""What every persona promises, the fake included."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from app.core.clock import FakeClock, SystemClock
from app.persona.client import Persona
from app.persona.errors import PersonaCancelled, PersonaTimeout
from app.persona.fakes import ListedRecords, ScriptedPersona
from app.persona.llm.openai import OpenAi
from app.persona.llm.wire import HttpModel
from app.persona.llm_persona import LlmPersona, Means
from app.persona.prompting.sources import Sources
from app.persona.service import ServicePersona
from app.persona.space import Space, ensure_space
from app.persona.tools.tool import Toolbox
from tests.persona.evil import EvilPersona
from tests.persona.given import NOW, a_deadline, a_request, an_embedded_persona
from tests.persona.model_server import ModelServer


@pytest.fixture(params=["scripted", "embedded", "service", "llm"])
def persona(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Persona]:
    if request.param == "scripted":
        yield ScriptedPersona()
    elif request.param == "embedded":
        ensure_space(tmp_path / "space")
        yield an_embedded_persona(Space(tmp_path / "space"), ListedRecords())
    elif request.param == "llm":
        with ModelServer() as server:
            yield LlmPersona(
                HttpModel(OpenAi(), server.url(), SystemClock()),
                Toolbox([]),
                Sources(space=Space(tmp_path)),
                Means(model="tiny"),
                new_mark=lambda: "mark00000001",
            )
    else:
        with EvilPersona() as server:
            yield ServicePersona(server.url(), SystemClock())


def test_it_answers_and_knows_of_no_problem(persona: Persona) -> None:
    assert persona.name in ("scripted", "embedded", "service", "llm")
    assert persona.problem() is None
    reply = persona.reply(a_request(), a_deadline())
    assert reply.text.strip()
    assert isinstance(reply.metadata, dict)
    assert persona.problem() is None


def test_it_shows_what_it_would_send(persona: Persona) -> None:
    request = a_request()
    sent = persona.would_send(request, a_deadline())
    assert {message.role for message in sent} <= {"system", "user"}
    assert sent[-1].role == "user"
    assert request.task.prompt in sent[-1].content


def test_it_does_not_begin_what_was_cancelled(persona: Persona) -> None:
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(PersonaCancelled):
        persona.reply(a_request(), a_deadline(cancelled=cancelled))


def test_it_does_not_begin_after_the_deadline(persona: Persona) -> None:
    clock = FakeClock(NOW)
    deadline = a_deadline(5, clock)
    clock.advance(timedelta(seconds=5))
    with pytest.raises(PersonaTimeout):
        persona.reply(a_request(), deadline)
