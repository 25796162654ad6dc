"""tasks.json on the disk: whatever stands there, whoever is quicker, whenever it is killed."""

import json
import os
import random
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import SpaceError
from app.tasks.space_file import SpaceFile, Swap

DONE = Swap(done=True)


@pytest.fixture
def file(tmp_path: Path) -> SpaceFile:
    (tmp_path / "tasks").mkdir()
    return SpaceFile(tmp_path / "tasks")


def hidden(file: SpaceFile) -> list[str]:
    return sorted(path.name for path in file.path.parent.iterdir() if path.name != file.path.name)


def refusal(file: SpaceFile) -> str:
    with pytest.raises(SpaceError) as caught:
        file.read()
    return caught.value.detail


# ---- reading


def test_bytes_are_read_as_they_are(file: SpaceFile) -> None:
    file.path.write_bytes(b"\xff\x00 any")
    assert file.read() == b"\xff\x00 any"


def test_no_file_and_no_folder_are_no_error(file: SpaceFile) -> None:
    assert file.read() is None
    file.path.parent.rmdir()
    assert file.read() is None
    assert file.displaced() == []
    file.remove()


def a_link(path: Path) -> None:
    (path.parent.parent / "secret").write_text("{}")
    path.symlink_to(path.parent.parent / "secret")


def a_dangling_link(path: Path) -> None:
    path.symlink_to(path.parent / "nowhere")


def a_hard_link(path: Path) -> None:
    (path.parent.parent / "secret").write_text("{}")
    path.hardlink_to(path.parent.parent / "secret")


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(path))


def a_huge_file(path: Path) -> None:
    path.touch()
    os.truncate(path, 4 * 1024 * 1024 + 1)


IN_ITS_PLACE: list[tuple[Callable[[Path], None], str]] = [
    (a_link, "is a symbolic link"),
    (a_dangling_link, "is a symbolic link"),
    (a_hard_link, "has a second name"),
    (Path.mkdir, "is a folder"),
    (os.mkfifo, "is a pipe"),
    (a_socket, "is a socket"),
    (a_huge_file, "has 4194305 bytes, at most 4194304 are read"),
]


@pytest.mark.parametrize(("put", "reason"), IN_ITS_PLACE)
def test_anything_but_a_plain_file_is_refused_by_name(
    file: SpaceFile, put: Callable[[Path], None], reason: str
) -> None:
    put(file.path)
    assert f"tasks.json {reason}" in refusal(file)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
def test_a_device_is_refused(file: SpaceFile) -> None:
    os.mknod(file.path, stat.S_IFCHR | 0o666, os.makedev(1, 5))  # /dev/zero
    assert "is a device" in refusal(file)


@pytest.mark.parametrize(("put", "reason"), IN_ITS_PLACE)
def test_nothing_is_written_through_or_over_it(
    file: SpaceFile, put: Callable[[Path], None], reason: str
) -> None:
    put(file.path)
    before = os.lstat(file.path)
    assert not file.write(b"new", expected=b"{}").done
    assert not file.write(b"new", expected=None).done
    after = os.lstat(file.path)
    assert (before.st_ino, before.st_mode, before.st_size) == (
        after.st_ino,
        after.st_mode,
        after.st_size,
    )
    secret = file.path.parent.parent / "secret"
    assert not secret.exists() or secret.read_text() == "{}"
    assert file.displaced() == []
    assert hidden(file) == []


class Meddled(SpaceFile):
    """A file that somebody meddles with between the steps of a read."""

    meddling: list[Callable[[], object]]

    def _check(self, found: os.stat_result) -> None:
        super()._check(found)
        if self.meddling:
            self.meddling.pop(0)()


@pytest.mark.parametrize(("put", "reason"), [IN_ITS_PLACE[0], IN_ITS_PLACE[4]])
def test_what_is_put_there_between_the_look_and_the_opening_is_neither_followed_nor_awaited(
    file: SpaceFile, put: Callable[[Path], None], reason: str
) -> None:
    def meddle() -> None:
        file.path.unlink()
        put(file.path)

    file.path.write_text("good")
    meddled = Meddled(file.path.parent)
    meddled.meddling = [meddle]
    assert "secret" not in refusal(meddled)


