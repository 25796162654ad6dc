"""A server process at the edges of its life."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.api.lifecycle import CONNECTION_GRACE, Life, banner, graceful_timeout, prepare
from app.config import Settings, read_settings
from app.core.errors import SettingsError
from app.persona.fakes import ScriptedPersona, hang
from app.runs.run import Status
from app.tasks.task import Author
from app.wiring import Services, build
from tests.conftest import on_sqlite

ROOT = Path(__file__).parent.parent.parent
TOKEN = "a-token-of-at-least-thirty-two-characters"


@on_sqlite
def test_the_banner_says_what_is_served_from_where_who_answers_and_what_is_next(
    services: Services,
) -> None:
    lines = banner(services).splitlines()
    assert len(lines) == 5
    assert "http://127.0.0.1:8000" in lines[1]
    assert f"{services.settings.persona_space} with 5 tasks" in lines[2]
    assert "scripted" in lines[3]
    assert "daily_reflection at 2026-11-24T00:00:00Z, in " in lines[4]


@on_sqlite
def test_the_banner_names_a_persona_service_without_its_password(settings: Settings) -> None:
    environment = {
        "PERSONA_SPACE": str(settings.persona_space),
        "DATABASE_URL": settings.database_url,
        "PERSONA_BACKEND": "service",
        "PERSONA_URL": "http://user:secret@persona.example:8100/x",
    }
    services = build(read_settings(environment))
    services.prepare()
    text = banner(services)
    services.database.close()
    assert "http://persona.example:8100" in text
    assert "secret" not in text


@on_sqlite
def test_with_nothing_to_fire_the_banner_says_so(services: Services) -> None:
    for task_id in list(services.registry.snapshot().records):
        services.registry.update(task_id, {"enabled": False}, Author(kind="owner"))
    assert banner(services).endswith("nothing: no task has a schedule that fires")


@on_sqlite
def test_preparing_twice_is_harmless_and_leaves_no_connection_open(settings: Settings) -> None:
    first = prepare(settings, [("127.0.0.1", 8000)])
    second = prepare(settings, [("::1", 8000), "/run/tasks.sock"])
    assert "5 tasks" in first
    assert "5 tasks" in second
    assert not [path for path in open_files() if "ledger.sqlite3" in path]


def open_files() -> Iterator[str]:
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            yield str(descriptor.readlink())


@on_sqlite
@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", ""])
def test_an_open_address_needs_a_token_whatever_host_says(settings: Settings, host: str) -> None:
    with pytest.raises(SettingsError, match="API_TOKEN"):
        prepare(settings, [("127.0.0.1", 8000), (host, 8000)])
    assert not settings.persona_space.exists()


@on_sqlite
def test_with_a_token_an_open_address_is_fine(settings: Settings) -> None:
    environment = {
        "PERSONA_SPACE": str(settings.persona_space),
        "DATABASE_URL": settings.database_url,
        "API_TOKEN": TOKEN,
    }
    assert "5 tasks" in prepare(read_settings(environment), [("0.0.0.0", 8000)])


def test_the_master_waits_for_connections_and_runs_before_it_kills() -> None:
    settings = read_settings({"DRAIN_TIMEOUT": "2m"})
    assert graceful_timeout(settings) > 120 + CONNECTION_GRACE.total_seconds()


@on_sqlite
def test_a_signal_begins_the_drain_at_once_and_then_does_what_it_did(services: Services) -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGUSR2, lambda number, _frame: seen.append(number))
    try:
        Life(services, -1).drain_on(signal.SIGUSR2)
        drains = [services.engine.is_draining]
        os.kill(os.getpid(), signal.SIGUSR2)
        drains.append(services.engine.is_draining)
        assert drains == [False, True]
        os.kill(os.getpid(), signal.SIGUSR2)
        assert seen == [signal.SIGUSR2] * 2
    finally:
        signal.signal(signal.SIGUSR2, before)


class _Config:
    def __init__(self) -> None:
        self.given: dict[str, Any] = {}

    def set(self, name: str, value: Any) -> None:
        self.given[name] = value


@on_sqlite
def test_a_worker_starts_ticks_beats_while_it_drains_and_stops(settings: Settings) -> None:
    prepare(settings, [])
    services = build(settings, persona=ScriptedPersona(otherwise=hang))
    kept = SimpleNamespace(get=lambda: SimpleNamespace(services=services))
    handlers = {number: signal.getsignal(number) for number in (15, 2, 3)}
    with tempfile.TemporaryFile() as file:
        worker = SimpleNamespace(
            wsgi=SimpleNamespace(extensions={"persona-tasks": kept}), cfg=_Config(), tmp=file
        )
        life = Life.begin(worker)
        try:
            assert services.clockwork.is_started
            assert services.engine.is_running
            assert worker.cfg.given == {"graceful_timeout": CONNECTION_GRACE.total_seconds()}
            run = services.executions.start("daily_reflection")
            assert services.engine.wait(run.id, timedelta(seconds=1)).status is Status.RUNNING
            os.utime(file.fileno(), (0, 0))
        finally:
            heartbeat = os.dup(file.fileno())
            file.close()  # gunicorn closes it before the hook of the worker's end
            life.end()
            for number, handler in handlers.items():
                signal.signal(number, handler)
        assert os.fstat(heartbeat).st_mtime > 0
        os.close(heartbeat)
    assert not services.engine.is_running


@on_sqlite
def test_a_clock_whose_thread_has_died_is_started_again(settings: Settings) -> None:
    def rings() -> bool:
        return "APScheduler" in [thread.name for thread in threading.enumerate()]

    prepare(settings, [])
    services = build(settings, persona=ScriptedPersona())
    services.start()
    try:
        assert services.clockwork._scheduler is not None
        services.clockwork._scheduler.shutdown()
        assert not rings()
        services.clockwork.pulse()
        assert rings()
    finally:
        services.stop()
    assert not rings()


@pytest.mark.parametrize(
    "command", [["-m", "gunicorn"], ["-c", "import wsgi"]], ids=["gunicorn", "wsgi"]
)
def test_wrong_settings_stop_the_start_with_one_message_and_no_traceback(
    command: list[str], tmp_path: Path
) -> None:
    ended = ended_at_once(command, tmp_path, PORT="http", HOST="0.0.0.0")
    assert ended.returncode == 2
    assert "PORT: " in ended.stderr
    assert "API_TOKEN: " in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "space").exists()


def test_nothing_is_said_to_be_served_where_the_port_is_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ended = ended_at_once(["-m", "gunicorn"], tmp_path, PORT=port)
    assert ended.returncode == 1
    assert "Connection in use" in ended.stderr
    assert ended.stderr.count("set PORT to one that is free") == 1
    assert "serves" not in ended.stderr


def ended_at_once(
    command: list[str], folder: Path, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Return how a start ended that comes to nothing."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PERSONA_SPACE": str(folder / "space"),
        "PYTHONDONTWRITEBYTECODE": "1",
        **settings,
    }
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@on_sqlite
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("root:x:0:0:root:/root:/bin/bash\n", "line 1: the first line must be term,valence,"),
        ("term,valence,arousal,dominance\n", "no row below the line term,valence,arousal,"),
        ("term,valence,arousal,dominance\nsad,very,0,0\n", "line 2: valence 'very' is not a"),
    ],
)
def test_a_lexicon_without_a_row_that_can_be_used_stops_the_start(
    settings: Settings, tmp_path: Path, text: str, said: str
) -> None:
    lexicon = tmp_path / "own.csv"
    lexicon.write_text(text)
    with pytest.raises(SettingsError) as caught:
        prepare(replace(settings, affect_lexicon=lexicon), [])
    (error,) = caught.value.errors
    assert error.field == "AFFECT_LEXICON"
    assert said in error.message
    lexicon.write_text("term,valence,arousal,dominance\nsad,very,0,0\nhappy,0.8,0.5,0.5\n")
    prepare(replace(settings, affect_lexicon=lexicon), [])


@on_sqlite
def test_the_start_warns_of_a_name_that_looks_like_a_setting(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PERSONA_BAKEND", "a-value-that-may-be-secret")
    prepare(settings, [])
    (line,) = [str(r.msg) for r in caplog.records if "settings.unknown" in str(r.msg)]
    assert "'PERSONA_BAKEND', 'did_you_mean': 'PERSONA_BACKEND'" in line
    assert "a-value" not in line
