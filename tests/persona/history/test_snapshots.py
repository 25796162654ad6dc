"""The space at one moment: what is kept, what is left out, what is read again, what survives."""

import os
import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pygit2
import pytest

from app.core.clock import FakeClock, SystemClock
from app.core.errors import SpaceBusy, SpaceError
from app.persona.errors import HistoryLost
from app.persona.history import files as space_files
from app.persona.history.files import SpaceFiles
from app.persona.history.snapshots import Snapshots
from app.persona.history.store import Kept, Store

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC).timestamp()


class Counting(SpaceFiles):
    """Files that count how often they are read."""

    reads = 0

    def read(self, path: str) -> space_files.Content | None:
        self.reads += 1
        return super().read(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "space"
    (root / "notes").mkdir(parents=True)
    (root / "notes" / "a.md").write_text("a\n")
    (root / "b.bin").write_bytes(b"\0\xff")
    return root


@pytest.fixture
def files(root: Path) -> Counting:
    return Counting(root)


def snapshots(files: SpaceFiles, tmp_path: Path) -> Snapshots:
    store = Store(tmp_path / "state" / "history.git", SystemClock())
    return Snapshots(files, store, tmp_path / "state" / "cache", SystemClock())


def store_of(tmp_path: Path) -> Store:
    return Store(tmp_path / "state" / "history.git", SystemClock())


def aged(path: Path) -> None:
    """Let a file look as if it was changed long ago, apart from the status of its inode."""
    os.utime(path, (LONG_AGO, LONG_AGO))


def test_a_snapshot_holds_every_ordinary_file(root: Path, files: Counting, tmp_path: Path) -> None:
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    commit = snapshots(files, tmp_path).take()
    kept = store_of(tmp_path).files(commit)
    assert sorted(kept) == ["b.bin", "notes/a.md", "run.sh"]
    assert [path for path, file in kept.items() if file.program] == ["run.sh"]
    assert store_of(tmp_path).get(kept["b.bin"].id) == b"\0\xff"


def test_a_name_that_windows_would_read_as_gits_own_folder_is_a_name(
    root: Path, files: Counting, tmp_path: Path
) -> None:
    (root / "git~1").write_text("mine")
    assert "git~1" in store_of(tmp_path).files(snapshots(files, tmp_path).take())


def test_links_pipes_hidden_files_and_the_service_folder_are_left_out(
    root: Path, files: Counting, tmp_path: Path
) -> None:
    outside = tmp_path / "secret"
    outside.write_text("secret")
    (root / "link.md").symlink_to(outside)
    (root / "folder").symlink_to(tmp_path)
    os.link(outside, root / "hard.md")
    os.mkfifo(root / "pipe")
    (root / ".hidden").write_text("x")
    (root / "tasks").mkdir()
    (root / "tasks" / "tasks.json").write_text("{}")
    commit = snapshots(files, tmp_path).take()
    assert sorted(store_of(tmp_path).files(commit)) == ["b.bin", "notes/a.md"]


def test_a_file_over_the_cap_is_named_as_not_kept(
    root: Path, files: Counting, tmp_path: Path
) -> None:
    with (root / "huge.bin").open("wb") as file:
        file.truncate(space_files.LARGEST_KEPT + 1)
    taken = snapshots(files, tmp_path)
    assert "huge.bin" not in store_of(tmp_path).files(taken.take())
    assert taken.left_out == ["huge.bin"]


def test_any_number_of_files_is_looked_at(root: Path, tmp_path: Path) -> None:
    """A script makes some hundred thousand before it is noticed; they must not hide the rest."""

    class Crowded(SpaceFiles):
        def entries(self, root: int, parts: Sequence[str]) -> list[tuple[str, os.stat_result]]:
            found = super().entries(root, parts)
            status = (self.root / "b.bin").stat()
            return found if parts else [*((f"{n}.md", status) for n in range(250_000)), *found]

    taken = snapshots(Crowded(root), tmp_path)
    assert sorted(store_of(tmp_path).files(taken.take())) == ["b.bin", "notes/a.md"]


def test_where_nothing_changed_it_is_the_same_commit(files: Counting, tmp_path: Path) -> None:
    taken = snapshots(files, tmp_path)
    assert taken.take() == taken.take()
    assert snapshots(files, tmp_path).take() == taken.take()


def test_a_difference_names_what_was_created_changed_and_deleted(
    root: Path, files: Counting, tmp_path: Path
) -> None:
    taken = snapshots(files, tmp_path)
    before = taken.take()
    (root / "notes" / "a.md").write_text("other\n")
    (root / "b.bin").unlink()
    (root / "new").mkdir()
    (root / "new" / "c.md").write_text("c\n")
    changes = taken.difference(before, taken.take())
    assert [(c.path, c.before is None, c.after is None) for c in changes] == [
        ("b.bin", False, True),
        ("new/c.md", True, False),
        ("notes/a.md", False, False),
    ]


def later(tmp_path: Path, files: SpaceFiles) -> Snapshots:
    """Take snapshots at a time at which no file is new any more."""
    clock = FakeClock(datetime.now(UTC) + timedelta(hours=1))
    return Snapshots(files, store_of(tmp_path), tmp_path / "state" / "cache", clock)


def test_only_what_changed_is_read_again_even_after_a_restart(
    root: Path, files: Counting, tmp_path: Path
) -> None:
    taken = later(tmp_path, files)
    taken.take()
    assert files.reads == 2
    taken.take()
    assert files.reads == 2
    (root / "b.bin").write_bytes(b"\0")
    taken.take()
    assert files.reads == 3
    later(tmp_path, files).take()
    assert files.reads == 4
    later(tmp_path, files).take()
    assert files.reads == 4


def test_a_damaged_cache_costs_time_only(root: Path, files: Counting, tmp_path: Path) -> None:
    commit = later(tmp_path, files).take()
    for damage in (b"", b"{", b'{"commit": 1}', b'{"commit": "x", "folders": 3}', b"[]"):
        (tmp_path / "state" / "cache").write_bytes(damage)
        assert later(tmp_path, files).take() == commit


def test_a_file_that_changes_in_the_moment_it_is_read_is_read_again(
    root: Path, files: Counting, tmp_path: Path
) -> None:
    """Two writes of one size within one tick of the file system's clock look alike."""
    path = root / "notes" / "a.md"
    taken = snapshots(files, tmp_path)
    before = taken.take()
    status = path.stat()
    with path.open("r+b") as file:
        file.write(b"z")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    known = taken._known[("notes",)]
    now = path.stat()
    known.files["a.md"] = (
        now.st_size,
        now.st_mtime_ns,
        now.st_ctime_ns,
        now.st_ino,
        now.st_mode & 0o777,
    )
    assert [c.path for c in taken.difference(before, taken.take())] == ["notes/a.md"]


def test_one_walk_serves_everybody_who_asked_before_it_began(root: Path, tmp_path: Path) -> None:
    entered, go_on = threading.Event(), threading.Event()

    class Slow(SpaceFiles):
        walks = 0

        def entries(self, root: int, parts: Sequence[str]) -> list[tuple[str, os.stat_result]]:
            if not parts:
                Slow.walks += 1
                entered.set()
                go_on.wait(10)
            return super().entries(root, parts)

    taken = snapshots(Slow(root), tmp_path)
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(taken.take())) for _ in range(9)]
    threads[0].start()
    assert entered.wait(10)
    for thread in threads[1:]:
        thread.start()
    while taken._asked < 9:
        threading.Event().wait(0.005)
    (root / "late.md").write_text("late\n")
    go_on.set()
    for thread in threads:
        thread.join()
    assert Slow.walks == 2
    assert len(found) == 9
    assert "late.md" in store_of(tmp_path).files(found[-1])