def test_of_a_file_that_grows_without_end_no_more_is_read_than_fits(file: SpaceFile) -> None:
    meddled = Meddled(file.path.parent, most_bytes=1000)
    meddled.meddling = [lambda: None, lambda: os.truncate(file.path, 256 * 1024 * 1024)]
    file.path.write_bytes(b"{}")
    tracemalloc.start()
    try:
        assert "at most 1000 are read" in refusal(meddled)
        assert tracemalloc.get_traced_memory()[1] < 1024 * 1024
    finally:
        tracemalloc.stop()


def test_a_file_that_changes_while_it_is_read_is_read_again(file: SpaceFile) -> None:
    file.path.write_text("before")
    meddled = Meddled(file.path.parent)
    meddled.meddling = [lambda: file.path.write_text("after it"), lambda: None]
    assert meddled.read() == b"after it"
    meddled.meddling = [lambda: None, lambda: file.path.write_text("once more")]
    assert meddled.read() == b"once more"


def test_a_file_that_changes_all_the_time_is_refused(file: SpaceFile) -> None:
    file.path.write_text("before")
    meddled = Meddled(file.path.parent)
    meddled.meddling = [lambda n=n: file.path.write_text("x" * n) for n in range(50)]  # type: ignore[misc]  # a lambda has none
    assert "changes all the time" in refusal(meddled)


def test_a_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "tasks.json").write_text("{}")
    (tmp_path / "tasks").symlink_to(tmp_path / "elsewhere")
    file = SpaceFile(tmp_path / "tasks")
    assert "links are not followed" in refusal(file)
    with pytest.raises(SpaceError):
        file.write(b"new", expected=b"{}")
    assert (tmp_path / "elsewhere" / "tasks.json").read_text() == "{}"


def test_what_is_in_the_way_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "tasks").write_text("a file")
    with pytest.raises(SpaceError, match="no folder"):
        SpaceFile(tmp_path / "tasks").write(b"new", expected=None)


def test_the_signature_changes_with_the_file(file: SpaceFile) -> None:
    assert file.signature() is None
    file.path.write_text("a")
    first = file.signature()
    file.path.write_text("ab")
    second = file.signature()
    (file.path.parent / "other").write_text("ab")
    (file.path.parent / "other").replace(file.path)
    assert len({first, second, file.signature()}) == 3


# ---- writing


def test_a_new_file_is_put_where_there_is_none(tmp_path: Path) -> None:
    file = SpaceFile(tmp_path / "deep" / "tasks")
    assert file.write(b"new", expected=None) == DONE
    assert file.path.read_bytes() == b"new"
    assert hidden(file) == []


def test_a_new_file_takes_the_place_of_the_expected_one(file: SpaceFile) -> None:
    file.path.write_bytes(b"old")
    file.path.chmod(0o640)
    assert file.write(b"new", expected=b"old") == DONE
    assert file.path.read_bytes() == b"new"
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o640


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_owner_of_the_file_stays(file: SpaceFile) -> None:
    file.path.write_bytes(b"old")
    os.chown(file.path, 1234, 4321)
    file.write(b"new", expected=b"old")
    assert (file.path.stat().st_uid, file.path.stat().st_gid) == (1234, 4321)


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_file_that_is_not_as_expected_is_left(file: SpaceFile, exchanges: bool) -> None:
    file = SpaceFile(file.path.parent, exchanges=exchanges)
    file.path.write_bytes(b"edited")
    assert not file.write(b"new", expected=b"old").done
    assert not file.write(b"new", expected=None).done
    assert file.path.read_bytes() == b"edited"
    assert hidden(file) == []


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_file_that_was_deleted_is_not_brought_back(file: SpaceFile, exchanges: bool) -> None:
    file = SpaceFile(file.path.parent, exchanges=exchanges)
    assert not file.write(b"new", expected=b"old").done
    assert not file.path.exists()
    assert hidden(file) == []


def test_where_files_cannot_be_exchanged_one_is_put_over_the_other(file: SpaceFile) -> None:
    file = SpaceFile(file.path.parent, exchanges=False)
    assert file.write(b"one", expected=None) == DONE
    assert file.write(b"two", expected=b"one") == DONE
    assert file.path.read_bytes() == b"two"
    assert hidden(file) == []


