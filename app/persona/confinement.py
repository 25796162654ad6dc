"""What a script sees of the world: a read-only system, the space, and nothing else; bubblewrap."""

import ctypes
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog

from app.core.clock import Clock
from app.persona import lent_space
from app.persona.appending import LARGEST_FILE
from app.persona.errors import ToolRefused
from app.persona.openat import held
from app.persona.paths import SERVICE_FOLDER
from app.persona.syscalls import seccomp_filter

log = structlog.get_logger(__name__)

MOST_PROCESSES = 128
MOST_MEMORY = 1024 * 1024 * 1024
"""Bytes, for one process by the system, for all of them by whoever watches them."""

MOST_OPEN = 256
"""Open files of one process."""

_MOST_TMP = 64 * 1024 * 1024
_PROGRAMS = "/usr/local/bin:/usr/bin:/bin"
_TOP = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_TRIED_AGAIN = timedelta(minutes=1)
_TRIAL_SECONDS = 10
_LENT_AT = "/mnt"
_HUGE_PAGES_OFF = 41
"""PR_SET_THP_DISABLE of linux/prctl.h."""

_BORROWER = 1_900_000_001
"""A user that no system gives to anybody."""


@dataclass(frozen=True, kw_only=True)
class Availability:
    """Whether scripts can be run, and if not, why."""

    available: bool
    reason: str | None = None


