"""What happened, over HTTP: runs page by page, attempts, limits, the audit of slots."""

import json
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update

from app.runs.history import MOST_BYTES
from app.runs.tables import runs
from app.wiring import Services
from tests.api.clocks import ShiftedClock
from tests.conftest import on_sqlite

EXECUTE = "/api/tasks/daily_reflection/execute"


def body_of(response: Any) -> Any:
    return json.loads(response.data)


@on_sqlite
def test_a_run_is_shown_with_all_that_is_known_of_it(client: FlaskClient) -> None:
    run_id = body_of(client.post(EXECUTE))["run_id"]
    response = client.get(f"/api/runs/{run_id}")
    run = body_of(response)
    assert list(run) == [
        "id",
        "task_id",
        "task_name",
        "origin",
        "status",
        "reason",
        "scheduled_for",
        "started_at",
        "completed_at",
        "success",
        "response",
        "error",
        "attempt",
        "metadata",
        "recorded_at",
        "revision",
        "count",
        "covers_from",
        "attempts",
    ]
    assert (run["origin"], run["status"], run["success"]) == ("manual", "succeeded", True)
    assert run["scheduled_for"] is None
    assert run["metadata"]["task_type"] == "self_reflection"
    (attempt,) = run["attempts"]
    assert (attempt["attempt"], attempt["status"]) == (1, "succeeded")


@on_sqlite
def test_a_run_that_was_begun_twice_shows_both_attempts(
    client: FlaskClient, services: Services
) -> None:
    run_id = body_of(client.post(EXECUTE))["run_id"]
    with services.database.write() as connection:
        connection.execute(update(runs).values(status="running", completed_at=None))
        holder = connection.execute(select(runs.c.attempt, runs.c.owner)).one()
    services.recovery.release({run_id: tuple(holder)}, reason="process_died")
    services.engine.wake()
    services.engine.wait(run_id, timedelta(seconds=10))
    attempts = body_of(client.get(f"/api/runs/{run_id}"))["attempts"]
    assert [(a["attempt"], a["status"], a["reason"]) for a in attempts] == [
        (1, "interrupted", "process_died"),
        (2, "succeeded", None),
    ]


@pytest.mark.parametrize("run_id", ["0" * 26, "nope", "0" * 27, "%00" * 26, "Z" * 26, "%ff é"])
def test_an_unknown_run_is_not_found_whatever_its_id_looks_like(
    client: FlaskClient, run_id: str
) -> None:
    path = f"/api/runs/{run_id}"
    asked = [client.get(path), client.get(f"{path}/diff"), client.post(f"{path}/revert")]
    for response in asked:
        assert response.content_type == "application/problem+json"
        problem = body_of(response)
        assert (problem["status"], problem["type"]) == (404, "/problems/run-not-found")
        assert problem["detail"] == f"Run not found: {unquote(run_id)}"


def test_runs_come_page_by_page_newest_first_without_gap_or_repetition(
    client: FlaskClient, clock: ShiftedClock
) -> None:
    clock.advance(timedelta(days=1))
    client.post("/api/tasks/execute-due")
    client.post(EXECUTE)
    everything = body_of(client.get("/api/runs?limit=200"))
    assert everything["next_cursor"] is None
    paged: list[Any] = []
    cursor = ""
    while True:
        page = body_of(client.get(f"/api/runs?limit=2{cursor}"))
        assert page["count"] == len(page["runs"]) <= 2
        paged += page["runs"]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert paged == everything["runs"]
    assert paged[0]["origin"] == "manual"


@on_sqlite
def test_runs_are_filtered(client: FlaskClient, clock: ShiftedClock) -> None:
    clock.advance(timedelta(hours=1))
    client.post("/api/tasks/execute-due")
    between = clock.now().isoformat().replace("+00:00", "Z")
    client.post(EXECUTE)

    def count(query: str) -> int:
        return int(body_of(client.get(f"/api/runs?{query}"))["count"])

    assert count("") == 4
    assert count("task_id=daily_reflection") == 2
    assert count("task_id=unknown") == 0
    assert count("origin=schedule") == 3
    assert count("status=succeeded") == 4
    assert count("status=failed") == 0
    assert count(f"since={between}") == 1
    assert count(f"until={between}") == 3
    assert count(f"task_id=daily_reflection&origin=manual&since={between}") == 1


