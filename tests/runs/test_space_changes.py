"""What a run changed: announced, attributed, shown, taken back, expected."""

import errno
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pygit2
import pytest

from app.core.errors import NothingToRevert, RevertedAlready, RunNotFinished, SpaceError
from app.database import Database
from app.persona.client import Deadline, Request
from app.persona.errors import PersonaCancelled, PersonaRefused
from app.persona.fakes import ScriptedPersona
from app.runs.run import Run
from app.tasks.task import Change, Expected
from tests.conftest import on_sqlite
from tests.house import OWNER as _OWNER
from tests.house import House
from tests.runs.hands import append, contents, doing, write

JOURNAL = "scratch/journal.md"


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    house = House(database, tmp_path, persona=ScriptedPersona(has_hands=True))
    for name in ("one", "two", "three"):
        house.add(name, overlap="allow")
    (root(house) / "scratch").mkdir()
    (root(house) / JOURNAL).write_text("# First\n\nThe beginning.\n")
    return house


def root(house: House) -> Path:
    return house.space.files.root


def text(house: House, path: str = JOURNAL) -> str:
    return (root(house) / path).read_text()


def run(house: House, *steps: Callable[[Request], object], task: str = "one", **fields: Any) -> Run:
    """Run a task whose persona does these steps."""
    house.persona._script.append(doing(*steps, **fields))
    started = house.executions.start(task)
    house.settle()
    return house.history.run(started.id)


def entry(house: House, name: str, path: str = JOURNAL) -> Callable[[Request], None]:
    return lambda request: append(root(house), path, f"# {name}\n\nSomething.\n", request)


def test_a_run_says_which_files_it_changed(house: House) -> None:
    (root(house) / "old.bin").write_bytes(b"\0")
    ended = run(
        house,
        entry(house, "Second"),
        lambda request: write(root(house), "new/a.md", b"a\n", request),
        lambda request: write(root(house), "old.bin", None, request),
    )
    assert ended.metadata["files"] == [
        {"path": "new/a.md", "change": "created"},
        {"path": "old.bin", "change": "deleted"},
        {"path": JOURNAL, "change": "updated"},
    ]
    diffs = {
        file.path: (file.change, file.diff) for file in house.space_history.diff(ended.id).files
    }
    assert diffs["new/a.md"] == ("created", "@@ -0,0 +1,1 @@\n+a\n")
    assert diffs["old.bin"] == ("deleted", "binary: 1 bytes before, nothing after\n")
    assert "+# Second\n" in diffs[JOURNAL][1]
    assert "-" not in diffs[JOURNAL][1].replace("@@ -", "")


def test_a_run_that_changed_nothing_in_the_end_shows_nothing(house: House) -> None:
    ended = run(
        house,
        lambda request: write(root(house), "a.md", b"a\n", request),
        lambda request: write(root(house), "a.md", None, request),
    )
    assert ended.metadata["files"] == []
    assert house.space_history.diff(ended.id).files == []


def test_a_run_that_changed_something_is_a_commit(house: House) -> None:
    first = run(house, entry(house, "Second"))
    run(house)
    second = run(house, entry(house, "Third"), task="two")
    store = house.space.store
    log = pygit2.Repository(str(store.path)).walk(store.head())
    assert [commit.message.split(",")[0] for commit in log] == [
        f"run {second.id} of two",
        f"run {first.id} of one",
    ]


def test_a_failed_run_says_what_it_changed_too(house: House) -> None:
    def refuse(_: Request) -> None:
        raise PersonaRefused("no")

    ended = run(house, entry(house, "Second"), refuse)
    assert (str(ended.status), ended.reason) == ("failed", "persona_refused")
    assert ended.metadata["files"] == [{"path": JOURNAL, "change": "updated"}]


def test_of_two_runs_at_once_each_has_its_own_changes(house: House) -> None:
    """The one that began later is over in the middle of the other."""

    def in_between(_: Request) -> None:
        inner.append(run(house, entry(house, "Inner"), entry(house, "Own", "own.md"), task="two"))

    inner: list[Run] = []
    outer = run(house, entry(house, "Outer"), in_between, entry(house, "Outer again"))
    assert [f.path for f in house.space_history.diff(outer.id).files] == [JOURNAL]
    diff = house.space_history.diff(outer.id).files[0].diff
    assert "+# Outer\n" in diff
    assert "+# Outer again\n" in diff
    assert "+# Inner\n" not in diff
    assert [f.path for f in house.space_history.diff(inner[0].id).files] == ["own.md", JOURNAL]
    assert "Outer" not in "".join(
        line
        for line in house.space_history.diff(inner[0].id).files[1].diff.splitlines()
        if line[0] == "+"
    )


