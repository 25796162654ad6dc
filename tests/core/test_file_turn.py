"""Turns by a file."""

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
