"""No path leaves the space, and no append loses anything."""

import fcntl
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core.clock import FakeClock
from app.core.errors import SpaceError
from app.persona.appending import LARGEST_FILE, create, replace
from app.persona.client import Deadline, Unrecorded
from app.persona.errors import NoSuchFile, PersonaTimeout
from app.persona.openat import FOLDER, Openat2, Opener, Walk, best_opener, held
from app.persona.paths import DEEPEST
from app.persona.space import (
    MOST_ENTRIES,
    Space,
    SpaceFile,
    ensure_space,
    restore_readme,
    skeleton_folders,
    space_file,
)
from tests.persona.given import NOW, a_deadline, a_real_deadline, hands_on, put
from tests.persona.treachery import SECRET, TRAPS, everything, names, plant, swapping

SKELETON = Path(__file__).parents[2] / "app" / "persona" / "skeleton"


def append(space: Space, path: str, text: str, deadline: Deadline, **more: Any) -> bool:
    return hands_on(space).append_text(path, text, deadline, Unrecorded(), **more)


@pytest.fixture(params=["kernel", "walk"])
def opener(request: pytest.FixtureRequest) -> Opener:
    return Walk() if request.param == "walk" else best_opener()


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret.md").write_text(SECRET)
    return folder


@pytest.fixture
def space(tmp_path: Path, outside: Path, opener: Opener) -> Space:
    root = tmp_path / "space"
    ensure_space(root)
    put(root, "scratch/notes.md", "mine\n")
    return Space(root, opener)


def test_a_new_kernel_resolves_paths_itself() -> None:
    release = tuple(int(part) for part in os.uname().release.split(".")[:2])
    expected = Openat2 if sys.platform == "linux" and release >= (5, 6) else Walk
    assert isinstance(best_opener(), expected)


def test_a_file_of_the_space_is_read_up_to_a_size(space: Space) -> None:
    assert space.exists("scratch/notes.md")
    assert space.read_text("scratch/notes.md", 100) == "mine\n"
    assert space.read_text("./scratch//notes.md", 2) == "mi"
    put(space.root, "scratch/odd.md", "")
    (space.root / "scratch" / "odd.md").write_bytes(b"a\xffb")
    assert space.read_text("scratch/odd.md", 100) == "a\ufffdb"


def test_of_a_file_the_end_is_read_up_to_a_size(space: Space) -> None:
    assert space.read_end("scratch/notes.md", 100) == "mine\n"
    assert space.read_end("scratch/notes.md", 3) == "ne\n"


def test_a_file_that_is_not_there_has_its_own_error(space: Space) -> None:
    assert not space.exists("scratch/other.md")
    assert not space.exists("nowhere/at/all.md")
    with pytest.raises(NoSuchFile):
        space.read_text("scratch/other.md", 100)


BAD_PATHS = [
    "",
    ".",
    "..",
    "/",
    "//",
    "/etc/passwd",
    "//etc/passwd",
    "../outside/secret.md",
    "scratch/../../outside/secret.md",
    "scratch/../scratch/notes.md",
    "./../outside/secret.md",
    "scratch/..",
    "scratch/../..",
    "a/b/c/../../../../outside/secret.md",
    "..\\outside\\secret.md",
    "scratch\\notes.md",
    "C:\\notes.md",
    "scratch/notes.md\x00",
    "scratch/notes.md\x00.md",
    "scratch/no\ntes.md",
    "scratch/\x1b[2Jnotes.md",
    "scratch/notes\u202e.md",
    "scratch/notes\u2028.md",
    "scratch/\ud800.md",
    ".hidden.md",
    "scratch/.hidden/notes.md",
    "...",
    "scratch/...",
    "scratch",
    "scratch/",
    "scratch/notes.md/more.md",
    "~/../../etc/passwd",
    "a" * 300 + ".md",
    "a/" * 600 + "a.md",
]


@pytest.mark.parametrize("path", BAD_PATHS)
def test_a_path_that_is_not_simply_a_file_below_is_refused(
    space: Space, outside: Path, path: str
) -> None:
    before = everything(space.root.parent)
    with pytest.raises(SpaceError):
        space.read_text(path, 100)
    if path not in ("~/../../etc/passwd",):
        with pytest.raises(SpaceError):
            append(space, path, "x", a_deadline())
    assert everything(space.root.parent) == before