class Confinement:
    """Makes the command line that confines a script to the space, where this machine can do so.

    No network, no processes but its own, no environment, no way to more rights; the service's
    folder read-only; nothing of it outlives its first process. `is_wanted` is the owner's word,
    `programs` where bubblewrap and prlimit are looked for, `machine` what `uname -m` says.
    """

    def __init__(
        self,
        space: Path,
        clock: Clock,
        *,
        is_wanted: bool = True,
        programs: str = _PROGRAMS,
        machine: str = platform.machine(),
    ) -> None:
        self._space = space
        self._clock = clock
        self._is_wanted = is_wanted
        self._programs = programs
        self._machine = machine
        self._known: Availability | None = None
        self._again_at = 0.0

    def availability(self) -> Availability:
        """Say whether scripts can be run, by a real trial; tried again after a failure."""
        if not self._is_wanted:
            return Availability(available=False, reason="scripts are switched off: SCRIPTS=off")
        if not self._has_service_folder():
            return Availability(available=False, reason=f"the space has no `{SERVICE_FOLDER}/`")
        known, now = self._known, self._clock.monotonic()
        if known is None or (not known.available and now >= self._again_at):
            reason = self._tried()
            if reason is not None:
                log.warning("scripts.unavailable", reason=reason)
            known = Availability(available=reason is None, reason=reason)
            self._known, self._again_at = known, now + _TRIED_AGAIN.total_seconds()
        return known

    @contextmanager
    def command(
        self,
        argv: Sequence[str],
        *,
        cpu: timedelta,
        info: int,
        largest: int = LARGEST_FILE,
        may_create: bool = True,
    ) -> Iterator[tuple[list[str], int]]:
        """Give the command that runs `argv` confined, and tells `info` about its processes.

        With it comes a descriptor that it has to inherit. To be started with an empty environment:
        that of its own first process can be read inside. No file that it writes grows beyond
        `largest`; without `may_create` it makes nothing new, in its /tmp neither.
        Raises ToolRefused where scripts cannot be run.
        """
        availability = self.availability()
        if not availability.available:
            raise ToolRefused(f"scripts cannot be run here: {availability.reason}")
        _refuse_huge_pages()
        with self._rules(may_create=may_create) as rules:
            yield self._command(argv, cpu, rules, ["--info-fd", str(info)], largest), rules

    @contextmanager
    def _rules(self, *, may_create: bool = True) -> Iterator[int]:
        """Hold a pipe that the filter can be read from once."""
        reading, writing = os.pipe()
        with held(reading):
            with held(writing):
                os.write(writing, seccomp_filter(self._machine, may_create=may_create) or b"")
            yield reading

    def _command(
        self,
        argv: Sequence[str],
        cpu: timedelta,
        rules: int,
        more: Sequence[str] = (),
        largest: int = LARGEST_FILE,
    ) -> list[str]:
        rights = ["--unshare-all", "--unshare-user", "--disable-userns", "--cap-drop", "ALL"]
        identity = ["--uid", "65534", "--gid", "65534", "--hostname", "persona"]
        life = ["--die-with-parent", "--new-session", "--seccomp", str(rules), *more]
        space = str(self._space)
        return [
            *(self._lending() if os.geteuid() == 0 else ()),
            self._found("bwrap") or "bwrap",
            *(*rights, *identity, *life, *_ENVIRONMENT, *_system()),
            *("--size", str(_MOST_TMP), "--tmpfs", "/tmp"),  # noqa: S108  one of its own
            *self._space_in_it(_LENT_AT if os.geteuid() == 0 else space),
            *("--remount-ro", "/dev", "--remount-ro", "/", "--"),
            *self._limited(cpu, largest),
            *argv,
        ]

    def _lending(self) -> list[str]:
        # the system bounds the processes of everybody but root
        program = [sys.executable, "-I", "-S", lent_space.__file__]
        return [*program, str(_BORROWER), str(self._space), _LENT_AT]

    def _space_in_it(self, space: str) -> list[str]:
        # the second mount covers the folder within the first
        shield = ["--ro-bind", f"{space}/{SERVICE_FOLDER}", f"/space/{SERVICE_FOLDER}"]
        return ["--bind", space, "/space", *shield, "--chdir", "/space"]

    def _has_service_folder(self) -> bool:
        folder = self._space / SERVICE_FOLDER
        return folder.is_dir() and not folder.is_symlink()

    def _tried(self) -> str | None:
        for program, package in (("bwrap", "bubblewrap"), ("prlimit", "util-linux")):
            if self._found(program) is None:
                return f"{program} is not installed (on Debian: apt-get install {package})"
        if seccomp_filter(self._machine) is None:
            return "what scripts may ask of the kernel can be bounded on x86_64 and aarch64 only"
        try:
            with self._rules() as rules:
                trial = subprocess.run(  # noqa: S603  a fixed command
                    self._command(["true"], timedelta(seconds=1), rules),
                    env={},
                    capture_output=True,
                    timeout=_TRIAL_SECONDS,
                    check=False,
                    pass_fds=(rules,),
                )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"bubblewrap cannot be started: {type(error).__name__}"
        if trial.returncode != 0:
            said = trial.stderr.decode("utf-8", "replace").strip()[:200]
            return f"bubblewrap does not work here: {said or f'exit status {trial.returncode}'}"
        return None

    def _found(self, program: str) -> str | None:
        return shutil.which(program, path=self._programs)

    def _limited(self, cpu: timedelta, largest: int) -> list[str]:
        return [
            self._found("prlimit") or "prlimit",
            f"--cpu={int(cpu.total_seconds()) + 1}",
            f"--as={MOST_MEMORY}",
            f"--fsize={largest}",
            f"--nproc={MOST_PROCESSES}",
            f"--nofile={MOST_OPEN}",
            *("--memlock=0", "--msgqueue=0", "--core=0"),
            "--",
            *self._first_to_die(),
        ]

    def _first_to_die(self) -> list[str]:
        """Where the machine runs out of memory, the script is to go and not the service."""
        choom = self._found("choom")
        return [choom, "-n", "1000", "--"] if choom else []


def _refuse_huge_pages() -> None:
    """Let this process and all that it starts have pages of the usual size only.

    Of a huge one a script could give back all but a small part, and nobody would see that it holds
    the whole. The filter keeps it from asking for them again.
    """
    ctypes.CDLL(None).prctl(_HUGE_PAGES_OFF, 1, 0, 0, 0)


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
    # both give zeros, but what is mapped of the first is memory that no process is seen to hold
    zero = ["--dev-bind", "/dev/full", "/dev/zero"]
    return [*mounts, "--proc", "/proc", "--dev", "/dev", *zero]
