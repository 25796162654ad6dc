"""A persona that is a language model with tools, and the files of a space for a self."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from app.core.prices import Price
from app.persona.client import Deadline, Reply, Request, Sent
from app.persona.conversation import Bounds, Conversation
from app.persona.errors import PersonaError
from app.persona.llm.chat import ChatModel, Finish, ModelOptions, OnText, unheard
from app.persona.prompting.assemble import Prompt, assemble
from app.persona.prompting.fence import Fence
from app.persona.prompting.sources import Sources
from app.persona.prompting.tokens import estimate
from app.persona.tools.tool import Tool, Toolbox, Use

log = structlog.get_logger(__name__)

_SMALLEST_PROMPT = 512


@dataclass(frozen=True, kw_only=True)
class Means:
    """What a run may use unless its task says otherwise.

    `context_tokens` is what the model reads and writes at one time; half of it is for the prompt,
    a quarter for an answer, the rest for what tools say. `prices` are per model.
    """

    model: str
    max_rounds: int = 12
    max_tool_calls: int = 50
    max_tokens: int = 200_000
    context_tokens: int = 8192
    prices: Mapping[str, Price] = field(default_factory=dict)


class LlmPersona:
    """Holds one bounded conversation for each run; what it did is in the metadata of the run."""

    name = "llm"
    has_hands = True

    def __init__(
        self,
        model: ChatModel,
        toolbox: Toolbox,
        sources: Sources,
        means: Means,
        *,
        new_mark: Callable[[], str],
        on_text: OnText = unheard,
    ) -> None:
        """`new_mark` gives words that nobody can guess: data in the prompt is fenced with them."""
        self._model = model
        self._toolbox = toolbox
        self._sources = sources
        self._means = means
        self._new_mark = new_mark
        self._on_text = on_text

    def reply(self, request: Request, deadline: Deadline) -> Reply:
        """Return the final text of the model; raise PersonaError with the account of the run."""
        deadline.check()
        fence = Fence(mark=self._new_mark())
        prompt = self._prompt(request, deadline, fence)
        options = self._options(request)
        talk = Conversation(self._model, self._toolbox, self._bounds(request), fence, self._on_text)
        try:
            text = talk.hold(prompt.messages, options, Use(request=request, deadline=deadline))
        except PersonaError as error:
            error.account = self._account(talk, options, prompt)
            raise

        def ask(question: str) -> Reply:
            try:
                said = talk.ask(question, options, deadline)
            except PersonaError as error:
                error.account = self._account(talk, options, prompt)
                raise
            return Reply(text=said, metadata=self._account(talk, options, prompt))

        return Reply(text=text, metadata=self._account(talk, options, prompt), ask=ask)

    def would_send(self, request: Request, deadline: Deadline) -> Sequence[Sent]:
        """Return the first messages of a conversation; each has another mark of its fences."""
        prompt = self._prompt(request, deadline, Fence(mark=self._new_mark()))
        return [Sent(role=str(m.role), content=m.content) for m in prompt.messages]

    def problem(self) -> str | None:
        """Say why the space cannot be used; None where it can."""
        return self._sources.space.problem()

    def _prompt(self, request: Request, deadline: Deadline, fence: Fence) -> Prompt:
        listed = request.task.tools
        tools = self._toolbox.allowed(listed)
        unknown = [name for name in listed or () if name not in self._toolbox.names]
        if unknown:
            log.warning("task.unknown_tools", task_id=request.task.id, tools=unknown)
        parts = self._sources.gather(request, [tool.name for tool in tools], unknown, deadline)
        whole = self._means.context_tokens
        budget = min(whole // 2, whole - self._for_answer(request) - _weight(tools))
        return assemble(parts, fence=fence, budget=max(budget, _SMALLEST_PROMPT))

    def _options(self, request: Request) -> ModelOptions:
        task = request.task
        return ModelOptions(
            model=task.model or self._means.model,
            temperature=task.temperature,
            max_tokens=task.max_tokens,
        )

    def _bounds(self, request: Request) -> Bounds:
        means = self._means
        tools = self._toolbox.allowed(request.task.tools)
        return Bounds(
            rounds=request.task.max_rounds or means.max_rounds,
            tool_calls=means.max_tool_calls,
            tokens=means.max_tokens,
            room=means.context_tokens - self._for_answer(request) - _weight(tools),
        )

    def _for_answer(self, request: Request) -> int:
        quarter = self._means.context_tokens // 4
        return min(request.task.max_tokens or quarter, quarter)

    def _account(
        self, talk: Conversation, options: ModelOptions, prompt: Prompt
    ) -> Mapping[str, Any]:
        price, usage = self._means.prices.get(options.model), talk.usage
        account: dict[str, Any] = {
            "model": options.model,
            "rounds": talk.rounds,
            "tool_calls": list(talk.notes),
            "tokens": {"prompt": usage.prompt, "completion": usage.completion},
            "prompt_sha256": _digest(prompt),
        }
        if talk.is_estimated:
            account["tokens_estimated"] = True
        if price is not None:
            account["cost"] = price.of(usage.prompt, usage.completion)
        if talk.finish is Finish.LENGTH:
            account["cut"] = True
        if prompt.left_out:
            account["left_out"] = list(prompt.left_out)
        if prompt.unknown_tools:
            account["unknown_tools"] = list(prompt.unknown_tools)
        return account


def _weight(tools: Sequence[Tool]) -> int:
    """Return the tokens that the descriptions of these tools cost."""
    return sum(
        estimate(tool.name + tool.explanation + json.dumps(tool.parameters())) for tool in tools
    )


def _digest(prompt: Prompt) -> str:
    said = json.dumps([[str(m.role), m.content] for m in prompt.messages])
    return hashlib.sha256(said.encode()).hexdigest()