@on_sqlite
@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/runs?limit=0", "limit"),
        ("/api/runs?limit=201", "limit"),
        ("/api/runs?limit=ten", "limit"),
        ("/api/runs?limit=1_0", "limit"),
        ("/api/runs?limit=", "limit"),
        ("/api/runs?status=done", "status"),
        ("/api/runs?origin=magic", "origin"),
        ("/api/runs?task_id=NOT+AN+ID", "task_id"),
        ("/api/runs?task_id=a%0a", "task_id"),
        ("/api/runs?task_id=%00", "task_id"),
        ("/api/runs?since=yesterday", "since"),
        ("/api/runs?until=2026-01-01", "until"),
        ("/api/runs?cursor=x", "cursor"),
        ("/api/runs?cursor=%ff%00", "cursor"),
        (f"/api/runs?cursor={'0' * 25}%00", "cursor"),
        (f"/api/runs?cursor={'0' * 26}%0a", "cursor"),
        ("/api/runs?since=9999-12-31T23:59:59Z", "since"),
        ("/api/audit/slots?until=0001-01-01T00:00:00Z", "until"),
        ("/api/audit/slots?since=x", "since"),
        ("/api/audit/slots?since=2026-02-01T00:00:00Z&until=2026-01-01T00:00:00Z", "since"),
        ("/api/tasks/daily_reflection/results?limit=ten", "limit"),
        ("/api/tasks/results/recent?limit=1e3", "limit"),
        ("/api/tasks/daily_reflection/next?count=0", "count"),
        ("/api/tasks/daily_reflection/next?count=101", "count"),
        ("/api/tasks/daily_reflection/history?limit=0", "limit"),
        ("/api/runs?foo=1", "foo"),
        ("/api/audit/slots?next_run=1", "next_run"),
        ("/api/space/history?path=a.md&limits=1", "limits"),
        ("/api/tasks/daily_reflection/next?counts=1", "counts"),
        ("/api/tasks/daily_reflection/history?count=1", "count"),
        ("/api/memories?kinds=note", "kinds"),
        ("/api/memories/search?q=a&cursor=1", "cursor"),
        ("/api/persona/mood?until=1", "until"),
    ],
)
def test_a_wrong_query_is_refused_by_the_name_of_its_parameter(
    client: FlaskClient, path: str, field: str
) -> None:
    response = client.get(path)
    assert response.status_code == 422
    assert [error["field"] for error in body_of(response)["errors"]] == [field]


@on_sqlite
def test_a_slip_in_a_filter_does_not_list_everything_but_names_those_that_there_are(
    client: FlaskClient,
) -> None:
    (error,) = body_of(client.get("/api/runs?taskid=daily_reflection"))["errors"]
    assert error == {
        "field": "taskid",
        "message": "is not known here; there are task_id, status, origin, since, until, limit,"
        " cursor",
    }
    (error,) = body_of(client.get("/api/runs?last_run=1"))["errors"]
    assert error["message"].startswith("is not known here")


@on_sqlite
@pytest.mark.parametrize(
    "path",
    [
        "/api/tasks/daily_reflection/results",
        "/api/tasks/results/recent",
        "/api/persona/files",
        "/api/persona/browse",
    ],
)
def test_what_older_clients_ask_with_is_left_alone(client: FlaskClient, path: str) -> None:
    assert client.get(f"{path}?foo=1").status_code == 200


@on_sqlite
@pytest.mark.parametrize("limit", ["0", "-1", "-2147483648"])
def test_a_limit_of_nothing_is_an_empty_list(client: FlaskClient, limit: str) -> None:
    client.post(EXECUTE)
    for path in ("/api/tasks/daily_reflection/results", "/api/tasks/results/recent"):
        body = body_of(client.get(f"{path}?limit={limit}"))
        assert (body["results"], body["count"]) == ([], 0)


