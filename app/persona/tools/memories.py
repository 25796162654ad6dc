"""The tools for memories: what a model may keep and find again."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from marshmallow import Schema, fields, validate

from app.core.instants import write_instant
from app.persona.errors import ToolRefused
from app.persona.memory.memory import Draft, Found
from app.persona.memory.recall import Recall
from app.persona.memory.store import Memories
from app.persona.memory.windows import instant_of
from app.persona.tools.tool import Tool, Use
from app.persona.words import day_and_time, one_line

LONGEST = 8_000
MOST_FOUND = 20
_SHOWN = 1_000
_KINDS = ("note", "insight")


class _Remember(Schema):
    text = fields.String(
        required=True,
        validate=validate.Length(1, LONGEST),
        metadata={"description": "what to keep, in words that will make sense a year from now"},
    )
    kind = fields.String(
        load_default="note",
        validate=validate.OneOf(_KINDS),
        metadata={"description": "insight for what was learned from several memories"},
    )


class _Recall(Schema):
    query = fields.String(
        required=True,
        validate=validate.Length(1, 1_000),
        metadata={"description": "what it is about; words such as today or last week count"},
    )
    since = fields.String(metadata={"description": "a date such as 2026-11-01, or an instant"})
    until = fields.String(metadata={"description": "a date or an instant, not included"})
    limit = fields.Integer(
        load_default=10,
        validate=validate.Range(1, MOST_FOUND),
        metadata={"description": f"how many at most, 1 to {MOST_FOUND}; 10 unless set"},
    )


class MemoryTools:
    """What the tools for memories do."""

    def __init__(self, memories: Memories, recall: Recall) -> None:
        self._memories = memories
        self._recall = recall

    def tools(self) -> list[Tool]:
        """Return both tools."""
        return [
            Tool(
                name="remember",
                description="Keep something in your memory, to be found in later runs.",
                arguments=_Remember,
                act=self.remember,
                limits=f"At most {LONGEST} characters. The same text is kept once.",
            ),
            Tool(
                name="recall",
                description="Search your memory by meaning and time.",
                arguments=_Recall,
                act=self.recall,
                limits=f"At most {MOST_FOUND} memories; of a long one its beginning.",
            ),
        ]

    def remember(self, arguments: Mapping[str, Any], use: Use) -> str:
        """Keep a text, marked with the run that it came from; what is said in talk has none."""
        occasion, is_run = use.request.occasion, use.request.talk is None
        draft = Draft(
            text=arguments["text"],
            kind=arguments["kind"],
            at=occasion.now,
            origin=occasion.origin,
            run_id=occasion.run_id if is_run else None,
            task_id=use.request.task.id if is_run else None,
        )
        return f"kept as {self._memories.remember(draft, use.request.changes.hold).id}"

    def recall(self, arguments: Mapping[str, Any], use: Use) -> str:
        """Return memories, the best first, each with its date."""
        zone = use.request.task.timezone
        found = self._recall.search(
            arguments["query"],
            now=use.request.occasion.now,
            zone=zone,
            since=_instant(arguments.get("since"), zone),
            until=_instant(arguments.get("until"), zone),
            limit=arguments["limit"],
        ).found
        return "\n".join(_shown(found, zone)) if found else "nothing was found"


def _instant(text: str | None, zone: str) -> datetime | None:
    if text is None:
        return None
    try:
        return instant_of(text, zone)
    except ValueError as error:
        raise ToolRefused(str(error)) from error


def _shown(found: Sequence[Found], zone: str) -> list[str]:
    return [
        f"- {day_and_time(one.memory.at, zone)} ({write_instant(one.memory.at)}), "
        f"{one.memory.kind}, {one.memory.origin}: {one_line(one.memory.text, _SHOWN)}"
        for one in found
    ]
