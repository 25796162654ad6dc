import threading
from datetime import timedelta

import pytest

from app.core.clock import FakeClock
from app.persona.client import Reply
from app.persona.errors import PersonaCancelled, PersonaRefused, PersonaTimeout
from app.persona.fakes import ListedRecords, ScriptedPersona, hang
from tests.persona.given import NOW, a_deadline, a_past_run, a_request


def test_a_scripted_persona_follows_its_script_and_remembers_the_requests() -> None:
    reply = Reply(text="two", metadata={"files": []})
    persona = ScriptedPersona("one", reply, lambda r, _: Reply(text=r.task.id), otherwise="more")
    request = a_request()
    answers = [persona.reply(request, a_deadline()).text for _ in range(5)]
    assert answers == ["one", "two", "planning", "more", "more"]
    assert persona.requests == [request] * 5


def test_a_scripted_error_is_raised() -> None:
    persona = ScriptedPersona(PersonaRefused("not today"))
    with pytest.raises(PersonaRefused, match="not today"):
        persona.reply(a_request(), a_deadline())


def test_a_hanging_line_ends_with_the_deadline_or_by_cancellation() -> None:
    persona = ScriptedPersona(hang, hang)
    clock, cancelled = FakeClock(NOW), threading.Event()
    with pytest.raises(PersonaTimeout):
        persona.reply(a_request(), a_deadline(7, clock))
    assert clock.monotonic() == 7.0
    cancelled.set()
    with pytest.raises(PersonaCancelled):
        persona.reply(a_request(), a_deadline(7, clock, cancelled))


def test_a_scripted_persona_can_be_known_to_be_broken() -> None:
    persona = ScriptedPersona()
    persona.break_with("it is on holiday")
    assert persona.problem() == "it is on holiday"
    persona.break_with(None)
    assert persona.problem() is None


def test_listed_records_are_newest_first_and_strictly_after_the_instant() -> None:
    old, new = (
        a_past_run(completed_at=NOW - timedelta(hours=2)),
        a_past_run(completed_at=NOW - timedelta(hours=1)),
    )
    records = ListedRecords(old, new)
    assert list(records.runs_since(NOW - timedelta(days=1), 9)) == [new, old]
    assert list(records.runs_since(old.completed_at, 9)) == [new]
    assert list(records.runs_since(NOW - timedelta(days=1), 1)) == [new]
