"""A conversation with the persona: one message, one answer, remembered; no run of the ledger."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from app.core.clock import Clock
from app.core.errors import Draining, LedgerUnavailable
from app.core.ids import Ids
from app.database import Database
from app.persona.chat_memory import ORIGIN, as_memory
from app.persona.client import Deadline, Occasion, Persona, Reply, Request, Said, Talk
from app.persona.errors import (
    ChatBusy,
    EmptyAnswer,
    EmptyMessage,
    PersonaCancelled,
    PersonaElsewhere,
)
from app.persona.feelings.affect import read_affect
from app.persona.feelings.feelings import Lexicons
from app.persona.inner_life import InnerLife
from app.persona.kept_answers import KeptAnswers, TurnLost
from app.persona.memory.store import Memories
from app.persona.prompt import asked_in
from app.persona.words import storable
from app.tasks.task import Task, TaskType

log = structlog.get_logger(__name__)

CHAT_TOOLS = (
    *("read_file", "list_files", "search_files", "remember", "recall"),
    *("list_tasks", "preview_schedule"),
)
"""What a model may do while it talks: nothing that changes a file, a task or a run. What a run
changes is recorded and can be taken back; a chat is no run."""

MOST_ANSWER = 1024 * 1024
_LOOK_AGAIN_AFTER = timedelta(milliseconds=250)
_COPIED = ("internal_assessment", "external_assessment", "reconciled_state")
_NO_TASK = "(chat)"
"""Not the id of any task: it has characters that ids have not."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """What is said to the persona; `model` None means the one of the settings."""

    text: str
    history: Sequence[Said] = ()
    most_memories: int = 0
    model: str | None = None


class Chatting:
    """Answers messages as the persona answers its runs: with memories, tools, an inner life.

    At most `at_once` chats are answered at one time, each within `longest`; what is more is refused
    at once, so that chats can take neither all threads of a process nor the places of its runs.
    """

    def __init__(
        self,
        persona: Persona,
        inner_life: InnerLife,
        memories: Memories,
        lexicons: Lexicons,
        kept: KeptAnswers,
        database: Database,
        clock: Clock,
        ids: Ids,
        *,
        zone: Callable[[], str],
        longest: timedelta,
        at_once: int,
    ) -> None:
        """`zone` is the time zone in which the persona talks of days and hours."""
        self._persona = persona
        self._inner_life = inner_life
        self._memories = memories
        self._lexicons = lexicons
        self._kept = kept
        self._database = database
        self._clock = clock
        self._ids = ids
        self._zone = zone
        self._longest = longest
        self._places = threading.BoundedSemaphore(at_once)
        self._stopping = threading.Event()

    def answer(self, message: Message, key: str | None = None) -> Mapping[str, Any]:
        """Return the answer as other services and older clients read it, and remember both.

        With a key that was answered before, the answer of then, whatever the message is: a run
        that is made again says another time in its prompt. While it is being answered, wait.
        Raises EmptyMessage, PersonaElsewhere, ChatBusy, Draining, PersonaError, SpaceError and
        LedgerUnavailable; then nothing is remembered, and the key is free.
        """
        if not asked_in(message.text).strip():
            raise EmptyMessage
        if not self._persona.has_hands:
            raise PersonaElsewhere
        known = self._kept.find(key, self._clock.now()) if key is not None else None
        if known is not None:
            return known
        if not self._places.acquire(blocking=False):
            raise ChatBusy
        try:
            deadline = Deadline(self._clock, self._longest, self._stopping)
            return self._answered(message, key, deadline)
        except PersonaCancelled as error:
            raise Draining from error
        finally:
            self._places.release()

    def stop(self) -> None:
        """End the chats that go on, and answer none any more."""
        self._stopping.set()

    def _answered(self, message: Message, key: str | None, deadline: Deadline) -> Mapping[str, Any]:
        while True:
            turn = self._ids.new(self._clock.now())
            if key is not None:
                standing = self._kept.take(key, turn, self._clock.now())
                if standing.answer is not None:
                    return standing.answer
                if not standing.is_ours:
                    deadline.pause(_LOOK_AGAIN_AFTER)
                    continue
            answer = self._tried(message, key, turn, deadline)
            if answer is not None:
                return answer

    def _tried(
        self, message: Message, key: str | None, turn: str, deadline: Deadline
    ) -> Mapping[str, Any] | None:
        """Return the answer; None where somebody else took the key over meanwhile."""
        try:
            return self._asked(message, key, turn, deadline)
        except BaseException:
            if key is not None:
                self._give_back(key, turn)
            raise

    def _give_back(self, key: str, turn: str) -> None:
        try:
            self._kept.give_back(key, turn)
        except LedgerUnavailable as error:
            # it is free when this process ends, or after a day
            log.warning("chat.key_not_given_back", error=error.detail)

    def _asked(
        self, message: Message, key: str | None, turn: str, deadline: Deadline
    ) -> Mapping[str, Any] | None:
        request = self._request(message, turn)
        reply = self._persona.reply(request, deadline)
        reply = self._inner_life.take_in(reply, request, deadline)
        text = storable(reply.text[:MOST_ANSWER])
        if not text.strip():
            raise EmptyAnswer
        answer = self._kept_with_memory(message, reply, text, request.occasion.now, key, turn)
        tools = [note["name"] for note in reply.metadata.get("tool_calls", ())]
        log.info("chat.answered", persona=self._persona.name, tools=tools, lost=answer is None)
        return answer

    def _request(self, message: Message, turn: str) -> Request:
        task = Task(
            id=_NO_TASK,
            name="Chat",
            type=TaskType.CUSTOM,
            schedule="manual",
            prompt=message.text,
            timezone=self._zone(),
            timeout=self._longest,
            model=message.model,
            tools=CHAT_TOOLS,
        )
        occasion = Occasion(
            run_id=turn,
            attempt=1,
            origin=ORIGIN,
            number=1,
            now=self._clock.now(),
            scheduled_for=None,
            lateness=timedelta(0),
            previous=None,
        )
        talk = Talk(history=message.history, most_memories=message.most_memories)
        return Request(task=task, occasion=occasion, prompt=message.text, talk=talk)

    def _kept_with_memory(
        self, message: Message, reply: Reply, text: str, at: datetime, key: str | None, turn: str
    ) -> Mapping[str, Any] | None:
        """Remember the interaction and keep the answer, both or neither."""
        used = {name: reply.metadata[name] for name in ("tokens", "cost") if name in reply.metadata}
        draft = as_memory(message.text, text, at, {"persona": self._persona.name, **used})
        try:
            with self._database.write() as connection:
                memory = self._memories.write(connection, [draft])[0].memory
                answer = self._shape(message, reply, text, memory.id)
                if key is not None:
                    self._kept.settle(connection, key, turn, answer)
        except TurnLost:
            return None
        return answer

    def _shape(
        self, message: Message, reply: Reply, text: str, memory_id: str
    ) -> Mapping[str, Any]:
        found = reply.reconciliation
        affect = read_affect(message.text, self._lexicons.current().lexicon).affect
        return {
            "response": text,
            "reconciliation": dict(found) if found is not None else None,
            **{name: (found or {}).get(name) for name in _COPIED},
            "experience_id": memory_id,
            **{f"user_{name}": value for name, value in affect.as_dict().items()},
        }
