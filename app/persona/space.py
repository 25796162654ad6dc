"""The confined view of the persona's space: its own files, and no way out of them."""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import structlog

from app.core.errors import NoSuchFile, SpaceError
from app.persona.appending import append, create, lock
from app.persona.client import Deadline
from app.persona.openat import (
    FILE,
    FOLDER,
    Opener,
    Walk,
    best_opener,
    held,
    is_plain_file,
    read_bytes,
)

log = structlog.get_logger(__name__)

SERVICE_FOLDER = "tasks"
"""Belongs to the service: definitions and results; nothing is appended there."""

MOST_ENTRIES = 5_000
DEEPEST = 8
_LONGEST_PATH = 1_000
_ROOT = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_SKELETON = Path(__file__).parent / "skeleton"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class SpaceFile:
    """A regular file of the space; the path is relative to it."""

    path: str
    size: int
    modified: datetime


@dataclass(frozen=True, kw_only=True)
class Survey:
    """The files of the space, newest first; not `complete` where some were not looked at.

    Hidden files, links and the service's own folder are left out, and so is every README.md: it
    explains its folder and says nothing about the persona.
    """

    files: Sequence[SpaceFile]
    complete: bool

    def changed_since(self, instant: datetime) -> list[SpaceFile]:
        """Return the files written after the instant."""
        return [file for file in self.files if file.modified > instant]

    def notes(self) -> list[SpaceFile]:
        """Return the Markdown files."""
        return [file for file in self.files if file.path.endswith(".md")]


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What one folder of the space holds, by name; not `complete` where it holds too much.

    Links, pipes and hidden names are left out; the service's own folder is listed like any other.
    """

    folders: Sequence[SpaceFile]
    files: Sequence[SpaceFile]
    complete: bool


class Space:
    """Reads and appends to files below `root`; raises SpaceError for whatever is not one.

    Paths are relative, with `/`. Only regular files with a single name count: no link of either
    kind, no folder, pipe or device, and nothing hidden.
    """

    def __init__(self, root: Path, opener: Opener | None = None) -> None:
        self.root = root
        self._opener = opener or best_opener()

    def problem(self) -> str | None:
        """Say why the space cannot be used at all; None where it can."""
        if self.root.is_dir():
            return None
        return "the folder of the persona's space does not exist"

    def exists(self, path: str) -> bool:
        """Say whether there is such a file; raise SpaceError where something else stands there."""
        try:
            with self._file(path):
                return True
        except NoSuchFile:
            return False

    def read_text(self, path: str, most_bytes: int) -> str:
        """Return the text of a file, at most its first `most_bytes`; damaged UTF-8 is replaced.

        Raises NoSuchFile where nothing is there, SpaceError where it is no file of the space.
        """
        with self._file(path) as descriptor:
            return read_bytes(descriptor, most_bytes).decode("utf-8", "replace")

    def file(self, path: str) -> SpaceFile:
        """Return what the system says of a file; raise as `read_text` does."""
        with self._file(path) as descriptor:
            return space_file(_parts(path), os.fstat(descriptor))

    def listing(self, directory: str = ".") -> Listing:
        """Return what a folder holds, of its first 5,000 entries; `.` is the space itself.

        Raises NoSuchFile where there is no such folder, SpaceError where it is none of the space.
        """
        parts = () if directory in ("", ".", "./") else _parts(directory)
        with _as_space_error(directory), self._opened(parts, FOLDER) as folder:
            with os.scandir(folder) as entries:
                seen = list(islice(entries, MOST_ENTRIES + 1))
            listed = sorted((e for e in seen[:MOST_ENTRIES] if _is_shown(e.name)), key=_name)
            known = [((*parts, name), status) for e in listed for name, status in _status(e)]
        return Listing(
            folders=[space_file(path, s) for path, s in known if stat.S_ISDIR(s.st_mode)],
            files=[space_file(path, s) for path, s in known if is_plain_file(s)],
            complete=len(seen) <= MOST_ENTRIES,
        )

    def append_text(
        self, path: str, text: str, deadline: Deadline, *, unless: str | None = None
    ) -> bool:
        """Append to a file after an empty line, and make it if need be; on return it is on disk.

        Nothing is written, and False returned, where the file already holds the text `unless`. The
        file is replaced as a whole under a lock of its folder: a kill leaves the old one or the
        new one, and of two appends both stay. Raises SpaceError, and what the deadline raises.
        """
        parts = _parts(path)
        if parts[0].casefold() == SERVICE_FOLDER:
            raise SpaceError(f"`{SERVICE_FOLDER}/` belongs to the service; write elsewhere")
        with _as_space_error(path), self._made_folder(parts[:-1]) as folder:
            lock(folder, deadline)
            return append(folder, parts[-1], text.encode("utf-8", "replace"), unless)

    def survey(self) -> Survey:
        """Look at the files of the space: at most 5,000 entries, eight folders deep."""
        found: list[SpaceFile] = []
        folders: list[tuple[str, ...]] = [()]
        left, complete = MOST_ENTRIES, True
        while folders:
            parts = folders.pop()
            entries = self._entries(parts, left + 1) if len(parts) <= DEEPEST else None
            if entries is None or len(entries) > left:
                complete = False
            for name, status in (entries or ())[:left]:
                left -= 1
                if stat.S_ISDIR(status.st_mode):
                    folders.append((*parts, name))
                elif is_plain_file(status) and name != "README.md":
                    found.append(space_file((*parts, name), status))
        found.sort(key=lambda file: (file.modified, file.path), reverse=True)
        return Survey(files=found, complete=complete)

    def _entries(
        self, parts: tuple[str, ...], most: int
    ) -> Sequence[tuple[str, os.stat_result]] | None:
        try:
            with self._opened(parts, FOLDER) as folder, os.scandir(folder) as entries:
                visible = (e for e in entries if _is_visible(e.name, top=not parts))
                return [found for entry in islice(visible, most) for found in _status(entry)]
        except OSError as error:
            # not ours to read, or gone, or a link since the folder above was read
            log.debug("space.skipped", path="/".join(parts), error=str(error))
            return None

    @contextmanager
    def _file(self, path: str) -> Iterator[int]:
        with _as_space_error(path), self._opened(_parts(path), FILE) as descriptor:
            if not is_plain_file(os.fstat(descriptor)):
                raise SpaceError(f"`{path}` is not a regular file with a single name")
            yield descriptor

    @contextmanager
    def _opened(self, parts: Sequence[str], flags: int) -> Iterator[int]:
        with self._root() as root:
            descriptor = self._opener.open(root, parts, flags)
        with held(descriptor):
            yield descriptor

    @contextmanager
    def _root(self) -> Iterator[int]:
        try:
            root = os.open(self.root, _ROOT)
        except OSError as error:
            raise SpaceError(f"the persona's space cannot be opened: {error.strerror}") from error
        with held(root):
            yield root

    @contextmanager
    def _made_folder(self, parts: Sequence[str]) -> Iterator[int]:
        with self._root() as root:
            folder = self._opener.open(root, (), FOLDER)
        for part in parts:
            with held(folder):
                child = self._child(folder, part)
            folder = child
        with held(folder):
            yield folder

    def _child(self, folder: int, part: str) -> int:
        try:
            return self._opener.open(folder, (part,), FOLDER)
        except FileNotFoundError:
            with suppress(FileExistsError):
                os.mkdir(part, 0o755, dir_fd=folder)
            os.fsync(folder)
            return self._opener.open(folder, (part,), FOLDER)


def _parts(path: str) -> tuple[str, ...]:
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    if path.startswith("/") or ".." in parts:
        raise SpaceError(f"{path[:80]!r} leads out of the space; give a path below it")
    if not parts or not path.isprintable() or "\\" in path or len(path.encode()) > _LONGEST_PATH:
        raise SpaceError(f"{path[:80]!r} is not a path such as notes/today.md")
    if any(part.startswith(".") for part in parts):
        raise SpaceError(f"{path[:80]!r} is hidden; hidden files are not used")
    return parts


@contextmanager
def _as_space_error(path: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise NoSuchFile(f"there is no file `{path}` in the space") from error
    except OSError as error:
        raise SpaceError(f"`{path}` cannot be used: {error.strerror or error}") from error


def _is_visible(name: str, *, top: bool) -> bool:
    return _is_shown(name) and not (top and name.casefold() == SERVICE_FOLDER)


def _is_shown(name: str) -> bool:
    return not name.startswith(".") and name.isprintable()


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name


def _status(entry: os.DirEntry[str]) -> list[tuple[str, os.stat_result]]:
    try:
        return [(entry.name, entry.stat(follow_symlinks=False))]
    except FileNotFoundError:
        return []


def space_file(parts: Sequence[str], status: os.stat_result) -> SpaceFile:
    """Make the value of what the system says of a file."""
    try:
        modified = datetime.fromtimestamp(status.st_mtime, UTC)
    except (ValueError, OverflowError, OSError):
        modified = _EPOCH  # anyone may set a file's time to a year that no calendar has
    return SpaceFile(path="/".join(parts), size=status.st_size, modified=modified)


def ensure_space(root: Path) -> None:
    """Make the folders that the space lacks, each with the README.md that says what belongs there.

    Nothing that exists is touched. Raises SpaceError where a folder cannot be made.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        with held(os.open(root, _ROOT)) as space:
            for folder in skeleton_folders():
                _make_folder(space, [part for part in folder.split("/") if part])
    except OSError as error:
        raise SpaceError(f"the persona's space cannot be made in {root}: {error}") from error


def skeleton_folders() -> list[str]:
    """Return the folders of a new space, outer ones first; `""` is the space itself."""
    found = [path.parent.relative_to(_SKELETON) for path in _SKELETON.rglob("README.md")]
    return sorted("" if path == Path() else path.as_posix() for path in found)


def _make_folder(space: int, parts: Sequence[str]) -> None:
    walk = Walk()
    if parts:
        with held(walk.open(space, parts[:-1], FOLDER)) as parent:
            try:
                os.mkdir(parts[-1], 0o755, dir_fd=parent)
            except FileExistsError:
                return
    with held(walk.open(space, parts, FOLDER)) as folder:
        if not os.listdir(folder):  # noqa: PTH208  a descriptor, not a path
            create(folder, "README.md", _SKELETON.joinpath(*parts, "README.md").read_bytes())