def test_file_and_folder_are_synced_in_the_right_order(
    file: SpaceFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    sync = os.fsync

    def fsync(descriptor: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        is_put = file.path.exists() and file.path.read_bytes() == b"new"
        steps.append(f"{'folder' if is_folder else 'file'} {'after' if is_put else 'before'}")
        sync(descriptor)

    file.path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", fsync)
    file.write(b"new", expected=b"old")
    assert steps == ["file before", "folder after"]


def test_the_file_for_errors_is_synced_in_the_right_order_too(
    file: SpaceFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    sync = os.fsync

    def fsync(descriptor: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        is_put = file.path.exists()
        steps.append(f"{'folder' if is_folder else 'file'} {'after' if is_put else 'before'}")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    file.replace(b"errors")
    assert steps == ["file before", "folder after"]


def test_a_link_in_place_of_the_hidden_file_is_not_written_through(file: SpaceFile) -> None:
    secret = file.path.parent.parent / "secret"
    secret.write_text("{}")

    class Trapped(SpaceFile):
        """Somebody lays a link where the hidden file is about to be made."""

        def _free_name(self, folder: int, came_out: str, goes_in: str) -> str:
            name = super()._free_name(folder, came_out, goes_in)
            self.path.with_name(name).symlink_to(secret)
            return name

    with pytest.raises(SpaceError):
        Trapped(file.path.parent).write(b"new", expected=None)
    assert secret.read_text() == "{}"


def test_what_does_not_fit_is_not_written(file: SpaceFile) -> None:
    with pytest.raises(SpaceError, match="at most 10 fit"):
        SpaceFile(file.path.parent, most_bytes=10).write(b"x" * 11, expected=None)
    assert hidden(file) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system")
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "tasks"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("no right to mount")
    try:
        file = SpaceFile(folder)
        assert file.write(b"old", expected=None) == DONE
        with pytest.raises(SpaceError, match="No space left"):
            file.write(b"x" * 100_000, expected=b"old")
        assert file.read() == b"old"
        assert hidden(file) == []
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_the_file_for_errors_is_put_over_whatever_stands_there(file: SpaceFile) -> None:
    a_link(file.path)
    file.replace(b"errors")
    assert file.read() == b"errors"
    assert (file.path.parent.parent / "secret").read_text() == "{}"
    file.remove()
    file.remove()
    assert not file.path.exists()


# ---- editors that are quicker


class Quick(SpaceFile):
    """A file in whose folder an editor acts in the instant before the exchange."""

    editor: Callable[[], object]

    def _swap(self, folder: int, temporary: str, expected: bytes | None) -> Swap:
        real = self._rename
        assert real is not None

        def rename(*arguments: Any) -> None:
            self._rename = real
            self.editor()
            real(*arguments)

        self._rename = rename
        return super()._swap(folder, temporary, expected)


@pytest.fixture
def quick(file: SpaceFile) -> Quick:
    file.path.write_bytes(b"old")
    return Quick(file.path.parent)


def test_a_file_renamed_in_before_the_exchange_is_put_back_and_told(quick: Quick) -> None:
    def editor() -> None:
        other = quick.path.parent / "other"
        other.write_bytes(b"edit")
        other.replace(quick.path)

    quick.editor = editor
    assert quick.write(b"new", expected=b"old") == Swap(done=False, found=b"edit")
    assert quick.path.read_bytes() == b"edit"
    assert quick.displaced() == []
    assert hidden(quick) == []


def test_a_file_that_is_being_written_in_place_is_put_back_to_its_writer(quick: Quick) -> None:
    with quick.path.open("r+b") as opened:
        quick.editor = lambda: os.truncate(quick.path, 0)
        assert not quick.write(b"new", expected=b"old").done
        opened.write(b"edit")
    assert quick.path.read_bytes() == b"edit"


def test_a_file_deleted_before_the_exchange_stays_deleted(quick: Quick) -> None:
    quick.editor = quick.path.unlink
    assert not quick.write(b"new", expected=b"old").done
    assert hidden(quick) == []
    assert not quick.path.exists()


def test_a_file_made_before_a_fresh_one_is_put_stays(quick: Quick) -> None:
    quick.path.unlink()
    quick.editor = lambda: quick.path.write_bytes(b"edit")
    assert not quick.write(b"new", expected=None).done
    assert quick.path.read_bytes() == b"edit"
    assert hidden(quick) == []


@pytest.mark.parametrize(("put", "reason"), IN_ITS_PLACE)
def test_anything_put_there_before_the_exchange_is_put_back(
    quick: Quick, put: Callable[[Path], None], reason: str
) -> None:
    def editor() -> None:
        quick.path.unlink()
        put(quick.path)

    quick.editor = editor
    assert not quick.write(b"new", expected=b"old").done
    assert reason in refusal(quick)
    assert quick.displaced() == []
    assert hidden(quick) == []


# ---- what was swapped out


def test_what_an_editor_writes_into_the_swapped_out_file_is_found(file: SpaceFile) -> None:
    file.path.write_bytes(b"old")
    with file.path.open("r+b") as opened:
        file.write(b"new", expected=b"old")
        assert [left.edited for left in file.displaced()] == [False]
        opened.write(b"edited")
    (left,) = file.displaced()
    assert (left.data, left.edited) == (b"edited", True)
    marked = file.mark(left)
    assert file.displaced() == [marked]
    assert not marked.edited
    file.drop(marked)
    assert hidden(file) == []


def test_an_edit_that_a_killed_writer_had_swapped_out_is_found(file: SpaceFile) -> None:
    file.path.write_bytes(b"old")
    file.write(b"new", expected=b"old")
    (name,) = hidden(file)
    (file.path.parent / name).write_bytes(b"edit")  # it slipped in, then the writer was killed
    assert [(left.data, left.edited) for left in SpaceFile(file.path.parent).displaced()] == [
        (b"edit", True)
    ]


def test_a_text_of_ours_that_was_never_put_is_no_edit(file: SpaceFile) -> None:
    file.path.write_bytes(b"old")
    file.write(b"new", expected=b"old")
    (name,) = hidden(file)
    (file.path.parent / name).write_bytes(b"new")  # as if killed before the exchange
    assert file.displaced() == []
    assert hidden(file) == []


def test_other_left_overs_are_removed_unread(file: SpaceFile) -> None:
    (file.path.parent / ".tasks.json.x1y2.tmp").write_text('{"tasks": [{"id": "deleted"}]}')
    os.mkfifo(file.path.parent / ".tasks.json.aa.bb.0.tmp")
    (file.path.parent / "notes.tmp").write_text("mine")
    assert file.displaced() == []
    assert hidden(file) == ["notes.tmp"]


def test_two_writes_between_the_same_texts_keep_both_swapped_out_files(file: SpaceFile) -> None:
    file.path.write_bytes(b"a")
    for before, after in ((b"a", b"b"), (b"b", b"a"), (b"a", b"b")):
        assert file.write(after, expected=before) == DONE
    assert len(hidden(file)) == 3


# ---- readers and killers

WRITER = """
import sys
from pathlib import Path
from app.tasks.space_file import SpaceFile
file = SpaceFile(Path(sys.argv[1]), exchanges=sys.argv[2] == "True")
texts = [(b'{"n": %d}' % n) * 3000 + b"\\n" for n in range(2)]
file.write(texts[0], expected=None)
print("writing", flush=True)
while True:
    for before, after in ((0, 1), (1, 0)):
        file.write(texts[after], expected=texts[before])
        for left in file.displaced():
            file.drop(left)
"""
WHOLE = {(b'{"n": %d}' % number) * 3000 + b"\n" for number in range(2)}


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_kill_at_any_instant_leaves_the_old_or_the_new_file(
    tmp_path: Path, exchanges: bool
) -> None:
    seed = random.randrange(10**6)
    print("seed", seed)
    chance = random.Random(seed)
    for number in range(25):
        file = SpaceFile(tmp_path / str(number))
        command = [sys.executable, "-c", WRITER, str(file.path.parent), str(exchanges)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(chance.random() / 50)
            writer.send_signal(signal.SIGKILL)
        assert file.path.read_bytes() in WHOLE
        # A torn text may be left under a hidden name; one that is whole is never called an edit.
        for left in file.displaced():
            assert not left.edited or left.data not in WHOLE
        assert file.read() in WHOLE


def test_readers_see_the_old_or_the_new_file_and_never_none(file: SpaceFile) -> None:
    texts = [json.dumps([number] * 1000).encode() for number in range(2)]
    file.write(texts[0], expected=None)
    seen: set[bytes] = set()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            seen.add(file.path.read_bytes())

    reader = threading.Thread(target=look)
    reader.start()
    for _ in range(50):
        file.write(texts[1], expected=texts[0])
        file.write(texts[0], expected=texts[1])
    stop.set()
    reader.join()
    assert seen <= set(texts)
