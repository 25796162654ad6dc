"""Memories over HTTP: remember, list, show, search, forget."""

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.wiring import Services
from tests.api.clocks import ShiftedClock
from tests.conftest import on_sqlite

PATH = "/api/memories"
TEA = {"text": "Tea with Ada", "kind": "interaction", "at": "2026-11-20T09:00:00+01:00"}


def body_of(response: Any) -> Any:
    return json.loads(response.data)


def remember(client: FlaskClient, key: str | None = None, **fields: Any) -> Any:
    headers = {"Idempotency-Key": key} if key is not None else {}
    return client.post(PATH, json={**TEA, **fields}, headers=headers)


def texts(client: FlaskClient, query: str) -> list[str]:
    return [memory["text"] for memory in body_of(client.get(PATH + query))["memories"]]


def test_a_memory_is_kept_shown_listed_found_and_forgotten(client: FlaskClient) -> None:
    response = remember(client, metadata={"who": "Ada"})
    assert response.status_code == 201
    memory = body_of(response)
    assert list(memory)[:6] == ["id", "text", "kind", "at", "origin", "score"]
    assert (memory["at"], memory["origin"]) == ("2026-11-20T08:00:00Z", "owner")
    assert memory["metadata"] == {"who": "Ada"}
    place = response.headers["Location"]
    assert place == f"{PATH}/{memory['id']}"
    assert body_of(client.get(place)) == memory
    listed = body_of(client.get(PATH))
    assert (listed["memories"], listed["count"]) == ([memory], 1)
    found = body_of(client.get(f"{PATH}/search?q=ada"))
    assert found["count"] == 1
    assert found["complete"] is True
    (best,) = found["memories"]
    assert 0.75 < best.pop("score") <= 1
    assert best == {name: value for name, value in memory.items() if name != "score"}
    assert body_of(client.delete(place))["success"] is True
    assert client.get(place).status_code == client.delete(place).status_code == 404
    assert body_of(client.get(place))["type"] == "/problems/memory-not-found"
    assert body_of(client.get(f"{PATH}/nope"))["detail"] == "Memory not found: nope"
    assert texts(client, "/search?q=ada") == []


@on_sqlite
def test_what_is_sent_twice_is_one_memory(client: FlaskClient) -> None:
    first, second = remember(client), remember(client)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.data == second.data
    assert first.headers["Location"] == second.headers["Location"]


@on_sqlite
def test_without_an_instant_it_was_lived_now_every_time(
    client: FlaskClient, clock: ShiftedClock
) -> None:
    first = remember(client, at=None)
    clock.advance(timedelta(seconds=1))
    second = remember(client, at=None, kind="note")
    assert (first.status_code, second.status_code) == (201, 201)
    assert body_of(second)["at"] > body_of(first)["at"]


def test_a_key_makes_it_one_memory_though_its_instant_is_not_given(client: FlaskClient) -> None:
    answers: list[Any] = []

    def send() -> None:
        answers.append(remember(client.application.test_client(), "k1", at=None))

    threads = [threading.Thread(target=send) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.data for answer in answers}) == 1
    assert body_of(client.get(PATH))["count"] == 1
    other = remember(client, "k1", at=None, text="Something else")
    assert other.status_code == 422
    assert body_of(other)["type"] == "/problems/idempotency-key-reused"
    client.delete(answers[0].headers["Location"])
    assert remember(client, "k1", at=None).status_code == 404


@on_sqlite
@pytest.mark.parametrize(
    ("text", "message"),
    [("", "must not be empty"), ("x" * 65_537, "must have at most 65536 bytes")],
)
def test_what_is_wrong_with_a_text_is_said_once(
    client: FlaskClient, text: str, message: str
) -> None:
    assert body_of(remember(client, text=text))["errors"] == [{"field": "text", "message": message}]


