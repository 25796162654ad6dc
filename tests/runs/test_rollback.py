"""Whatever is killed between any two writes: none of a dead attempt's changes stays."""

import os
import signal
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, update

from app.database import Database
from app.persona.client import Request
from app.persona.errors import PersonaCancelled
from app.persona.fakes import ScriptedPersona
from app.runs.recording import Recording, SpaceRecorder
from app.runs.recovery import Recovery
from app.runs.run import Claim
from app.runs.tables import runs
from app.runs.taking_back import TakenBack, TakingBack
from tests.house import MIDNIGHT, House
from tests.runs.hands import append, contents, doing, write, written_at

JOURNAL = "scratch/journal.md"
MOST_POINTS = 200


def fill(root: Path) -> None:
    """Put files into a space, one of them with a mode of its own."""
    (root / "scratch").mkdir(parents=True)
    (root / JOURNAL).write_text("# First\n\nThe beginning.\n")
    (root / "tool.sh").write_text("#!/bin/sh\n")
    (root / "tool.sh").chmod(0o700)
    (root / "other.md").write_text("Nobody touches this.\n")


def work(root: Path) -> Callable[..., Any]:
    """What a run does: append twice, make, replace, remove."""
    return doing(
        lambda request: append(root, JOURNAL, "# Second\n\nNew.\n", request),
        lambda request: write(root, "made/a.md", b"\0made", request),
        lambda request: write(root, "tool.sh", b"#!/bin/bash\n", request),
        lambda request: append(root, JOURNAL, "# Second, again\n\nNewer.\n", request),
        lambda request: write(root, "tool.sh", None, request),
    )


def done(before: Mapping[str, tuple[bytes, int]]) -> dict[str, tuple[bytes, int]]:
    """Return what the space holds when the work is done."""
    after = {path: held for path, held in before.items() if path != "tool.sh"}
    text, mode = before[JOURNAL]
    new = b"\n# Second\n\nNew.\n\n# Second, again\n\nNewer.\n"
    return {**after, JOURNAL: (text + new, mode), "made/a.md": (b"\0made", 0o644)}


def house(database: Database, folder: Path, pid: int = 1) -> House:
    return House(database, folder, persona=ScriptedPersona(has_hands=True), pid=pid)


def recorded_run(house: House) -> tuple[Claim, Recording]:
    """Claim a run; return it, and what records its changes."""
    house.add("one")
    house.executions.start("one")
    (claim,) = house.claim()
    return claim, SpaceRecorder(house.space).begin(claim)


