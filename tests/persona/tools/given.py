"""What tests of tools start from: a toolbox on a space, and calls of it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.core.clock import Clock, FakeClock
from app.persona.client import Changes, Deadline, Request, Unrecorded
from app.persona.openat import Opener
from app.persona.quota import Quota
from app.persona.space import Space
from app.persona.tools.files import FileTools
from app.persona.tools.tool import Answer, Call, Tool, Toolbox, Use
from app.persona.writing import Hands
from tests.persona.given import NOW, a_deadline, a_request

JOURNALS = ("scratch/*_reflections.md", "scratch/*_journal.md", "scratch/*_insights.md")


def file_tools(
    root: Path, opener: Opener | None = None, clock: Clock | None = None, **bounds: int
) -> list[Tool]:
    space = Space(root, opener)
    hands = Hands(space, Quota(space, clock or FakeClock(NOW), **bounds))
    return FileTools(space, hands, JOURNALS).tools()


class Calling:
    """Calls tools as a model does; `changes` hears of every change."""

    def __init__(
        self,
        tools: Sequence[Tool],
        *,
        changes: Changes | None = None,
        request: Request | None = None,
        deadline: Deadline | None = None,
    ) -> None:
        self._toolbox = Toolbox(tools)
        given = request or a_request()
        self.request = Request(
            task=given.task,
            occasion=given.occasion,
            prompt=given.prompt,
            changes=changes or Unrecorded(),
        )
        self.deadline = deadline or a_deadline()
        self.heard: list[str] = []

    def answer(self, name: str, **arguments: Any) -> Answer:
        call = Call(id="1", name=name, arguments=json.dumps(arguments))
        use = Use(request=self.request, deadline=self.deadline, on_output=self.heard.append)
        return self._toolbox.use(call, use)

    def ok(self, name: str, **arguments: Any) -> str:
        """Call a tool that must not refuse; return what it says."""
        answer = self.answer(name, **arguments)
        assert answer.note["ok"], answer.text
        return answer.text

    def refused(self, name: str, **arguments: Any) -> str:
        """Call a tool that must refuse; return why."""
        answer = self.answer(name, **arguments)
        assert not answer.note["ok"], answer.text
        assert "the tool broke" not in answer.text
        return answer.text


class Announced(Unrecorded):
    """Changes that write down what was announced."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.all = 0

    def announce(self, paths: Sequence[str]) -> None:
        self.paths += paths

    def announce_all(self) -> None:
        self.all += 1