@pytest.mark.parametrize("path", ["..", "../x.md", "a/../../x.md", "/x.md", "a/../x.md"])
def test_a_path_that_leads_upwards_is_told_so(space: Space, path: str) -> None:
    with pytest.raises(SpaceError, match="leads out of the space"):
        space.read_text(path, 100)


@pytest.mark.parametrize("trap", TRAPS)
def test_what_is_no_plain_file_is_neither_read_nor_written_nor_waited_for(
    space: Space, outside: Path, trap: str
) -> None:
    path = plant(space.root, outside, trap)
    before = everything(space.root.parent)
    with pytest.raises(SpaceError) as caught:
        space.read_text(path, 100)
    assert not isinstance(caught.value, NoSuchFile)
    with pytest.raises(SpaceError):
        space.exists(path)
    with pytest.raises(SpaceError) as caught:
        append(space, path, "x", a_deadline())
    assert "all the time" not in caught.value.detail, "it must be refused before it is read"
    assert everything(space.root.parent) == before
    assert path not in [file.path for file in space.survey().files]


def test_new_folders_are_not_made_through_a_link(space: Space, outside: Path) -> None:
    (space.root / "scratch" / "door").symlink_to(outside)
    with pytest.raises(SpaceError):
        append(space, "scratch/door/new/notes.md", "x", a_deadline())
    assert not (outside / "new").exists()


def test_a_device_in_the_space_is_refused(space: Space) -> None:
    try:
        os.mknod(space.root / "zero.md", 0o600 | stat.S_IFCHR, os.makedev(1, 5))
    except PermissionError:
        return  # only the administrator can put one there at all
    with pytest.raises(SpaceError):
        space.read_text("zero.md", 100)


@pytest.mark.parametrize(
    "path", ["tasks/tasks.json", "tasks/x.md", "Tasks/x.md", "./tasks//x/y.md"]
)
def test_the_folder_of_the_service_is_not_written(space: Space, path: str) -> None:
    with pytest.raises(SpaceError, match="belongs to the service"):
        append(space, path, "x", a_deadline())
    assert names(space.root / "tasks") == ["README.md", "results"]


def test_a_space_that_is_gone_is_a_problem_and_not_a_missing_file(space: Space) -> None:
    assert space.problem() is None
    lost = Space(space.root / "nowhere", Walk())
    assert lost.problem() is not None
    with pytest.raises(SpaceError) as caught:
        lost.exists("notes.md")
    assert not isinstance(caught.value, NoSuchFile)


def a_door(space: Space) -> Path:
    put(space.root, "door/secret.md", "harmless")
    return space.root / "door"


def test_a_race_with_a_folder_that_becomes_a_link_never_leads_out(
    space: Space, outside: Path
) -> None:
    read = refused = 0
    with swapping(a_door(space), outside):
        while read + refused < 10_000 or (not (read and refused) and read + refused < 100_000):
            try:
                assert space.read_text("door/secret.md", 100) == "harmless"
                read += 1
            except SpaceError:
                refused += 1
    assert read, "the race must sometimes find the folder"
    assert refused, "and sometimes the link"


def test_a_race_of_an_append_never_writes_outside(space: Space, outside: Path) -> None:
    written = tries = 0
    with swapping(a_door(space), outside):
        while (tries < 300 or not written) and tries < 10_000:
            tries += 1
            try:
                written += append(space, "door/new.md", "x\n", a_real_deadline(5))
            except SpaceError:
                continue
    assert 0 < written < tries
    assert names(outside) == ["secret.md"]
    assert (outside / "secret.md").read_text() == SECRET


def test_a_survey_lists_files_newest_first_without_links_hidden_files_and_the_service(
    space: Space, outside: Path
) -> None:
    put(space.root, "meta/goals.md", "- [ ] one", timedelta(hours=3))
    put(space.root, "scratch/deep/er/picture.png", "png", timedelta(hours=2))
    put(space.root, "scratch/.secret/notes.md", "hidden")
    put(space.root, "scratch/.notes.md.tmp", "hidden")
    put(space.root, "scratch/bad\nname.md", "control")
    put(space.root, "tasks/results/one.json", "{}")
    (space.root / "scratch" / "door").symlink_to(outside)
    survey = space.survey()
    assert survey.complete
    assert [file.path for file in survey.files] == [
        "scratch/notes.md",
        "scratch/deep/er/picture.png",
        "meta/goals.md",
    ]
    assert survey.files[0].size == 5
    assert survey.files[0].modified == NOW - timedelta(hours=1)
    assert [file.path for file in survey.notes()] == ["scratch/notes.md", "meta/goals.md"]
    since = NOW - timedelta(hours=2)
    assert [file.path for file in survey.changed_since(since)] == ["scratch/notes.md"]


