"""Changing the persona's space: confined as reading is, atomic, announced, within its quota."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from app.core.errors import SpaceError
from app.persona.appending import LARGEST_FILE, appended, lock, rewrite
from app.persona.client import Changes, Deadline
from app.persona.openat import FOLDER, held, is_plain_file, rename_to_new, why_not_plain
from app.persona.paths import as_space_error, changeable
from app.persona.quota import Quota
from app.persona.space import Space

Rewriting = Callable[[bytes | None], bytes | None]
Rewording = Callable[[str | None], str]
"""What makes a new text of the old one; None is no file."""


class Hands:
    """Changes files below a space; on return a change is on disk.

    A file is replaced as a whole under a lock of its folder: a kill leaves the old one or the new
    one, and of two appends both stay. Only plain files outside the service's folder are touched.
    Every change is announced before its first byte. All raise SpaceError, SpaceFull where the
    space would hold too much, and what the deadline and the announcement raise.
    """

    def __init__(self, space: Space, quota: Quota) -> None:
        self._space = space
        self._quota = quota

    def append_text(
        self,
        path: str,
        text: str,
        deadline: Deadline,
        changes: Changes,
        *,
        unless: str | None = None,
    ) -> bool:
        """Append to a file after an empty line, and make it and its folders if need be.

        Nothing is written, and False returned, where the file already holds the text `unless`.
        """
        data = text.encode("utf-8", "replace")

        def change(old: bytes | None) -> bytes | None:
            is_there = unless is not None and unless.encode() in (old or b"")
            return None if is_there else appended(old, data)

        with self._made(path, len(data), changes) as (folder, name):
            return self._rewrite(folder, name, path, change, deadline, changes)

    def write_text(self, path: str, text: str, deadline: Deadline, changes: Changes) -> None:
        """Let a file hold just this text, and make it and its folders if need be."""
        data = text.encode("utf-8", "replace")
        with self._made(path, len(data), changes) as (folder, name):
            self._rewrite(folder, name, path, lambda _: data, deadline, changes)

    def change_text(
        self, path: str, change: Rewording, deadline: Deadline, changes: Changes
    ) -> None:
        """Let a file hold what `change` makes of its text, with damaged UTF-8 replaced.

        It is made, and its folders, if need be. `change` is asked again if somebody writes
        meanwhile.
        """

        def changed(old: bytes | None) -> bytes:
            text = old.decode("utf-8", "replace") if old is not None else None
            return change(text).encode("utf-8", "replace")

        with self._made(path, 0, changes) as (folder, name):
            self._rewrite(folder, name, path, changed, deadline, changes)

    def edit_text(
        self, path: str, old: str, new: str, deadline: Deadline, changes: Changes
    ) -> None:
        """Put `new` in the place of `old`, which must stand in the file exactly once."""
        wanted, instead = (text.encode("utf-8", "replace") for text in (old, new))

        def change(content: bytes | None) -> bytes:
            if content is None:
                raise FileNotFoundError
            if len(content) > LARGEST_FILE:
                raise SpaceError(f"`{path}` is larger than {LARGEST_FILE} bytes")
            return _replaced_once(content, wanted, instead, path)

        parts = changeable(path)
        with as_space_error(path), self._space.opened(parts[:-1], FOLDER) as folder:
            self._rewrite(folder, parts[-1], path, change, deadline, changes)

    def delete(self, path: str, deadline: Deadline, changes: Changes) -> None:
        """Remove a file."""
        parts = changeable(path)
        with as_space_error(path), self._space.opened(parts[:-1], FOLDER) as folder:
            lock(folder, deadline)
            size = _size_of_plain(folder, parts[-1], path)
            changes.announce(["/".join(parts)])
            os.unlink(parts[-1], dir_fd=folder)
            os.fsync(folder)
            self._quota.take(-size, -1)

    def move(self, source: str, target: str, deadline: Deadline, changes: Changes) -> None:
        """Give a file another path, where nothing may stand yet; make its folders if need be."""
        old_parts, new_parts = changeable(source), changeable(target)
        if not self._space.exists(source):
            with as_space_error(source):
                raise FileNotFoundError
        with (
            self._made(target, 0, changes) as (new, new_name),
            as_space_error(source),
            self._space.opened(old_parts[:-1], FOLDER) as old,
        ):
            for folder in _apart(old, new):
                lock(folder, deadline)
            _size_of_plain(old, old_parts[-1], source)
            changes.announce(["/".join(old_parts), "/".join(new_parts)])
            with as_space_error(target):
                rename_to_new(old, old_parts[-1], new, new_name)
            os.fsync(new)
            os.fsync(old)

    def _rewrite(
        self,
        folder: int,
        name: str,
        path: str,
        change: Rewriting,
        deadline: Deadline,
        changes: Changes,
    ) -> bool:
        def before(growth: int, is_new: bool) -> None:
            self._quota.take(growth, int(is_new))
            announce()

        def announce() -> None:
            changes.announce(["/".join(changeable(path))])

        lock(folder, deadline)
        return rewrite(folder, name, change, before, last=announce)

    @contextmanager
    def _made(self, path: str, size: int, changes: Changes) -> Iterator[tuple[int, str]]:
        """Open the folder of a file that may be new, make it if need be; give the file's name."""
        *names, name = changeable(path)

        def prepare() -> None:
            # of what is refused or forbidden not even an empty folder is to remain
            self._quota.check(size, 2)
            changes.announce(["/".join([*names, name])])
            self._quota.take(0, 1)

        with as_space_error(path):
            with self._space.opened((), FOLDER) as root:
                folder = os.dup(root)
            for part in names:
                with held(folder):
                    child = self._child(folder, part, prepare)
                folder = child
            with held(folder):
                yield folder, name

    def _child(self, folder: int, part: str, prepare: Callable[[], None]) -> int:
        try:
            return self._space.opener.open(folder, (part,), FOLDER)
        except FileNotFoundError:
            prepare()
            with suppress(FileExistsError):
                os.mkdir(part, 0o755, dir_fd=folder)
            os.fsync(folder)
            return self._space.opener.open(folder, (part,), FOLDER)


def _apart(one: int, other: int) -> list[int]:
    """Return the folders in the order in which everybody locks them, only one if it is one."""
    keys = {(os.fstat(folder).st_dev, os.fstat(folder).st_ino): folder for folder in (one, other)}
    return [keys[key] for key in sorted(keys)]


def _size_of_plain(folder: int, name: str, path: str) -> int:
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if not is_plain_file(status):
        raise SpaceError(f"`{path}` {why_not_plain(status)}")
    return status.st_size


def _replaced_once(content: bytes, old: bytes, new: bytes, path: str) -> bytes:
    at = content.find(old) if old else -1
    if at < 0 and old and old.replace(b"\n", b"\r\n") in content:
        raise SpaceError(f"`{path}` has Windows line ends; give a part of one line as the old text")
    if at < 0:
        raise SpaceError(f"the old text does not stand in `{path}`; read the file and copy it")
    if content.find(old, at + 1) >= 0:
        raise SpaceError(f"the old text stands more than once in `{path}`; give more around it")
    return content[:at] + new + content[at + len(old) :]
