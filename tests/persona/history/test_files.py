"""Putting files back: below the space, never through a link, never over somebody else's."""

from pathlib import Path

import pytest

from app.core.errors import SpaceBusy, SpaceError
from app.persona.history.files import SpaceFiles, normal
from app.persona.openat import Walk, best_opener


@pytest.fixture(params=["openat2", "walk"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> SpaceFiles:
    (tmp_path / "space" / "notes").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    opener = Walk() if request.param == "walk" else best_opener()
    return SpaceFiles(tmp_path / "space", opener)


def test_a_file_and_its_folders_are_made_anew(files: SpaceFiles) -> None:
    files.put_back("a/b/c.sh", b"#!/bin/sh\n", 0o750, instead_of=None)
    path = files.root / "a" / "b" / "c.sh"
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"#!/bin/sh\n", 0o750)
    assert [p.name for p in path.parent.iterdir()] == ["c.sh"]


def test_a_link_is_neither_followed_nor_removed(files: SpaceFiles, tmp_path: Path) -> None:
    secret = tmp_path / "outside" / "secret"
    secret.write_text("secret")
    link = files.root / "notes" / "a.md"
    link.symlink_to(secret)
    for data in (b"mine", None):
        with pytest.raises(SpaceError):
            files.put_back("notes/a.md", data, None, instead_of=None)
    assert link.is_symlink()
    assert secret.read_text() == "secret"


def test_a_folder_that_is_a_link_leads_nowhere(files: SpaceFiles, tmp_path: Path) -> None:
    (files.root / "away").symlink_to(tmp_path / "outside")
    with pytest.raises(SpaceError):
        files.put_back("away/a.md", b"out", None, instead_of=None)
    with pytest.raises(SpaceError):
        files.put_back("away/deeper/a.md", b"out", None, instead_of=None)
    assert list((tmp_path / "outside").iterdir()) == []


@pytest.mark.parametrize(
    "path",
    ["", ".", "/etc/passwd", "../a", "a/../b", ".hidden", "a/.b", "tasks/x", "Tasks/x", "\0"],
)
def test_what_has_no_history_is_refused(path: str) -> None:
    with pytest.raises(SpaceError):
        normal(path)


def test_a_file_that_changed_since_is_not_put_back(files: SpaceFiles) -> None:
    path = files.root / "notes" / "a.md"
    path.write_text("the owner's")
    for data in (b"mine", None):
        with pytest.raises(SpaceBusy):
            files.put_back("notes/a.md", data, None, instead_of=b"the run's")
        with pytest.raises(SpaceBusy):
            files.put_back("notes/a.md", data, None, instead_of=None)
    assert path.read_text() == "the owner's"
