"""A process that is stopped, or very slow, in the middle of a write: others do not wait for it."""

import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import SpaceBusy
from app.database import Database
from app.persona.client import Deadline, Reply, Request
from app.persona.space import Space
from app.runs.run import Status
from tests.house import House
from tests.persona.given import hands_on
from tests.runs.hands import append, doing
from tests.runs.test_rollback import JOURNAL, fill, house

LONG = timedelta(minutes=3)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    fill(tmp_path / "space")
    return tmp_path / "space"


def stop_at_the_temporary_file() -> None:
    """Let this process stop when a new content is written, but has not got its name yet."""
    real = os.fsync

    def stopping(fd: Any) -> None:
        if Path(f"/proc/self/fd/{fd}").readlink().suffix == ".tmp":
            os.fsync = real
            os.kill(os.getpid(), signal.SIGSTOP)
        real(fd)

    os.fsync = stopping


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock of a file or folder, as a process does that does not go on."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def stopped_in_a_write(database: Database, one: House, root: Path) -> int:
    """Let a child work on a run until it is stopped while it writes; return its pid."""
    one.add("one")
    one.executions.start("one")
    one.persona._script.append(doing(lambda request: append(root, JOURNAL, "# Late\n", request)))
    (claim,) = one.claim()
    one.processes.beat(ticked_at=None, state="ticking")
    database.close()
    child = os.fork()
    if child == 0:
        try:
            stop_at_the_temporary_file()
            outcome = one.run(claim)
            os._exit(0 if outcome.status is Status.CANCELLED else 1)
        finally:
            os._exit(2)
    assert os.WIFSTOPPED(os.waitpid(child, os.WUNTRACED)[1])
    return child


def test_a_process_that_was_stopped_in_a_write_changes_nothing_when_it_goes_on(
    database: Database, tmp_path: Path, root: Path
) -> None:
    before = (root / JOURNAL).read_text()
    child = stopped_in_a_write(database, house(database, tmp_path), root)
    other = house(database, tmp_path, pid=2)
    try:
        other.release()
        assert other.outcomes() == [("running", None)]
    finally:
        os.kill(child, signal.SIGCONT)
        ended = os.waitpid(child, 0)[1]
    assert os.waitstatus_to_exitcode(ended) == 0
    assert (root / JOURNAL).read_text() == before
    assert other.recovery.step() == 1
    assert other.outcomes() == [("queued", None)]
    assert (root / JOURNAL).read_text() == before
    assert sorted(path.name for path in (root / JOURNAL).parent.iterdir()) == ["journal.md"]


def test_another_run_fails_and_says_so_instead_of_waiting_to_its_end(
    database: Database, tmp_path: Path, root: Path
) -> None:
    one = house(database, tmp_path)
    one.add("one", timeout="12m")
    one.executions.start("one")
    hands = hands_on(Space(root), one.clock)
    began = one.clock.monotonic()

    def work(request: Request, deadline: Deadline) -> Reply:
        hands.append_text(JOURNAL, "# Next\n", deadline, request.changes)
        raise AssertionError

    one.persona._script.append(work)
    with held((root / JOURNAL).parent):
        one.settle()
    (run,) = one.runs()
    assert (str(run.status), run.reason) == ("failed", "space_error")
    assert "another process" in (run.error or "")
    assert one.clock.monotonic() - began < LONG.total_seconds()


def test_a_history_that_somebody_keeps_locked_is_busy_and_not_waited_for_for_ever(
    database: Database, tmp_path: Path, root: Path
) -> None:
    one = house(database, tmp_path)
    one.space.snapshots.take()
    began = one.clock.monotonic()
    with held(tmp_path / "state" / "history.lock"):
        with pytest.raises(SpaceBusy, match="another process"):
            one.space.keep(JOURNAL)
        with pytest.raises(SpaceBusy, match="another process"):
            one.space.snapshots.take()
    assert one.clock.monotonic() - began < 2 * LONG.total_seconds()
    assert one.space.keep(JOURNAL)[0] is not None
    one.space.snapshots.take()
