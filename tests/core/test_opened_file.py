"""A file that was taken from under a database is noticed, and so is its return."""

from pathlib import Path

import pytest

from app.core.errors import LedgerRemoved
from app.core.opened_file import OpenedFile


class Time:
    """A time that stands still until a test moves it, and how often a file was looked at."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.looks = 0
        stat = Path.stat

        def counted(path: Path) -> object:
            # the log beside it is looked at with it
            self.looks += path.name == "x.sqlite3"
            return stat(path)

        monkeypatch.setattr("app.core.opened_file.time.monotonic", lambda: self.now)
        monkeypatch.setattr("app.core.opened_file.Path.stat", counted)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    return Time(monkeypatch)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "x.sqlite3"
    path.touch()
    return path


def test_it_is_looked_at_once_a_second_however_often_it_is_asked_for(
    path: Path, time: Time
) -> None:
    file = OpenedFile(str(path))
    file.opened()
    time.looks = 0
    assert all(file.is_in_place() for _ in range(1000))
    path.unlink()
    file.check()
    assert time.looks == 1
    time.now += 1
    assert not file.is_in_place()
    with pytest.raises(LedgerRemoved, match=r"x\.sqlite3 was removed or replaced"):
        file.check()
    assert time.looks == 2


def test_another_file_of_its_name_is_not_it_and_the_same_one_is(path: Path, time: Time) -> None:
    file = OpenedFile(str(path))
    file.opened()
    aside = path.rename(path.with_name("aside"))
    path.touch()
    with pytest.raises(LedgerRemoved):
        file.check_at_once()
    file.opened()
    time.now += 1
    assert not file.is_in_place()
    aside.rename(path)
    file.check_at_once()
    assert file.is_in_place()


def test_before_it_is_opened_any_file_or_none_is_right(tmp_path: Path) -> None:
    file = OpenedFile(str(tmp_path / "not yet"))
    file.check_at_once()
    assert file.is_in_place()
