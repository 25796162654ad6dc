"""Which paths name a file of the space, and which of them may be changed. Pure."""

import errno
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase

from app.core.errors import SpaceError
from app.persona.errors import NoSuchFile

SERVICE_FOLDER = "tasks"
"""Belongs to the service: definitions and results. It may be read, and nothing else."""

DEEPEST = 8
_LONGEST_PATH = 1_000


def parts_of(path: str) -> tuple[str, ...]:
    """Return the names that lead to a file below the space; raise SpaceError where it is no such.

    Whether links lie on the way is not known here.
    """
    parts = _names(path)
    if not parts or path.endswith("/"):
        raise SpaceError(f"{path[:80]!r} is not a path of a file such as notes/today.md")
    return parts


def folder_of(path: str) -> tuple[str, ...]:
    """Return the names that lead to a folder, none for the space itself; raise SpaceError."""
    return _names(path)


def changeable(path: str) -> tuple[str, ...]:
    """Return the names that lead to a file that may be written; raise SpaceError where not."""
    parts = parts_of(path)
    if is_service(parts[0]):
        raise SpaceError(f"`{SERVICE_FOLDER}/` belongs to the service; write elsewhere")
    if len(parts) > DEEPEST + 1:
        raise SpaceError(f"{path[:80]!r} lies too deep; at most {DEEPEST} folders, one in another")
    if any(part.strip() != part or part.endswith(".") for part in parts):
        raise SpaceError(f"{path[:80]!r}: a name must not end with a dot, or begin or end blank")
    if any(_looks_like_a_way(unicodedata.normalize("NFKC", part)) for part in parts):
        raise SpaceError(f"{path[:80]!r}: a name must not look like another path")
    return parts


def is_visible(name: str, *, top: bool) -> bool:
    """Say whether a name in a folder counts; `top` where that folder is the space itself."""
    return is_listed(name) and not (top and is_service(name))


def is_listed(name: str) -> bool:
    """Say whether a name can be given as part of a path."""
    return not name.startswith(".") and name.isprintable() and "\\" not in name


def is_service(name: str) -> bool:
    """Say whether some file system may take the name for that of the service's folder."""
    return unicodedata.normalize("NFKC", name).casefold().rstrip(". ") == SERVICE_FOLDER


def _looks_like_a_way(name: str) -> bool:
    return name.startswith(".") or "/" in name or "\\" in name


def matches(parts: Sequence[str], patterns: Sequence[str]) -> bool:
    """Say whether a path fits one of the patterns, whose `*` stands for anything but `/`."""
    return any(_fits(parts, pattern.casefold().split("/")) for pattern in patterns)


def _fits(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    return len(parts) == len(pattern) and all(
        fnmatchcase(part.casefold(), wanted) for part, wanted in zip(parts, pattern, strict=True)
    )


def _names(path: str) -> tuple[str, ...]:
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    if path.startswith("/") or ".." in parts:
        raise SpaceError(f"{path[:80]!r} leads out of the space; give a path below it")
    if not path.isprintable() or "\\" in path or len(path.encode()) > _LONGEST_PATH:
        raise SpaceError(f"{path[:80]!r} is not a path such as notes/today.md")
    if any(part.startswith(".") for part in parts):
        raise SpaceError(f"{path[:80]!r} is hidden; hidden files are not used")
    return parts


@contextmanager
def as_space_error(path: str) -> Iterator[None]:
    """Raise what the system says of a path as NoSuchFile or SpaceError, in words."""
    try:
        yield
    except FileNotFoundError as error:
        raise NoSuchFile(f"there is no `{path}` in the space") from error
    except FileExistsError as error:
        raise SpaceError(f"`{path}` exists already") from error
    except OSError as error:
        if error.errno == errno.ELOOP:  # no link is ever followed, so there is no loop
            raise SpaceError(f"`{path}` is a symbolic link, or lies behind one") from error
        raise SpaceError(f"`{path}` cannot be used: {error.strerror or error}") from error