def test_a_run_is_taken_back_and_what_came_after_it_stays(house: House) -> None:
    first = run(house, entry(house, "Second"), entry(house, "New", "new.md"))
    run(house, entry(house, "Third"), task="two")
    taken = house.taking_back.revert(first.id)
    assert (sorted(taken.reverted), taken.conflicts) == (["new.md", JOURNAL], [])
    assert text(house) == "# First\n\nThe beginning.\n\n# Third\n\nSomething.\n"
    assert not (root(house) / "new.md").exists()
    assert all(file.reverted for file in house.space_history.diff(first.id).files)


def test_taking_back_twice_says_that_it_was_done_already(house: House) -> None:
    first = run(house, entry(house, "Second"))
    house.taking_back.revert(first.id)
    before = contents(root(house))
    with pytest.raises(RevertedAlready, match="it was reverted already"):
        house.taking_back.revert(first.id)
    assert contents(root(house)) == before


def test_a_run_that_changed_nothing_has_nothing_to_take_back(house: House) -> None:
    ended = run(house)
    with pytest.raises(NothingToRevert, match="nothing to do"):
        house.taking_back.revert(ended.id)


def test_lines_that_somebody_changed_since_are_left_and_reported(house: House) -> None:
    first = run(house, entry(house, "Second"), entry(house, "New", "new.md"))
    (root(house) / JOURNAL).write_text(text(house).replace("Second", "Corrected by hand"))
    taken = house.taking_back.revert(first.id)
    assert (taken.reverted, taken.conflicts) == (["new.md"], [JOURNAL])
    assert "# Corrected by hand" in text(house)
    with pytest.raises(NothingToRevert) as caught:
        house.taking_back.revert(first.id)
    assert caught.value.conflicts == (JOURNAL,)


def test_a_deleted_file_comes_back_with_its_mode(house: House) -> None:
    script = root(house) / "tool.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o750)
    ended = run(house, lambda request: write(root(house), "tool.sh", None, request))
    house.taking_back.revert(ended.id)
    assert (script.read_text(), script.stat().st_mode & 0o777) == ("#!/bin/sh\n", 0o750)


def test_a_link_in_the_place_of_a_file_is_not_written_through(house: House, tmp_path: Path) -> None:
    outside = tmp_path / "outside.md"
    outside.write_text("not yours")
    ended = run(house, entry(house, "Second"))
    (root(house) / JOURNAL).unlink()
    (root(house) / JOURNAL).symlink_to(outside)
    with pytest.raises(NothingToRevert):
        house.taking_back.revert(ended.id)
    assert outside.read_text() == "not yours"


def test_a_run_that_goes_on_cannot_be_taken_back(house: House) -> None:
    started = house.executions.start("one")
    with pytest.raises(RunNotFinished):
        house.taking_back.revert(started.id)


def test_the_history_says_who_wrote_each_line(house: House) -> None:
    first = run(house, entry(house, "Second"))
    (root(house) / JOURNAL).write_text(text(house) + "by hand\n")
    second = run(house, entry(house, "Third"), task="two")
    found = house.space_history.of_path(JOURNAL, 50)
    assert [(e.author, e.run_id, e.change) for e in found.entries] == [
        ("run", second.id, "updated"),
        ("outside", None, "updated"),
        ("run", first.id, "updated"),
    ]
    assert [
        (lines.first, lines.last, lines.entry and (lines.entry.run_id or lines.entry.author))
        for lines in found.lines
    ] == [(1, 3, None), (4, 7, first.id), (8, 8, "outside"), (9, 12, second.id)]


def test_a_revert_is_an_entry_of_its_own_and_lines_keep_their_writers(house: House) -> None:
    first = run(house, entry(house, "Second"))
    second = run(house, lambda r: write(root(house), JOURNAL, b"all gone\n", r), task="two")
    house.taking_back.revert(second.id)
    found = house.space_history.of_path(JOURNAL, 50)
    assert [(e.author, e.run_id, e.undone) for e in found.entries] == [
        ("owner", second.id, False),
        ("run", second.id, True),
        ("run", first.id, False),
    ]
    assert [(x.first, x.last, x.entry and x.entry.run_id) for x in found.lines] == [
        (1, 3, None),
        (4, 7, first.id),
    ]


