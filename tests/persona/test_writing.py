"""Changes of the space: whole, kept apart from one another, and within what it may hold."""

import fcntl
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from app.core.clock import FakeClock
from app.core.errors import SpaceError
from app.persona.appending import LARGEST_FILE
from app.persona.client import Unrecorded
from app.persona.errors import NoSuchFile, PersonaTimeout, SpaceFull
from app.persona.openat import FOLDER, held, rename_to_new
from app.persona.quota import measured, walk
from app.persona.space import Space
from app.persona.writing import Hands
from tests.persona.given import NOW, a_deadline, a_real_deadline, hands_on, put
from tests.persona.treachery import names

NOBODY = Unrecorded()


@pytest.fixture
def space(tmp_path: Path) -> Space:
    root = tmp_path / "space"
    put(root, "scratch/notes.md", "mine\n")
    return Space(root)


@pytest.fixture
def hands(space: Space) -> Hands:
    return hands_on(space)


def test_a_change_keeps_the_mode_of_a_file_and_leaves_nothing_beside_it(
    space: Space, hands: Hands
) -> None:
    file = space.root / "scratch/notes.md"
    file.chmod(0o640)
    hands.write_text("scratch/notes.md", "new\n", a_deadline(), NOBODY)
    hands.edit_text("scratch/notes.md", "new", "newer", a_deadline(), NOBODY)
    assert file.read_text() == "newer\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert names(file.parent) == ["notes.md"]


def test_an_edit_leaves_bytes_that_are_no_text_as_they_are(space: Space, hands: Hands) -> None:
    file = space.root / "scratch/notes.md"
    file.write_bytes(b"\xff\x00 one \xfe\r\n")
    hands.edit_text("scratch/notes.md", "one", "zwölf", a_deadline(), NOBODY)
    assert file.read_bytes() == b"\xff\x00 zw\xc3\xb6lf \xfe\r\n"


def test_no_file_becomes_larger_than_it_may(space: Space, hands: Hands) -> None:
    large = "x" * (LARGEST_FILE + 1)
    with pytest.raises(SpaceError, match="would grow"):
        hands.write_text("large.md", large, a_deadline(), NOBODY)
    put(space.root, "large.md", large)
    with pytest.raises(SpaceError, match="larger than"):
        hands.edit_text("large.md", "x", "y", a_deadline(), NOBODY)
    hands.write_text("large.md", "small", a_deadline(), NOBODY)
    hands.delete("large.md", a_deadline(), NOBODY)
    assert names(space.root) == ["scratch"]


def test_a_lock_that_somebody_holds_keeps_every_change_back(space: Space, hands: Hands) -> None:
    path, deadline = "scratch/notes.md", partial(a_deadline, 1)
    changes: list[Callable[[], object]] = [
        lambda: hands.append_text(path, "x", deadline(), NOBODY),
        lambda: hands.write_text(path, "x", deadline(), NOBODY),
        lambda: hands.edit_text(path, "mine", "x", deadline(), NOBODY),
        lambda: hands.delete(path, deadline(), NOBODY),
        lambda: hands.move(path, "away.md", deadline(), NOBODY),
    ]
    with held(os.open(space.root / "scratch", FOLDER)) as folder:
        fcntl.flock(folder, fcntl.LOCK_EX)
        for change in changes:
            with pytest.raises(PersonaTimeout):
                change()
    with held(os.open(space.root, FOLDER)) as folder:
        fcntl.flock(folder, fcntl.LOCK_EX)
        with pytest.raises(PersonaTimeout):
            changes[-1]()
    assert (space.root / path).read_text() == "mine\n"