def test_a_survey_says_where_it_could_not_look(space: Space) -> None:
    class Forbidding:
        def open(self, root: int, parts: Sequence[str], flags: int) -> int:
            if list(parts) == ["meta"]:
                raise PermissionError(13, "not yours")
            return Walk().open(root, parts, flags)

    survey = Space(space.root, Forbidding()).survey()
    assert not survey.complete
    assert [file.path for file in survey.files] == ["scratch/notes.md"]


def test_a_survey_is_bounded_and_says_so(tmp_path: Path) -> None:
    for number in range(MOST_ENTRIES):
        (tmp_path / f"{number}.md").touch()
    survey = Space(tmp_path).survey()
    assert (len(survey.files), survey.complete) == (MOST_ENTRIES, True)
    (tmp_path / "one.md").touch()
    survey = Space(tmp_path).survey()
    assert (len(survey.files), survey.complete) == (MOST_ENTRIES, False)


def test_a_survey_does_not_go_down_for_ever(space: Space) -> None:
    put(space.root, "/".join(["scratch", *"d" * (DEEPEST - 1), "last.md"]), "x")
    assert space.survey().complete
    put(space.root, "/".join(["scratch", *"d" * DEEPEST, "deeper.md"]), "x")
    survey = space.survey()
    assert not survey.complete
    assert "deeper" not in str(survey.files)
    assert "last.md" in str(survey.files)


@pytest.mark.parametrize("seconds", [-(2**40), 2**40, 2**62, float("inf"), float("nan")])
def test_a_file_from_a_year_without_a_calendar_does_no_harm(seconds: float) -> None:
    status = os.stat_result((0o100644, 1, 1, 1, 0, 0, 5, 0, seconds, 0))
    assert space_file(["notes.md"], status).modified == datetime(1970, 1, 1, tzinfo=UTC)


def test_an_append_makes_file_and_folders_and_keeps_what_was_there(space: Space) -> None:
    assert append(space, "new/folder/journal.md", "one\n", a_deadline())
    assert append(space, "new/folder/journal.md", "two\n", a_deadline())
    assert (space.root / "new/folder/journal.md").read_text() == "one\n\ntwo\n"
    assert names(space.root / "new" / "folder") == ["journal.md"]


@pytest.mark.parametrize(
    ("before", "after"),
    [("", "x"), ("a", "a\n\nx"), ("a\n", "a\n\nx"), ("a\n\n", "a\n\nx"), ("a\n\n\n", "a\n\n\nx")],
)
def test_an_append_is_set_off_by_an_empty_line(space: Space, before: str, after: str) -> None:
    put(space.root, "scratch/notes.md", before)
    append(space, "scratch/notes.md", "x", a_deadline())
    assert (space.root / "scratch/notes.md").read_text() == after


def test_bytes_that_are_no_text_and_the_mode_of_the_file_survive_an_append(space: Space) -> None:
    file = space.root / "scratch" / "notes.md"
    file.write_bytes(b"\xff\x00\r\n\n")
    file.chmod(0o640)
    append(space, "scratch/notes.md", "x", a_deadline())
    assert file.read_bytes() == b"\xff\x00\r\n\nx"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_nothing_is_appended_where_the_mark_stands_already(space: Space) -> None:
    deadline = a_deadline()
    assert append(space, "scratch/notes.md", "run 7\n", deadline, unless="run 7")
    before = (space.root / "scratch/notes.md").stat()
    assert not append(space, "scratch/notes.md", "run 7\n", deadline, unless="run 7")
    assert (space.root / "scratch/notes.md").stat() == before
    assert append(space, "scratch/notes.md", "run 8\n", deadline, unless="run 8")


def test_a_file_does_not_grow_without_bound(space: Space) -> None:
    file = put(space.root, "scratch/notes.md", "x" * (LARGEST_FILE - 10))
    with pytest.raises(SpaceError, match="would grow"):
        append(space, "scratch/notes.md", "y" * 20, a_deadline())
    assert file.stat().st_size == LARGEST_FILE - 10
    assert append(space, "scratch/notes.md", "y" * 8, a_deadline())
    assert file.stat().st_size == LARGEST_FILE


