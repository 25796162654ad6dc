"""Running a confined command to its end, or to the end of what it may use: then all of it dies."""

import codecs
import json
import os
import select
import selectors
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog

from app.core.clock import Clock
from app.persona.client import Deadline
from app.persona.confinement import MOST_MEMORY, MOST_OPEN, MOST_PROCESSES
from app.persona.openat import held

log = structlog.get_logger(__name__)

Command = Callable[[int], AbstractContextManager[tuple[Sequence[str], int]]]
"""Gives a confined command, for the descriptor on which it tells of its processes, and another
descriptor that it has to inherit."""

MOST_OPEN_IN_ALL = 1_024
"""Open files of all processes: each may be the end of a socket, which holds 300 KB unseen."""

MOST_OUTPUT = 16 * 1024 * 1024
MOST_SHOWN_LIVE = 64 * 1024
_LOOKED_EVERY = timedelta(milliseconds=50)
_SPACE_LOOKED_EVERY = timedelta(seconds=1)
_READ = 64 * 1024
_LONGEST_DYING_MS = 10_000
_LESS_URGENT = 10
_MEMORY = ("RssAnon", "RssShmem", "VmSwap")


class Captured:
    """The beginning and the end of a stream, and how long it was."""

    def __init__(self, most: int) -> None:
        self._half = most // 2
        self._head = bytearray()
        self._tail = bytearray()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.length = 0

    def add(self, data: bytes) -> str:
        """Take what came next and return it as text, damaged characters replaced."""
        self.length += len(data)
        room = self._half - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        del self._tail[: -self._half]
        return self._decoder.decode(data)

    def text(self) -> str:
        """Return what was kept, with a remark where something is missing."""
        missing = self.length - len(self._head) - len(self._tail)
        gap = f"\n[{missing} bytes left out]\n".encode() if missing else b""
        return (bytes(self._head) + gap + bytes(self._tail)).decode("utf-8", "replace")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a command ended; `stopped` says why it was ended before its time, None where it was not.

    `status` is its exit status, 128 + n where signal n ended it.
    """

    status: int
    stopped: str | None
    took: timedelta
    output: Captured
    errors: Captured


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What a command may use.

    `excess` says, asked every second, what else is too much; `kept` is how many bytes are kept of
    its output and its errors.
    """

    longest: timedelta
    excess: Callable[[], str | None]
    kept: tuple[int, int]


def run_confined(
    command: Command,
    bounds: Bounds,
    deadline: Deadline,
    clock: Clock,
    on_output: Callable[[str], None],
) -> Outcome:
    """Run a confined command; when this returns, or raises, nothing of it is left.

    Raises OSError, and what `command` and the deadline raise.
    """
    began = clock.monotonic()
    output, errors = (Captured(most) for most in bounds.kept)
    with _started(command) as tree, selectors.DefaultSelector() as selector:
        watch = _Watch(tree, bounds, deadline, clock)
        selector.register(tree.output, selectors.EVENT_READ, output)
        selector.register(tree.errors, selectors.EVENT_READ, errors)
        stopped = None
        while stopped is None and (selector.get_map() or tree.is_running()):
            for key, _ in selector.select(_LOOKED_EVERY.total_seconds()):
                data = os.read(key.fd, _READ)
                if not data:
                    selector.unregister(key.fileobj)
                elif output.length + errors.length < MOST_SHOWN_LIVE:
                    on_output(key.data.add(data))
                else:
                    key.data.add(data)
            stopped = watch.reason(output.length + errors.length)
        status = tree.status()
    took = timedelta(seconds=clock.monotonic() - began)
    return Outcome(status=status, stopped=stopped, took=took, output=output, errors=errors)


class _Tree:
    """A confined command and all that it has started; `init` is the first process inside."""

    def __init__(self, process: subprocess.Popen[bytes], info: bytes) -> None:
        self._process = process
        self.init = int(json.loads(info)["child-pid"]) if info else None
        self._handle = _handle_of(self.init, process.pid) if self.init else None
        if process.stdout is None or process.stderr is None:
            raise AssertionError
        self.output, self.errors = process.stdout.fileno(), process.stderr.fileno()

    def is_running(self) -> bool:
        return self._process.poll() is None

    def status(self) -> int:
        """Return the exit status, -1 while it runs."""
        found = self._process.poll()
        return -1 if found is None else found

    def end(self) -> None:
        """Kill everything and wait until it is gone."""
        if self._handle is not None:
            with held(self._handle) as handle:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                dying = select.poll()
                dying.register(handle, select.POLLIN)
                # the first process of a namespace is gone when all others are
                if not dying.poll(_LONGEST_DYING_MS):
                    log.error("scripts.does_not_die", pid=self.init)