@pytest.mark.parametrize("fault", [MemoryError, SpaceError])
def test_nobody_is_given_a_commit_of_before_where_a_look_breaks(
    root: Path, tmp_path: Path, fault: type[Exception]
) -> None:
    entered, go_on = threading.Event(), threading.Event()

    class Breaking(SpaceFiles):
        looks = 0

        def entries(self, root: int, parts: Sequence[str]) -> list[tuple[str, os.stat_result]]:
            found = super().entries(root, parts)
            self.looks += not parts
            if self.looks == 1:
                entered.set()
                go_on.wait(10)
            if self.looks == 2:
                raise fault("broken")
            return found

    taken = snapshots(Breaking(root), tmp_path)
    found: list[str] = []
    refused: list[str] = []

    def take() -> None:
        try:
            found.append(taken.take("a run"))
        except (MemoryError, SpaceError) as error:
            refused.append(str(error))

    first = threading.Thread(target=taken.take)
    first.start()
    assert entered.wait(10)
    (root / "late.md").write_text("late\n")
    others = [threading.Thread(target=take) for _ in range(3)]
    for thread in others:
        thread.start()
    while taken._asked < 4:
        threading.Event().wait(0.005)
    go_on.set()
    for thread in (first, *others):
        thread.join()
    assert set(refused) == {"broken"}
    assert all("late.md" in store_of(tmp_path).files(commit) for commit in found)
    assert (len(found), len(refused)) == ((2, 1) if fault is MemoryError else (0, 3))