def test_a_process_that_lost_its_run_changes_nothing_more(house: House) -> None:
    """It was stopped in the middle, given up for dead, and goes on."""
    before = contents(root(house))

    def is_given_up(_: Request) -> None:
        house.release()

    thawed: list[BaseException] = []

    def goes_on(request: Request) -> None:
        for path in (JOURNAL, "other.md"):
            with pytest.raises(PersonaCancelled) as caught:
                append(root(house), path, "from beyond\n", request)
            thawed.append(caught.value)
        raise thawed[0]

    house.persona._script.append(doing(entry(house, "First try"), is_given_up, goes_on))
    house.persona._script.append("I am the second try.")
    house.executions.start("one")
    house.settle()
    (ended,) = house.runs()
    assert (str(ended.status), ended.attempt) == ("succeeded", 2)
    assert len(thawed) == 2
    assert contents(root(house)) == before
    # what was rolled back was never the owner's to revert
    with pytest.raises(NothingToRevert, match="nothing to do"):
        house.taking_back.revert(ended.id)


# ---- a persona that writes by itself


@pytest.fixture
def silent(database: Database, tmp_path: Path) -> House:
    house = House(database, tmp_path)
    for name in ("one", "two"):
        house.add(name, overlap="allow")
    (root(house) / "a.md").write_text("a\n")
    return house


def test_what_a_persona_changes_by_itself_is_found(silent: House) -> None:
    ended = run(silent, lambda _: (root(silent) / "a.md").write_text("b\n"))
    assert ended.metadata["files"] == [{"path": "a.md", "change": "updated"}]
    silent.taking_back.revert(ended.id)
    assert text(silent, "a.md") == "a\n"


def test_where_such_runs_overlap_it_is_said(silent: House) -> None:
    def in_between(_: Request) -> None:
        run(silent, lambda _: (root(silent) / "b.md").write_text("b\n"), task="two")

    run(silent, in_between)
    shared = {r.task_id: r.metadata["files"] for r in silent.runs()}
    assert shared["two"] == [{"path": "b.md", "change": "created", "shared": True}]
    assert shared["one"] == []


