"""What a script sees of the world: a read-only system, the space, and nothing else; bubblewrap."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog

from app.core.clock import Clock
from app.core.errors import ToolRefused
from app.persona.appending import LARGEST_FILE
from app.persona.paths import SERVICE_FOLDER

log = structlog.get_logger(__name__)

MOST_PROCESSES = 128
MOST_MEMORY = 1024 * 1024 * 1024
"""Bytes, for one process by the system, for all of them by whoever watches them."""

_MOST_TMP = 64 * 1024 * 1024
_MOST_OPEN = 256
_PROGRAMS = "/usr/local/bin:/usr/bin:/bin"
_TOP = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_TRIED_AGAIN = timedelta(minutes=1)
_TRIAL_SECONDS = 10


@dataclass(frozen=True, kw_only=True)
class Availability:
    """Whether scripts can be run, and if not, why."""

    available: bool
    reason: str | None = None


class Confinement:
    """Makes the command line that confines a script to the space, where this machine can do so.

    No network, no processes but its own, no environment, no way to more rights; the service's
    folder read-only; nothing of it outlives its first process. `is_wanted` is the owner's word,
    `programs` where bubblewrap and prlimit are looked for.
    """

    def __init__(
        self, space: Path, clock: Clock, *, is_wanted: bool = True, programs: str = _PROGRAMS
    ) -> None:
        self._space = space
        self._clock = clock
        self._is_wanted = is_wanted
        self._programs = programs
        self._known: Availability | None = None
        self._again_at = 0.0

    def availability(self) -> Availability:
        """Say whether scripts can be run, by a real trial; tried again after a failure."""
        if not self._is_wanted:
            return Availability(available=False, reason="scripts are switched off: SCRIPTS=off")
        known, now = self._known, self._clock.monotonic()
        if known is None or (not known.available and now >= self._again_at):
            reason = self._tried()
            if reason is not None:
                log.warning("scripts.unavailable", reason=reason)
            known = Availability(available=reason is None, reason=reason)
            self._known, self._again_at = known, now + _TRIED_AGAIN.total_seconds()
        return known

    def command(self, argv: Sequence[str], *, cpu: timedelta, info: int) -> list[str]:
        """Return the command that runs `argv` confined, and tells `info` about its processes.

        To be started with an empty environment: that of its own first process can be read inside.
        Raises ToolRefused where scripts cannot be run.
        """
        availability = self.availability()
        if not availability.available:
            raise ToolRefused(f"scripts cannot be run here: {availability.reason}")
        if self._service_folder.is_symlink() or not self._service_folder.is_dir():
            raise ToolRefused(f"scripts cannot be run: the space has no `{SERVICE_FOLDER}`")
        return [
            *self._confined(["--info-fd", str(info), *self._space_in_it()]),
            *self._limited(cpu),
            *argv,
        ]

    @property
    def _service_folder(self) -> Path:
        return self._space / SERVICE_FOLDER

    def _tried(self) -> str | None:
        if self._found("bwrap") is None:
            return "bubblewrap is not installed (on Debian: apt-get install bubblewrap)"
        if self._found("prlimit") is None:
            return "prlimit of util-linux is not installed"
        command = [*self._confined([]), *self._limited(timedelta(seconds=1)), "true"]
        try:
            trial = subprocess.run(  # noqa: S603  a fixed command
                command, env={}, capture_output=True, timeout=_TRIAL_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"bubblewrap cannot be started: {type(error).__name__}"
        if trial.returncode != 0:
            said = trial.stderr.decode("utf-8", "replace").strip()[:200]
            return f"bubblewrap does not work here: {said or f'exit status {trial.returncode}'}"
        return None

    def _found(self, program: str) -> str | None:
        return shutil.which(program, path=self._programs)

    def _confined(self, more: Sequence[str]) -> list[str]:
        rights = ["--unshare-all", "--unshare-user", "--disable-userns", "--cap-drop", "ALL"]
        identity = ["--uid", "65534", "--gid", "65534", "--hostname", "persona"]
        life = ["--die-with-parent", "--new-session"]
        return [
            self._found("bwrap") or "bwrap",
            *(*rights, *identity, *life, *_ENVIRONMENT, *_system()),
            *("--size", str(_MOST_TMP), "--tmpfs", "/tmp"),  # noqa: S108  one of its own
            *more,
            *("--remount-ro", "/dev", "--remount-ro", "/", "--"),
        ]

    def _space_in_it(self) -> list[str]:
        # the second mount covers the folder within the first
        bind = ["--bind", str(self._space), "/space"]
        shield = ["--ro-bind", str(self._service_folder), f"/space/{SERVICE_FOLDER}"]
        return [*bind, *shield, "--chdir", "/space"]

    def _limited(self, cpu: timedelta) -> list[str]:
        return [
            self._found("prlimit") or "prlimit",
            f"--cpu={int(cpu.total_seconds()) + 1}",
            f"--as={MOST_MEMORY}",
            f"--fsize={LARGEST_FILE}",
            f"--nproc={MOST_PROCESSES}",
            f"--nofile={_MOST_OPEN}",
            "--core=0",
            "--",
            *self._first_to_die(),
        ]

    def _first_to_die(self) -> list[str]:
        """Where the machine runs out of memory, the script is to go and not the service."""
        choom = self._found("choom")
        return [choom, "-n", "1000", "--"] if choom else []


_ENVIRONMENT = [
    "--clearenv",
    *("--setenv", "PATH", "/usr/local/bin:/usr/bin:/bin"),
    *("--setenv", "HOME", "/tmp"),  # noqa: S108  one of its own
    *("--setenv", "LANG", "C.UTF-8"),
]


def _system() -> list[str]:
    """Return the mounts of what programs need to start: no more of /etc than the linker's cache."""
    mounts = ["--ro-bind", "/usr", "/usr"]
    for name in _TOP:
        path = Path("/") / name
        if path.is_symlink():
            mounts += ["--symlink", f"usr/{name}", f"/{name}"]
        elif path.is_dir():
            mounts += ["--ro-bind", f"/{name}", f"/{name}"]
    for path in (Path("/etc/ld.so.cache"), Path("/etc/alternatives")):
        mounts += ["--ro-bind-try", str(path), str(path)]
    return [*mounts, "--proc", "/proc", "--dev", "/dev"]
