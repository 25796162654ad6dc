"""One file per run: whole or not there, synced before it is named, never through a link."""

import errno
import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import SpaceError
from app.runs.results import ResultFolder, file_name
from app.runs.run import Origin, Run, Status
from tests.house import MIDNIGHT

RUN = Run(
    id="01m8653a7686q85jdbvmw5ywvz",
    task_id="daily_reflection",
    task_name="Daily Self-Reflection",
    revision=1,
    origin=Origin.SCHEDULE,
    status=Status.SUCCEEDED,
    reason=None,
    scheduled_for=MIDNIGHT,
    recorded_at=MIDNIGHT,
    started_at=MIDNIGHT,
    completed_at=MIDNIGHT + timedelta(seconds=2),
    response="I slept well. ☾",
    error=None,
    attempt=1,
    metadata={"task_type": "self_reflection", "reconciliation": None},
)


@pytest.fixture
def folder(tmp_path: Path) -> ResultFolder:
    return ResultFolder(tmp_path / "results")


@pytest.fixture(params=["nameless", "renamed"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of writing: a file without a name, and a temporary one where there is no such."""
    if request.param == "renamed":
        opening = os.open

        def refuse(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
            if flags & os.O_TMPFILE == os.O_TMPFILE:
                raise OSError(95, "no nameless files here")
            return opening(path, flags, *args, **kwargs)

        monkeypatch.setattr(os, "open", refuse)


@pytest.mark.usefixtures("way")
def test_a_file_has_the_shape_that_older_clients_read(folder: ResultFolder) -> None:
    folder.write([RUN])
    (path,) = folder.path.iterdir()
    assert path.name == f"daily_reflection_20261124_000000_{RUN.id}.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    assert list(document)[:8] == [
        "task_id",
        "task_name",
        "started_at",
        "completed_at",
        "success",
        "response",
        "error",
        "metadata",
    ]
    assert document["started_at"] == "2026-11-24T00:00:00Z"
    assert (document["success"], document["response"]) == (True, "I slept well. ☾")


@pytest.mark.usefixtures("way")
def test_a_file_is_synced_before_it_has_its_name_and_its_folder_after(
    folder: ResultFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    for name in ("fsync", "link", "rename"):
        monkeypatch.setattr(os, name, recorded(name, getattr(os, name), steps))
    folder.write([RUN])
    named = [step for step in steps if step in {"link", "rename"}]
    assert len(named) == 1
    place = steps.index(named[0])
    assert "fsync file" in steps[:place]
    assert "fsync folder" in steps[place:]


def recorded(name: str, call: Any, steps: list[str]) -> Any:
    def record(*args: Any, **kwargs: Any) -> Any:
        done = call(*args, **kwargs)
        kind = ""
        if name == "fsync":
            kind = " folder" if Path(f"/proc/self/fd/{args[0]}").is_dir() else " file"
        steps.append(name + kind)
        return done

    return record


@pytest.mark.usefixtures("way")
def test_writing_again_changes_nothing(folder: ResultFolder) -> None:
    folder.write([RUN])
    folder.write([RUN])
    assert [path.name for path in folder.path.iterdir()] == [file_name(RUN)]


@pytest.mark.usefixtures("way")
def test_a_disk_that_takes_a_few_bytes_at_a_time_gets_the_whole_file(
    folder: ResultFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing = os.write
    monkeypatch.setattr(os, "write", lambda file, data: writing(file, bytes(data[:7])))
    folder.write([RUN])
    assert json.loads((folder.path / file_name(RUN)).read_bytes())["run_id"] == RUN.id


def test_a_disk_that_is_full_is_told_and_leaves_no_file(
    folder: ResultFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_full(_: int) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    with monkeypatch.context() as patched, pytest.raises(SpaceError):
        patched.setattr(os, "fdatasync", is_full)
        patched.setattr(os, "fsync", is_full)
        folder.write([RUN])
    assert list(folder.path.iterdir()) == []


def test_a_link_in_place_of_a_temporary_file_is_not_written_through(
    folder: ResultFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").write_text("mine")
    opening = os.open

    def with_link(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "no nameless files here")
        if str(path).endswith(".tmp"):
            (folder.path / path).symlink_to(tmp_path / "elsewhere")
        return opening(path, flags, *args, **kwargs)

    monkeypatch.setattr(os, "open", with_link)
    with pytest.raises(SpaceError):
        folder.write([RUN])
    assert (tmp_path / "elsewhere").read_text() == "mine"


def test_a_link_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "results").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SpaceError):
        ResultFolder(tmp_path / "results").write([RUN])
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_what_a_kill_left_is_removed_once_it_is_old(folder: ResultFolder) -> None:
    folder.path.mkdir()
    leftover = folder.path / f".{file_name(RUN)}.17.17.tmp"
    leftover.write_text("{")
    written = leftover.stat().st_mtime
    folder.sweep(MIDNIGHT.fromtimestamp(written - 1, MIDNIGHT.tzinfo))
    assert leftover.exists()
    folder.sweep(MIDNIGHT.fromtimestamp(written + 1, MIDNIGHT.tzinfo))
    assert not leftover.exists()


def test_removing_what_is_gone_is_no_error(folder: ResultFolder) -> None:
    folder.write([RUN])
    folder.remove([file_name(RUN), "gone.json"])
    assert list(folder.path.iterdir()) == []
