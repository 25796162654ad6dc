"""Files of the space as they are now: looked at, read, put back; never through a link."""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from app.core.errors import SpaceBusy, SpaceError
from app.persona.appending import create, lock, replace
from app.persona.client import Deadline
from app.persona.errors import PersonaTimeout
from app.persona.openat import (
    FILE,
    FOLDER,
    Opener,
    best_opener,
    held,
    is_plain_file,
    read_bytes,
    why_not_plain,
)

LARGEST_KEPT = 16 * 1024 * 1024
SERVICE_FOLDER = "tasks"
_ROOT = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a file holds; `data` is None where that is too much to be kept."""

    data: bytes | None
    status: os.stat_result


class SpaceFiles:
    """The files below `root` that have a history: plain ones, not hidden, not the service's."""

    def __init__(self, root: Path, opener: Opener | None = None) -> None:
        self.root = root
        self._opener = opener or best_opener()

    def read(self, path: str) -> Content | None:
        """Return what a file holds, None where there is none; raise SpaceError for what is none."""
        try:
            with self._opened(parts_of(path), FILE) as descriptor:
                status = os.fstat(descriptor)
                if not is_plain_file(status):
                    raise SpaceError(f"`{path}` {why_not_plain(status)}")
                if status.st_size > LARGEST_KEPT:
                    return Content(data=None, status=status)
                data = read_bytes(descriptor, LARGEST_KEPT + 1)
                # a file that grows while it is read may be too much after all
                return Content(data=data if len(data) <= LARGEST_KEPT else None, status=status)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise SpaceError(f"`{path}` cannot be read: {error.strerror or error}") from error

    @contextmanager
    def locked(self, path: str, deadline: Deadline) -> Iterator[None]:
        """Keep others who write as the hands do from the file's folder; raise SpaceBusy.

        Where there is no such folder there is nothing to lock.
        """
        with ExitStack() as stack:
            try:
                folder = stack.enter_context(self._opened(parts_of(path)[:-1], FOLDER))
                lock(folder, deadline)
            except PersonaTimeout as error:
                raise SpaceBusy(f"the folder of `{path}` is in use all the time") from error
            except FileNotFoundError:
                pass
            except OSError as error:
                raise SpaceError(f"`{path}` cannot be used: {error.strerror or error}") from error
            yield

    def clear(self, path: str) -> None:
        """Remove what a kill left of a write to the file. Call it within `locked`."""
        parts = parts_of(path)
        with suppress(OSError), self._opened(parts[:-1], FOLDER) as folder:
            os.unlink(f".{parts[-1]}.tmp", dir_fd=folder)

    def put_back(
        self, path: str, data: bytes | None, mode: int | None, *, instead_of: bytes | None
    ) -> None:
        """Let the file hold that, or be gone for None; synced. Call it within `locked`.

        A file that stands there keeps its mode; one that was gone gets `mode`. Raises SpaceBusy
        where the file holds something else than it did when that was decided.
        """
        parts = parts_of(path)
        found = self.read(path)
        if (found.data if found else None) != instead_of or (found and found.data is None):
            raise SpaceBusy(f"`{path}` was changed by somebody else just now")
        try:
            with self._made_folder(parts[:-1]) as folder:
                _put_back(folder, parts[-1], data, mode, found.status if found else None)
        except OSError as error:
            raise SpaceError(f"`{path}` cannot be put back: {error.strerror or error}") from error

    def entries(self, root: int, parts: Sequence[str]) -> list[tuple[str, os.stat_result]]:
        """Return name and status of what is in a folder and has a history; [] if it is gone.

        `root` is what `opened` gave: a look at all folders opens the space only once.
        """
        top = not parts
        try:
            descriptor = self._opener.open(root, parts, FOLDER)
            with held(descriptor) as folder, os.scandir(folder) as found:
                return [
                    (entry.name, entry.stat(follow_symlinks=False))
                    for entry in found
                    if _has_history(entry.name, top=top) and not entry.is_symlink()
                ]
        except OSError:
            # gone, or a link, since the folder above was read, or not ours to read
            return []

    @contextmanager
    def opened(self) -> Iterator[int]:
        """Hold the folder of the space open; raise SpaceBusy."""
        try:
            root = os.open(self.root, _ROOT)
        except OSError as error:
            raise SpaceBusy(f"the persona's space cannot be opened: {error.strerror}") from error
        with held(root):
            yield root

    @contextmanager
    def _opened(self, parts: Sequence[str], flags: int) -> Iterator[int]:
        with self.opened() as root:
            descriptor = self._opener.open(root, parts, flags)
        with held(descriptor):
            yield descriptor

    @contextmanager
    def _made_folder(self, parts: Sequence[str]) -> Iterator[int]:
        for depth in range(1, len(parts) + 1):
            with self._opened(parts[: depth - 1], FOLDER) as above, suppress(FileExistsError):
                os.mkdir(parts[depth - 1], 0o755, dir_fd=above)
                os.fsync(above)
        with self._opened(parts, FOLDER) as folder:
            yield folder


def parts_of(path: str) -> tuple[str, ...]:
    """Return the parts of a path below the space; raise SpaceError where it has no history."""
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    if not parts or path.startswith("/") or ".." in parts or "\0" in path:
        raise SpaceError(f"{path[:80]!r} is not a path below the space")
    if not all(_has_history(part, top=place == 0) for place, part in enumerate(parts)):
        raise SpaceError(f"{path[:80]!r} is hidden or belongs to the service: it has no history")
    return parts


def normal(path: str) -> str:
    """Return the one way to write a path: a/b.md for ./a//b.md."""
    return "/".join(parts_of(path))


def _has_history(name: str, *, top: bool) -> bool:
    return (
        not name.startswith(".")
        and name.isprintable()
        and not (top and name.casefold() == SERVICE_FOLDER)
    )


def _put_back(
    folder: int, name: str, data: bytes | None, mode: int | None, status: os.stat_result | None
) -> None:
    if data is None:
        if status is not None:
            os.unlink(name, dir_fd=folder)
            os.fsync(folder)
    elif status is None:
        _make(folder, name, data, mode)
    elif not replace(folder, name, data, status):
        raise SpaceBusy(f"`{name}` is being changed by somebody else")


def _make(folder: int, name: str, data: bytes, mode: int | None) -> None:
    temporary = f".{name}.tmp"
    create(folder, temporary, data)
    if mode is not None:
        os.chmod(temporary, stat.S_IMODE(mode) & 0o777, dir_fd=folder)
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)
        return
    os.unlink(temporary, dir_fd=folder)
    raise SpaceBusy(f"something came to stand at `{name}`")
