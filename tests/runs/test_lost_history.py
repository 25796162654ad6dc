"""The history of the space was removed or damaged: runs end and say so, and the service goes on."""

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from app.database import Database
from app.persona.client import Request
from app.persona.errors import HistoryLost
from tests.house import MIDNIGHT, House
from tests.runs.hands import contents, doing, write, written_at
from tests.runs.test_rollback import died, fill, house, killed, recorded_run

NOTE = "note.md"


def removed(repository: Path) -> None:
    shutil.rmtree(repository)


def emptied(repository: Path) -> None:
    for file in repository.glob("objects/??/*"):
        file.unlink()


def overwritten(repository: Path) -> None:
    for file in repository.glob("objects/??/*"):
        file.chmod(0o600)
        file.write_bytes(b"damaged")


def beheaded(repository: Path) -> None:
    (repository / "HEAD").unlink()
    emptied(repository)


DAMAGES = [removed, emptied, overwritten, beheaded]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    fill(tmp_path / "space")
    return tmp_path / "space"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return tmp_path / "state" / "history.git"


def script(root: Path) -> Callable[[Request], None]:
    """Return a step that runs a script."""

    def run(request: Request) -> None:
        request.changes.announce_all()
        (root / NOTE).write_text("by a script\n")
        written_at(root / NOTE, MIDNIGHT - timedelta(hours=1))

    return run


def hand(root: Path) -> Callable[[Request], None]:
    """Return a step that changes a file by hand."""

    def change(request: Request) -> None:
        write(root, NOTE, b"by hand\n", request)
        written_at(root / NOTE, MIDNIGHT - timedelta(hours=1))

    return change


def works(house: House, root: Path) -> None:
    """Check that a run goes well, is shown and is taken back."""
    house.add("next")
    run_id = house.executions.start("next").id
    house.persona._script.clear()
    house.persona._script.append(
        doing(lambda request: write(root, "next.md", b"next\n", request), script(root))
    )
    house.settle()
    assert str(house.history.run(run_id).status) == "succeeded"
    assert "next.md" in [file.path for file in house.space_history.diff(run_id).files]
    assert "next.md" in house.taking_back.revert(run_id).reverted


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("step", [hand, script])
def test_a_run_that_cannot_be_taken_back_ends_and_the_next_one_works(
    database: Database,
    tmp_path: Path,
    root: Path,
    repository: Path,
    step: Callable[[Path], Callable[[Request], None]],
    damage: Callable[[Path], None],
) -> None:
    (root / NOTE).write_text("before\n")
    written_at(root / NOTE, MIDNIGHT - timedelta(hours=2))
    died(database, tmp_path, step(root))
    after = contents(root)
    damage(repository)
    other = house(database, tmp_path, pid=2)
    other.release()
    (run,) = other.runs()
    assert (str(run.status), run.reason) == ("interrupted", "not_put_back")
    assert "could not be put back" in (run.error or "")
    assert contents(root) == after
    assert other.recovery.step() == 0
    works(other, root)


def test_what_is_still_held_of_a_run_is_put_back(
    database: Database, tmp_path: Path, root: Path
) -> None:
    one = died(
        database,
        tmp_path,
        lambda request: write(root, "other.md", b"dead\n", request),
        hand(root),
    )
    written_at(root / "other.md", MIDNIGHT - timedelta(hours=1))
    with database.read() as connection:
        (step,) = one.space.trail.of_path(connection, "other.md")
    assert step.before is not None
    (one.space.store.path / "objects" / step.before[:2] / step.before[2:]).unlink()
    other = house(database, tmp_path, pid=2)
    other.release()
    assert other.outcomes() == [("interrupted", "not_put_back")]
    assert (root / "other.md").read_text() == "dead\n"
    assert not (root / NOTE).exists()


def test_a_kill_at_any_point_leaves_no_run_that_is_made_again_on_top_of_what_stays(
    database: Database, tmp_path: Path, root: Path, repository: Path
) -> None:
    died(database, tmp_path, hand(root), script(root))
    removed(repository)
    for point in range(1, 200):
        came_to_it = killed(database, point, house(database, tmp_path, pid=2).recovery.step)
        ended = house(database, tmp_path, pid=3).outcomes()
        assert ended in ([("running", None)], [("interrupted", "not_put_back")])
        if not came_to_it:
            break
    # it writes twice: it lets go of the run, and it ends it
    assert point == 3, "not every write was met"
    other = house(database, tmp_path, pid=3)
    other.release()
    assert other.outcomes() == [("interrupted", "not_put_back")]


def test_a_finished_run_whose_history_is_gone_cannot_be_shown_or_taken_back(
    database: Database, tmp_path: Path, root: Path, repository: Path
) -> None:
    (root / NOTE).write_text("before\n")
    one = house(database, tmp_path)
    one.add("one")
    run_id = one.executions.start("one").id
    one.persona._script.append(doing(hand(root)))
    one.settle()
    removed(repository)
    with pytest.raises(HistoryLost):
        one.space_history.diff(run_id)
    with pytest.raises(HistoryLost):
        one.taking_back.revert(run_id)
    assert (root / NOTE).read_text() == "by hand\n"
    history = one.space_history.of_path(NOTE, 10)
    assert [(entry.author, entry.run_id) for entry in history.entries] == [("run", run_id)]
    assert [(entry.added, entry.removed) for entry in history.entries] == [(None, None)]
    assert [line.entry for line in history.lines] == [None], "nobody knows whose it is"


def test_a_run_of_a_space_that_is_not_this_one_cannot_be_shown_here(
    database: Database, tmp_path: Path
) -> None:
    for name in ("here", "there"):
        fill(tmp_path / name / "space")
    there = house(database, tmp_path / "there")
    there.add("one")
    run_id = there.executions.start("one").id
    there.persona._script.append(doing(hand(tmp_path / "there" / "space")))
    there.settle()
    here = house(database, tmp_path / "here", pid=2)
    with pytest.raises(HistoryLost):
        here.space_history.diff(run_id)
    with pytest.raises(HistoryLost):
        here.taking_back.revert(run_id)
    assert [file.path for file in there.space_history.diff(run_id).files] == [NOTE]


def test_a_run_whose_process_lives_changes_files_while_its_history_is_removed(
    database: Database, tmp_path: Path, root: Path, repository: Path
) -> None:
    (root / NOTE).write_text("before\n")
    one = house(database, tmp_path)
    _, changes = recorded_run(one)
    changes.announce([NOTE])
    removed(repository)
    changes.announce(["other.md"])
    (root / "other.md").write_text("changed\n")
    assert [change.path for change in changes.finish()] == ["other.md"]


def test_a_repository_that_cannot_be_opened_is_put_aside_and_not_removed(
    database: Database, tmp_path: Path, root: Path, repository: Path
) -> None:
    one = house(database, tmp_path)
    one.space.snapshots.take()
    kept = sorted(path.name for path in repository.glob("objects/??/*"))
    (repository / "HEAD").unlink()
    house(database, tmp_path).space.snapshots.take()
    (aside,) = repository.parent.glob("history.git.damaged-*")
    assert sorted(path.name for path in aside.glob("objects/??/*")) == kept
