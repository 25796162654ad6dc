"""No run gains a tool by way of another task: by making one, or by changing or starting one."""

from pathlib import Path
from typing import Any, cast

import pytest

from app.database import Database
from app.persona.tools.lending import Lending
from app.tasks.record import TaskRecord
from app.tasks.registry import Registry
from app.tasks.task import Change, Expected
from tests.house import OWNER, House
from tests.persona.given import a_task
from tests.persona.tools.given import JOURNALS
from tests.persona.tools.hands import ALL, DAILY, Hands

OTHERS = ("read_file", "write_file", "run_script")
"""Tools of other kinds that there are."""


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    return House(database, tmp_path)


@pytest.fixture
def hands(house: House) -> Hands:
    return Hands(house, others=OTHERS)


def tools_of(house: House, task_id: str = "water_plants") -> list[str]:
    return list(house.registry.get(task_id).definition["tools"])


# ---- making a task


def test_a_created_task_may_use_what_its_maker_may_but_for_what_has_to_be_named(
    house: House, hands: Hands
) -> None:
    text = hands.done("create_task", allowed=(*ALL, "read_file"), **DAILY)
    assert tools_of(house) == ["read_file", "list_tasks", "preview_schedule"]
    assert text.splitlines()[-1] == "it may use: read_file, list_tasks, preview_schedule"


def test_a_run_that_may_only_create_tasks_has_no_tool_to_lend(house: House, hands: Hands) -> None:
    text = hands.done("create_task", allowed=("create_task",), **DAILY)
    assert tools_of(house) == []
    assert text.splitlines()[-1] == "it may use no tools"
    answer = hands.call("run_script", within="water_plants", allowed=())
    assert "this task does not allow `run_script`" in answer.text


def test_of_a_maker_with_the_defaults_the_defaults_of_today_are_written_down(
    house: House, hands: Hands
) -> None:
    handed_on = Lending(lambda: hands.toolbox, JOURNALS).handed_on(a_task(tools=None), None)
    assert handed_on == [*OTHERS, "list_tasks", "preview_schedule"]


def test_an_argument_leaves_out_tools(house: House, hands: Hands) -> None:
    allowed = (*OTHERS, "create_task")
    given = {"tools": ["run_script", "read_file", "run_script"]}
    hands.done("create_task", allowed=allowed, **DAILY, **given)
    assert tools_of(house) == ["read_file", "run_script"]


@pytest.mark.parametrize("nothing", [None, []])
def test_an_empty_argument_counts_as_not_given(
    house: House, hands: Hands, nothing: list[str] | None
) -> None:
    hands.done("create_task", allowed=("read_file", "create_task"), **DAILY, tools=nothing)
    assert tools_of(house) == ["read_file"]


NAMED = ("create_task", "update_task", "pause_task", "delete_task", "run_task")


@pytest.mark.parametrize("beyond", ["run_script", *NAMED, "fly"])
def test_an_argument_adds_no_tool_and_is_told_which_there_are(
    house: House, hands: Hands, beyond: str
) -> None:
    allowed = ("read_file", "list_tasks", *NAMED)
    wanted = ["read_file", beyond]
    text = hands.refused("create_task", allowed=allowed, **DAILY, tools=wanted)
    assert text.startswith(f"error: {beyond} cannot be handed on from here;")
    assert "`tools` may name read_file, list_tasks, which it has if you leave them out" in text
    assert "say in your answer what for, so that the owner can give it" in text
    assert house.registry.snapshot().records == {}


def test_where_there_is_nothing_to_lend_nothing_can_be_named(hands: Hands) -> None:
    text = hands.refused("create_task", allowed=("create_task",), **DAILY, tools=["read_file"])
    assert "`tools` may name none" in text


# ---- what a task does that may use more

NARROW = ("list_tasks", "update_task", "pause_task", "run_task")
DEEDS = [
    ("update_task", {"prompt": "Obey."}, "changed"),
    ("update_task", {"name": "Obey"}, "changed"),
    ("update_task", {"schedule": "hourly"}, "changed"),
    ("update_task", {"timezone": "Asia/Tokyo"}, "changed"),
    ("update_task", {"type": "custom"}, "changed"),
    ("update_task", {"enabled": False}, "changed"),
    ("pause_task", {}, "paused"),
    ("run_task", {}, "started"),
]


@pytest.mark.parametrize("tools", [None, ["run_script"]], ids=["not set", "another"])
@pytest.mark.parametrize(("tool", "arguments", "what"), DEEDS)
def test_a_task_that_may_use_more_is_left_alone(
    house: House,
    hands: Hands,
    tool: str,
    arguments: dict[str, Any],
    what: str,
    tools: list[str] | None,
) -> None:
    fields: dict[str, Any] = {} if tools is None else {"tools": tools}
    house.add(**fields)
    text = hands.refused(tool, allowed=NARROW, id="daily_reflection", **arguments)
    assert text.startswith(f"error: `daily_reflection` is not {what} from here, because it may use")
    assert "and this run may not" in text
    assert "so that the owner can do it or give this task those tools" in text
    assert house.registry.get("daily_reflection").revision == 1
    assert house.runs() == []


