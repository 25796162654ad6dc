"""The service as shipped: gunicorn and its workers, to be started, stopped and killed."""

import contextlib
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(holds: Callable[[], bool], *, within: float, what: str) -> None:
    """Wait until something holds; fail after `within` seconds."""
    end = time.monotonic() + within
    while not holds():
        assert time.monotonic() < end, f"after {within} s it does not hold: {what}"
        time.sleep(0.1)


class Service:
    """One gunicorn with its workers, in a process group of its own."""

    def __init__(
        self,
        folder: Path,
        database_url: str | None = None,
        *,
        preload: bool = False,
        workers: int = 3,
        **settings: str,
    ) -> None:
        self.folder = folder
        self.space = folder / "space"
        self.port = free_port()
        self.log = folder / "service.log"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PORT": str(self.port),
            "PERSONA_SPACE": str(self.space),
            "WEB_CONCURRENCY": str(workers),
            "PYTHONDONTWRITEBYTECODE": "1",
            **({"DATABASE_URL": database_url} if database_url else {}),
            **settings,
        }
        self.master: subprocess.Popen[bytes] | None = None
        self.command = [sys.executable, "-m", "gunicorn", "wsgi:app"]
        if preload:
            self.command.append("--preload")
        self.cwd = ROOT

    # ---- life

    def start(self) -> "Service":
        """Start it and wait until it answers."""
        with self.log.open("ab") as log:
            self.master = subprocess.Popen(
                self.command,
                cwd=self.cwd,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        eventually(self.answers, within=40, what=f"the service answers\n{self.tail()}")
        return self

    def stop(self, within: float = 40) -> int:
        """Ask it to stop, as an operator would; return the exit code."""
        assert self.master is not None
        self.master.send_signal(signal.SIGTERM)
        return self.master.wait(within)

    def kill_everything(self) -> None:
        """Kill master and workers alike, orphans too."""
        if self.master is None:
            return
        for pid in [self.master.pid, *self.workers()]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.master.pid, signal.SIGKILL)
        self.master.wait()

    def workers(self) -> list[int]:
        """Return the pids of the workers that live."""
        assert self.master is not None
        children = Path(f"/proc/{self.master.pid}/task/{self.master.pid}/children")
        try:
            return [int(pid) for pid in children.read_text().split()]
        except OSError:
            return []

    def kill_worker(self, chance: random.Random) -> None:
        """Kill one worker with -9."""
        workers = self.workers()
        if workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(chance.choice(workers), signal.SIGKILL)

    def kill_master(self) -> None:
        """Kill the master with -9; its workers notice and stop by themselves."""
        assert self.master is not None
        self.master.kill()
        self.master.wait()

    # ---- talking to it

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Send a request; return status and JSON."""
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", data=data, method=method, headers=headers
        )
        if data is not None:
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")

    def get(self, path: str) -> Any:
        """Return the JSON of a path; ask again while workers are being killed."""
        return self.insist("GET", path)

    def insist(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request that may be sent again, until it succeeds; return the JSON."""
        said: Any = None
        for _ in range(100):
            with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
                status, said = self.request(method, path, body)
                if status == 200:
                    return said
            time.sleep(0.1)
        raise AssertionError(f"{method} {path} does not succeed: {said}\n{self.tail()}")

    def size(self, path: str) -> int:
        """Return how many bytes a path answers with."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
            return len(answer.read())

    def answers(self) -> bool:
        """Say whether it serves."""
        with contextlib.suppress(OSError, ValueError):
            return self.request("GET", "/livez")[0] == 200
        return False

    def tail(self) -> str:
        """Return the end of its log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-40:])
