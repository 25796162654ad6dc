"""What is said to a language model and what comes back, whatever dialect its server speaks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from app.persona.client import Deadline
from app.persona.tools.tool import Call, Tool


class Role(StrEnum):
    """Who says a message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message of a conversation.

    `tool_calls` only where the assistant made some, `tool_call_id` only in the answer to one.
    """

    role: Role
    content: str
    tool_calls: Sequence[Call] = ()
    tool_call_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Tokens that were read and written."""

    prompt: int = 0
    completion: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            prompt=self.prompt + other.prompt, completion=self.completion + other.completion
        )

    @property
    def total(self) -> int:
        """Both together."""
        return self.prompt + self.completion


class Finish(StrEnum):
    """Why a model stopped."""

    STOP = "stop"
    CALLS = "calls"
    LENGTH = "length"


@dataclass(frozen=True, kw_only=True)
class Completion:
    """What a model said to one request; `usage` None where its server does not count."""

    text: str
    calls: Sequence[Call] = ()
    usage: Usage | None = None
    finish: Finish = Finish.STOP


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Which model is asked and how; None means what the server does by itself."""

    model: str
    temperature: float | None = None
    max_tokens: int | None = None


OnText = Callable[[str], None]
"""Is told each piece of text as it comes in."""


def unheard(text: str) -> None:
    """Listen to nothing."""


class ChatModel(Protocol):
    """A language model."""

    def complete(
        self,
        messages: Sequence[Message],
        tools: Sequence[Tool],
        options: ModelOptions,
        deadline: Deadline,
        on_text: OnText,
    ) -> Completion:
        """Return what the model says next, before the deadline.

        Raises PersonaError, with what was `heard` until then.
        """