class _Watch:
    """Looks whether a command uses more than it may."""

    def __init__(self, tree: _Tree, bounds: Bounds, deadline: Deadline, clock: Clock) -> None:
        self._tree = tree
        self._bounds = bounds
        self._deadline = deadline
        self._own = deadline.sooner(bounds.longest)
        self._clock = clock
        self._next = clock.monotonic()
        self._next_space = self._next + _SPACE_LOOKED_EVERY.total_seconds()

    def reason(self, written: int) -> str | None:
        """Say why it must end now, None where it need not; raise what the deadline raises."""
        self._deadline.check()
        if not self._own.remaining():
            return f"it took longer than {self._bounds.longest.total_seconds():g} s"
        if written > MOST_OUTPUT:
            return f"it wrote more than {MOST_OUTPUT} bytes of output"
        now = self._clock.monotonic()
        found = None
        if now >= self._next:
            self._next = now + _LOOKED_EVERY.total_seconds()
            found = _too_much(self._tree.init)
        if found is None and now >= self._next_space:
            found = self._bounds.excess()
            self._next_space = self._clock.monotonic() + _SPACE_LOOKED_EVERY.total_seconds()
        return found


@contextmanager
def _started(command: Command) -> Iterator[_Tree]:
    reading, writing = os.pipe()
    with held(reading):
        with held(writing), command(writing) as (line, rules):
            process = subprocess.Popen(  # noqa: S603  no shell, and confined
                line,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={},
                cwd="/",
                pass_fds=(writing, rules),
            )
        with process:
            try:
                with suppress(OSError):
                    os.setpriority(os.PRIO_PROCESS, process.pid, _LESS_URGENT)
                tree = _Tree(process, _read_all(reading))
                try:
                    yield tree
                finally:
                    tree.end()
            finally:
                process.kill()


def _read_all(descriptor: int) -> bytes:
    found = b""
    while part := os.read(descriptor, _READ):
        found += part
    return found


def _handle_of(pid: int, parent: int) -> int | None:
    """Return a handle on a child of that parent, None where it is gone already."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    with suppress(OSError, ValueError):
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        if int(stat.rpartition(")")[2].split()[1]) == parent:
            return handle
    os.close(handle)
    return None


def _too_much(init: int | None) -> str | None:
    """Say whether the processes that the first one sees are too many, or hold too much."""
    theirs = Path(f"/proc/{init}/root/proc")
    try:
        if theirs.stat().st_dev == Path("/proc").stat().st_dev:
            return None  # it has not entered its own world yet
        processes = [name for name in os.listdir(theirs) if name.isdigit()]  # noqa: PTH208  names only
        used = [_used(theirs / name) for name in processes]
    except OSError:
        return None  # gone
    if sum(threads for threads, _, _ in used) >= MOST_PROCESSES:
        return f"it had {MOST_PROCESSES} processes and threads, the most there may be"
    if sum(memory for _, memory, _ in used) > MOST_MEMORY:
        return f"it used more than {MOST_MEMORY} bytes of memory"
    if sum(files for _, _, files in used) > MOST_OPEN_IN_ALL:
        return f"it had more than {MOST_OPEN_IN_ALL} files open"
    return None


def _used(process: Path) -> tuple[int, int, int]:
    """Return the threads, bytes of memory and open files of a process, nothing where it is gone."""
    try:
        text = (process / "status").read_text(encoding="utf-8", errors="replace")
        values = {name: value.split() for name, _, value in map(_parted, text.splitlines())}
        threads = int(values["Threads"][0])
        if threads > 1 and "RssAnon" not in values:
            # its first thread has ended; what it holds is to be seen only at those that go on
            return max(map(_used, (process / "task").iterdir()), default=(0, 0, 0))
        kilobytes = sum(int(values[name][0]) for name in _MEMORY if name in values)
        return threads, kilobytes * 1024, _open_files(process, values)
    except (FileNotFoundError, ProcessLookupError):
        return 0, 0, 0


def _open_files(process: Path, values: Mapping[str, Sequence[str]]) -> int:
    try:
        return len(os.listdir(process / "fd"))  # noqa: PTH208  names only
    except PermissionError:
        # the dead have none; who hides them may have as many as one may
        return 0 if values["State"][0] == "Z" else MOST_OPEN


def _parted(line: str) -> tuple[str, str, str]:
    return line.partition(":")