def test_what_a_kill_left_behind_is_neither_used_nor_in_the_way(
    space: Space, outside: Path
) -> None:
    leftover = put(space.root, "scratch/.notes.md.tmp", "half an en")
    append(space, "scratch/notes.md", "x", a_deadline())
    assert (space.root / "scratch/notes.md").read_text() == "mine\n\nx"
    assert not leftover.exists()
    os.link(outside / "secret.md", leftover)
    append(space, "scratch/notes.md", "y", a_deadline())
    assert (outside / "secret.md").read_text() == SECRET


def test_a_file_that_changed_meanwhile_is_not_replaced(space: Space) -> None:
    file = space.root / "scratch" / "notes.md"
    before = file.stat()
    with held(os.open(file.parent, FOLDER)) as folder:
        with file.open("a") as other:
            other.write("theirs\n")
        assert not replace(folder, "notes.md", b"ours", before)
        assert not replace(folder, "notes.md", b"ours", None)
        assert file.read_text() == "mine\ntheirs\n"
        assert replace(folder, "notes.md", b"ours", file.stat())
        assert file.read_text() == "ours"
        file.unlink()
        assert not replace(folder, "notes.md", b"ours", before)
        assert names(file.parent) == ["README.md"]


def test_a_new_file_is_never_written_into_what_stands_there(space: Space, outside: Path) -> None:
    with held(os.open(outside, FOLDER)) as folder, pytest.raises(FileExistsError):
        create(folder, "secret.md", b"mine")
    assert (outside / "secret.md").read_text() == SECRET


def test_appends_of_several_threads_all_stay(space: Space) -> None:
    def work(name: str) -> None:
        for number in range(20):
            append(space, "scratch/log.md", f"{name}{number}\n", a_real_deadline(30))

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = (space.root / "scratch/log.md").read_text().split()
    assert sorted(lines) == sorted(f"{name}{number}" for name in "abcd" for number in range(20))


def test_a_lock_that_somebody_holds_for_ever_ends_with_the_deadline(space: Space) -> None:
    with held(os.open(space.root / "scratch", FOLDER)) as folder:
        fcntl.flock(folder, fcntl.LOCK_EX)
        clock = FakeClock(NOW)
        with pytest.raises(PersonaTimeout):
            append(space, "scratch/notes.md", "x", a_deadline(5, clock))
        assert clock.monotonic() == pytest.approx(5)
    assert append(space, "scratch/notes.md", "x", a_deadline())


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
deadline = Deadline(SystemClock(), timedelta(seconds=60), threading.Event())
number = int(sys.argv[2])
while True:
    text = f"begin {number} {'x' * 20000} end {number}"
    hands.append_text("scratch/killed.md", text, deadline, Unrecorded())
    print(number, flush=True)
    number += 1
