"""What a dead attempt made of tasks is taken back, and its second one is refused nothing for it."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
from sqlalchemy import select, update

from app.database import Database
from app.persona.client import Request
from app.persona.errors import PersonaCancelled
from app.persona.fakes import ScriptedPersona
from app.persona.tools.tool import Call, Use
from app.schedule.timetable import TaskTimetable
from app.tasks.authored import AuthoredTasks
from app.tasks.registry import Registry
from app.tasks.tables import task_revisions
from app.tasks.task import TAKEN_BACK, Author, author_of_run
from tests.house import MIDNIGHT, OWNER, House, definition
from tests.persona.given import a_deadline
from tests.persona.tools.hands import ALL, DAILY, Hands
from tests.runs.hands import append, doing
from tests.runs.test_rollback import killed

MOST_POINTS = 200
PERSONA = Author(kind="persona", name="housekeeping/an_earlier_run")
MADE = ("mended", "dropped", "rested")
"""Tasks that the persona made in an earlier run."""

Step = Callable[[House, Request], object]


def use(tool: str, **arguments: Any) -> Step:
    """Return a step of a run that calls a task tool, which must not be refused."""

    def step(house: House, request: Request) -> None:
        call = Call(id="1", name=tool, arguments=orjson.dumps(arguments).decode())
        toolbox = Hands(house, per_day=1).toolbox
        answer = toolbox.use(call, Use(request=request, deadline=a_deadline(60)))
        assert answer.note["ok"], answer.text

    return step


CREATE = use("create_task", **DAILY)
UPDATE = use("update_task", id="mended", name="Another", schedule="weekly")
DELETE = use("delete_task", id="dropped", reason="not needed")
PAUSE = use("pause_task", id="rested", until="3d")
ALL_OF_THEM = (CREATE, UPDATE, DELETE, PAUSE)


def a_house(database: Database, folder: Path, pid: int = 1, **more: Any) -> House:
    return House(database, folder, persona=ScriptedPersona(has_hands=True), pid=pid, **more)


def works(house: House, steps: Sequence[Step]) -> None:
    """Let the next run of this process take these steps."""
    house.persona._script.clear()
    house.persona._script.append(
        doing(*(lambda request, step=step: step(house, request) for step in steps))
    )


def begun(database: Database, folder: Path, *steps: Step, **task: Any) -> House:
    """Return a process with a queued run that will take these steps."""
    house = a_house(database, folder)
    fields: dict[str, Any] = {"type": "custom", "tools": list(ALL), "schedule": "manual", **task}
    house.add("housekeeping", **fields)
    for task_id in MADE:
        made = definition(task_id, prompt=f"About {task_id}.", tools=[], schedule="manual")
        house.registry.create(made, PERSONA)
    house.pass_time(days=2)
    house.executions.start("housekeeping")
    works(house, steps)
    return house


class Died(BaseException):
    """Ends a run in the middle, as the death of its process would."""


def dies(house: House, request: Request) -> None:
    raise Died


def died(database: Database, folder: Path, *steps: Step, **task: Any) -> House:
    """Return a process that died after these steps of its run."""
    house = begun(database, folder, *steps, dies, **task)
    with pytest.raises(Died):
        house.engine.step()
    return house


def survivor(house: House, folder: Path) -> House:
    """Return another process, which has found the dead one."""
    house.clock.advance(timedelta(minutes=1))
    other = a_house(house.database, folder, pid=2, clock=house.clock)
    assert other.release() == 1
    return other


def tasks(house: House) -> dict[str, Any]:
    """Return the definitions in force, by id."""
    records = house.registry.snapshot().records
    return {task_id: dict(record.definition) for task_id, record in records.items()}


def actions(house: House, task_id: str) -> list[tuple[str, str]]:
    """Return what happened to a task and by what kind of author, oldest first."""
    history = house.registry.history(task_id)[::-1]
    return [(made.action, made.author.kind) for made in history]


def last(house: House) -> tuple[str, int]:
    """Return how the run of these tests ended, and in which attempt."""
    run = house.history.run(max(run.id for run in house.runs(task_id="housekeeping")))
    return str(run.status), run.attempt


def is_clean(house: House) -> bool:
    house.pass_time(seconds=11)
    return house.auditor.audit(since=MIDNIGHT - timedelta(days=3)).is_clean


# ---- a run that is made again


def test_what_was_created_is_gone_with_a_revision_that_says_why(
    database: Database, tmp_path: Path
) -> None:
    dead = died(database, tmp_path, CREATE)
    before = {key: task for key, task in tasks(dead).items() if key != DAILY["id"]}
    assert DAILY["id"] in tasks(dead)
    other = survivor(dead, tmp_path)
    assert tasks(other) == before
    gone, made = other.registry.history(DAILY["id"])
    run_id = max(run.id for run in other.runs(task_id="housekeeping"))
    assert made.author == author_of_run("housekeeping", run_id)
    assert (gone.action, gone.definition) == (TAKEN_BACK, None)
    assert gone.author == Author(kind="service", name=f"housekeeping/{run_id}")
    assert gone.reason == (
        f"run {run_id} was broken off; what it had made of this task by then is taken back"
    )


def test_the_second_attempt_is_refused_nothing_and_makes_nothing_twice(
    database: Database, tmp_path: Path
) -> None:
    """Neither for an id, nor for words much alike, nor for a grave, nor for one too many a day."""
    dead = died(database, tmp_path, CREATE, DELETE)
    other = survivor(dead, tmp_path)
    again = use("create_task", **{**DAILY, "id": "plants"})
    works(other, [again, DELETE])
    other.settle()
    assert last(other) == ("succeeded", 2)
    assert set(tasks(other)) == {"housekeeping", "mended", "rested", "plants"}
    third = a_house(database, tmp_path, pid=3, clock=other.clock)
    text = Hands(third, per_day=1).refused("create_task", **{**DAILY, "id": "one_too_many"})
    assert "does nearly the same" in text
    text = Hands(third, per_day=1).refused("create_task", **{**DAILY, "schedule": "weekly"})
    assert "you may make 1 tasks in 24 hours" in text


def test_the_same_task_made_again_counts_once(database: Database, tmp_path: Path) -> None:
    other = survivor(died(database, tmp_path, CREATE), tmp_path)
    works(other, [CREATE])
    other.settle()
    assert last(other) == ("succeeded", 2)
    assert actions(other, DAILY["id"]) == [
        ("created", "persona"),
        (TAKEN_BACK, "service"),
        ("created", "persona"),
    ]
    weekly = {**DAILY, "id": "other", "schedule": "weekly"}
    assert "you may make 1 tasks" in Hands(other, per_day=1).refused("create_task", **weekly)
    hands = Hands(other, per_day=2)
    hands.done("create_task", **weekly)
    hands.done("delete_task", id=DAILY["id"], reason="not needed")


def test_what_it_made_and_dropped_again_does_not_stand_in_its_way(
    database: Database, tmp_path: Path
) -> None:
    drop = use("delete_task", id=DAILY["id"], reason="a mistake")
    other = survivor(died(database, tmp_path, CREATE, drop), tmp_path)
    assert actions(other, DAILY["id"])[1:] == [("deleted", "persona"), (TAKEN_BACK, "service")]
    works(other, [CREATE])
    other.settle()
    assert last(other) == ("succeeded", 2)
    assert DAILY["id"] in tasks(other)


def test_what_was_changed_is_as_it_was(database: Database, tmp_path: Path) -> None:
    twice = use("update_task", id="mended", prompt="Once more.")
    dead = died(database, tmp_path, UPDATE, twice, PAUSE)
    other = survivor(dead, tmp_path)
    mended, rested = tasks(other)["mended"], tasks(other)["rested"]
    assert (mended["name"], mended["schedule"], mended["prompt"]) == (
        "Mended",
        "manual",
        "About mended.",
    )
    assert "paused_until" not in rested
    assert actions(other, "mended")[1:] == [
        ("updated", "persona"),
        ("updated", "persona"),
        (TAKEN_BACK, "service"),
    ]
    assert "was broken off" in (other.registry.history("mended")[0].reason or "")
    assert is_clean(other)


def test_what_was_deleted_is_back_and_still_its_own(database: Database, tmp_path: Path) -> None:
    other = survivor(died(database, tmp_path, DELETE), tmp_path)
    assert "dropped" in tasks(other)
    works(other, [DELETE])
    other.settle()
    assert last(other) == ("succeeded", 2)
    assert "dropped" not in tasks(other)
    assert is_clean(other)


def test_what_somebody_else_makes_of_an_id_that_was_taken_back_is_not_its_own(
    database: Database, tmp_path: Path
) -> None:
    other = survivor(died(database, tmp_path, CREATE), tmp_path)
    other.registry.create({**DAILY, "type": "custom"}, OWNER)
    text = Hands(other).refused("delete_task", id=DAILY["id"], reason="not needed")
    assert "was made by the owner, so it is not yours to delete" in text


def test_a_pause_that_was_ended_is_still_its_own_to_end(database: Database, tmp_path: Path) -> None:
    resume = use("update_task", id="rested", enabled=True)

    def first(house: House, request: Request) -> None:
        house.registry.update("rested", {"enabled": False}, PERSONA)
        resume(house, request)

    other = survivor(died(database, tmp_path, first), tmp_path)
    assert tasks(other)["rested"]["enabled"] is False
    works(other, [resume])
    other.settle()
    assert last(other) == ("succeeded", 2)
    assert tasks(other)["rested"]["enabled"] is True


def test_a_task_that_deleted_itself_runs_again(database: Database, tmp_path: Path) -> None:
    dead = begun(database, tmp_path)
    dead.settle()
    dead.registry.update("rested", {"tools": list(ALL)}, OWNER)
    dead.executions.start("rested")
    works(dead, [use("delete_task", id="rested", reason="done"), dies])
    with pytest.raises(Died):
        dead.engine.step()
    assert "rested" not in tasks(dead)
    other = survivor(dead, tmp_path)
    assert "rested" in tasks(other)
    assert [str(run.status) for run in other.runs(task_id="rested")][-1] == "queued"


@pytest.mark.parametrize("also_writes", [False, True], ids=["no files", "files"])
def test_a_run_that_is_not_made_again_leaves_nothing_either(
    database: Database, tmp_path: Path, also_writes: bool
) -> None:
    def writes(house: House, request: Request) -> None:
        append(house.space.files.root, "note.md", "Half done.", request)

    steps = [*ALL_OF_THEM, *([writes] if also_writes else [])]
    dead = died(database, tmp_path, *steps, on_interrupt="leave")
    other = survivor(dead, tmp_path)
    assert last(other) == ("interrupted", 1)
    assert set(tasks(other)) == {"housekeeping", *MADE}
    assert tasks(other)["mended"]["name"] == "Mended"
    assert not (other.space.files.root / "note.md").exists()


def test_runs_of_a_task_that_was_taken_back_are_cancelled_and_accounted_for(
    database: Database, tmp_path: Path
) -> None:
    often = use("create_task", **{**DAILY, "schedule": "every 5m"})
    dead = died(database, tmp_path, often)
    dead.pass_time(minutes=6)
    dead.plan()
    other = survivor(dead, tmp_path)
    (run,) = other.runs(task_id=DAILY["id"])
    assert (str(run.status), run.reason) == ("cancelled", "task_deleted")
    assert is_clean(other)


def test_what_it_made_and_started_is_made_and_started_again(
    database: Database, tmp_path: Path
) -> None:
    steps = (CREATE, use("run_task", id=DAILY["id"]))
    other = survivor(died(database, tmp_path, *steps), tmp_path)
    assert other.outcomes(task_id=DAILY["id"]) == [("cancelled", "task_deleted")]
    works(other, steps)
    other.settle()
    assert last(other) == ("succeeded", 2)
    ended = other.outcomes(task_id=DAILY["id"])
    assert ended == [("cancelled", "task_deleted"), ("succeeded", None)]


# ---- what others did


def test_what_somebody_else_has_changed_since_stays(database: Database, tmp_path: Path) -> None:
    dead = died(database, tmp_path, *ALL_OF_THEM)
    dead.registry.update(DAILY["id"], {"name": "The owner's"}, OWNER)
    dead.registry.update("mended", {"prompt": "The owner's."}, OWNER)
    dead.registry.restore("dropped", OWNER)
    dead.registry.delete("rested", OWNER)
    before = tasks(dead)
    other = survivor(dead, tmp_path)
    assert tasks(other) == before
    assert last(other) == ("queued", 1)


def test_what_it_changed_after_somebody_else_is_as_that_one_left_it(
    database: Database, tmp_path: Path
) -> None:
    def owner(house: House, request: Request) -> None:
        house.registry.update("mended", {"prompt": "The owner's."}, OWNER)

    again = use("update_task", id="mended", name="A third")
    other = survivor(died(database, tmp_path, UPDATE, owner, again), tmp_path)
    mended = tasks(other)["mended"]
    assert (mended["name"], mended["prompt"]) == ("Another", "The owner's.")


def test_what_runs_made_that_count_stays(database: Database, tmp_path: Path) -> None:
    house = begun(database, tmp_path, CREATE)
    house.settle()
    assert last(house) == ("succeeded", 1)
    house.executions.start("housekeeping")
    works(house, [UPDATE, dies])
    with pytest.raises(Died):
        house.engine.step()
    other = survivor(house, tmp_path)
    assert DAILY["id"] in tasks(other)
    assert tasks(other)["mended"]["name"] == "Mended"


class Quick:
    """A registry in which the owner changes a task right before it is changed."""

    def __init__(self, house: House) -> None:
        self._house = house

    def change(self, task_ids: Sequence[str], *more: Any, **given: Any) -> Any:
        (task_id,) = task_ids
        if task_id in tasks(self._house):
            self._house.registry.update(task_id, {"name": "The owner's"}, OWNER)
        else:
            self._house.registry.restore(task_id, OWNER)
        return self._house.registry.change(task_ids, *more, **given)


def test_what_the_owner_changes_at_the_same_moment_stays(
    database: Database, tmp_path: Path
) -> None:
    dead = died(database, tmp_path, CREATE, UPDATE, DELETE)
    registry = cast("Registry", Quick(dead))
    authored = AuthoredTasks(registry, database, TaskTimetable(dead.book), dead.clock)
    run_id = max(run.id for run in dead.runs(task_id="housekeeping"))
    authored.take_back(author_of_run("housekeeping", run_id), "broken off")
    assert tasks(dead)[DAILY["id"]]["name"] == tasks(dead)["mended"]["name"] == "The owner's"
    assert {actions(dead, task_id)[-1][1] for task_id in (*MADE[:2], DAILY["id"])} == {"owner"}


def test_an_attempt_that_wakes_up_after_it_was_given_up_changes_and_starts_no_task(
    database: Database, tmp_path: Path
) -> None:
    def given_up(house: House, request: Request) -> None:
        survivor(house, tmp_path)
        before = tasks(house)
        for step in (*ALL_OF_THEM, use("run_task", id="mended")):
            with pytest.raises(PersonaCancelled):
                step(house, request)
        assert tasks(house) == before
        assert house.runs(task_id="mended") == []

    house = begun(database, tmp_path, given_up)
    house.settle()
    assert {actions(house, task_id)[-1] for task_id in MADE} == {("created", "persona")}


def test_a_definition_that_this_machine_cannot_read_keeps_no_run_from_going_on(
    database: Database, tmp_path: Path
) -> None:
    dead = died(database, tmp_path, UPDATE)
    elsewhere = definition("mended", timezone="Mars/Olympus")
    created = (task_revisions.c.task_id == "mended") & (task_revisions.c.revision == 1)
    with database.write() as connection:
        connection.execute(update(task_revisions).where(created).values(definition=elsewhere))
    other = survivor(dead, tmp_path)
    assert tasks(other)["mended"]["name"] == "Another"
    assert last(other) == ("queued", 1)


# ---- kills


def wiped(database: Database) -> None:
    """Let there be no tasks and no runs."""
    with database.write() as connection:
        for table in ("changed_paths", "attempts", "runs", "tasks", "task_revisions"):
            connection.exec_driver_sql(f"DELETE FROM {table}")


def counted(database: Database) -> dict[str, int]:
    """Return how many revisions were written by whom, of all tasks together."""
    with database.read() as connection:
        kinds = [
            text.partition(":")[0] for text in connection.scalars(select(task_revisions.c.author))
        ]
    return {kind: kinds.count(kind) for kind in kinds}


def test_a_kill_between_any_two_writes_leaves_none_or_all_of_what_a_run_makes_of_tasks(
    database: Database, tmp_path: Path
) -> None:
    one = begun(database, tmp_path, *ALL_OF_THEM)
    before = tasks(one)
    one.settle()
    done = tasks(one)
    assert set(done) == {"housekeeping", "mended", "rested", DAILY["id"]}
    for point in range(1, MOST_POINTS):
        wiped(database)
        one = begun(database, tmp_path, *ALL_OF_THEM)
        came_to_it = killed(database, point, one.engine.step)
        other = a_house(database, tmp_path, pid=2, clock=one.clock)
        other.release()
        if last(other)[0] == "succeeded":
            assert tasks(other) == done, f"killed at {point}"
        else:
            assert tasks(other) == before, f"killed at {point}"
            works(other, ALL_OF_THEM)
            other.settle()
            assert last(other)[0] == "succeeded", f"killed at {point}"
            assert tasks(other) == done, f"killed at {point}"
        if not came_to_it:
            break
    else:
        raise AssertionError("there is no end to it")


def test_a_kill_during_the_taking_back_repeats_it(database: Database, tmp_path: Path) -> None:
    for point in range(1, MOST_POINTS):
        wiped(database)
        dead = begun(database, tmp_path, *ALL_OF_THEM, dies)
        before = tasks(dead)
        with pytest.raises(Died):
            dead.engine.step()
        dead.clock.advance(timedelta(minutes=1))
        second = a_house(database, tmp_path, pid=2, clock=dead.clock)
        came_to_it = killed(database, point, second.release)
        third = a_house(database, tmp_path, pid=3, clock=dead.clock)
        third.release()
        assert last(third) == ("queued", 1), f"killed at {point}"
        assert tasks(third) == before, f"killed at {point}"
        assert counted(database)["service"] == len(ALL_OF_THEM), f"killed at {point}"
        if not came_to_it:
            break
    else:
        raise AssertionError("there is no end to it")