@pytest.mark.parametrize("tools", [[], [*NARROW, "read_file"]], ids=["none", "the same"])
@pytest.mark.parametrize(("tool", "arguments", "what"), DEEDS)
def test_a_task_that_may_use_no_more_is_the_runs_to_change(
    house: House,
    hands: Hands,
    tool: str,
    arguments: dict[str, Any],
    what: str,
    tools: list[str],
) -> None:
    house.add(tools=tools)
    hands.done(tool, allowed=(*NARROW, "read_file"), id="daily_reflection", **arguments)


JOURNAL = "scratch/a_journal.md"


def expecting(path: str, change: str = "updated") -> list[dict[str, str]]:
    return [{"path": path, "change": change}]


@pytest.mark.parametrize(("tool", "arguments", "what"), DEEDS)
def test_a_task_that_may_rewrite_a_journal_is_left_alone(
    house: House, hands: Hands, tool: str, arguments: dict[str, Any], what: str
) -> None:
    house.add(tools=["list_tasks"], expects=expecting(f"./{JOURNAL}"))
    text = hands.refused(tool, allowed=NARROW, id="daily_reflection", **arguments)
    assert text.startswith(
        f"error: `daily_reflection` is not {what} from here, because it may rewrite {JOURNAL}, to"
        " which this run may only append"
    )
    assert house.registry.get("daily_reflection").revision == 1
    assert house.runs() == []


@pytest.mark.parametrize(
    "expects",
    [
        expecting(JOURNAL, "appended"),
        expecting("meta/goals.md"),
        expecting("scratch /a_journal.md"),
    ],
    ids=["appended", "no journal", "no file to be written"],
)
@pytest.mark.parametrize(("tool", "arguments", "what"), DEEDS)
def test_a_task_that_expects_what_gives_no_right_is_the_runs_to_change(
    house: House,
    hands: Hands,
    tool: str,
    arguments: dict[str, Any],
    what: str,
    expects: list[dict[str, str]],
) -> None:
    house.add(tools=["list_tasks"], expects=expects)
    hands.done(tool, allowed=NARROW, id="daily_reflection", **arguments)


def test_a_run_that_may_rewrite_the_same_journal_looks_after_the_other(
    house: House, hands: Hands
) -> None:
    house.add(tools=[], expects=expecting(JOURNAL))
    own = (Expected(path=JOURNAL, change=Change.UPDATED),)
    hands.done("pause_task", allowed=NARROW, expected=own, id="daily_reflection")


@pytest.mark.parametrize("tool", ["create_task", "update_task"])
def test_no_tool_says_what_a_task_expects(house: House, hands: Hands, tool: str) -> None:
    hands.done("create_task", **DAILY)
    given = {**DAILY, "id": "another"} if tool == "create_task" else {"id": DAILY["id"]}
    text = hands.refused(tool, **given, expects=expecting(JOURNAL))
    assert "wrong arguments" in text
    assert "expects" in text


def test_tools_that_were_given_to_the_own_task_since_are_not_this_runs(
    house: House, hands: Hands
) -> None:
    house.add("own", tools=["update_task"])
    house.registry.update("own", {"tools": ["update_task", "run_script"]}, OWNER)
    arguments = {"id": "own", "prompt": "Run it."}
    text = hands.refused("update_task", within="own", allowed=("update_task",), **arguments)
    assert "`own` is not changed from here, because it may use run_script" in text
    hands.done("update_task", within="own", allowed=("update_task", "run_script"), **arguments)


def test_of_many_tools_some_are_named(house: House, hands: Hands) -> None:
    house.add(tools=[*OTHERS, *ALL])
    text = hands.refused("pause_task", allowed=("pause_task",), id="daily_reflection")
    assert (
        "may use create_task, delete_task, list_tasks, preview_schedule, read_file and 4 more"
        in text
    )


class Generous:
    """A registry in which the owner gives a task a tool right after it was looked at."""

    def __init__(self, house: House) -> None:
        self._house = house

    def __getattr__(self, name: str) -> Any:
        return getattr(self._house.registry, name)

    def get(self, task_id: str) -> TaskRecord:
        found = self._house.registry.get(task_id)
        if found.revision == 1:
            self._house.registry.update(task_id, {"tools": ["run_script"]}, OWNER)
        return found


@pytest.mark.parametrize(("tool", "arguments"), [DEEDS[0][:2], DEEDS[6][:2]])
def test_tools_that_are_given_at_the_same_moment_are_not_borrowed(
    house: House, tool: str, arguments: dict[str, Any]
) -> None:
    hands = Hands(house, registry=cast("Registry", Generous(house)), others=OTHERS)
    house.add(tools=[])
    text = hands.refused(tool, allowed=NARROW, id="daily_reflection", **arguments)
    assert "was changed by somebody else at this moment" in text
    newest = house.registry.history("daily_reflection")[0]
    assert (newest.revision, newest.author) == (2, OWNER)
