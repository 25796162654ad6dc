"""What a prompt is made of. Pure values."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.persona.client import Occasion, Talk
from app.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class Excerpt:
    """Text of a file of the space; `path` says of which."""

    path: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Remembered:
    """A memory that was recalled for a run; `kind` says what it is of, such as `interaction`."""

    at: datetime
    kind: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Parts:
    """All that one prompt may hold; `memories` come in the order in which room is given to them.

    `tools` are the names of those that are offered, `unknown_tools` those that the task lists and
    nobody has.
    """

    task: Task
    occasion: Occasion
    tools: Sequence[str] = ()
    unknown_tools: Sequence[str] = ()
    base_prompt: Excerpt | None = None
    self_instructions: Excerpt | None = None
    identity: Sequence[Excerpt] = ()
    mood: str = ""
    target: Excerpt | None = None
    memories: Sequence[Remembered] = ()
    refused: Sequence[str] = ()
    talk: Talk | None = None