def test_what_a_look_that_broke_had_kept_is_kept_again(root: Path, tmp_path: Path) -> None:
    """It was not synced, so the next commit must not take it for safe."""

    class Breaking(Store):
        breaks = False

        def commit(self, *args: Any, **given: Any) -> str:
            if self.breaks:
                raise MemoryError
            return super().commit(*args, **given)

    store = Breaking(tmp_path / "state" / "history.git", SystemClock())
    files = Counting(root)
    clock = FakeClock(datetime.now(UTC) + timedelta(hours=1))
    taken = Snapshots(files, store, tmp_path / "state" / "cache", clock)
    store.breaks = True
    with pytest.raises(MemoryError):
        taken.take()
    store.breaks = False
    taken.take()
    assert files.reads == 4


def test_a_space_that_cannot_be_opened_is_not_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(SpaceError):
        snapshots(SpaceFiles(tmp_path / "nowhere"), tmp_path).take()
    with pytest.raises(SpaceError):
        SpaceFiles(tmp_path / "nowhere").read("a.md")


def test_a_store_that_vanished_is_made_anew(root: Path, files: Counting, tmp_path: Path) -> None:
    taken = later(tmp_path, files)
    taken.take()
    subprocess.run(["rm", "-rf", str(tmp_path / "state" / "history.git")], check=True)
    assert sorted(Store(tmp_path / "state" / "history.git", SystemClock()).files(taken.take())) == [
        "b.bin",
        "notes/a.md",
    ]


def damage(store: Store, id_: str) -> None:
    file = store.path / "objects" / id_[:2] / id_[2:]
    file.chmod(0o600)
    file.write_bytes(b"damaged")


def test_a_content_that_was_damaged_is_kept_again(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    blob_id = store.put(b"same")
    damage(store, blob_id)
    with pytest.raises(HistoryLost):
        store.get(blob_id)
    assert store.put(b"same") == blob_id
    assert store.get(blob_id) == b"same"


def test_a_history_that_takes_nothing_more_is_put_aside_for_a_new_one(
    root: Path, files: Counting, tmp_path: Path
) -> None:
    store = store_of(tmp_path)
    commit = snapshots(files, tmp_path).take()
    repository = pygit2.Repository(str(store.path))
    damage(store, str(repository[commit].peel(pygit2.Tree)["notes"].id))
    (tmp_path / "state" / "cache").unlink()
    (root / "b.bin").write_bytes(b"new")
    taken = snapshots(files, tmp_path).take()
    assert sorted(store.files(taken)) == ["b.bin", "notes/a.md"]
    assert len(list(store.path.parent.glob("history.git.damaged-*"))) == 1


def test_what_the_system_refuses_for_a_moment_is_not_lost(
    root: Path, files: Counting, tmp_path: Path
) -> None:
    store = store_of(tmp_path)
    blob_id = store.put(b"kept")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard[1]))
    try:
        with pytest.raises(SpaceBusy):
            store.get(blob_id)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, hard)
    assert store.get(blob_id) == b"kept"


def test_the_identity_of_a_space_outlives_its_history(tmp_path: Path) -> None:
    identity = store_of(tmp_path).identity()
    store_of(tmp_path).put(b"x")
    shutil.rmtree(store_of(tmp_path).path)
    assert store_of(tmp_path).identity() == identity
    assert Store(tmp_path / "other" / "history.git", SystemClock()).identity() != identity