def test_moves_to_and_fro_do_not_wait_for_each_other_for_ever(space: Space) -> None:
    for number in range(4):
        put(space.root, f"a/{number}.md", "x")
        put(space.root, f"b/{number + 4}.md", "x")

    def work(source: str, target: str, first: int) -> None:
        for number in range(first, first + 4):
            path = f"{source}/{number}.md", f"{target}/{number}.md"
            hands_on(space).move(*path, a_real_deadline(30), NOBODY)

    threads = [threading.Thread(target=work, args=args) for args in [("a", "b", 0), ("b", "a", 4)]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names(space.root / "a") == ["4.md", "5.md", "6.md", "7.md"]
    assert names(space.root / "b") == ["0.md", "1.md", "2.md", "3.md"]


APPENDING = """
import sys, threading
from datetime import timedelta
from pathlib import Path
from app.core.clock import SystemClock
from app.persona.client import Deadline, Unrecorded
from app.persona.quota import Quota
from app.persona.space import Space
from app.persona.writing import Hands
space = Space(Path(sys.argv[1]))
hands = Hands(space, Quota(space, SystemClock()))
for number in range(40):
    deadline = Deadline(SystemClock(), timedelta(seconds=60), threading.Event())
    hands.append_text("scratch/log.md", f"{sys.argv[2]}{number}", deadline, Unrecorded())
"""


def test_two_processes_lose_no_append_while_a_third_edits(space: Space, hands: Hands) -> None:
    put(space.root, "scratch/log.md", "count 0 end")
    command = [sys.executable, "-c", APPENDING, str(space.root)]
    processes = [subprocess.Popen([*command, name]) for name in "ab"]
    for number in range(40):
        old, new = f"count {number} end", f"count {number + 1} end"
        hands.edit_text("scratch/log.md", old, new, a_real_deadline(60), NOBODY)
    assert [process.wait() for process in processes] == [0, 0]
    found = (space.root / "scratch/log.md").read_text().split("\n\n")
    assert found[0] == "count 40 end"
    assert sorted(found[1:]) == sorted(f"{name}{n}" for name in "ab" for n in range(40))


# ---- what the space may hold


def test_a_space_that_is_full_takes_no_more_but_less(space: Space) -> None:
    hands = hands_on(space, most_bytes=100)
    hands.write_text("a.md", "x" * 90, a_deadline(), NOBODY)
    with pytest.raises(SpaceFull, match="95 bytes, and 100 are the most"):
        hands.append_text("b.md", "x" * 10, a_deadline(), NOBODY)
    with pytest.raises(SpaceFull):
        hands.edit_text("scratch/notes.md", "mine", "x" * 20, a_deadline(), NOBODY)
    hands.write_text("a.md", "x" * 80, a_deadline(), NOBODY)
    hands.append_text("b.md", "x" * 10, a_deadline(), NOBODY)
    hands.delete("a.md", a_deadline(), NOBODY)
    hands.write_text("c.md", "x" * 80, a_deadline(), NOBODY)


def test_files_and_folders_count(space: Space) -> None:
    hands = hands_on(space, most_files=5)
    hands.write_text("new/a.md", "", a_deadline(), NOBODY)
    with pytest.raises(SpaceFull, match="4 files and folders, and 5 are the most"):
        hands.write_text("more/b.md", "", a_deadline(), NOBODY)
    hands.write_text("new/b.md", "", a_deadline(), NOBODY)
    with pytest.raises(SpaceFull):
        hands.write_text("new/c.md", "", a_deadline(), NOBODY)
    hands.move("new/b.md", "scratch/b.md", a_deadline(), NOBODY)
    with pytest.raises(SpaceFull):
        hands.move("new/a.md", "more/a.md", a_deadline(), NOBODY)
    assert names(space.root) == ["new", "scratch"]


def test_what_others_write_is_noticed_within_moments_and_before_a_refusal(space: Space) -> None:
    clock = FakeClock(NOW)
    hands = hands_on(space, clock, most_bytes=100)
    hands.write_text("a.md", "x" * 20, a_deadline(), NOBODY)
    put(space.root, "theirs.md", "x" * 80)
    clock.advance(timedelta(seconds=11))
    with pytest.raises(SpaceFull):
        hands.append_text("a.md", "x", a_deadline(), NOBODY)
    (space.root / "theirs.md").unlink()
    hands.append_text("a.md", "x", a_deadline(), NOBODY)


def test_hidden_files_count_and_those_of_the_service_do_not(space: Space) -> None:
    put(space.root, ".git/objects/pack", "x" * 50)
    put(space.root, "tasks/results/one.json", "x" * 500)
    usage = measured(space, 100)
    assert (usage.bytes, usage.files) == (55, 5)


def test_a_folder_that_is_too_deep_to_be_looked_into_counts_as_too_much(space: Space) -> None:
    deep = space.root
    for _ in range(102):
        deep = deep / "d"
        deep.mkdir()
    with pytest.raises(SpaceFull, match="lies too deep"):
        hands_on(space).write_text("a.md", "x", a_deadline(), NOBODY)
    hands_on(space).delete("scratch/notes.md", a_deadline(), NOBODY)


def test_a_folder_of_somebody_else_that_is_shut_is_passed_over(space: Space) -> None:
    class Shut:
        def open(self, root: int, parts: Sequence[str], flags: int) -> int:
            if tuple(parts) == ("scratch",):
                raise PermissionError(13, "not yours")
            return space.opener.open(root, parts, flags)

    shut = Space(space.root, Shut())
    assert [parts for parts, status in walk(shut) if status is None] == [("scratch",)]
    if os.geteuid() == 0:
        os.chown(space.root / "scratch", 65534, 65534)
        assert [parts for parts, status in walk(shut) if status is None] == []


# ---- names


def test_a_name_that_is_taken_is_not_taken_over(tmp_path: Path) -> None:
    put(tmp_path, "one.md", "1")
    put(tmp_path, "two.md", "2")
    with held(os.open(tmp_path, FOLDER)) as folder:
        with pytest.raises(FileExistsError):
            rename_to_new(folder, "one.md", folder, "two.md")
        rename_to_new(folder, "one.md", folder, "three.md")
    assert names(tmp_path) == ["three.md", "two.md"]


def test_nothing_is_made_on_the_way_to_what_is_not_there(space: Space, hands: Hands) -> None:
    changes: list[Callable[[], object]] = [
        lambda: hands.delete("none/a.md", a_deadline(), NOBODY),
        lambda: hands.edit_text("none/a.md", "a", "b", a_deadline(), NOBODY),
        lambda: hands.move("none/a.md", "new/a.md", a_deadline(), NOBODY),
    ]
    for change in changes:
        with pytest.raises(NoSuchFile):
            change()
    assert names(space.root) == ["scratch"]