def test_no_list_holds_more_than_16_mib_of_answers(client: FlaskClient, services: Services) -> None:
    client.post(EXECUTE)
    big = {"response": "x" * 1024 * 1024, "size": 1024 * 1024}
    with services.database.write() as connection:
        row = connection.execute(runs.select()).one()._asdict()
        copies = [{**row, **big, "id": f"{number:026}"} for number in range(20)]
        connection.execute(runs.delete())
        connection.execute(runs.insert(), copies)
    results = body_of(client.get("/api/tasks/daily_reflection/results?limit=1000"))["results"]
    assert [result["run_id"] for result in results] == [f"{19 - n:026}" for n in range(16)]
    page = body_of(client.get("/api/runs?limit=200"))
    assert (page["count"], page["next_cursor"]) == (16, f"{4:026}")
    rest = body_of(client.get(f"/api/runs?limit=200&cursor={page['next_cursor']}"))
    assert (rest["count"], rest["next_cursor"]) == (4, None)
    recent = body_of(client.get("/api/tasks/results/recent?limit=1000"))
    assert recent["count"] == 20


@on_sqlite
def test_an_answer_of_more_than_16_mib_comes_alone(client: FlaskClient, services: Services) -> None:
    client.post(EXECUTE)
    with services.database.write() as connection:
        connection.execute(runs.update().values(size=MOST_BYTES + 1))
    assert body_of(client.get("/api/tasks/daily_reflection/results"))["count"] == 1
    page = body_of(client.get("/api/runs"))
    assert (page["count"], page["next_cursor"]) == (1, None)


@on_sqlite
def test_a_limit_beyond_1000_is_1000(client: FlaskClient, services: Services) -> None:
    client.post(EXECUTE)
    with services.database.write() as connection:
        row = connection.execute(runs.select()).one()._asdict()
        copies = [{**row, "id": f"{number:026}"} for number in range(1001)]
        connection.execute(runs.insert(), copies)
    for path in ("/api/tasks/daily_reflection/results", "/api/tasks/results/recent"):
        assert body_of(client.get(f"{path}?limit=2147483647"))["count"] == 1000


@on_sqlite
def test_recent_results_are_newest_first_whatever_the_task(client: FlaskClient) -> None:
    order = ["emotional_check_in", "daily_reflection", "weekly_goal_assessment"]
    for task_id in order:
        client.post(f"/api/tasks/{task_id}/execute")
    results = body_of(client.get("/api/tasks/results/recent?limit=2"))["results"]
    assert [result["task_id"] for result in results] == order[:0:-1]


@on_sqlite
def test_slots_that_did_not_run_are_runs_but_no_results(
    client: FlaskClient, clock: ShiftedClock
) -> None:
    clock.advance(timedelta(days=2, hours=3))
    client.post("/api/tasks/execute-due")
    missed = body_of(client.get("/api/runs?status=missed"))
    assert missed["count"] > 0
    assert {(run["success"], run["started_at"]) for run in missed["runs"]} == {(None, None)}
    recent = body_of(client.get("/api/tasks/results/recent?limit=100"))["results"]
    assert {result["status"] for result in recent} == {"succeeded"}


def test_the_audit_of_a_healthy_service_is_clean(client: FlaskClient, clock: ShiftedClock) -> None:
    clock.advance(timedelta(days=3))
    client.post("/api/tasks/execute-due")
    clock.advance(timedelta(minutes=1))
    audit = body_of(client.get("/api/audit/slots?since=2026-11-01T00:00:00Z"))
    assert list(audit) == [
        "since",
        "until",
        "expected",
        "recorded",
        "missing",
        "duplicated",
        "unexpected",
        "tasks",
    ]
    assert audit["since"] == "2026-11-01T00:00:00Z"
    assert (audit["missing"], audit["duplicated"], audit["unexpected"]) == (0, 0, 0)
    assert audit["expected"] == audit["recorded"] == 9
    assert audit["tasks"][0] == {
        "task_id": "daily_reflection",
        "expected": 3,
        "recorded": 3,
        "missing": 0,
        "duplicated": 0,
        "unexpected": 0,
    }


@on_sqlite
def test_the_audit_finds_a_row_that_is_gone(
    client: FlaskClient, clock: ShiftedClock, services: Services
) -> None:
    clock.advance(timedelta(hours=1))
    client.post("/api/tasks/execute-due")
    clock.advance(timedelta(minutes=1))
    with services.database.write() as connection:
        connection.execute(runs.delete().where(runs.c.task_id == "daily_reflection"))
    audit = body_of(client.get("/api/audit/slots"))
    assert (audit["expected"], audit["recorded"], audit["missing"]) == (3, 2, 1)
