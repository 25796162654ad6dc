"""The confined view of the persona's space: its own files, and no way out of them."""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import structlog

from app.core.errors import SpaceError
from app.persona.appending import create
from app.persona.errors import NoSuchFile
from app.persona.openat import (
    FILE,
    FOLDER,
    Opener,
    Walk,
    best_opener,
    held,
    is_plain_file,
    read_bytes,
    why_not_plain,
)
from app.persona.paths import DEEPEST, as_space_error, folder_of, is_listed, is_visible, parts_of

log = structlog.get_logger(__name__)

MOST_ENTRIES = 5_000
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
    """Reads files below `root`; raises SpaceError for whatever is not one.

    Paths are relative, with `/`. Only regular files with a single name count: no link of either
    kind, no folder, pipe or device, and nothing hidden.
    """

    def __init__(self, root: Path, opener: Opener | None = None) -> None:
        self.root = root
        self.opener = opener or best_opener()

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

    def read_end(self, path: str, most_bytes: int) -> str:
        """Return the last `most_bytes` of a file as text; raise as `read_text` does."""
        with self._file(path) as descriptor:
            size = os.fstat(descriptor).st_size
            os.lseek(descriptor, max(size - most_bytes, 0), os.SEEK_SET)
            return read_bytes(descriptor, most_bytes).decode("utf-8", "replace")

    def file(self, path: str) -> SpaceFile:
        """Return what the system says of a file; raise as `read_text` does."""
        with self._file(path) as descriptor:
            return space_file(parts_of(path), os.fstat(descriptor))

    def listing(self, directory: str = ".", most: int = MOST_ENTRIES) -> Listing:
        """Return what can be used of what is in a folder, the service's own too; at most so much.

        Raises NoSuchFile where nothing is there, SpaceError where it is no folder.
        """
        parts = folder_of(directory)
        with as_space_error(directory), self.opened(parts, FOLDER) as folder:
            listed = (entry for entry in status_of_entries(folder) if is_listed(entry[0]))
            found = sorted(islice(listed, MOST_ENTRIES + 1))
        shown = found[:most]
        return Listing(
            folders=[space_file((*parts, n), status) for n, status in shown if _is_folder(status)],
            files=[space_file((*parts, n), status) for n, status in shown if is_plain_file(status)],
            complete=len(shown) == len(found),
        )

    def survey(self) -> Survey:
        """Look at the files of the space: at most 5,000 entries, eight folders deep."""
        found: list[SpaceFile] = []
        folders: list[tuple[str, ...]] = [()]
        left, complete = MOST_ENTRIES, True
        while folders:
            parts = folders.pop()
            entries = self._visible(parts, left + 1) if len(parts) <= DEEPEST else None
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

    @contextmanager
    def opened(self, parts: Sequence[str], flags: int) -> Iterator[int]:
        """Open what these names lead to, links refused; raise OSError, or SpaceError for no space.

        No names mean the space itself.
        """
        try:
            root = os.open(self.root, _ROOT)
        except OSError as error:
            raise SpaceError(f"the persona's space cannot be opened: {error.strerror}") from error
        with held(root):
            descriptor = self.opener.open(root, parts, flags)
        with held(descriptor):
            yield descriptor

    def _visible(
        self, parts: tuple[str, ...], most: int
    ) -> Sequence[tuple[str, os.stat_result]] | None:
        try:
            with self.opened(parts, FOLDER) as folder:
                entries = status_of_entries(folder)
                return list(islice((e for e in entries if is_visible(e[0], top=not parts)), most))
        except OSError as error:
            # not ours to read, or gone, or a link since the folder above was read
            log.debug("space.skipped", path="/".join(parts), error=str(error))
            return None

    @contextmanager
    def _file(self, path: str) -> Iterator[int]:
        with as_space_error(path), self.opened(parts_of(path), FILE) as descriptor:
            status = os.fstat(descriptor)
            if not is_plain_file(status):
                raise SpaceError(f"`{path}` {why_not_plain(status)}")
            yield descriptor


def _is_folder(status: os.stat_result) -> bool:
    return stat.S_ISDIR(status.st_mode)


def status_of_entries(folder: int) -> Iterator[tuple[str, os.stat_result]]:
    """Go through what is in a folder; what vanishes meanwhile is passed over."""
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                yield entry.name, entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue


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


def restore_readme(root: Path, folder: str) -> None:
    """Write the README.md of a folder of a new space where it is gone; what stands there stays.

    Raises SpaceError where it cannot be written.
    """
    parts = folder.split("/")
    try:
        with held(os.open(root, _ROOT)) as space, held(Walk().open(space, parts, FOLDER)) as opened:
            _write_readme(opened, parts)
    except FileExistsError:
        pass
    except OSError as error:
        raise SpaceError(f"`{folder}/README.md` cannot be written: {error}") from error


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
            _write_readme(folder, parts)


def _write_readme(folder: int, parts: Sequence[str]) -> None:
    create(folder, "README.md", _SKELETON.joinpath(*parts, "README.md").read_bytes())