def test_a_space_that_cannot_be_written_is_no_change_of_somebody_else(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = run(house, entry(house, "Second"))
    after = text(house)

    def read_only(*_: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as shut:
        shut.setattr("app.persona.history.files._put_back", read_only)
        with pytest.raises(SpaceError, match="cannot be put back: Read-only file system"):
            house.taking_back.revert(ended.id)
    assert text(house) == after
    assert house.taking_back.revert(ended.id).reverted == [JOURNAL]


def test_a_run_that_touches_nothing_writes_nothing_down(silent: House) -> None:
    run(silent)
    with silent.database.read() as connection:
        assert silent.space.trail.contents(connection) == set()


def test_a_space_that_is_gone_does_not_stop_a_persona_that_needs_none(silent: House) -> None:
    (root(silent) / "a.md").unlink()
    root(silent).rmdir()
    assert str(run(silent).status) == "succeeded"


def test_a_script_of_a_persona_with_hands_may_change_any_file(house: House) -> None:
    def script(request: Request) -> None:
        request.changes.announce_all()
        (root(house) / "made.md").write_text("by a script\n")

    ended = run(house, entry(house, "Second"), script)
    assert ended.metadata["files"] == [
        {"path": "made.md", "change": "created"},
        {"path": JOURNAL, "change": "updated"},
    ]
    house.taking_back.revert(ended.id)
    assert list(contents(root(house))) == [JOURNAL]


# ---- what a task expects


def expecting(house: House, change: str, steps: Callable[[Request], None], **more: Any) -> Run:
    house.registry.update(
        "one", {"expects": [{"path": f"./{JOURNAL}", "change": change, **more}]}, _OWNER
    )
    return run(house, steps)


@pytest.mark.parametrize(
    ("change", "data", "met"),
    [
        ("appended", b"# First\n\nThe beginning.\nmore\n", True),
        ("appended", b"rewritten\n", False),
        ("appended", None, False),
        ("updated", b"rewritten\n", True),
        ("created", b"rewritten\n", False),
    ],
)
@on_sqlite
def test_a_run_must_keep_what_its_task_promised(
    house: House, change: str, data: bytes | None, met: bool
) -> None:
    ended = expecting(house, change, lambda request: write(root(house), JOURNAL, data, request))
    assert (ended.reason is None) == met
    if not met:
        assert (str(ended.status), ended.reason) == ("failed", "no_effect")
        assert f"./{JOURNAL}" in str(ended.error)
        assert ended.response == "Done."
        assert ended.metadata["files"] != []


@on_sqlite
def test_a_run_that_does_not_touch_the_file_has_no_effect(house: House) -> None:
    ended = expecting(house, "updated", entry(house, "Elsewhere", "other.md"))
    assert ended.reason == "no_effect"
    assert str(ended.error).endswith("Changed was: created `other.md`")


@on_sqlite
def test_too_little_is_no_effect(house: House) -> None:
    ended = expecting(house, "appended", entry(house, "Second"), min_bytes=1000)
    assert ended.reason == "no_effect"
    assert "expected: 1000" in str(ended.error)


_PROMISED = {"one": (Expected(path=JOURNAL, change=Change.APPENDED),)}


@pytest.mark.parametrize(
    ("has_hands", "prompt", "expects", "reason"),
    [
        (True, f"Write to {JOURNAL}", None, "no_effect"),
        (True, "Write to another.md", None, None),
        (True, "Whatever", [{"path": JOURNAL, "change": "appended"}], "no_effect"),
        (False, f"Write to {JOURNAL}", None, None),
        (False, "Whatever", [{"path": JOURNAL, "change": "appended"}], None),
        (False, "Whatever", [{"path": JOURNAL, "change": "updated"}], "no_effect"),
    ],
)
@on_sqlite
def test_the_promise_of_a_default_task_binds_a_persona_whose_hands_are_seen(
    database: Database,
    tmp_path: Path,
    has_hands: bool,
    prompt: str,
    expects: Any,
    reason: str | None,
) -> None:
    persona = ScriptedPersona(has_hands=has_hands)
    house = House(database, tmp_path, persona=persona, defaults=_PROMISED)
    house.add("one", prompt=prompt, **({"expects": expects} if expects else {}))
    assert run(house).reason == reason


def test_taking_back_waits_for_whoever_writes(house: House) -> None:
    """The lock of the folder is held by somebody else all the time."""
    ended = run(house, entry(house, "Second"))
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        deadline = Deadline(house.clock, timedelta(seconds=1), threading.Event())
        with house.space.files.locked(JOURNAL, deadline):
            held.set()
            done.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    try:
        with pytest.raises(Exception, match="in use all the time"):
            house.taking_back.revert(ended.id)
    finally:
        done.set()
        thread.join()
    assert house.taking_back.revert(ended.id).reverted == [JOURNAL]


def scripted(house: House, work: Callable[[], None]) -> Callable[[Request], None]:
    """A step that may change any file, as a script does."""

    def step(request: Request) -> None:
        request.changes.announce_all()
        work()

    return step


def _deep(house: House) -> None:
    root(house).joinpath(*"d" * 40).mkdir(parents=True)
    (root(house) / "a.md").write_text("a\n")


def _second_name(house: House) -> None:
    (root(house) / "a.md").write_text("a\n")
    (root(house) / "new.md").hardlink_to(root(house) / JOURNAL)


@pytest.mark.parametrize("mischief", [_deep, _second_name])
def test_no_folder_or_link_hides_what_a_script_did(
    house: House, mischief: Callable[[House], None]
) -> None:
    ended = run(house, entry(house, "Second"), scripted(house, lambda: mischief(house)))
    files = {file["path"]: file["change"] for file in ended.metadata["files"]}
    assert files == {"a.md": "created", JOURNAL: "updated"}


@on_sqlite
def test_of_a_run_that_changed_too_much_only_a_part_is_shown(house: House) -> None:
    def many() -> None:
        for number in range(1_100):
            (root(house) / f"{number:04}.md").write_text("x\n" * (30_000 if number < 50 else 1))

    ended = run(house, scripted(house, many))
    shown = house.space_history.diff(ended.id)
    assert (len(shown.files), shown.complete) == (1_000, False)
    assert sum(len(file.diff) for file in shown.files) < 3_000_000


@on_sqlite
def test_lines_of_a_large_file_are_followed_only_so_far_back(house: House) -> None:
    (root(house) / JOURNAL).write_text("x" * 4_000_000 + "\n")
    for number in range(20):
        run(house, entry(house, f"No. {number}"))
    history = house.space_history.of_path(JOURNAL, 50)
    added = [entry.added for entry in history.entries]
    assert (len(added), added[0], added[-1]) == (20, 4, None)
    assert [lines.entry is None for lines in history.lines[:2]] == [True, False]
