"""Result files: one JSON file per finished run in `tasks/results/` of the space.

The ledger is the truth and the files are made from it, so a file that a kill prevented is written
at the next start. The name holds the run id, so no two runs share one and writing it again is
harmless; the shape is what older clients read.
"""

import errno
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from app.core.errors import SpaceError
from app.core.instants import write_instant
from app.runs.run import Run

_NO_NAMELESS_FILES = {errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT}
"""How file systems and kernels say that they know no file without a name."""

_OPEN_AT_ONCE = 32


def file_name(run: Run) -> str:
    """Return the name of the run's file: task, start in UTC to the second, run id."""
    began = (run.started_at or run.recorded_at).astimezone(UTC)
    return f"{run.task_id}_{began:%Y%m%d_%H%M%S}_{run.id}.json"


def file_content(run: Run) -> bytes:
    """Return the JSON of the run's file."""
    return orjson.dumps(_document(run), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _document(run: Run) -> dict[str, Any]:
    return {
        "task_id": run.task_id,
        "task_name": run.task_name,
        "started_at": write_instant(run.started_at or run.recorded_at),
        "completed_at": write_instant(run.completed_at or run.recorded_at),
        "success": run.success is True,
        "response": run.response,
        "error": run.error,
        "metadata": dict(run.metadata),
        "run_id": run.id,
        "status": str(run.status),
        "reason": run.reason,
        "origin": str(run.origin),
        "scheduled_for": write_instant(run.scheduled_for) if run.scheduled_for else None,
        "attempt": run.attempt,
    }


class ResultFolder:
    """Writes and removes result files, never through a link, never half."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, runs: Sequence[Run]) -> None:
        """Write the files of these runs; on return they are on the disk.

        Each is synced before it gets its name, then the folder once for all of them. Raises
        SpaceError where that is not possible.
        """
        try:
            folder = self._open()
            try:
                for start in range(0, len(runs), _OPEN_AT_ONCE):
                    _write_some(folder, runs[start : start + _OPEN_AT_ONCE])
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise SpaceError(f"results cannot be written to {self.path}: {error}") from error

    def holds(self, run: Run) -> bool:
        """Say whether the file of a run is there."""
        return (self.path / file_name(run)).exists()

    def remove(self, names: Sequence[str]) -> None:
        """Remove files; one that is gone already is no error."""
        try:
            folder = self._open()
            try:
                for name in names:
                    with suppress(FileNotFoundError):
                        os.unlink(name, dir_fd=folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise SpaceError(f"results cannot be removed from {self.path}: {error}") from error

    def sweep(self, before: datetime) -> None:
        """Remove what a kill left half-written before that time; it is never read."""
        for leftover in self.path.glob(".*.tmp"):
            if leftover.lstat().st_mtime < before.timestamp():
                leftover.unlink(missing_ok=True)

    def _open(self) -> int:
        self.path.mkdir(parents=True, exist_ok=True)
        return os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _write_some(folder: int, runs: Sequence[Run]) -> None:
    """Write files that nobody sees before they are whole and synced."""
    try:
        _write_nameless(folder, runs)
    except OSError as error:
        if error.errno not in _NO_NAMELESS_FILES:
            raise
        for run in runs:
            _write_and_rename(folder, file_name(run), file_content(run))


def _write_nameless(folder: int, runs: Sequence[Run]) -> None:
    opened: list[int] = []
    try:
        for run in runs:
            flags = os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC
            opened.append(os.open(".", flags, 0o644, dir_fd=folder))
            _fill(opened[-1], file_content(run))
            # starts the writing without waiting for it, so that the disk has them all at once
            os.posix_fadvise(opened[-1], 0, 0, os.POSIX_FADV_DONTNEED)
        for descriptor in opened:
            os.fsync(descriptor)
        for descriptor, run in zip(opened, runs, strict=True):
            # a file gets its name only when it is whole, so one that is there is the run's already
            with suppress(FileExistsError):
                os.link(
                    f"/proc/self/fd/{descriptor}",
                    file_name(run),
                    dst_dir_fd=folder,
                    follow_symlinks=True,
                )
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _write_and_rename(folder: int, name: str, content: bytes) -> None:
    temporary = f".{name}.{os.getpid()}.{threading.get_ident()}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o644, dir_fd=folder)
    try:
        _fill(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)


def _fill(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