@on_sqlite
def test_pages_lead_through_all(client: FlaskClient) -> None:
    for number in range(5):
        remember(client, text=f"cup {number}")
    shown: list[str] = []
    cursor = ""
    while True:
        page = body_of(client.get(f"{PATH}?limit=2{cursor}"))
        shown += [memory["text"] for memory in page["memories"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert shown == [f"cup {number}" for number in (4, 3, 2, 1, 0)]


@pytest.mark.parametrize("path", ["?", "/search?q=day&"])
def test_a_date_is_the_whole_day_in_the_zone_of_the_service(
    client: FlaskClient, services: Services, path: str
) -> None:
    services.registry.adopt_default_timezone("Europe/Berlin")
    for hour, text in ((22, "day before"), (23, "day begins"), (46, "day ends"), (47, "day after")):
        day, rest = divmod(hour, 24)
        remember(client, text=text, at=f"2026-11-{19 + day}T{rest}:30:00Z")
    assert texts(client, f"{path}since=2026-11-20&until=2026-11-20") == ["day ends", "day begins"]
    assert texts(client, f"{path}since=2026-11-20T22:30:00Z") == ["day after", "day ends"]
    assert texts(client, f"{path}until=2026-11-19T22:30:00.000001Z") == ["day before"]


@on_sqlite
def test_kinds_are_told_apart(client: FlaskClient) -> None:
    remember(client)
    remember(client, kind="note", text="Ada likes tea")
    assert texts(client, "?kind=note") == ["Ada likes tea"]
    assert texts(client, "/search?q=ada&kind=interaction") == ["Tea with Ada"]


@on_sqlite
def test_nothing_in_a_query_is_syntax(client: FlaskClient) -> None:
    remember(client)
    for odd in ("%22", "%00", "%F0%9F%8E%88", "NEAR(", "ada%22%20OR", "-ada", "a" * 50_000, ""):
        response = client.get(f"{PATH}/search?q={odd}")
        assert response.status_code == 200, odd
        assert body_of(response)["count"] == ("ada" in odd)


@on_sqlite
@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"text": " "}, "text"),
        ({"text": "é" * 32_769}, "text"),
        ({"text": None}, "text"),
        ({"text": 5}, "text"),
        ({"kind": "Big Talk"}, "kind"),
        ({"kind": ""}, "kind"),
        ({"at": "yesterday"}, "at"),
        ({"at": "2026-11-20"}, "at"),
        ({"at": "1969-12-31T00:00:00Z"}, "at"),
        ({"metadata": []}, "metadata"),
        ({"metadata": {str(n): n for n in range(101)}}, "metadata"),
        ({"metadata": {"deep": json.loads("[" * 12 + "]" * 12)}}, "metadata"),
        ({"metadata": {"many": [{"n": 1}] * 1_000}}, "metadata"),
        ({"metadata": {"large": "x" * 70_000}}, "metadata"),
        ({"score": 1}, "score"),
        ({"id": "0" * 26}, "id"),
        ({"origin": "schedule"}, "origin"),
    ],
)
def test_a_wrong_body_is_refused_by_the_name_of_its_field(
    client: FlaskClient, fields: dict[str, Any], field: str
) -> None:
    response = remember(client, **fields)
    assert response.status_code == 422
    assert [error["field"] for error in body_of(response)["errors"]] == [field]


@on_sqlite
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("?limit=0", "limit"),
        ("?limit=201", "limit"),
        ("?cursor=8000000000000000", "cursor"),
        ("?cursor=1", "cursor"),
        ("?since=2026-02-30", "since"),
        ("?until=0001-01-01", "until"),
        ("?until=now", "until"),
        ("?kind=A", "kind"),
        ("/search", "q"),
        ("/search?q=a&limit=1e3", "limit"),
    ],
)
def test_a_wrong_query_is_refused_by_the_name_of_its_parameter(
    client: FlaskClient, query: str, field: str
) -> None:
    response = client.get(PATH + query)
    assert response.status_code == 422
    assert [error["field"] for error in body_of(response)["errors"]] == [field]
