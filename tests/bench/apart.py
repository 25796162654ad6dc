"""Measuring in processes of their own, so that one side never pays for the other."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

ROOT = Path(__file__).parent.parent.parent
_STARTED = ["tests.bench.ours", "tests.bench.peers"]
P = ParamSpec("P")
T = TypeVar("T")


def apart(measure: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what a function returns in a fresh process."""
    with meanwhile(measure, *args, **kwargs) as future:
        return future.result()


@contextmanager
def meanwhile(measure: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Iterator[Future[T]]:
    """Have a function run in a fresh process while the body goes on."""
    context = get_context("forkserver")
    context.set_forkserver_preload(_STARTED)
    with ProcessPoolExecutor(1, mp_context=context) as process:
        yield process.submit(measure, *args, **kwargs)


@contextmanager
def persona(patience: timedelta = timedelta(0)) -> Iterator[str]:
    """Run a persona service that answers after a while; yield its address."""
    command = [sys.executable, "-m", "tests.bench.persona", str(patience.total_seconds())]
    with _running(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"


@contextmanager
def gunicorn(app: str, port: int, *options: str) -> Iterator[None]:
    """Run an application of a peer under the server that ours has."""
    command = [
        *(sys.executable, "-m", "gunicorn", app, "--bind", f"127.0.0.1:{port}"),
        # a module without settings, or it would take up the configuration of ours
        *("--config", "python:tests.bench", "--worker-class", "gthread", "--log-level", "error"),
        *options,
    ]
    with _running(command):
        _wait_for(port)
        yield


@contextmanager
def _running(command: list[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    with subprocess.Popen(command, cwd=ROOT, **options) as process:
        try:
            yield process
        finally:
            process.terminate()


def _wait_for(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            probe.settimeout(1.0)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nobody listens on port {port}")


def resident() -> int:
    """Return the bytes of memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")
