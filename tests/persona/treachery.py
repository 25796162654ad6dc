"""Traps for whoever works in a space: links, pipes, devices, and folders that are swapped."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SECRET = "the secret of somebody else"


def everything(root: Path) -> list[tuple[str, bytes]]:
    """Return every file below with its content; folders made on the way do not count."""
    files = (path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    return sorted((str(path.relative_to(root)), path.read_bytes()) for path in files)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def plant(root: Path, outside: Path, what: str) -> str:
    """Put something treacherous into the space; return the path that leads to it."""
    scratch = root / "scratch"
    trap = scratch / "trap.md"
    if what == "link to a file outside":
        trap.symlink_to(outside / "secret.md")
    elif what == "relative link outside":
        trap.symlink_to("../../outside/secret.md")
    elif what == "link to nothing":
        trap.symlink_to(outside / "new.md")
    elif what == "link to itself":
        trap.symlink_to("trap.md")
    elif what == "link within the space":
        trap.symlink_to("notes.md")
    elif what == "link by proc":
        trap.symlink_to("/proc/self/environ")
    elif what == "link to a device":
        trap.symlink_to("/dev/zero")
    elif what == "hard link outside":
        os.link(outside / "secret.md", trap)
    elif what == "hard link within":
        os.link(scratch / "notes.md", trap)
    elif what == "pipe":
        os.mkfifo(trap)
    elif what == "socket":
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(os.path.relpath(trap))
    elif what == "folder":
        trap.mkdir()
    elif what == "folder that is a link outside":
        (scratch / "door").symlink_to(outside)
        return "scratch/door/secret.md"
    elif what == "folder that is a link by proc":
        (scratch / "door").symlink_to("/proc/self/cwd")
        return "scratch/door/setup.cfg"
    elif what == "folder that is a link within":
        (root / "door").symlink_to("scratch")
        return "door/notes.md"
    elif what == "chain of links":
        (scratch / "one").symlink_to("two")
        (scratch / "two").symlink_to(outside)
        return "scratch/one/secret.md"
    return "scratch/trap.md"


TRAPS = [
    "link to a file outside",
    "relative link outside",
    "link to nothing",
    "link to itself",
    "link within the space",
    "link by proc",
    "link to a device",
    "hard link outside",
    "hard link within",
    "pipe",
    "socket",
    "folder",
    "folder that is a link outside",
    "folder that is a link by proc",
    "folder that is a link within",
    "chain of links",
]


SWAPPING = """
import ctypes, os, sys
rename, here, exchange = ctypes.CDLL(None).renameat2, -100, 2
door, link = os.fsencode(sys.argv[1]), os.fsencode(sys.argv[2])
print("swapping", flush=True)
while rename(here, door, here, link, exchange) == 0:
    pass
"""


@contextmanager
def swapping(door: Path, outside: Path) -> Iterator[None]:
    """Swap something with a link to what is outside, as fast as a process can, without a gap."""
    link = door.with_name("link")
    link.symlink_to(outside)
    command = [sys.executable, "-ISc", SWAPPING, str(door), str(link)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "swapping\n"
        try:
            yield
            assert process.poll() is None, "it must have swapped to the end"
        finally:
            process.kill()
