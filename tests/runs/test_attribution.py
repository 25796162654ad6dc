"""Whose work a change is, where personas change files without announcing it."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from app.database import Database
from app.persona.client import Request
from app.persona.history.snapshots import FileChange
from app.persona.history.store import NOT_KEPT, Kept
from app.runs.attribution import Meant, own_changes
from app.runs.run import Claim, Run
from app.runs.trail import Kind, Step
from app.tasks.task import Change, Expected
from tests.house import House
from tests.runs.hands import doing

Work = Callable[[Request], None]
MOMENT = timedelta(milliseconds=10)


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    return House(database, tmp_path)


def meant(house: House, name: str, *paths: str) -> None:
    house.add(
        name,
        overlap="allow",
        expects=[{"path": path, "change": "appended"} for path in paths],
    )


def appends(house: House, path: str, text: str) -> Work:
    def work(_: Request) -> None:
        house.clock.advance(MOMENT)
        written = house.space.files.root / path
        with written.open("a") as file:
            file.write(text)
        os.utime(written, 2 * (house.clock.now().timestamp(),))
        house.clock.advance(MOMENT)

    return work


def run(house: House, task: str, *steps: Work) -> Run:
    house.persona._script.append(doing(*steps))
    started = house.executions.start(task)
    house.settle()
    return house.history.run(started.id)


def files(house: House, run_id: str) -> dict[str, bool]:
    found = house.history.run(run_id).metadata["files"]
    return {each["path"]: each.get("shared", False) for each in found}


def added(house: House, run_id: str) -> dict[str, list[str]]:
    """Return the lines that a run added, file by file."""
    return {
        file.path: [line[1:] for line in file.diff.splitlines() if line.startswith("+")]
        for file in house.space_history.diff(run_id).files
    }


def text(house: House, path: str) -> str:
    return (house.space.files.root / path).read_text()


def test_runs_right_after_one_another_each_have_their_own_work(house: House) -> None:
    meant(house, "one", "a.md")
    ended = []
    for number in range(4):
        ended.append(run(house, "one", appends(house, "a.md", f"{number}\n")))
        house.clock.advance(MOMENT)
    assert [str(each.status) for each in ended] == ["succeeded"] * 4
    assert [files(house, each.id) for each in ended] == [{"a.md": False}] * 4
    assert [added(house, each.id) for each in ended] == [{"a.md": [str(n)]} for n in range(4)]
    house.taking_back.revert(ended[3].id)
    assert text(house, "a.md") == "0\n1\n2\n"


def test_at_once_each_has_the_file_that_it_is_meant_to_change(house: House) -> None:
    for name in ("one", "two", "three"):
        meant(house, name, f"{name}.md")
    ended: list[Run] = []

    def beside(task: str, *more: Work) -> Work:
        work = appends(house, f"{task}.md", f"{task}\n")
        return lambda _: ended.append(run(house, task, work, *more))

    first = run(house, "one", appends(house, "one.md", "one\n"), beside("two", beside("three")))
    assert [(each.task_id, str(each.status)) for each in (*ended, first)] == [
        ("three", "succeeded"),
        ("two", "succeeded"),
        ("one", "succeeded"),
    ]
    for each in (*ended, first):
        assert files(house, each.id) == {f"{each.task_id}.md": True}
    assert house.taking_back.revert(ended[0].id).reverted == ["three.md"]
    assert text(house, "one.md") == "one\n"


def test_what_is_not_judged_tells_whose_work_it_is_all_the_same(
    database: Database, tmp_path: Path
) -> None:
    """What default tasks ship with does not bind a persona service, but says what they write."""
    ships = (Expected(path="one.md", change=Change.APPENDED),)
    house = House(database, tmp_path, defaults={"one": ships})
    house.add("one", overlap="allow", prompt="Write to one.md")
    house.add("two", overlap="allow")
    inner: list[Run] = []
    outer = run(
        house,
        "one",
        appends(house, "one.md", "one\n"),
        lambda _: inner.append(run(house, "two", appends(house, "two.md", "two\n"))),
    )
    assert files(house, inner[0].id) == {"two.md": True}
    assert files(house, outer.id) == {"one.md": True}


def test_two_that_are_meant_to_write_to_one_file_both_have_it(house: House) -> None:
    for name in ("one", "two"):
        meant(house, name, "a.md")
    inner: list[Run] = []
    outer = run(
        house,
        "one",
        appends(house, "a.md", "one\n"),
        lambda _: inner.append(run(house, "two", appends(house, "a.md", "two\n"))),
    )
    assert (str(outer.status), str(inner[0].status)) == ("succeeded", "succeeded")
    assert files(house, outer.id) == files(house, inner[0].id) == {"a.md": True}


def test_what_comes_after_the_work_of_others_is_ones_own(house: House) -> None:
    for name in ("one", "two"):
        house.add(name, overlap="allow")
    inner: list[Run] = []

    def beside(line: str) -> Work:
        work = appends(house, "a.md", line)
        return lambda _: inner.append(run(house, "two", work))

    outer = run(house, "one", beside("first\n"), beside("second\n"), appends(house, "a.md", "me\n"))
    assert [added(house, each.id) for each in inner] == [{"a.md": ["first"]}, {"a.md": ["second"]}]
    assert added(house, outer.id) == {"a.md": ["me"]}
    house.taking_back.revert(outer.id)
    assert text(house, "a.md") == "first\nsecond\n"


def test_what_nobody_is_meant_to_change_is_of_the_run_that_ends_first(house: House) -> None:
    for name in ("one", "two"):
        house.add(name, overlap="allow")
    inner: list[Run] = []
    outer = run(
        house,
        "one",
        appends(house, "a.md", "one\n"),
        lambda _: inner.append(run(house, "two")),
    )
    assert files(house, inner[0].id) == {"a.md": True}
    assert files(house, outer.id) == {}


def test_what_was_there_before_a_run_began_is_not_its_work(house: House) -> None:
    """The first waits to be closed; the second is meant to write there, and does nothing."""
    house.add("one", overlap="allow")
    meant(house, "two", "a.md")
    house.persona.say(doing(appends(house, "a.md", "one\n")), doing())
    first = house.executions.start("one")
    (claim,) = house.claim(1)
    answered = house.runner.ask(claim, Event())
    house.clock.advance(timedelta(seconds=1))
    second = house.executions.start("two")
    (other,) = house.claim(1)
    idle = house.runner.ask(other, Event())
    outcomes = [
        outcome for each in (answered, idle) for _, outcome in house.runner.close([each], Event())
    ]
    assert [(str(each.status), each.reason) for each in outcomes] == [
        ("succeeded", None),
        ("failed", "no_effect"),
    ]
    assert outcomes[0].metadata["files"] == [{"path": "a.md", "change": "created", "shared": True}]
    with house.database.read() as connection:
        assert [step.run_id for step in house.space.trail.of_path(connection, "a.md")] == [first.id]
    assert second.id == other.run_id


def test_a_file_is_left_to_who_is_meant_to_write_it_also_after_somebody_else(house: House) -> None:
    house.add("one", overlap="allow")
    for name in ("two", "three"):
        meant(house, name, "a.md")
    ended: list[Run] = []

    def beside(_: Request) -> None:
        """While `three` goes on, `one` does, and `two` from its beginning to its end."""
        two = appends(house, "a.md", "two\n")
        ended.append(
            run(
                house,
                "one",
                lambda _: ended.append(run(house, "two", two)),
                # the hand of `three`
                appends(house, "a.md", "three\n"),
            )
        )

    outer = run(house, "three", beside)
    two, one = ended
    assert added(house, two.id) == {"a.md": ["two"]}
    assert files(house, one.id) == {}
    assert added(house, outer.id) == {"a.md": ["three"]}


def test_what_was_written_down_in_a_try_before_is_not_written_down_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger goes away right after it has taken the steps."""
    meant(house, "one", "a.md")
    trail, tries = house.space.trail, 0
    of_run = trail.of_run

    def away(*given: Any, **more: Any) -> list[Step]:
        nonlocal tries
        tries += 1
        return of_run(*given, **more)

    recorder = house.runner._recorder
    begun: list[Any] = []
    begin = recorder.begin

    def noted(claim: Claim) -> Any:
        begun.append(begin(claim))
        return begun[-1]

    monkeypatch.setattr(recorder, "begin", noted)

    def finish_early(_: Request) -> None:
        appends(house, "a.md", "one\n")(_)
        begun[0].finish(["a.md"])

    monkeypatch.setattr(trail, "of_run", away)
    ended = run(house, "one", finish_early)
    assert tries > 1
    assert added(house, ended.id) == {"a.md": ["one"]}
    with house.database.read() as connection:
        assert len(of_run(connection, ended.id)) == 1


