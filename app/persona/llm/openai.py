"""The dialect of OpenAI's /chat/completions, which Ollama, llama.cpp, vLLM, LM Studio speak too.

Pure.
"""

import json
from collections.abc import Mapping
from typing import Any

from app.core import strict_json
from app.core.errors import BadJson
from app.persona.errors import PersonaProtocol, PersonaRefused
from app.persona.llm.chat import Finish, Message, Role
from app.persona.llm.dialect import Asked, an_object, objects_in
from app.persona.llm.draft import Draft
from app.persona.llm.reading import read_object
from app.persona.llm.refusals import told_error
from app.persona.llm.sse import Event
from app.persona.tools.tool import MOST_ARGUMENT_BYTES, Call, Tool

_FINISHES = {"length": Finish.LENGTH, "tool_calls": Finish.CALLS, "function_call": Finish.CALLS}


class OpenAi:
    """Chat completions."""

    def url(self, base: str) -> str:
        return base.rstrip("/") + "/chat/completions"

    def headers(self, key: str | None) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {key}"} if key else {}

    def body(self, asked: Asked, *, stream: bool) -> dict[str, Any]:
        options = asked.options
        body: dict[str, Any] = {
            "model": options.model,
            "messages": [_message(message) for message in asked.messages],
        }
        if options.temperature is not None:
            body["temperature"] = options.temperature
        if options.max_tokens is not None:
            body["max_tokens"] = options.max_tokens
        if asked.tools:
            body["tools"] = [_tool(tool) for tool in asked.tools]
        if stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return body

    def take_answer(self, document: Mapping[str, Any], draft: Draft) -> None:
        choices = self._choices(document, draft)
        if not choices:
            raise PersonaProtocol("the answer has no `choices`")
        self._take(choices[0], choices[0].get("message"), draft)
        draft.is_complete = True

    def take_event(self, event: Event, draft: Draft) -> None:
        if event.data.strip() == "[DONE]":
            draft.is_complete = True
            return
        for choice in self._choices(read_object(event.data, "an event of the stream"), draft):
            self._take(choice, choice.get("delta") or choice.get("message") or {}, draft)
            draft.is_complete = draft.is_complete or draft.finish is not None

    def _choices(self, document: Mapping[str, Any], draft: Draft) -> list[Mapping[str, Any]]:
        if document.get("error"):
            raise told_error(document["error"])
        if document.get("object") == "error":
            raise told_error(document)
        usage = document.get("usage")
        if isinstance(usage, Mapping):
            draft.count(
                prompt=usage.get("prompt_tokens"), completion=usage.get("completion_tokens")
            )
        return [c for c in objects_in(document.get("choices")) if not c.get("index")]

    def _take(self, choice: Mapping[str, Any], said: Any, draft: Draft) -> None:
        if choice.get("error"):
            raise told_error(choice["error"])
        draft.is_begun = True
        message = an_object(said, "the message of a choice")
        for text in _texts(message.get("content")):
            draft.say(text)
        for number, call in enumerate(objects_in(message.get("tool_calls"))):
            _take_call(call, call.get("index", None if "delta" in choice else number), draft)
        reason = choice.get("finish_reason")
        if message.get("refusal"):
            raise PersonaRefused(f"the model refuses: {str(message['refusal'])[:400]}")
        if reason == "content_filter":
            raise PersonaRefused("a content filter of the model's server stopped the answer")
        if reason == "error":
            raise told_error("the model broke off")
        if reason:
            draft.finish = _FINISHES.get(str(reason), Finish.STOP)


def _take_call(call: Mapping[str, Any], place: Any, draft: Draft) -> None:
    function = call.get("function")
    function = function if isinstance(function, Mapping) else {}
    draft.call(place, call.get("id"), function.get("name"))
    draft.arguments(place, function.get("arguments"))


def _texts(content: Any) -> list[Any]:
    if isinstance(content, list):
        return [part.get("text") for part in objects_in(content)]
    return [content]


def _message(message: Message) -> dict[str, Any]:
    written: dict[str, Any] = {"role": str(message.role), "content": message.content}
    if message.tool_calls:
        written["tool_calls"] = [_call(call) for call in message.tool_calls]
    if message.role is Role.TOOL:
        written["tool_call_id"] = message.tool_call_id
    return written


def _call(call: Call) -> dict[str, Any]:
    function = {"name": call.name, "arguments": json.dumps(replayable(call))}
    return {"id": call.id, "type": "function", "function": function}


def replayable(call: Call) -> Mapping[str, Any]:
    """Return the arguments of a call to be shown again: servers break on what is no object.

    What the tools refuse to read, such as a hundred levels, could not even be written again.
    """
    try:
        arguments = strict_json.loads(call.arguments, most_bytes=MOST_ARGUMENT_BYTES)
    except BadJson:
        return {}
    return arguments if isinstance(arguments, dict) else {}


def _tool(tool: Tool) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.explanation,
            "parameters": tool.parameters(),
        },
    }
