"""The dialect of Anthropic's /v1/messages. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.persona.errors import PersonaProtocol, PersonaRefused, PersonaTooLong
from app.persona.llm.chat import Finish, Message, Role
from app.persona.llm.dialect import Asked, an_object, objects_in
from app.persona.llm.draft import Draft
from app.persona.llm.openai import replayable
from app.persona.llm.reading import read_object
from app.persona.llm.refusals import told_error
from app.persona.llm.sse import Event

_VERSION = "2023-06-01"
_MOST_TOKENS = 4096
"""The server wants to be told; this is what every model of it can write."""

_FINISHES = {"max_tokens": Finish.LENGTH, "tool_use": Finish.CALLS}


class Anthropic:
    """Messages."""

    def url(self, base: str) -> str:
        return base.rstrip("/").removesuffix("/v1") + "/v1/messages"

    def headers(self, key: str | None) -> Mapping[str, str]:
        version = {"anthropic-version": _VERSION}
        return {**version, "x-api-key": key} if key else version

    def body(self, asked: Asked, *, stream: bool) -> dict[str, Any]:
        options = asked.options
        system = [m.content for m in asked.messages if m.role is Role.SYSTEM and m.content]
        body: dict[str, Any] = {
            "model": options.model,
            "max_tokens": options.max_tokens or _MOST_TOKENS,
            "messages": _turns([m for m in asked.messages if m.role is not Role.SYSTEM]),
        }
        if system:
            body["system"] = "\n\n".join(system)
        if options.temperature is not None:
            body["temperature"] = min(options.temperature, 1.0)
        if tools := _tools(asked):
            body["tools"] = tools
            if not asked.tools:
                body["tool_choice"] = {"type": "none"}
        if stream:
            body["stream"] = True
        return body

    def take_answer(self, document: Mapping[str, Any], draft: Draft) -> None:
        if document.get("error"):
            raise told_error(document["error"])
        if not isinstance(document.get("content"), list):
            raise PersonaProtocol("the answer has no `content`")
        draft.is_begun = True
        self._count(document.get("usage"), draft)
        for place, block in enumerate(objects_in(document["content"])):
            self._begin(place, block, draft)
        self._stop(document.get("stop_reason"), draft)
        draft.is_complete = True

    def take_event(self, event: Event, draft: Draft) -> None:
        document = read_object(event.data, "an event of the stream")
        kind = document.get("type") or event.name
        if kind == "error" or document.get("error"):
            raise told_error(document.get("error") or document)
        if kind == "message_start":
            draft.is_begun = True
            usage = an_object(document.get("message"), "a message").get("usage")
            if isinstance(usage, Mapping):
                # what it says of the answer here is where its count begins
                self._count({**usage, "output_tokens": None}, draft)
        elif kind == "content_block_start":
            block = an_object(document.get("content_block"), "a block")
            self._begin(document.get("index"), block, draft)
        elif kind == "content_block_delta":
            self._go_on(document.get("index"), document.get("delta"), draft)
        elif kind == "message_delta":
            self._count(document.get("usage"), draft)
            self._stop(an_object(document.get("delta"), "a delta").get("stop_reason"), draft)
        elif kind == "message_stop":
            draft.is_complete = True

    def _begin(self, place: Any, block: Mapping[str, Any], draft: Draft) -> None:
        if block.get("type") == "text":
            draft.say(block.get("text"))
        elif block.get("type") == "tool_use":
            draft.call(place, block.get("id"), block.get("name"))
            draft.arguments(place, block.get("input") or None)

    def _go_on(self, place: Any, delta: Any, draft: Draft) -> None:
        piece = an_object(delta, "a delta")
        if piece.get("type") == "text_delta":
            draft.say(piece.get("text"))
        elif piece.get("type") == "input_json_delta":
            draft.arguments(place, piece.get("partial_json"))

    def _count(self, usage: Any, draft: Draft) -> None:
        if not isinstance(usage, Mapping):
            return
        read = [
            usage.get(name)
            for name in ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
        ]
        known = [count for count in read if isinstance(count, int)]
        draft.count(prompt=sum(known) if known else None, completion=usage.get("output_tokens"))

    def _stop(self, reason: Any, draft: Draft) -> None:
        if reason == "refusal":
            raise PersonaRefused("the model refuses to answer")
        if reason == "model_context_window_exceeded":
            raise PersonaTooLong("the conversation is longer than the context of the model")
        if reason:
            draft.finish = _FINISHES.get(str(reason), Finish.STOP)


def _turns(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return the messages in turns: what one side says in a row is one message there."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        role = "assistant" if message.role is Role.ASSISTANT else "user"
        if not turns or turns[-1]["role"] != role:
            turns.append({"role": role, "content": []})
        turns[-1]["content"] += _blocks(message)
    return turns


def _blocks(message: Message) -> list[dict[str, Any]]:
    if message.role is Role.TOOL:
        answer = {"type": "tool_result", "tool_use_id": message.tool_call_id}
        return [{**answer, "content": message.content}]
    text = message.content.rstrip() if message.role is Role.ASSISTANT else message.content
    said = [{"type": "text", "text": text}] if text.strip() else []
    return [
        *said,
        *(
            {"type": "tool_use", "id": call.id, "name": call.name, "input": replayable(call)}
            for call in message.tool_calls
        ),
    ]


def _tools(asked: Asked) -> list[dict[str, Any]]:
    """Return the tools; where none is offered any more, those that were used are still known."""
    if asked.tools:
        return [
            {"name": t.name, "description": t.explanation, "input_schema": t.parameters()}
            for t in asked.tools
        ]
    used = {call.name for message in asked.messages for call in message.tool_calls}
    return [{"name": name, "input_schema": {"type": "object"}} for name in sorted(used)]
