from datetime import timedelta

import pytest

from app.core.clock import FakeClock
from app.persona.errors import PersonaFailed, PersonaLimit
from app.persona.llm.patience import MOST_WAITS, PatientModel
from tests.persona.given import NOW, a_deadline
from tests.persona.llm.given import a_model, ask, both_dialects, fail
from tests.persona.model_server import ModelServer, Say, Status, Stream, event


def later(seconds: str | None = None) -> Status:
    headers = {} if seconds is None else {"Retry-After": seconds}
    return Status(status=429, body={"error": {"message": "slow down"}}, headers=headers)


def waited(clock: FakeClock) -> timedelta:
    return timedelta(seconds=clock.monotonic())


@both_dialects
def test_it_waits_as_long_as_the_server_asks(dialect: str) -> None:
    clock = FakeClock(NOW)
    date = "Mon, 27 Oct 2025 00:01:09 GMT"
    with ModelServer(later("7"), later(date), Say(text="Now.")) as server:
        model = PatientModel(a_model(server, dialect, clock))
        assert ask(model, deadline=a_deadline(900, clock)).text == "Now."
    assert waited(clock) == timedelta(seconds=67)


def test_without_a_word_of_the_server_it_waits_longer_each_time() -> None:
    clock = FakeClock(NOW)
    with ModelServer(later(), later(), later(), Say(text="Now.")) as server:
        model = PatientModel(a_model(server, clock=clock))
        assert ask(model, deadline=a_deadline(900, clock)).text == "Now."
    assert waited(clock) == timedelta(seconds=1 + 2 + 4)


def test_it_does_not_wait_for_ever() -> None:
    clock = FakeClock(NOW)
    with ModelServer(otherwise=later("1")) as server:
        model = PatientModel(a_model(server, clock=clock))
        assert isinstance(fail(model, deadline=a_deadline(900, clock)), PersonaLimit)
    assert len(server.received) == MOST_WAITS + 1


def test_it_does_not_wait_beyond_the_deadline() -> None:
    clock = FakeClock(NOW)
    with ModelServer(later("60")) as server:
        model = PatientModel(a_model(server, clock=clock))
        error = fail(model, deadline=a_deadline(60, clock))
    assert isinstance(error, PersonaLimit)
    assert error.retry_after == timedelta(seconds=60)
    assert waited(clock) == timedelta(0)


@pytest.mark.parametrize(
    "body", [{"error": {"message": "no more", "code": "insufficient_quota"}}, "<html>"]
)
def test_it_does_not_wait_where_waiting_does_not_help(body: object) -> None:
    status = 502 if body == "<html>" else 429
    with ModelServer(Status(status=status, body=body)) as server:
        error = fail(PatientModel(a_model(server)))
    assert isinstance(error, PersonaLimit | PersonaFailed)
    assert not error.transient
    assert len(server.received) == 1


def test_a_server_that_had_begun_to_answer_is_not_asked_again() -> None:
    begun = event({"choices": [{"delta": {"content": "I think"}}]})
    limit = event({"error": {"message": "Rate limit reached", "code": 429}})
    with ModelServer(Stream(data=(begun + limit).encode())) as server:
        assert isinstance(fail(PatientModel(a_model(server))), PersonaLimit)
    assert len(server.received) == 1