"""


@pytest.fixture
def appended(space: Space) -> Iterator[list[int]]:
    """Append in a process of its own and kill it, several times; yield what it acknowledged."""
    acknowledged: list[int] = []
    for kill in range(5):
        command = [sys.executable, "-c", APPENDING, str(space.root), str(kill * 100_000)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            acknowledged += [int(process.stdout.readline()) for _ in range(3 + 2 * kill)]
            process.send_signal(signal.SIGKILL)
            acknowledged += [int(line) for line in process.stdout if line.endswith("\n")]
    yield acknowledged


@pytest.mark.parametrize("opener", ["kernel"], indirect=True)
def test_a_kill_leaves_whole_entries_and_every_acknowledged_one(
    space: Space, appended: list[int]
) -> None:
    entries = (space.root / "scratch/killed.md").read_text().split("\n\n")
    whole = [f"begin {number} {'x' * 20000} end {number}" for number in map(number_of, entries)]
    assert entries == whole
    assert set(appended) <= set(map(number_of, entries))


def number_of(entry: str) -> int:
    return int(entry.split(" ", 2)[1])


def test_a_new_space_has_every_folder_and_its_readme(tmp_path: Path) -> None:
    ensure_space(tmp_path / "new" / "space")
    assert everything(tmp_path / "new" / "space") == everything(SKELETON)
    assert skeleton_folders() == [
        *["", "emotional_state", "identity", "learning_journey", "logs", "meta"],
        *["reflections", "scratch", "tasks", "tasks/results"],
    ]


def test_a_space_that_exists_is_never_overwritten(tmp_path: Path) -> None:
    put(tmp_path, "meta/README.md", "my own")
    put(tmp_path, "meta/goals.md", "- [ ] mine")
    (tmp_path / "identity").mkdir()
    (tmp_path / "logs").write_text("a file in its place")
    ensure_space(tmp_path)
    assert (tmp_path / "meta/README.md").read_text() == "my own"
    assert (tmp_path / "meta/goals.md").read_text() == "- [ ] mine"
    assert names(tmp_path / "identity") == []
    assert (tmp_path / "logs").read_text() == "a file in its place"
    assert (tmp_path / "scratch/README.md").is_file()
    assert not (tmp_path / "README.md").exists()
    before = everything(tmp_path)
    ensure_space(tmp_path)
    assert everything(tmp_path) == before


def test_a_space_is_not_made_through_a_link(tmp_path: Path, outside: Path) -> None:
    root = tmp_path / "space"
    root.mkdir()
    (root / "tasks").symlink_to(outside)
    with pytest.raises(SpaceError):
        ensure_space(root)
    assert names(outside) == ["secret.md"]


def test_a_readme_that_is_gone_is_written_again_and_another_one_is_left(
    tmp_path: Path, outside: Path
) -> None:
    ensure_space(tmp_path / "space")
    readme = tmp_path / "space" / "tasks" / "README.md"
    readme.unlink()
    restore_readme(tmp_path / "space", "tasks")
    assert everything(tmp_path / "space") == everything(SKELETON)
    readme.write_text("my own")
    restore_readme(tmp_path / "space", "tasks")
    assert readme.read_text() == "my own"
    readme.unlink()
    readme.symlink_to(outside / "new.md")
    restore_readme(tmp_path / "space", "tasks")
    assert names(outside) == ["secret.md"]


def test_a_readme_that_cannot_be_written_says_so(tmp_path: Path, outside: Path) -> None:
    (tmp_path / "tasks").symlink_to(outside)
    with pytest.raises(SpaceError, match=r"`tasks/README.md` cannot be written"):
        restore_readme(tmp_path, "tasks")
    assert names(outside) == ["secret.md"]


def test_a_space_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SpaceError, match="cannot be made"):
        ensure_space(tmp_path / "file" / "space")


def test_the_space_of_the_repository_is_the_packaged_one() -> None:
    repository = Path(__file__).parents[2] / "persona_space"
    ours = {path: text for path, text in everything(repository) if path.endswith("README.md")}
    assert ours == dict(everything(SKELETON))


def paths(entries: Sequence[SpaceFile]) -> list[str]:
    return [entry.path for entry in entries]


def test_a_listing_shows_one_level_and_the_service_folder_too(space: Space) -> None:
    put(space.root, "tasks/tasks.json", "{}")
    top = space.listing()
    assert {"scratch", "tasks"} <= set(paths(top.folders))
    assert paths(top.files) == ["README.md"]
    assert top.complete
    assert paths(space.listing("tasks").files) == ["tasks/README.md", "tasks/tasks.json"]
    assert paths(space.listing("./scratch/").files) == ["scratch/README.md", "scratch/notes.md"]
    assert space.file("scratch/notes.md").size == 5


def test_a_listing_leaves_out_links_pipes_and_what_is_hidden(space: Space, outside: Path) -> None:
    folder = space.root / "scratch"
    (folder / "link.md").symlink_to(outside / "secret.md")
    (folder / "out").symlink_to(outside)
    os.link(outside / "secret.md", folder / "second_name.md")
    os.mkfifo(folder / "pipe.md")
    (folder / ".hidden.md").touch()
    (folder / "no\nname.md").touch()
    listed = space.listing("scratch")
    assert paths(listed.files) == ["scratch/README.md", "scratch/notes.md"]
    assert paths(listed.folders) == []


@pytest.mark.parametrize(
    "path", [p for p in BAD_PATHS if p not in {"", ".", "scratch", "scratch/"}]
)
def test_what_is_no_folder_of_the_space_is_not_listed(
    space: Space, outside: Path, path: str
) -> None:
    (space.root / "out").symlink_to(outside)
    for directory in (path, f"out/{path}", "out", "scratch/notes.md"):
        with pytest.raises(SpaceError):
            space.listing(directory)


def test_a_folder_that_is_not_there_has_its_own_error(space: Space) -> None:
    with pytest.raises(NoSuchFile):
        space.listing("nowhere/at/all")
