"""Tags by which clients say what they hold, and requests that may be sent twice."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Connection

from app.api.idempotency import Request, create_once
from app.core.errors import KeyReused
from app.runs.keys import Keys
from app.tasks.task import Author
from app.wiring import Services
from tests.api.clocks import ShiftedClock
from tests.conftest import on_sqlite

PLANNING = {
    "id": "weekly_planning",
    "name": "Weekly Planning Session",
    "type": "custom",
    "schedule": "weekly",
    "prompt": "Plan your focus areas for the coming week.",
}
REFLECTION = "/api/tasks/daily_reflection"
OWNER = Author(kind="owner")


def body_of(response: Any) -> Any:
    return json.loads(response.data)


# ---- tags


@on_sqlite
def test_a_client_that_holds_the_list_is_told_that_nothing_changed(client: FlaskClient) -> None:
    tag = client.get("/api/tasks").headers["ETag"]
    response = client.get("/api/tasks", headers={"If-None-Match": tag})
    assert (response.status_code, response.data) == (304, b"")
    assert response.headers["ETag"] == tag
    client.patch(REFLECTION, json={"enabled": False})
    assert client.get("/api/tasks", headers={"If-None-Match": tag}).status_code == 200


@on_sqlite
def test_the_tag_of_a_task_changes_with_its_state_and_not_with_that_of_others(
    client: FlaskClient,
) -> None:
    tag = client.get(REFLECTION).headers["ETag"]
    held = {"If-None-Match": tag}
    client.patch("/api/tasks/memory_consolidation", json={"enabled": False})
    assert client.get(REFLECTION, headers=held).status_code == 304
    client.post(f"{REFLECTION}/execute")
    assert client.get(REFLECTION, headers=held).status_code == 200


@on_sqlite
def test_the_tag_of_the_list_changes_when_the_clock_dies(
    client: FlaskClient, services: Services, clock: ShiftedClock
) -> None:
    services.clockwork.start()
    tag = client.get("/api/tasks").headers["ETag"]
    services.clockwork.stop_ringing()
    services.clockwork.stop()
    clock.advance(timedelta(seconds=2))
    response = client.get("/api/tasks", headers={"If-None-Match": tag})
    assert response.status_code == 200
    assert body_of(response)["clock"]["alive"] is False


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_change_of_what_was_changed_meanwhile_is_refused_if_the_client_asks_for_that(
    client: FlaskClient, method: str
) -> None:
    tag = client.get(REFLECTION).headers["ETag"]
    client.patch(REFLECTION, json={"prompt": "Changed by somebody else"})
    response = client.open(
        REFLECTION, method=method, json={"enabled": False}, headers={"If-Match": tag}
    )
    assert response.status_code == 412
    assert body_of(response)["type"] == "/problems/revision-conflict"
    assert body_of(response)["revision"] == 2
    assert body_of(client.get(REFLECTION))["enabled"] is True


@on_sqlite
def test_a_run_in_between_does_not_refuse_an_edit(client: FlaskClient) -> None:
    tag = client.get(REFLECTION).headers["ETag"]
    client.post(f"{REFLECTION}/execute")
    response = client.patch(REFLECTION, json={"enabled": False}, headers={"If-Match": tag})
    assert response.status_code == 200


@on_sqlite
@pytest.mark.parametrize("held", ["*", 'W/"1.1.00"', '"1.9.11"', '"7.1", W/"1.1.00"', "1"])
def test_a_tag_of_the_revision_in_force_is_let_through(client: FlaskClient, held: str) -> None:
    response = client.patch(REFLECTION, json={"enabled": False}, headers={"If-Match": held})
    assert response.status_code == 200


@on_sqlite
@pytest.mark.parametrize(
    "held",
    [
        "",
        '""',
        'W/""',
        '"',
        'a"b',
        ",",
        '"x"',
        '"2.1"',
        'W/"0.1.00"',
        '"-1"',
        '"' + "9" * 5000 + '"',
    ],
)
def test_any_other_tag_is_not(client: FlaskClient, held: str) -> None:
    response = client.patch(REFLECTION, json={"enabled": False}, headers={"If-Match": held})
    assert response.status_code == 412


@on_sqlite
@pytest.mark.parametrize(
    ("held", "why"), [('"abc"', "If-Match names no ETag of it"), ('"7.1"', "you hold 7")]
)
def test_a_tag_that_is_none_of_the_task_is_not_taken_for_a_revision(
    client: FlaskClient, held: str, why: str
) -> None:
    response = client.patch(REFLECTION, json={"enabled": False}, headers={"If-Match": held})
    assert body_of(response)["detail"] == (
        f"Task 'daily_reflection' is at revision 1, {why}; read it again"
    )


@on_sqlite
def test_no_tag_is_ever_demanded(client: FlaskClient) -> None:
    assert client.patch(REFLECTION, json={"enabled": False}).status_code == 200
    assert client.delete(REFLECTION).status_code == 200


# ---- repeatable requests


def create(client: FlaskClient, key: str, **fields: Any) -> Any:
    return client.post("/api/tasks", json={**PLANNING, **fields}, headers={"Idempotency-Key": key})


def test_a_creation_sent_twice_with_one_key_is_made_once_and_answered_alike(
    client: FlaskClient,
) -> None:
    first, second = create(client, "k1"), create(client, "k1")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.data == second.data
    assert first.headers["Location"] == second.headers["Location"]
    assert body_of(client.get("/api/tasks/weekly_planning/history"))["total"] == 1


def test_a_key_of_another_request_is_refused(client: FlaskClient) -> None:
    create(client, "k1")
    for fields in ({"id": "other"}, {"prompt": "Another"}):
        response = create(client, "k1", **fields)
        assert response.status_code == 422
        assert body_of(response)["type"] == "/problems/idempotency-key-reused"
    assert client.get("/api/tasks/other").status_code == 404


@on_sqlite
def test_a_repeated_creation_is_answered_even_after_the_task_was_changed_and_deleted(
    client: FlaskClient,
) -> None:
    first = create(client, "k1")
    client.patch("/api/tasks/weekly_planning", json={"name": "Other"})
    assert create(client, "k1").data == first.data
    client.delete("/api/tasks/weekly_planning")
    assert create(client, "k1").data == first.data
    assert client.get("/api/tasks/weekly_planning").status_code == 404


@on_sqlite
def test_a_key_is_forgotten_after_a_day(client: FlaskClient, clock: ShiftedClock) -> None:
    create(client, "k1")
    clock.advance(timedelta(hours=25))
    assert create(client, "k1").status_code == 409


@on_sqlite
def test_a_repeated_creation_is_answered_even_when_its_only_time_has_passed(
    client: FlaskClient, clock: ShiftedClock
) -> None:
    first = create(client, "k1", schedule="at 2026-11-24T00:00")
    assert first.status_code == 201
    clock.advance(timedelta(hours=2))
    assert create(client, "k1", schedule="at 2026-11-24T00:00").data == first.data


class Overtaken(Keys):
    """Keys of a request that another one overtakes right after it has found its key unknown."""

    def __init__(self, overtake: Callable[[], Any]) -> None:
        self._overtake: Callable[[], Any] | None = overtake

    def find(self, connection: Connection, **asked: Any) -> str | None:
        found = super().find(connection, **asked)
        overtake, self._overtake = self._overtake, None
        if overtake is not None:
            overtake()
        return found


def create_overtaken(services: Services, overtake: Callable[[], Any]) -> int:
    overtaken = replace(services, keys=Overtaken(overtake))
    return create_once(overtaken, dict(PLANNING), OWNER, Request.of("k1", PLANNING))


@on_sqlite
def test_a_request_that_itself_overtakes_is_answered_alike(
    client: FlaskClient, services: Services
) -> None:
    assert create_overtaken(services, lambda: create(client, "k1")) == 1
    assert len(services.registry.history("weekly_planning")) == 1


@on_sqlite
def test_what_was_made_and_deleted_meanwhile_is_not_made_again(
    client: FlaskClient, services: Services
) -> None:
    def overtake() -> None:
        create(client, "k1")
        client.delete("/api/tasks/weekly_planning")

    assert create_overtaken(services, overtake) == 1
    assert client.get("/api/tasks/weekly_planning").status_code == 404


@on_sqlite
def test_of_two_requests_with_one_key_that_overlap_one_is_refused(
    client: FlaskClient, services: Services
) -> None:
    with pytest.raises(KeyReused):
        create_overtaken(services, lambda: create(client, "k1", id="other"))
    assert client.get("/api/tasks/other").status_code == 200
    assert client.get("/api/tasks/weekly_planning").status_code == 404


@on_sqlite
def test_without_a_key_a_repetition_is_a_conflict(client: FlaskClient) -> None:
    client.post("/api/tasks", json=PLANNING)
    assert client.post("/api/tasks", json=PLANNING).status_code == 409
    assert create(client, "k1").status_code == 409
    assert create(client, "k1").status_code == 409


def test_many_creations_at_once_with_one_key_make_one_task(client: FlaskClient) -> None:
    answers: list[Any] = []

    def send() -> None:
        answers.append(create(client.application.test_client(), "k1"))

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.data for answer in answers}) == 1
    assert body_of(client.get("/api/tasks/weekly_planning/history"))["total"] == 1


@on_sqlite
@pytest.mark.parametrize("key", ["", "é", "x" * 201, "a\tb", "a\x7f"])
@pytest.mark.parametrize("path", ["/api/tasks", f"{REFLECTION}/execute"])
def test_a_key_is_1_to_200_printable_characters(client: FlaskClient, path: str, key: str) -> None:
    response = client.post(path, json=PLANNING, headers={"Idempotency-Key": key})
    assert response.status_code == 422
    assert [error["field"] for error in body_of(response)["errors"]] == ["Idempotency-Key"]
