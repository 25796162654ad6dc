"""Probes are answered at once, however many callers wait for runs."""

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.processes.persona import SlowPersona
from tests.processes.service import Service, eventually

pytestmark = [pytest.mark.processes, pytest.mark.timeout(120)]

CALLERS = 50


def test_a_probe_finds_a_thread_while_more_callers_wait_than_there_are_threads(
    tmp_path: Path,
) -> None:
    tasks = [
        {
            **{"id": f"task_{number}", "name": f"Task {number}", "prompt": "Say how it goes."},
            **{"schedule": "manual", "type": "custom", "enabled": True},
        }
        for number in range(CALLERS)
    ]
    with SlowPersona() as persona, ThreadPoolExecutor(CALLERS) as callers:
        service = Service(
            tmp_path,
            workers=1,
            PERSONA_BACKEND="service",
            PERSONA_URL=persona.url,
            RUN_CONCURRENCY=str(CALLERS),
        )
        folder = service.space / "tasks"
        folder.mkdir(parents=True)
        (folder / "tasks.json").write_text(json.dumps({"tasks": tasks}))
        try:
            service.start()
            persona.latency = 6.0
            waiting = [
                callers.submit(service.request, "POST", f"/api/tasks/{task['id']}/execute")
                for task in tasks
            ]
            # in any case as many as there are threads
            eventually(lambda: len(persona.asked) >= 32, within=30, what="the persona is asked")
            time.sleep(0.5)
            began = time.monotonic()
            assert service.request("GET", "/livez")[0] == 200
            assert service.request("GET", "/healthz")[0] == 200
            assert time.monotonic() - began < 2
            answers = [each.result() for each in waiting]
        finally:
            service.kill_everything()
    assert Counter(status for status, _ in answers) == {200: 20, 202: CALLERS - 20}
    assert all(body["success"] for status, body in answers if status == 200)
