"""The task tools in the hands of a model, in a run of a task of a house."""

import itertools
from typing import Any

import orjson
from marshmallow import Schema

from app.persona.client import Request
from app.persona.tools.lending import Lending
from app.persona.tools.tasks import task_tools
from app.persona.tools.tool import Answer, Call, Tool, Toolbox, Use
from app.schedule.timetable import outlook_of_persona
from app.tasks.registry import Registry
from app.tasks.task import Expected
from app.tasks.timetable import Outlook
from tests.house import House
from tests.persona.given import a_deadline, a_task, an_occasion
from tests.persona.tools.given import JOURNALS

ALL: tuple[str, ...] = (
    *("list_tasks", "preview_schedule", "create_task", "update_task", "pause_task"),
    *("delete_task", "run_task"),
)
DAILY = {
    "id": "water_plants",
    "name": "Water the plants",
    "schedule": "0 9 * * *",
    "prompt": "Remind the owner to water the plants.",
}
"""The arguments of a task that is easily made."""

_numbers = itertools.count()


def nothing(name: str) -> Tool:
    """Return a tool of another kind, which does nothing: only its name counts here."""
    return Tool(name=name, description="", arguments=Schema, act=lambda arguments, use: "")


class Hands:
    """Calls tools as runs of tasks do; each call is a run of its own unless `run` names one."""

    def __init__(
        self,
        house: House,
        *,
        per_day: int = 10,
        outlook: Outlook | None = None,
        registry: Registry | None = None,
        others: tuple[str, ...] = (),
    ) -> None:
        self.house = house
        outlook = outlook or outlook_of_persona(
            house.book.min_interval, house.book.default_timezone
        )
        tools = task_tools(
            registry or house.registry,
            outlook,
            house.executions,
            house.clock,
            per_day=per_day,
            lending=Lending(lambda: self.toolbox, JOURNALS),
        )
        self.toolbox = Toolbox([*map(nothing, others), *tools])

    def call(
        self,
        tool: str,
        /,
        *,
        within: str = "housekeeping",
        allowed: tuple[str, ...] | None = ALL,
        run: str | None = None,
        occasion: dict[str, Any] | None = None,
        expected: tuple[Expected, ...] = (),
        **arguments: Any,
    ) -> Answer:
        """Use a tool in a run of the task `within`, which allows these tools."""
        now = self.house.clock.now()
        fields = {"run_id": run or f"run{next(_numbers):023}", "now": now, "scheduled_for": now}
        request = Request(
            task=a_task(id=within, tools=allowed, expects=expected),
            occasion=an_occasion(**{**fields, **(occasion or {})}),
            prompt="",
        )
        call = Call(id="1", name=tool, arguments=orjson.dumps(arguments).decode())
        return self.toolbox.use(call, Use(request=request, deadline=a_deadline(60)))

    def done(self, tool: str, /, **more: Any) -> str:
        """Use a tool and return what it says; fail where it was refused."""
        answer = self.call(tool, **more)
        assert answer.note["ok"], answer.text
        return answer.text

    def refused(self, tool: str, /, **more: Any) -> str:
        """Use a tool and return why it was refused; fail where it was not."""
        answer = self.call(tool, **more)
        assert not answer.note["ok"], answer.text
        return answer.text
