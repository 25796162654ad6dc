"""What others may see of a persona: its files, what it can do, how it feels."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.core.errors import SpaceError
from app.persona.errors import NoSuchFile
from app.persona.paths import DEEPEST
from app.persona.space import MOST_ENTRIES, Listing, Space

MOST_SHOWN = 1024 * 1024
"""Bytes of a file that are shown."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The text of a file; not `complete` where the file is longer than what is shown."""

    content: str
    complete: bool


class Window:
    """Shows the persona's space and state, and changes nothing.

    `capabilities` says in words what the persona can do; `mood` gives its present emotional state,
    None where it has none. Whatever is no file or folder of the space raises NoSuchFile, whether it
    is missing or refused; SpaceError means that there is no space.
    """

    def __init__(
        self,
        space: Space,
        *,
        capabilities: Callable[[], str] = lambda: "",
        mood: Callable[[], Mapping[str, Any] | None] = lambda: None,
    ) -> None:
        self._space = space
        self.capabilities = capabilities
        self.mood = mood

    @property
    def name(self) -> str:
        """The name of the space's folder, without its place on this machine."""
        return self._space.root.name

    def file(self, path: str) -> Shown:
        """Return at most the first MiB of a file as text."""
        self._check()
        try:
            size = self._space.file(path).size
            content = self._space.read_text(path, MOST_SHOWN)
        except SpaceError as error:
            raise _missing(error) from error
        return Shown(content=content, complete=size <= MOST_SHOWN)

    def listing(self, directory: str) -> Listing:
        """Return what a folder holds."""
        self._check()
        try:
            return self._space.listing(directory)
        except SpaceError as error:
            raise _missing(error) from error

    def tree(self) -> dict[str, Any]:
        """Return the whole space: `{"notes/": {"today.md": "file"}}`, at most 5,000 names and eight
        folders deep; a folder that cannot be looked into is empty."""
        self._check()
        top: dict[str, Any] = {}
        folders, left = [("", top)], MOST_ENTRIES
        while folders and left > 0:
            path, inside = folders.pop(0)
            found = self._look_into(path)
            for folder in found.folders[:left]:
                below: dict[str, Any] = {}
                inside[f"{_last(folder.path)}/"] = below
                if folder.path.count("/") < DEEPEST - 1:
                    folders.append((folder.path, below))
            left -= len(found.folders)
            inside.update({_last(file.path): "file" for file in found.files[: max(left, 0)]})
            left -= len(found.files)
        return top

    def _look_into(self, path: str) -> Listing:
        try:
            return self._space.listing(path)
        except SpaceError:
            # gone since the folder above was read, or not ours to read
            return Listing(folders=(), files=(), complete=False)

    def _check(self) -> None:
        if (problem := self._space.problem()) is not None:
            raise SpaceError(problem)


def _missing(error: SpaceError) -> NoSuchFile:
    return error if isinstance(error, NoSuchFile) else NoSuchFile(error.detail)


def _last(path: str) -> str:
    return path.rpartition("/")[2]
