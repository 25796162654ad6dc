"""What differs between the servers of models: how they are asked, and how they answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from app.persona.errors import PersonaProtocol
from app.persona.llm.chat import Message, ModelOptions
from app.persona.llm.draft import Draft
from app.persona.llm.sse import Event
from app.persona.tools.tool import Tool


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request to a model."""

    messages: Sequence[Message]
    tools: Sequence[Tool]
    options: ModelOptions


class Dialect(Protocol):
    """How a kind of server is talked to; pure."""

    def url(self, base: str) -> str:
        """Return the address that requests go to, below the one in the settings."""

    def headers(self, key: str | None) -> Mapping[str, str]:
        """Return the headers that show who asks."""

    def body(self, asked: Asked, *, stream: bool) -> dict[str, Any]:
        """Return the body of a request."""

    def take_answer(self, document: Mapping[str, Any], draft: Draft) -> None:
        """Take in a whole answer; raise PersonaError where it is none."""

    def take_event(self, event: Event, draft: Draft) -> None:
        """Take in one event of a stream; raise PersonaError where it is an error."""


def an_object(value: Any, what: str) -> Mapping[str, Any]:
    """Return the value if it is an object; raise PersonaProtocol otherwise."""
    if not isinstance(value, Mapping):
        raise PersonaProtocol(f"{what} is no JSON object")
    return value


def objects_in(value: Any) -> list[Mapping[str, Any]]:
    """Return the objects of a list, and nothing of what is no list."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