def test_an_identity_that_was_kept_in_the_repository_stays_the_same(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    store.put(b"x")
    (store.path / "identity").write_text("as-before")
    assert store.identity() == "as-before"


_WRITER = """
import sys
from pathlib import Path
from app.core.clock import SystemClock
from app.persona.history.files import SpaceFiles
from app.persona.history.snapshots import Snapshots
from app.persona.history.store import Store

state, root = Path(sys.argv[1]), Path(sys.argv[2])
store = Store(state / "history.git", SystemClock())
taken = Snapshots(SpaceFiles(root), store, state / "cache", SystemClock())
print("ready", flush=True)
number = 0
while True:
    number += 1
    (root / "notes" / "a.md").write_text(f"{number}\\n" * 50)
    taken.take()
"""


def test_a_store_is_usable_whenever_its_process_is_killed(
    root: Path, files: Counting, tmp_path: Path
) -> None:
    arguments = [sys.executable, "-c", _WRITER, str(tmp_path / "state"), str(root)]
    for number in range(8):
        child = subprocess.Popen(arguments, stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        threading.Event().wait(0.01 * number)
        child.kill()
        child.communicate()
        store = store_of(tmp_path)
        commit = snapshots(files, tmp_path).take()
        kept = store.files(commit)
        assert store.get(kept["notes/a.md"].id) == (root / "notes" / "a.md").read_bytes()


def test_a_newest_commit_that_a_power_cut_damaged_costs_its_history_only(
    root: Path, files: Counting, tmp_path: Path
) -> None:
    taken = snapshots(files, tmp_path)
    taken.take()
    (tmp_path / "state" / "history.git" / "refs" / "heads" / "space").write_text("")
    assert "notes/a.md" in store_of(tmp_path).files(taken.take())


def test_a_lock_that_a_kill_left_behind_stops_nobody(
    root: Path, files: Counting, tmp_path: Path
) -> None:
    taken = snapshots(files, tmp_path)
    taken.take()
    lock = tmp_path / "state" / "history.git" / "refs" / "heads" / "space.lock"
    lock.write_text("")
    (root / "notes" / "a.md").write_text("b\n")
    assert taken.take() == store_of(tmp_path).head()


def test_only_what_nothing_needs_is_swept(root: Path, files: Counting, tmp_path: Path) -> None:
    taken, store = snapshots(files, tmp_path), store_of(tmp_path)
    taken.take()
    wanted, unwanted, young = store.put(b"wanted"), store.put(b"unwanted"), store.put(b"young")
    for file in store.path.glob("objects/??/*"):
        if file.parent.name + file.name != young:
            aged(file)
    assert store.sweep({wanted}, datetime(2021, 1, 1, tzinfo=UTC)) == 1
    assert (store.get(wanted), store.get(young)) == (b"wanted", b"young")
    with pytest.raises(SpaceError):
        store.get(unwanted)
    assert sorted(store.files(taken.take())) == ["b.bin", "notes/a.md"]


def test_what_is_put_again_is_young_again(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    (blob_id,) = {store.put(b"same")}
    (file,) = store.path.glob("objects/??/*")
    aged(file)
    assert store.put(b"same") == blob_id
    assert store.sweep(set(), datetime(2021, 1, 1, tzinfo=UTC)) == 0


def test_the_history_that_is_kept_begins_where_the_older_was_swept(
    root: Path, tmp_path: Path
) -> None:
    clock = FakeClock(datetime(2020, 1, 1, tzinfo=UTC))
    store = store_of(tmp_path)
    taken = Snapshots(SpaceFiles(root), store, tmp_path / "state" / "cache", clock)
    commits = []
    for day in range(4):
        (root / "notes" / "a.md").write_text(f"day {day}\n")
        commits.append(taken.take())
        clock.advance(timedelta(days=100))
    for file in store.path.glob("objects/??/*"):
        aged(file)
    assert store.sweep(set(), datetime(2020, 6, 1, tzinfo=UTC)) > 0
    repository = pygit2.Repository(str(store.path))
    kept = [str(commit.id) for commit in repository.walk(store.head())]
    assert kept == commits[:0:-1]
    assert taken.take() == commits[-1]
    (root / "notes" / "a.md").write_text("later\n")
    assert store.get(store.files(taken.take())["notes/a.md"].id) == b"later\n"
    assert isinstance(store.files(commits[1])["notes/a.md"], Kept)


def test_a_folder_that_is_too_deep_and_a_file_that_cannot_be_read_are_left_out(
    root: Path, tmp_path: Path
) -> None:
    class Shut(SpaceFiles):
        def read(self, path: str) -> space_files.Content | None:
            if path == "shut.md":
                raise SpaceError("`shut.md` cannot be read: Permission denied")
            return super().read(path)

    (root / "shut.md").write_text("shut")
    deep = root.joinpath(*"d" * 40)
    deep.mkdir(parents=True)
    (deep / "too_deep.md").write_text("deep")
    (root / "d" / "d" / "not_too_deep.md").write_text("deep")
    commit = snapshots(Shut(root), tmp_path).take()
    assert sorted(store_of(tmp_path).files(commit)) == [
        "b.bin",
        "d/d/not_too_deep.md",
        "notes/a.md",
    ]


def test_a_recent_look_serves_who_begins_shortly_after(
    root: Path, files: Counting, tmp_path: Path
) -> None:
    clock = FakeClock(datetime(2026, 11, 24, tzinfo=UTC))
    taken = Snapshots(files, store_of(tmp_path), tmp_path / "state" / "cache", clock)
    first = taken.take()
    (root / "new.md").write_text("new\n")
    clock.advance(timedelta(milliseconds=200))
    assert taken.recent() == (first, timedelta(milliseconds=200))
    clock.advance(timedelta(milliseconds=100))
    commit, age = taken.recent()
    assert "new.md" in store_of(tmp_path).files(commit)
    assert age == timedelta(0)
