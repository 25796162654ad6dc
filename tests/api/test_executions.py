"""Runs by hand: waited for or not, once per key, never two of a task at a time."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from app.api.seats import THREADS
from app.persona.client import Deadline, Reply, Request
from app.persona.fakes import ScriptedPersona
from app.runs.results import file_name
from app.runs.tables import runs
from app.wiring import Services
from tests.api.clocks import ShiftedClock
from tests.conftest import on_sqlite

pytestmark = on_sqlite

REFLECTION = "/api/tasks/daily_reflection"
EXECUTE = f"{REFLECTION}/execute"


def body_of(response: Any) -> Any:
    return json.loads(response.data)


def test_a_disabled_task_is_run_regardless_of_its_schedule(client: FlaskClient) -> None:
    client.patch(REFLECTION, json={"enabled": False, "schedule": "manual"})
    assert body_of(client.post(EXECUTE))["success"] is True


def test_a_run_by_hand_uses_up_no_slot(client: FlaskClient, clock: ShiftedClock) -> None:
    clock.advance(timedelta(hours=1))
    before = body_of(client.get(REFLECTION))["next_run"]
    client.post(EXECUTE)
    task = body_of(client.get(REFLECTION))
    assert task["next_run"] == before
    assert task["run_count"] == 1
    assert body_of(client.get("/api/tasks/due"))["count"] == 3


def test_the_same_key_runs_once_and_answers_with_the_same_run(
    client: FlaskClient, persona: ScriptedPersona
) -> None:
    key = {"Idempotency-Key": "k1"}
    first, second = client.post(EXECUTE, headers=key), client.post(EXECUTE, headers=key)
    assert first.data == second.data
    assert len(persona.requests) == 1
    other = client.post("/api/tasks/memory_consolidation/execute", headers=key)
    assert body_of(other)["run_id"] != body_of(first)["run_id"]


def test_the_same_key_is_answered_when_the_file_of_the_run_is_there(
    client: FlaskClient, services: Services
) -> None:
    """Another process may have stored the run this very moment, and write its file still."""
    key = {"Idempotency-Key": "k1"}
    run = services.history.run(body_of(client.post(EXECUTE, headers=key))["run_id"])
    while services.history.is_unfiled(run.id):
        threading.Event().wait(0.005)
    with services.database.write() as connection:
        connection.execute(update(runs).values(filed=0))
    services.results.remove([file_name(run)])
    found: list[bool] = []

    def again() -> None:
        assert body_of(client.post(EXECUTE, headers=key))["run_id"] == run.id
        found.append(services.results.holds(run))

    thread = threading.Thread(target=again)
    thread.start()
    while thread.is_alive() and run.id not in services.engine._waiting:
        threading.Event().wait(0.005)
    services.results.write([run])
    thread.join()
    assert found == [True]


def test_a_body_is_ignored(client: FlaskClient) -> None:
    assert client.post(EXECUTE, json={"anything": 1}).status_code == 200


@pytest.mark.parametrize(
    ("query", "headers", "applied"),
    [
        ("?wait=false", {}, None),
        ("", {"Prefer": "respond-async"}, "respond-async"),
        ("", {"Prefer": "handling=strict, Respond-Async; x=1"}, "respond-async"),
    ],
)
def test_who_does_not_want_to_wait_is_told_where_the_run_is(
    client: FlaskClient, query: str, headers: dict[str, str], applied: str | None
) -> None:
    response = client.post(EXECUTE + query, headers=headers)
    body = body_of(response)
    assert response.status_code == 202
    assert response.headers["Location"] == body["url"] == f"/api/runs/{body['run_id']}"
    assert response.headers.get("Preference-Applied") == applied
    run = body_of(client.get(body["url"]))
    assert (run["id"], run["origin"]) == (body["run_id"], "manual")


@pytest.mark.parametrize("wait", ["maybe", ""])
def test_wait_is_true_or_false(client: FlaskClient, wait: str) -> None:
    assert client.post(f"{EXECUTE}?wait={wait}").status_code == 422


def test_nothing_is_started_where_nothing_runs(
    client: FlaskClient, services: Services, persona: ScriptedPersona
) -> None:
    services.engine.drain(timedelta(0))
    for path in (EXECUTE, "/api/tasks/execute-due"):
        response = client.post(path)
        assert response.status_code == 503
        assert body_of(response)["type"] == "/problems/nothing-runs"
        assert "Retry-After" in response.headers
    assert body_of(client.get("/api/runs"))["count"] == 0


@pytest.mark.parametrize("path", [EXECUTE, "/api/tasks/execute-due"])
def test_a_process_that_stops_starts_nothing_new(
    client: FlaskClient, services: Services, path: str
) -> None:
    services.begin_drain()
    response = client.post(path)
    assert (response.status_code, body_of(response)["type"]) == (503, "/problems/draining")
    assert response.headers["Retry-After"] == "2"
    assert body_of(client.get("/api/runs"))["count"] == 0


class TestAPersonaThatTakesItsTime:
    @pytest.fixture
    def go_on(self) -> Iterator[threading.Event]:
        event = threading.Event()
        yield event
        event.set()

    @pytest.fixture
    def persona(self, go_on: threading.Event) -> ScriptedPersona:
        def wait(request: Request, deadline: Deadline) -> Reply:
            while not go_on.is_set():
                deadline.pause(timedelta(milliseconds=20))
            return Reply(text="At last.")

        return ScriptedPersona(otherwise=wait)

    def test_a_second_run_meanwhile_is_a_conflict_that_names_the_first(
        self, client: FlaskClient, go_on: threading.Event
    ) -> None:
        first = body_of(client.post(f"{EXECUTE}?wait=false"))
        second = client.post(EXECUTE)
        assert second.status_code == 409
        assert body_of(second)["type"] == "/problems/overlap"
        assert body_of(second)["run_id"] == first["run_id"]
        go_on.set()

    def test_a_task_that_allows_overlap_runs_twice_at_a_time(
        self, client: FlaskClient, go_on: threading.Event
    ) -> None:
        client.patch(REFLECTION, json={"overlap": "allow"})
        statuses = [client.post(f"{EXECUTE}?wait=false").status_code for _ in range(2)]
        assert statuses == [202, 202]
        go_on.set()

    def test_who_waits_when_the_process_stops_is_told_where_the_run_is(
        self, client: FlaskClient, services: Services
    ) -> None:
        stopper = threading.Timer(0.3, services.begin_drain)
        stopper.start()
        response = client.post(EXECUTE)
        stopper.join()
        assert response.status_code == 202
        assert body_of(response)["url"].startswith("/api/runs/")

    def test_who_finds_too_many_waiting_is_told_where_the_run_is(
        self, client: FlaskClient, services: Services, go_on: threading.Event
    ) -> None:
        client.patch(REFLECTION, json={"overlap": "allow"})
        answers: list[Any] = []
        most = THREADS - 8 - services.settings.chat_concurrency
        waiting = [
            threading.Thread(target=lambda: answers.append(client.post(EXECUTE)))
            for _ in range(most)
        ]
        for thread in waiting:
            thread.start()
        while len(services.engine._waiting) < most:
            threading.Event().wait(0.01)
        late = client.post(EXECUTE)
        assert late.status_code == 202
        assert late.headers["Location"] == body_of(late)["url"]
        assert "Preference-Applied" not in late.headers
        due = client.post("/api/tasks/execute-due")
        assert (due.status_code, body_of(due)["type"]) == (503, "/problems/too-many-wait")
        assert due.headers["Retry-After"] == "5"
        go_on.set()
        for thread in waiting:
            thread.join()
        assert [answer.status_code for answer in answers] == [200] * most
        assert services.engine.wait(body_of(late)["run_id"], timedelta(seconds=10)).success
        assert client.post(EXECUTE).status_code == 200

    def test_a_run_of_a_deleted_task_ends_and_stays_readable(
        self, client: FlaskClient, go_on: threading.Event, services: Services
    ) -> None:
        started = body_of(client.post(f"{EXECUTE}?wait=false"))
        client.delete(REFLECTION)
        go_on.set()
        services.engine.wait(started["run_id"], timedelta(seconds=10))
        run = body_of(client.get(started["url"]))
        assert run["status"] in {"succeeded", "cancelled"}
