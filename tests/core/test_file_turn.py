"""Turns by a file."""

import errno
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from app.core.file_turn import FileTurn

PATIENCE = timedelta(seconds=5)


def test_one_waits_for_the_other(tmp_path: Path) -> None:
    path = str(tmp_path / "turn")
    here, there = FileTurn(path, PATIENCE), FileTurn(path, PATIENCE)
    order: list[str] = []

    def take() -> None:
        there.take()
        order.append("there")
        there.give_back()

    here.take()
    thread = threading.Thread(target=take)
    thread.start()
    thread.join(0.1)
    order.append("here")
    here.give_back()
    thread.join()
    assert order == ["here", "there"]
    here.let_go()
    there.let_go()


def test_who_waits_too_long_is_told(tmp_path: Path) -> None:
    path = str(tmp_path / "turn")
    here, there = FileTurn(path, PATIENCE), FileTurn(path, timedelta(milliseconds=50))
    here.take()
    with pytest.raises(TimeoutError):
        there.take()
    here.let_go()
    there.take()
    there.let_go()


def test_turns_are_counted_for_all_who_have_the_file_open(tmp_path: Path) -> None:
    path = str(tmp_path / "turn")
    here, there = FileTurn(path, PATIENCE), FileTurn(path, PATIENCE)
    assert here.passed() is None
    numbers = []
    for turn in (here, there, here):
        turn.take()
        assert here.passed() is None
        assert there.passed() is None
        turn.give_back()
        numbers.append(here.passed())
        assert here.passed() == numbers[-1]
    assert None not in numbers
    assert len(set(numbers)) == 3
    assert there.passed() == numbers[-1]
    here.let_go()
    assert here.passed() is None
    there.let_go()


def test_after_a_turn_that_nobody_gave_back_nothing_is_sure_until_the_next(tmp_path: Path) -> None:
    path = str(tmp_path / "turn")
    here, killed = FileTurn(path, PATIENCE), FileTurn(path, PATIENCE)
    here.take()
    here.give_back()
    before = here.passed()
    killed.take()
    killed.let_go()
    assert here.passed() is None
    here.take()
    assert here.passed() is None
    here.give_back()
    assert here.passed() not in {None, before}
    here.let_go()


def test_the_lock_ends_with_its_file_although_the_count_is_still_read(tmp_path: Path) -> None:
    path = str(tmp_path / "turn")
    here, there = FileTurn(path, PATIENCE), FileTurn(path, timedelta(milliseconds=50))
    here.take()
    kept = here._count
    here.let_go()
    there.take()
    assert kept is not None
    there.let_go()


def test_where_there_is_no_room_for_the_count_nobody_has_the_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    turn = FileTurn(str(tmp_path / "turn"), PATIENCE)
    with monkeypatch.context() as patched:
        patched.setattr("app.core.file_turn.os.posix_fallocate", full)
        with pytest.raises(OSError, match="No space left"):
            turn.take()
    turn.take()
    turn.give_back()
    turn.let_go()
