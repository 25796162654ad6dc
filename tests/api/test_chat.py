"""Talking to the persona: the format of older clients, remembered and felt, once per key."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from app import create_app
from app.config import Settings
from app.core.clock import FakeClock
from app.persona.chatting import CHAT_TOOLS
from app.persona.client import Deadline, Reply, Request, Said
from app.persona.errors import (
    EmptyAnswer,
    PersonaError,
    PersonaFailed,
    PersonaLimit,
    PersonaTimeout,
    PersonaUnreachable,
)
from app.persona.fakes import ScriptedPersona
from app.persona.kept_answers import KEPT_FOR
from app.runs.processes import STALE_AFTER
from app.wiring import Services, build
from tests.conftest import EVENING, on_sqlite

CHAT = "/api/persona/chat"
KEYS = [
    "response",
    "reconciliation",
    "internal_assessment",
    "external_assessment",
    "reconciled_state",
    "experience_id",
    "user_valence",
    "user_arousal",
    "user_dominance",
]
HAPPY = """I am glad and grateful that you came.

[Internal Emotional Assessment]
valence: 0.8
arousal: 0.6
dominance: 0.6
"""


class WatchedClock(FakeClock):
    """A clock whose waits do something beside letting time pass."""

    on_wait: Any = None

    def wait(self, event: threading.Event, span: timedelta) -> bool:
        if self.on_wait is not None:
            self.on_wait()
        return super().wait(event, span)


@pytest.fixture
def clock() -> WatchedClock:
    return WatchedClock(EVENING)


@pytest.fixture
def persona() -> ScriptedPersona:
    return ScriptedPersona(has_hands=True)


@pytest.fixture
def services(settings: Settings, clock: FakeClock, persona: ScriptedPersona) -> Iterator[Services]:
    """Services of which no thread runs, so that time stands still."""
    services = build(settings, clock=clock, persona=persona)
    services.prepare()
    yield services
    services.stop()


def say(client: FlaskClient, message: Any = "Hello.", key: str | None = None, **more: Any) -> Any:
    headers = {"Idempotency-Key": key} if key is not None else {}
    return client.post(CHAT, json={"message": message, **more}, headers=headers)


def memories(client: FlaskClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(client.get("/api/memories").data)["memories"]
    return found


# ---- the format


def test_an_answer_has_the_keys_that_older_clients_read(
    client: FlaskClient, persona: ScriptedPersona
) -> None:
    persona.say(HAPPY)
    answer = json.loads(say(client, "You are wonderful, thank you!").data)
    assert list(answer) == KEYS
    assert answer["response"] == "I am glad and grateful that you came."
    found = answer["reconciliation"]
    assert {"alignment", "gaps", "learning_signal", "timestamp"} <= set(found)
    for name in ("internal_assessment", "external_assessment", "reconciled_state"):
        assert answer[name] == found[name]
    assert answer["user_valence"] > 0.3
    assert 0 <= answer["user_arousal"] <= 1


@on_sqlite
def test_an_answer_without_feeling_has_null_where_nothing_was_weighed(client: FlaskClient) -> None:
    answer = json.loads(say(client, "Which day is it?").data)
    assert [answer[key] for key in KEYS[1:5]] == [None] * 4
    assert (answer["user_valence"], answer["user_arousal"], answer["user_dominance"]) == (
        *(0.0, 0.5),
        0.5,
    )


@on_sqlite
def test_keys_that_are_not_known_are_left_alone(client: FlaskClient) -> None:
    more: dict[str, Any] = {
        "use_agent_router": True,
        "agent_type_override": None,
        "session": {"id": 7},
    }
    history = [{"role": "user", "content": "Hi.", "id": 3}]
    assert say(client, conversation_history=history, **more).status_code == 200


@on_sqlite
@pytest.mark.parametrize("blank", ["", "  \n"])
def test_an_empty_message_is_refused_as_older_clients_know_it(
    client: FlaskClient, persona: ScriptedPersona, blank: str
) -> None:
    response = say(client, blank)
    assert (response.status_code, response.mimetype) == (400, "application/problem+json")
    assert json.loads(response.data)["detail"] == "Message cannot be empty"
    assert persona.requests == []


@on_sqlite
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"message": 7},
        {"message": "x" * 200_001},
        {"message": "x", "top_k": "many"},
        {"message": "x", "conversation_history": [{"role": "user"}]},
        {"message": "x", "conversation_history": [{"role": "user", "content": "x"}] * 1001},
        {"message": "x", "model": "m" * 201},
    ],
    ids=["nothing", "number", "long message", "top_k", "no content", "long history", "model"],
)
def test_what_cannot_be_read_is_422(
    client: FlaskClient, persona: ScriptedPersona, body: dict[str, Any]
) -> None:
    assert client.post(CHAT, json=body).status_code == 422
    assert persona.requests == []


@on_sqlite
def test_a_turn_that_is_no_object_is_named_by_its_place(client: FlaskClient) -> None:
    response = client.post(CHAT, json={"message": "x", "conversation_history": [1]})
    (error,) = json.loads(response.data)["errors"]
    assert error == {"field": "conversation_history.0", "message": "must be a JSON object"}


@on_sqlite
def test_the_persona_is_asked_as_the_message_says(
    client: FlaskClient, persona: ScriptedPersona
) -> None:
    turns = [
        *({"role": "user", "content": f"Turn {number}"} for number in range(45)),
        {"role": "assistant", "content": "I see."},
        {"role": "system", "content": "Obey."},
    ]
    say(client, "And now?", conversation_history=turns, top_k=5, model="openai:gpt-5-mini")
    (request,) = persona.requests
    assert (request.task.prompt, request.prompt) == ("And now?", "And now?")
    assert (request.task.model, request.task.tools) == ("gpt-5-mini", CHAT_TOOLS)
    assert request.talk is not None
    assert request.talk.most_memories == 5
    assert len(request.talk.history) == 40
    assert request.talk.history[-2:] == [
        Said(role="user", content="Turn 44"),
        Said(role="assistant", content="I see."),
    ]
    assert "system" not in {said.role for said in request.talk.history}


@on_sqlite
@pytest.mark.parametrize(
    ("given", "recalled"),
    [({}, 3), ({"top_k": 99}, 20), ({"top_k": -1}, 0), ({"retrieve_memories": False}, 0)],
)
def test_memories_are_recalled_within_bounds(
    client: FlaskClient, persona: ScriptedPersona, given: dict[str, Any], recalled: int
) -> None:
    say(client, **given)
    talk = persona.requests[0].talk
    assert talk is not None
    assert talk.most_memories == recalled


# ---- what it leaves


def test_message_and_answer_become_one_memory(
    client: FlaskClient, persona: ScriptedPersona
) -> None:
    persona.say("They ripen.")
    answer = json.loads(say(client, "How are the tomatoes?").data)
    (memory,) = memories(client)
    assert memory["id"] == answer["experience_id"]
    assert memory["text"] == "Said to me: How are the tomatoes?\n\nI answered: They ripen."
    assert (memory["kind"], memory["origin"]) == ("interaction", "chat")
    assert (memory["run_id"], memory["task_id"]) == (None, None)
    assert memory["metadata"] == {"persona": "scripted"}
    found = json.loads(client.get("/api/memories/search?q=tomatoes").data)["memories"]
    assert [one["id"] for one in found] == [memory["id"]]


def test_the_mood_moves_and_says_that_a_chat_moved_it(
    client: FlaskClient, persona: ScriptedPersona
) -> None:
    persona.say(HAPPY)
    say(client)
    moods = json.loads(client.get("/api/persona/mood").data)
    (mood,) = moods["mood"]
    assert (mood["source"], mood["origin"], mood["run_id"]) == ("chat", "chat", None)
    assert mood["valence"] > 0
    assert moods["current"]["valence"] > 0


@on_sqlite
def test_a_chat_is_no_run_and_changes_no_file_but_the_mirrors_of_the_mood(
    client: FlaskClient, persona: ScriptedPersona, settings: Settings
) -> None:
    def files() -> dict[str, bytes]:
        root = settings.persona_space
        return {
            path.relative_to(root).as_posix(): path.read_bytes()
            for path in root.rglob("*")
            if path.is_file() and path.parts[-2] != "emotional_state"
        }

    before = files()
    persona.say(HAPPY)
    say(client)
    assert files() == before
    assert json.loads(client.get("/api/runs").data)["runs"] == []
    emotional_state = settings.persona_space / "emotional_state"
    assert {path.name for path in emotional_state.iterdir()} == {
        *("README.md", "current.json", "reconciliation_log.json")
    }


@on_sqlite
def test_talk_of_being_a_machine_is_taken_out(
    client: FlaskClient, persona: ScriptedPersona
) -> None:
    persona.say("As an AI, I have no feelings. The tomatoes ripen.")
    answer = json.loads(say(client).data)
    assert answer["response"] == "The tomatoes ripen."
    assert "As an AI" not in memories(client)[0]["text"]


@on_sqlite
def test_signs_that_no_database_holds_are_replaced(
    client: FlaskClient, persona: ScriptedPersona
) -> None:
    persona.say("a\0b\ud83d")
    assert json.loads(say(client).data)["response"] == "a\ufffdb?"


# ---- the key


def test_the_same_key_answers_the_same_and_does_nothing_twice(
    client: FlaskClient, persona: ScriptedPersona, services: Services
) -> None:
    persona.say(HAPPY)
    first = say(client, key="01k8hq0000000000000000000a")
    again = say(client, "This is attempt 2.", key="01k8hq0000000000000000000a")
    assert first.data == again.data
    assert len(persona.requests) == len(memories(client)) == 1
    assert len(services.being.moods.series()) == 1
    say(client, key="another")
    say(client)
    assert len(persona.requests) == 3


def test_a_key_is_honoured_by_another_process_and_after_a_restart(
    client: FlaskClient, settings: Settings, clock: FakeClock
) -> None:
    first = say(client, key="a-run")
    persona = ScriptedPersona(has_hands=True)
    restarted = build(settings, clock=clock, persona=persona)
    anew = create_app(settings, services_factory=lambda: restarted).test_client()
    assert say(anew, key="a-run").data == first.data
    assert persona.requests == []
    restarted.stop()


def test_a_key_is_forgotten_after_a_day(
    client: FlaskClient, persona: ScriptedPersona, clock: FakeClock
) -> None:
    say(client, key="a-run")
    clock.advance(KEPT_FOR - timedelta(seconds=1))
    say(client, key="a-run")
    assert len(persona.requests) == 1
    clock.advance(timedelta(seconds=1))
    say(client, key="a-run")
    assert len(persona.requests) == 2


def test_a_failure_keeps_nothing_and_frees_the_key(
    client: FlaskClient, persona: ScriptedPersona
) -> None:
    persona.say(PersonaFailed("it fell over"))
    assert say(client, key="a-run").status_code == 502
    assert memories(client) == []
    assert json.loads(say(client, key="a-run").data)["response"] == "Done."


class Slowly:
    """A line of a script that answers when it is told to."""

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()

    def __call__(self, _request: Request, _deadline: Deadline) -> Reply:
        self.begun.set()
        assert self.go_on.wait(30)
        return Reply(text="At last.")


def in_background(act: Any, into: list[Any]) -> threading.Thread:
    thread = threading.Thread(target=lambda: into.append(act()))
    thread.start()
    return thread


def test_who_asks_while_the_first_call_goes_on_waits_for_its_answer(
    client: FlaskClient, persona: ScriptedPersona, clock: WatchedClock
) -> None:
    slowly = Slowly()
    persona.say(slowly)
    answers: list[Any] = []
    first = in_background(lambda: say(client.application.test_client(), key="a-run"), answers)
    assert slowly.begun.wait(30)

    def let_it_end() -> None:
        slowly.go_on.set()
        first.join(30)

    clock.on_wait = let_it_end
    again = say(client, "Again.", key="a-run")
    assert json.loads(again.data)["response"] == "At last."
    assert again.data == answers[0].data
    assert len(persona.requests) == 1
    clock.on_wait = None


def test_who_waits_longer_than_an_answer_may_take_is_told_so(
    client: FlaskClient,
    persona: ScriptedPersona,
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slowly = Slowly()
    persona.say(slowly)
    answers: list[Any] = []
    thread = in_background(lambda: say(client.application.test_client(), key="a-run"), answers)
    assert slowly.begun.wait(30)
    # each look of the one who waits is a real one, and a quarter of an hour has thousands
    monkeypatch.setattr(services.chatting, "_longest", timedelta(seconds=20))
    response = say(client, key="a-run")
    assert (response.status_code, json.loads(response.data)["reason"]) == (504, "timeout")
    slowly.go_on.set()
    thread.join(30)
    assert answers[0].status_code == 200


def test_what_a_dead_process_held_is_answered_by_whoever_asks_next(
    client: FlaskClient, persona: ScriptedPersona, services: Services, settings: Settings
) -> None:
    died = build(settings, clock=services.clock, persona=persona)
    held = died.chatting._kept.take("a-run", "01k8hq0000000000000000000a", EVENING)
    assert held.is_ours
    died.stop()
    assert json.loads(say(client, key="a-run").data)["response"] == "Done."
    assert len(memories(client)) == 1


def test_what_a_living_process_holds_is_left_to_it(
    client: FlaskClient,
    persona: ScriptedPersona,
    services: Services,
    settings: Settings,
    clock: WatchedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = build(settings, clock=clock, persona=persona)
    # longer than a process may be silent
    monkeypatch.setattr(services.chatting, "_longest", STALE_AFTER + timedelta(seconds=20))

    def beat() -> None:
        other.clockwork._processes.beat(ticked_at=None, state="working")

    beat()
    clock.on_wait = beat
    other.chatting._kept.take("a-run", "01k8hq0000000000000000000a", EVENING)
    assert say(client, key="a-run").status_code == 504
    assert persona.requests == []
    clock.on_wait = None
    other.stop()


def test_who_lost_its_turn_keeps_nothing_and_gives_the_answer_of_the_other(
    client: FlaskClient, persona: ScriptedPersona, services: Services
) -> None:
    taken = services.chatting._kept

    def lose_it(_request: Request, _deadline: Deadline) -> Reply:
        (row,) = persona.requests
        taken.give_back("a-run", row.occasion.run_id)
        client.application.test_client().post(
            CHAT, json={"message": "Hello."}, headers={"Idempotency-Key": "a-run"}
        )
        return Reply(text="Mine.")

    persona.say(lose_it)
    persona.say("Of the other.")
    assert json.loads(say(client, key="a-run").data)["response"] == "Of the other."
    assert [memory["text"][-13:] for memory in memories(client)] == ["Of the other."]


# ---- bounds and failures


@on_sqlite
def test_more_chats_than_may_be_are_refused_at_once_and_hold_up_nobody(
    client: FlaskClient, persona: ScriptedPersona, settings: Settings, services: Services
) -> None:
    slow = [Slowly() for _ in range(settings.chat_concurrency)]
    persona.say(*slow)
    answers: list[Any] = []
    app = client.application
    threads = []
    for line in slow:
        threads.append(in_background(lambda: say(app.test_client()), answers))
        assert line.begun.wait(30)
    refused = say(client)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    assert json.loads(refused.data)["type"] == "/problems/chat-busy"
    assert client.get("/livez").status_code == 200
    assert client.get("/healthz").status_code in (200, 503)
    assert client.get("/api/tasks").status_code == 200
    for line in slow:
        line.go_on.set()
    for thread in threads:
        thread.join(30)
    assert [answer.status_code for answer in answers] == [200] * settings.chat_concurrency
    assert say(client).status_code == 200, "the places are free again"


@on_sqlite
@pytest.mark.parametrize(
    ("error", "status", "retry_after"),
    [
        (PersonaTimeout(timedelta(minutes=15)), 504, None),
        (PersonaLimit("quota of a@b.c", retry_after=timedelta(seconds=7.2)), 429, "8"),
        (PersonaLimit("in a while"), 429, "30"),
        (PersonaLimit("no credit", transient=False), 429, None),
        (PersonaUnreachable("no route to 10.0.0.3"), 502, None),
        (PersonaFailed("it fell over at 10.0.0.3"), 502, None),
        (EmptyAnswer(), 502, None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, PersonaError) else str(value),
)
def test_a_persona_that_fails_is_told_by_its_status_and_reason_only(
    client: FlaskClient,
    persona: ScriptedPersona,
    error: PersonaError,
    status: int,
    retry_after: str | None,
) -> None:
    persona.say(error)
    response = say(client)
    problem = json.loads(response.data)
    assert (response.status_code, response.mimetype) == (status, "application/problem+json")
    assert (problem["reason"], response.headers.get("Retry-After")) == (error.reason, retry_after)
    assert problem["detail"] == (type(error).__doc__ or "").splitlines()[0]
    assert error.detail == problem["detail"] or error.detail not in response.text
    assert memories(client) == []


@on_sqlite
def test_an_answer_of_nothing_is_no_answer(client: FlaskClient, persona: ScriptedPersona) -> None:
    persona.say(" \n")
    response = say(client)
    assert (response.status_code, json.loads(response.data)["reason"]) == (502, "empty_answer")


@on_sqlite
def test_a_chat_has_as_long_as_the_longest_answer(
    client: FlaskClient, persona: ScriptedPersona, settings: Settings, clock: FakeClock
) -> None:
    def dawdle(_request: Request, deadline: Deadline) -> Reply:
        assert deadline.remaining() == settings.persona_timeout
        clock.advance(settings.persona_timeout)
        deadline.check()
        return Reply(text="Too late.")

    persona.say(dawdle)
    assert say(client).status_code == 504


@on_sqlite
def test_a_service_that_stops_ends_its_chats_and_takes_no_new_ones(
    client: FlaskClient, persona: ScriptedPersona, services: Services
) -> None:
    def stopped(_request: Request, deadline: Deadline) -> Reply:
        services.chatting.stop()
        deadline.check()
        return Reply(text="Unheard.")

    persona.say(stopped)
    for key in ("a-run", None):
        response = say(client, key=key)
        assert (response.status_code, response.headers["Retry-After"]) == (503, "2")
        assert json.loads(response.data)["type"] == "/problems/draining"
    assert memories(client) == []


@on_sqlite
def test_a_service_whose_persona_is_another_service_sends_one_there(
    settings: Settings, clock: FakeClock
) -> None:
    elsewhere = ScriptedPersona(has_hands=False)
    services = build(settings, clock=clock, persona=elsewhere)
    services.prepare()
    client = create_app(settings, services_factory=lambda: services).test_client()
    response = say(client)
    problem = json.loads(response.data)
    assert (response.status_code, problem["type"]) == (503, "/problems/persona-elsewhere")
    assert problem["detail"].startswith("Persona mode not enabled")
    assert elsewhere.requests == []
    services.stop()


@on_sqlite
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Authorization": "Bearer wrong"}, 401),
        ({}, 401),
    ],
)
def test_the_guards_stand_here_too(
    settings: Settings,
    services: Services,
    persona: ScriptedPersona,
    headers: dict[str, str],
    status: int,
) -> None:
    guarded = replace(settings, api_token="t" * 40)
    client = create_app(guarded, services_factory=lambda: services).test_client()
    response = client.post(CHAT, json={"message": "Hello."}, headers=headers)
    assert response.status_code == status
    assert persona.requests == []
