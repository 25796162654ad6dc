"""Hands for tests: what a persona does in the space, each change announced first."""

import os
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.core.clock import SystemClock
from app.persona.appending import lock, replace
from app.persona.client import Deadline, Reply, Request
from app.persona.space import Space
from tests.persona.given import hands_on

Work = Callable[[Request, Deadline], Reply]


def deadline() -> Deadline:
    return Deadline(SystemClock(), timedelta(seconds=10), threading.Event())


def append(root: Path, path: str, text: str, request: Request) -> None:
    """Append as the tools do."""
    hands_on(Space(root)).append_text(path, text, deadline(), request.changes)


def write(root: Path, path: str, data: bytes | None, request: Request) -> None:
    """Let a file hold that, or remove it, as the tools do."""
    folder = (root / path).parent
    folder.mkdir(exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        lock(descriptor, deadline())
        request.changes.announce([path])
        if data is None:
            os.unlink((root / path).name, dir_fd=descriptor)
            os.fsync(descriptor)
        else:
            before = (root / path).stat() if (root / path).exists() else None
            assert replace(descriptor, (root / path).name, data, before)
    finally:
        os.close(descriptor)


def doing(*steps: Callable[[Request], object], text: str = "Done.") -> Work:
    """Return a line of a script: the steps, one after the other, then an answer."""

    def work(request: Request, _: Deadline) -> Reply:
        for step in steps:
            step(request)
        return Reply(text=text)

    return work


def contents(root: Path) -> Mapping[str, tuple[bytes, int]]:
    """Return what every file of a space holds, hidden ones too, and its mode."""
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mode & 0o777)
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def written_at(path: Path, at: datetime) -> None:
    """Let a file look as if it was written at that time."""
    os.utime(path, (at.astimezone(UTC).timestamp(),) * 2)
