"""Random kills of a service that fires all the time, and what must hold afterwards."""

import json
import random
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.processes.persona import SlowPersona
from tests.processes.service import Service, eventually

MASTER_SHARE = 0.12
FIRING = {"schedule": "every 2s", "type": "custom", "enabled": True}


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What a round of abuse came to."""

    kills: int
    masters: int
    seconds: float
    audit: dict[str, Any]
    outcomes: dict[str, int]
    reruns: int


def write_tasks(space: Path, count: int = 3) -> list[str]:
    """Lay tasks that fire every two seconds on the desk of a new space."""
    tasks = [
        {
            "id": f"task_{number}",
            "name": f"Task {number}",
            "prompt": "Say how it goes.",
            **FIRING,
        }
        for number in range(count)
    ]
    folder = space / "tasks"
    folder.mkdir(parents=True)
    (folder / "tasks.json").write_text(json.dumps({"tasks": tasks}))
    return [str(task["id"]) for task in tasks]


def abuse(service: Service, kills: int, seed: int, *, pause: float = 0.9) -> Tally:
    """Kill workers and masters at random, let it recover, and count."""
    chance = random.Random(seed)
    write_tasks(service.space)
    began = time.monotonic()
    service.start()
    masters = 0
    for _ in range(kills):
        time.sleep(chance.uniform(0.0, pause))
        if chance.random() < MASTER_SHARE:
            service.kill_master()
            masters += 1
            service.start()
        else:
            service.kill_worker(chance)
    seconds = time.monotonic() - began
    stop_firing(service)
    eventually(lambda: not open_runs(service), within=60, what="every run has an outcome")
    audit = service.get("/api/audit/slots?since=2020-01-01T00:00:00Z")
    runs = all_runs(service)
    outcomes: dict[str, int] = {}
    for run in runs:
        outcomes[run["status"]] = outcomes.get(run["status"], 0) + 1
    return Tally(
        kills=kills,
        masters=masters,
        seconds=seconds,
        audit=audit,
        outcomes=outcomes,
        reruns=sum(run["attempt"] > 1 for run in runs),
    )


def stop_firing(service: Service) -> None:
    """Disable all tasks, and wait until even the youngest slot can be judged."""
    eventually(service.answers, within=40, what="the service answers")
    for task in service.get("/api/tasks")["tasks"]:
        service.insist("PATCH", f"/api/tasks/{task['id']}", {"enabled": False})
    time.sleep(11)


def open_runs(service: Service) -> list[dict[str, Any]]:
    """Return the runs that are not finished."""
    return [
        run
        for status in ("queued", "running")
        for run in service.get(f"/api/runs?status={status}")["runs"]
    ]


def all_runs(service: Service) -> list[dict[str, Any]]:
    """Return every run, page after page."""
    runs: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = service.get(f"/api/runs?limit=200{cursor}")
        runs += page["runs"]
        if page["next_cursor"] is None:
            return runs
        cursor = f"&cursor={page['next_cursor']}"


def check(service: Service, tally: Tally, persona: SlowPersona) -> None:
    """Fail where a slot is missing or doubled, or rows, files and the persona disagree."""
    figures = {name: tally.audit[name] for name in ("missing", "duplicated", "unexpected")}
    assert figures == {"missing": 0, "duplicated": 0, "unexpected": 0}, tally
    assert tally.audit["recorded"] == tally.audit["expected"] > 10, tally
    runs = all_runs(service)
    worked = {"succeeded", "failed", "timed_out", "cancelled", "interrupted"}
    finished = {run["id"] for run in runs if run["status"] in worked}
    folder = service.space / "tasks" / "results"

    def filed() -> dict[str, dict[str, Any]]:
        documents = (json.loads(path.read_text()) for path in folder.glob("*.json"))
        return {document["run_id"]: document for document in documents}

    eventually(
        lambda: set(filed()) == finished, within=40, what="each finished run has its one file"
    )
    by_id = {run["id"]: run for run in runs}
    for run_id, document in filed().items():
        assert document["status"] == by_id[run_id]["status"]
    asked = Counter(headers["Idempotency-Key"] for headers in persona.asked)
    for run in runs:
        if run["started_at"] is not None:
            assert asked[run["id"]] <= run["attempt"], "asked at most once an attempt"
        if run["status"] == "succeeded":
            assert asked[run["id"]] >= 1, "no answer without a question"
    json.loads((service.space / "tasks" / "tasks.json").read_text())
