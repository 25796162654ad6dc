"""Reloads, stopped workers, orderly stops: slots start on time, runs are not lost."""

import os
import signal
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.processes.abuse import open_runs, stop_firing, write_tasks
from tests.processes.persona import SlowPersona
from tests.processes.service import Service, eventually

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]

WORST_LATENESS = 4.0


@pytest.fixture
def service(tmp_path: Path, database_url: str) -> Iterator[Service]:
    service = Service(tmp_path, database_url, MIN_INTERVAL="1s")
    write_tasks(service.space)
    yield service
    service.kill_everything()


def lateness(run: dict[str, Any]) -> float:
    begun = datetime.fromisoformat(run["started_at"])
    return (begun - datetime.fromisoformat(run["scheduled_for"])).total_seconds()


def worst_lateness(service: Service) -> float:
    runs = service.get("/api/runs?origin=schedule&status=succeeded&limit=200")["runs"]
    return max(lateness(run) for run in runs)


def audit(service: Service) -> dict[str, Any]:
    stop_firing(service)
    eventually(lambda: not open_runs(service), within=40, what="every run has an outcome")
    found = service.get("/api/audit/slots?since=2020-01-01T00:00:00Z")
    return {name: found[name] for name in ("missing", "duplicated", "unexpected")}


CLEAN = {"missing": 0, "duplicated": 0, "unexpected": 0}


def test_reloads_lose_and_delay_nothing(service: Service) -> None:
    service.start()
    assert service.master is not None
    for _ in range(3):
        time.sleep(3)
        service.master.send_signal(signal.SIGHUP)
    time.sleep(5)
    assert worst_lateness(service) < WORST_LATENESS
    assert audit(service) == CLEAN


def test_a_stopped_worker_holds_up_nobody(service: Service) -> None:
    service.start()
    time.sleep(3)
    worker = service.workers()[0]
    os.kill(worker, signal.SIGSTOP)
    try:
        time.sleep(8)
    finally:
        os.kill(worker, signal.SIGCONT)
    time.sleep(2)
    assert audit(service) == CLEAN
    runs = service.get("/api/runs?origin=schedule&status=succeeded&limit=200")["runs"]
    on_time = [run for run in runs if lateness(run) < WORST_LATENESS]
    assert len(runs) - len(on_time) <= 3, "at most what the stopped worker held in its hands"


def test_a_deleted_lock_or_a_lost_heartbeat_row_is_no_end(service: Service) -> None:
    service.start()
    for leftover in service.folder.glob("space.state/*.lock"):
        leftover.unlink()
    time.sleep(5)
    assert audit(service) == CLEAN


@pytest.fixture
def persona() -> Iterator[SlowPersona]:
    with SlowPersona() as persona:
        yield persona


@pytest.fixture
def asking(tmp_path: Path, database_url: str, persona: SlowPersona) -> Iterator[Service]:
    """A service that asks a persona over HTTP; its only task is run by hand."""
    service = Service(
        tmp_path,
        database_url,
        workers=2,
        PERSONA_BACKEND="service",
        PERSONA_URL=persona.url,
        DRAIN_TIMEOUT="3s",
    )
    service.start()
    yield service
    service.kill_everything()


def start_run(service: Service) -> str:
    status, body = service.request("POST", "/api/tasks/daily_reflection/execute?wait=false")
    assert status == 202, body
    run_id = str(body["run_id"])
    eventually(lambda: run(service, run_id)["status"] == "running", within=10, what="it runs")
    return run_id


def run(service: Service, run_id: str) -> dict[str, Any]:
    found: dict[str, Any] = service.get(f"/api/runs/{run_id}")
    return found


def test_an_orderly_stop_lets_a_run_finish(asking: Service, persona: SlowPersona) -> None:
    persona.latency = 1.5
    run_id = start_run(asking)
    assert asking.stop() == 0
    asking.start()
    ended = run(asking, run_id)
    assert (ended["status"], ended["attempt"]) == ("succeeded", 1)


def test_what_cannot_finish_is_given_back_and_run_again(
    asking: Service, persona: SlowPersona
) -> None:
    persona.latency = 60
    run_id = start_run(asking)
    began = time.monotonic()
    assert asking.stop() == 0
    assert time.monotonic() - began < 20
    persona.latency = 0
    asking.start()
    eventually(
        lambda: run(asking, run_id)["status"] == "succeeded", within=20, what="it is run again"
    )
    assert run(asking, run_id)["attempt"] == 2
    keys = [headers["Idempotency-Key"] for headers in persona.asked]
    assert keys == [run_id, run_id]


def test_a_run_of_a_killed_worker_is_run_again_with_the_same_key(
    asking: Service, persona: SlowPersona
) -> None:
    persona.latency = 60
    run_id = start_run(asking)
    persona.latency = 0
    for worker in asking.workers():
        os.kill(worker, signal.SIGKILL)
    eventually(
        lambda: run(asking, run_id)["status"] == "succeeded", within=40, what="it is run again"
    )
    assert run(asking, run_id)["attempt"] == 2
    assert {headers["Idempotency-Key"] for headers in persona.asked} == {run_id}


def test_many_callers_of_execute_due_and_the_clock_fire_each_slot_once(service: Service) -> None:
    service.start()
    end = time.monotonic() + 8
    while time.monotonic() < end:
        status, _ = service.request("POST", "/api/tasks/execute-due")
        assert status == 200
    assert audit(service) == CLEAN