def kill_at(point: int, database: Database) -> None:
    """Kill this process right before its so manieth write: to a file, to a name, to the ledger."""
    left = point

    def counted(act: Callable[..., Any]) -> Callable[..., Any]:
        def acting(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return act(*args, **kwargs)

        return acting

    for name in ("write", "rename", "unlink", "link", "fsync", "mkdir"):
        setattr(os, name, counted(getattr(os, name)))
    event.listen(database.engine, "commit", counted(lambda _: None))


def killed(database: Database, point: int, act: Callable[[], object]) -> bool:
    """Let a child do something and be killed at a point; say whether it came to that point."""
    database.close()
    child = os.fork()
    if child == 0:
        try:
            kill_at(point, database)
            act()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def begun(database: Database, folder: Path) -> House:
    """Return a process with a queued run."""
    one = house(database, folder)
    one.add("one")
    one.executions.start("one")
    one.persona._script.append(work(one.space.files.root))
    return one


def again(database: Database) -> None:
    """Let every run be one that was never begun."""
    with database.write() as connection:
        connection.exec_driver_sql("DELETE FROM changed_paths")
        connection.exec_driver_sql("DELETE FROM attempts")
        connection.exec_driver_sql("DELETE FROM runs")


def recover(database: Database, folder: Path) -> House:
    other = house(database, folder, pid=2)
    other.release()
    return other


def restored(root: Path, before: Mapping[str, tuple[bytes, int]]) -> None:
    """Put a space back by hand, for the next try."""
    for path in contents(root):
        (root / path).unlink()
    for path, (data, mode) in before.items():
        (root / path).write_bytes(data)
        (root / path).chmod(mode)


def test_a_kill_between_any_two_writes_of_a_run_leaves_none_or_all_of_its_changes(
    database: Database, tmp_path: Path
) -> None:
    root = tmp_path / "space"
    fill(root)
    before = contents(root)
    one = begun(database, tmp_path)
    for point in range(1, MOST_POINTS):
        came_to_it = killed(database, point, one.engine.step)
        other = recover(database, tmp_path)
        (ended,) = other.runs()
        if str(ended.status) == "succeeded":
            assert contents(root) == done(before), f"killed at {point}"
        else:
            assert str(ended.status) == "queued"
            assert contents(root) == before, f"killed at {point}"
            other.persona._script.append(work(root))
            other.settle()
            assert str(other.runs()[0].status) == "succeeded"
            assert contents(root) == done(before), f"killed at {point}"
            assert [f.path for f in other.space_history.diff(ended.id).files] == [
                "made/a.md",
                JOURNAL,
                "tool.sh",
            ]
        if not came_to_it:
            break
        restored(root, before)
        again(database)
        one.executions.start("one")
    assert 40 < point < MOST_POINTS - 1, "the points are not met"


def test_a_kill_during_the_rollback_repeats_it(database: Database, tmp_path: Path) -> None:
    root = tmp_path / "space"
    fill(root)
    before = contents(root)
    one = begun(database, tmp_path)
    for point in range(1, MOST_POINTS):
        # right before the outcome would be stored
        assert killed(database, 1_000, lambda: one.run(one.claim()[0])) is False
        assert contents(root) == done(before)
        came_to_it = killed(database, point, lambda: recover(database, tmp_path))
        other = house(database, tmp_path, pid=3)
        other.recovery.step()
        other.release()
        assert contents(root) == before, f"killed at {point}"
        assert [(str(run.status), run.attempt) for run in other.runs()] == [("queued", 1)]
        if not came_to_it:
            break
        again(database)
        one.executions.start("one")
    assert 20 < point < MOST_POINTS - 1, "the points are not met"


def died(database: Database, folder: Path, *steps: Callable[[Request], None]) -> House:
    """Return a process of which the first attempt of a run did these steps and died."""
    one = house(database, folder)
    one.add("one")
    one.executions.start("one")
    one.persona._script.append(doing(*steps))
    (claim,) = one.claim()
    one.processes.beat(ticked_at=None, state="ticking")

    class Died(BaseException):
        pass

    def dies(request: Request) -> None:
        raise Died

    one.persona._script.clear()
    one.persona._script.append(doing(*steps, dies))
    with pytest.raises(Died):
        one.run(claim)
    return one


@pytest.fixture
def root(tmp_path: Path) -> Path:
    fill(tmp_path / "space")
    return tmp_path / "space"


def test_what_others_appended_since_stays(database: Database, tmp_path: Path, root: Path) -> None:
    one = died(database, tmp_path, lambda r: append(root, JOURNAL, "# Dead\n", r))
    one.add("two")
    started = one.executions.start("two")
    one.persona._script.append(doing(lambda r: append(root, JOURNAL, "# Alive\n", r)))
    one.settle()
    assert str(one.history.run(started.id).status) == "succeeded"
    other = house(database, tmp_path, pid=2)
    other.release()
    text = (root / JOURNAL).read_text()
    assert "# Alive" in text
    assert "# Dead" not in text


def test_what_somebody_wrote_after_the_process_was_dead_is_left(
    database: Database, tmp_path: Path, root: Path
) -> None:
    died(
        database,
        tmp_path,
        lambda r: append(root, JOURNAL, "# Dead\n", r),
        lambda r: append(root, "other.md", "dead too\n", r),
    )
    (root / JOURNAL).write_text("The owner tidied up.\n")
    written_at(root / JOURNAL, MIDNIGHT + timedelta(hours=3))
    written_at(root / "other.md", MIDNIGHT - timedelta(hours=1))
    other = house(database, tmp_path, pid=2)
    other.clock.step_to(MIDNIGHT + timedelta(hours=4))
    other.release()
    assert (root / JOURNAL).read_text() == "The owner tidied up.\n"
    assert (root / "other.md").read_text() == "Nobody touches this.\n"
    (run,) = other.runs()
    assert str(run.status) == "queued"
    (left,) = other.space_history.diff(run.id).files
    assert (left.path, left.shared) == (JOURNAL, True)


def test_a_run_that_ends_interrupted_for_good_is_rolled_back_too(
    database: Database, tmp_path: Path, root: Path
) -> None:
    before = contents(root)
    died(database, tmp_path, lambda r: append(root, JOURNAL, "# Dead\n", r))
    written_at(root / JOURNAL, MIDNIGHT - timedelta(hours=1))
    with database.write() as connection:
        connection.execute(update(runs).values(attempt=2))
        connection.exec_driver_sql("UPDATE changed_paths SET attempt = 2")
    other = house(database, tmp_path, pid=2)
    other.release()
    assert other.outcomes() == [("interrupted", "process_died")]
    assert contents(root) == before
    assert other.space_history.diff(other.runs()[0].id).files == []


def test_what_a_script_of_a_dead_attempt_changed_goes_too(
    database: Database, tmp_path: Path, root: Path
) -> None:
    before = contents(root)

    def script(request: Request) -> None:
        request.changes.announce_all()
        (root / "made.md").write_text("made\n")
        (root / "other.md").unlink()
        for path in ("made.md",):
            written_at(root / path, MIDNIGHT - timedelta(hours=1))

    died(database, tmp_path, script)
    other = house(database, tmp_path, pid=2)
    other.release()
    assert contents(root) == before
    assert other.outcomes() == [("queued", None)]


def test_what_was_announced_and_not_changed_keeps_no_run(
    database: Database, tmp_path: Path, root: Path
) -> None:
    """Its process died after what it changed was written down, before the outcome was."""
    before = contents(root)
    one = house(database, tmp_path)
    _, changes = recorded_run(one)
    changes.announce([JOURNAL])
    changes.announce_all()
    assert changes.finish() == []
    other = house(database, tmp_path, pid=2)
    other.release()
    assert contents(root) == before
    assert other.outcomes() == [("queued", None)]


def test_a_space_that_cannot_be_used_keeps_the_run_until_it_can(
    database: Database, tmp_path: Path, root: Path
) -> None:
    before = contents(root)
    died(database, tmp_path, lambda r: write(root, JOURNAL, b"dead\n", r))
    written_at(root / JOURNAL, MIDNIGHT - timedelta(hours=1))
    other = house(database, tmp_path, pid=2)
    root.rename(tmp_path / "away")
    assert other.release() == 0
    assert other.outcomes() == [("running", None)]
    (tmp_path / "away").rename(root)
    assert other.recovery.step() == 1
    assert other.outcomes() == [("queued", None)]
    assert contents(root) == before


def test_nobody_holds_a_run_while_it_is_rolled_back(
    database: Database, tmp_path: Path, root: Path
) -> None:
    """Its process was only stopped, and goes on in that very moment."""
    one = house(database, tmp_path)
    claim, changes = recorded_run(one)
    changes.announce([JOURNAL])
    refused: list[str] = []

    class Watching(TakingBack):
        def rollback(self, run_id: str, attempt: int, alive_until: datetime | None) -> TakenBack:
            for path in (JOURNAL, "other.md"):
                with pytest.raises(PersonaCancelled):
                    changes.announce([path])
                refused.append(path)
            return super().rollback(run_id, attempt, alive_until)

    recovery = Recovery(
        database,
        one.ledger,
        one.processes,
        one.registry,
        one.results,
        one.clock,
        held_here=set,
        taking_back=Watching(one.space, one.history),
    )
    holders = {claim.run_id: (claim.attempt, claim.owner)}
    assert recovery.release(holders, reason="process_died") == 1
    assert refused == [JOURNAL, "other.md"]
    assert one.outcomes() == [("queued", None)]


def test_what_the_owner_writes_while_a_file_is_put_back_stays(
    database: Database, tmp_path: Path, root: Path
) -> None:
    died(database, tmp_path, lambda r: write(root, JOURNAL, b"dead\n", r))
    written_at(root / JOURNAL, MIDNIGHT - timedelta(hours=1))
    other = house(database, tmp_path, pid=2)
    put_back = other.space.files.put_back

    def owner_is_quicker(*args: Any, **given: Any) -> None:
        (root / JOURNAL).write_text("The owner's.\n")
        written_at(root / JOURNAL, MIDNIGHT + timedelta(hours=3))
        put_back(*args, **given)

    other.space.files.put_back = owner_is_quicker  # type: ignore[method-assign]  # in between
    assert other.release() == 0
    assert (root / JOURNAL).read_text() == "The owner's.\n"
    other.space.files.put_back = put_back  # type: ignore[method-assign]  # as it was
    assert other.recovery.step() == 1
    assert (root / JOURNAL).read_text() == "The owner's.\n"


def test_what_the_owner_writes_before_a_rollback_is_tried_again_stays(
    database: Database, tmp_path: Path, root: Path
) -> None:
    died(database, tmp_path, lambda r: write(root, JOURNAL, b"dead\n", r))
    written_at(root / JOURNAL, MIDNIGHT - timedelta(hours=1))
    other = house(database, tmp_path, pid=2)
    root.rename(tmp_path / "away")
    for _ in range(10):
        other.clock.advance(timedelta(seconds=9))
        other.recovery.step()
    assert other.outcomes() == [("running", None)]
    (tmp_path / "away").rename(root)
    (root / JOURNAL).write_text("The owner's.\n")
    written_at(root / JOURNAL, MIDNIGHT + timedelta(hours=3))
    assert other.recovery.step() == 1
    assert (root / JOURNAL).read_text() == "The owner's.\n"


def test_a_host_with_a_space_of_its_own_leaves_that_space_alone(
    database: Database, tmp_path: Path
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        fill(folder / "space")
    one = died(database, there, lambda r: write(there / "space", "made.md", b"dead\n", r))
    (here / "space" / "made.md").write_text("The owner of this space made it long ago.\n")
    written_at(here / "space" / "made.md", MIDNIGHT - timedelta(days=1))
    before = contents(here / "space")
    other = house(database, here, pid=2)
    other.release()
    assert contents(here / "space") == before
    assert other.outcomes() == [("queued", None)]
    assert other.space_history.of_path("made.md", 10).entries == []
    assert [each.author for each in one.space_history.of_path("made.md", 10).entries] == ["run"]
