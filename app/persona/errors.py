"""What can go wrong with a persona, what it lived, and its space; part of the tree of errors."""

from collections.abc import Mapping
from datetime import timedelta
from math import ceil
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from app.core.errors import PersonaTasksError, SpaceError

if TYPE_CHECKING:
    from app.persona.llm.chat import Completion


class PersonaError(PersonaTasksError):
    """The persona gave no answer that counts.

    `reason` is the machine-readable reason of the run, `reached` whether the persona may have
    acted on the prompt (then nothing is sent again blindly), `account` what is kept with the run
    all the same: what was done and used until then. `heard` is what a model had said of an answer
    that failed; None where it had not begun.
    """

    problem = "persona"
    title = "Persona failed"
    status = 502
    reason = "persona_protocol"
    reached = True
    account: Mapping[str, Any] = MappingProxyType({})
    heard: "Completion | None" = None

    def extensions(self) -> Mapping[str, Any]:
        return {"reason": self.reason}


class PersonaUnreachable(PersonaError):
    """No connection to the persona could be made."""

    reason = "persona_unreachable"
    reached = False
    transient = True


class PersonaTimeout(PersonaError):
    """The persona did not finish its answer in time."""

    reason = "timeout"
    status = 504

    def __init__(self, span: timedelta) -> None:
        self.span = span
        super().__init__(f"no complete answer within {span.total_seconds():g} s")


class PersonaCancelled(PersonaError):
    """The run was cancelled while the persona answered."""

    reason = "cancelled"


class PersonaAuth(PersonaError):
    """The persona refuses the credentials."""

    reason = "persona_auth"


class PersonaLimit(PersonaError):
    """The persona asks to come back later.

    `retry_after` is how much later, None where it did not say. Not `transient` where waiting does
    not help because a credit is used up.
    """

    reason = "persona_limit"
    status = 429
    transient = True

    def __init__(
        self,
        detail: str | None = None,
        *,
        retry_after: timedelta | None = None,
        transient: bool = True,
    ) -> None:
        super().__init__(detail)
        self.retry_after = retry_after
        self.transient = transient

    def headers(self) -> Mapping[str, str]:
        if not self.transient:
            return {}
        span = self.retry_after or timedelta(seconds=30)
        return {"Retry-After": str(max(ceil(span.total_seconds()), 1))}


class PersonaRefused(PersonaError):
    """The persona refuses the prompt."""

    reason = "persona_refused"


class PersonaFailed(PersonaError):
    """The persona failed on its own side."""

    reason = "persona_error"


class PersonaTooLong(PersonaError):
    """The prompt or the answer is longer than what is taken."""

    reason = "persona_too_long"


class PersonaProtocol(PersonaError):
    """The answer is not in the agreed format."""

    reason = "persona_protocol"


class EmptyAnswer(PersonaError):
    """The persona answered nothing."""

    reason = "empty_answer"


class ToolRefused(PersonaTasksError):
    """The call of a tool cannot be carried out as it was made."""

    problem = "tool"
    title = "Tool refused"
    status = 422


class EmptyMessage(PersonaTasksError):
    """Message cannot be empty"""

    problem = "empty-message"
    title = "Empty message"
    status = 400


class PersonaElsewhere(PersonaTasksError):
    """Persona mode not enabled: another service is this one's persona, so talk to that one."""

    problem = "persona-elsewhere"
    title = "Persona elsewhere"
    status = 503


class ChatBusy(PersonaTasksError):
    """As many chats go on as are answered at one time; come again in a moment."""

    problem = "chat-busy"
    title = "Too many chats"
    status = 503
    transient = True
    retry_after = timedelta(seconds=5)


class MemoryNotFound(PersonaTasksError):
    """Memory not found"""

    problem = "memory-not-found"
    title = "Memory not found"
    status = 404

    def __init__(self, memory_id: str) -> None:
        self.memory_id = memory_id
        super().__init__(f"Memory not found: {memory_id}")


class NoSuchFile(SpaceError):
    """The persona's space has no such file."""

    problem = "no-such-file"
    title = "No such file"
    status = 404


class SpaceFull(SpaceError):
    """The persona's space holds as much as it may."""

    problem = "space-full"
    title = "Space full"
    status = 507


class HistoryLost(SpaceError):
    """What the history of the space held is gone: it was removed, or is damaged."""

    problem = "history-lost"
    title = "History lost"
    status = 410
