"""One bounded conversation with a model: what it asks for is done, its final text is the answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from app.persona.client import Deadline
from app.persona.errors import EmptyAnswer, PersonaError, PersonaLimit, PersonaTooLong
from app.persona.llm.chat import (
    ChatModel,
    Completion,
    Finish,
    Message,
    ModelOptions,
    OnText,
    Role,
    Usage,
)
from app.persona.prompting.fence import Fence
from app.persona.prompting.tokens import estimate
from app.persona.tools.tool import Call, Tool, Toolbox, Use

log = structlog.get_logger(__name__)

_KEPT_FOR_THE_END = 0.1
"""The share of its time in which a run only writes its final text."""

_LAST_WORDS = "Your tools are used up for this run. Give your final answer now, as text."
_NO_TEXT = "Your last message was empty. Give your final answer now, as text."
_NO_MORE = "error: no more calls are left in this run"
_FORGOTTEN = "[left out to make room; call the tool again if you need it]"


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """The most of everything: rounds, calls of tools, tokens in all, tokens of one request."""

    rounds: int
    tool_calls: int
    tokens: int
    room: int


class Conversation:
    """A loop of rounds; `notes`, `usage` and `rounds` say also of a failed one what it did.

    Where a bound is reached, one last round without tools asks for the final text. The tokens are
    checked between rounds, so the last one comes on top.
    """

    def __init__(
        self, model: ChatModel, toolbox: Toolbox, bounds: Bounds, fence: Fence, on_text: OnText
    ) -> None:
        self._model = model
        self._toolbox = toolbox
        self._bounds = bounds
        self._fence = fence
        self._on_text = on_text
        self._was_empty = False
        self._messages: list[Message] = []
        self.notes: list[Mapping[str, Any]] = []
        self.usage = Usage()
        self.is_estimated = False
        self.rounds = 0
        self.finish: Finish | None = None

    def hold(self, opening: Sequence[Message], options: ModelOptions, use: Use) -> str:
        """Return the final text of the model; raise PersonaError, EmptyAnswer where it has none."""
        messages = self._messages = list(opening)
        tools = self._toolbox.allowed(use.request.task.tools)
        whole = use.deadline.remaining()
        while True:
            use.deadline.check()
            is_late = use.deadline.remaining() < whole * _KEPT_FOR_THE_END
            is_last = is_late or self._is_used_up
            if is_last and tools and self.rounds:
                messages.append(_user(_NO_TEXT if self._was_empty else _LAST_WORDS))
            completion = self._round(messages, [] if is_last else tools, options, use.deadline)
            if completion.calls and not is_last:
                messages.append(_assistant(completion))
                messages += self._answers(completion.calls, use)
            elif completion.text.strip():
                messages.append(_assistant(replace(completion, calls=())))
                return completion.text
            elif is_last or not self.notes:
                raise EmptyAnswer(_why_empty(completion))
            else:
                # many models fall silent after their last call; they are asked for words once
                self._was_empty = True

    def ask(self, question: str, options: ModelOptions, deadline: Deadline) -> str:
        """Return what the model says to one question more, without tools; raise PersonaError.

        Half an answer is none, and nothing is asked when the tokens are used up. The conversation
        is as before afterwards, but for its account.
        """
        deadline.check()
        if self.usage.total >= self._bounds.tokens:
            raise PersonaLimit("the tokens of this run are used up", transient=False)
        finish = self.finish
        messages = [*self._messages, _user(question)]
        try:
            completion = self._round(messages, [], options, deadline)
        finally:
            self.finish, is_cut = finish, self.finish is Finish.LENGTH
        if not completion.text.strip():
            raise EmptyAnswer(_why_empty(completion))
        if is_cut:
            raise PersonaTooLong("the model was cut off at its max_tokens")
        return completion.text

    @property
    def _is_used_up(self) -> bool:
        bounds = self._bounds
        return (
            self._was_empty
            or self.rounds + 1 >= bounds.rounds
            or len(self.notes) >= bounds.tool_calls
            or self.usage.total >= bounds.tokens
        )

    def _round(
        self,
        messages: list[Message],
        tools: Sequence[Tool],
        options: ModelOptions,
        deadline: Deadline,
    ) -> Completion:
        _make_room(messages, self._bounds.room)
        self.rounds += 1
        try:
            completion = self._model.complete(messages, tools, options, deadline, self._on_text)
        except PersonaError as error:
            if error.heard is not None:
                self._count(messages, error.heard)
            raise
        self.finish = completion.finish
        self._count(messages, completion)
        return completion

    def _count(self, messages: Sequence[Message], completion: Completion) -> None:
        told, guessed = completion.usage or Usage(), _estimated(messages, completion)
        usage = Usage(
            prompt=told.prompt or guessed.prompt, completion=told.completion or guessed.completion
        )
        self.is_estimated = self.is_estimated or usage != told
        self.usage += usage

    def _answers(self, calls: Sequence[Call], use: Use) -> list[Message]:
        answers = []
        for call in calls:
            text = _NO_MORE
            if len(self.notes) < self._bounds.tool_calls:
                answer = self._toolbox.use(call, use)
                self.notes.append(answer.note)
                text = self._fence.enclose(f"the tool {call.name}", answer.text)
            answers.append(Message(role=Role.TOOL, content=text, tool_call_id=call.id))
        return answers


def _make_room(messages: list[Message], room: int) -> None:
    """Forget the oldest answers of tools, but those of the last round, until it fits."""
    sizes = [_size(message) for message in messages]
    too_much = sum(sizes) - room
    last_round = max((n for n, m in enumerate(messages) if m.tool_calls), default=0)
    for number, message in enumerate(messages[:last_round]):
        saved = sizes[number] - estimate(_FORGOTTEN)
        if too_much > 0 and message.role is Role.TOOL and saved > 0:
            messages[number] = replace(message, content=_FORGOTTEN)
            too_much -= saved


def _size(message: Message) -> int:
    return estimate(message.content) + sum(estimate(call.arguments) for call in message.tool_calls)


def _estimated(messages: Sequence[Message], completion: Completion) -> Usage:
    calls = sum(estimate(call.name + call.arguments) for call in completion.calls)
    return Usage(
        prompt=sum(_size(message) for message in messages),
        completion=estimate(completion.text) + calls,
    )


def _user(text: str) -> Message:
    return Message(role=Role.USER, content=text)


def _assistant(completion: Completion) -> Message:
    return Message(role=Role.ASSISTANT, content=completion.text, tool_calls=completion.calls)


def _why_empty(completion: Completion) -> str:
    if completion.finish is Finish.LENGTH:
        return "the model used up its tokens before it answered; raise max_tokens"
    return "the model answered nothing"