# ---- the decision by itself

NOW = datetime(2026, 11, 30, tzinfo=UTC)
CHANGE = FileChange(path="a.md", before=Kept(id="0"), after=Kept(id="2"))


def theirs(**fields: Any) -> Step:
    given = {"before": "0", "after": "1", "at": NOW - MOMENT, "ended_at": NOW, **fields}
    return Step(path="a.md", run_id="other", attempt=1, kind=Kind.RUN, **given)


@pytest.mark.parametrize(
    ("step", "looked_at", "part"),
    [
        (None, NOW, "0"),
        (theirs(), NOW, "1"),
        (theirs(after=None), NOW, None),
        # it is as they left it
        (theirs(after="2"), NOW, "theirs"),
        # when the look began they had not ended, so it may have been before or after their work
        (theirs(), NOW - timedelta(microseconds=1), "theirs"),
        (theirs(ended_at=None, after=None), NOW, "theirs"),
        (theirs(after=NOT_KEPT), NOW, "theirs"),
    ],
)
def test_which_part_of_a_change_is_a_runs_own(
    step: Step | None, looked_at: datetime, part: str | None
) -> None:
    others = {"a.md": step} if step else {}
    own = own_changes([CHANGE], others, looked_at=looked_at, meant=Meant())
    assert own == ([] if part == "theirs" else [(CHANGE, part)])
    here = own_changes([CHANGE], others, looked_at=looked_at, meant=Meant(here=["a.md"]))
    assert here == [(CHANGE, "0" if part == "theirs" else part)]


def test_a_file_that_only_another_run_is_meant_to_change_is_left_to_it() -> None:
    elsewhere = Meant(elsewhere=["a.md"])
    assert own_changes([CHANGE], {}, looked_at=NOW, meant=elsewhere) == []
    both = Meant(here=["a.md"], elsewhere=["a.md"])
    assert own_changes([CHANGE], {}, looked_at=NOW, meant=both) == [(CHANGE, "0")]
