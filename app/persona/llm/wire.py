"""A language model behind HTTP: a request in its server's dialect, a stream or a document back."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import structlog

from app.core.clock import Clock
from app.persona.client import Deadline
from app.persona.errors import PersonaError, PersonaProtocol, PersonaRefused
from app.persona.exchange import Answer, Sender
from app.persona.llm.chat import Completion, Message, ModelOptions, OnText
from app.persona.llm.dialect import Asked, Dialect
from app.persona.llm.draft import Draft
from app.persona.llm.reading import read_object
from app.persona.llm.refusals import error_in_text, refusal, wait_asked_for
from app.persona.llm.sse import EventReader
from app.persona.tools.tool import Tool
from app.persona.words import one_line

log = structlog.get_logger(__name__)

MOST_BYTES = 4 * 1024 * 1024
MOST_STREAM_BYTES = 64 * 1024 * 1024
"""A stream says each token in some 300 bytes."""

_EVIDENCE_BYTES = 8 * 1024
_TELLING = 4
"""Characters of the key that may not be told."""

_INSTEAD: Mapping[str, str | None] = {
    "stream_options": None,
    "max_tokens": "max_completion_tokens",
    "temperature": None,
    "stream": None,
}
"""What may be left out, or said otherwise, where a server does not take it."""

_DOES_NOT_TAKE = re.compile(
    r"unsupported|not support|unrecognized|unknown|unexpected|not permitted|extra|not allowed"
    r"|not implemented|not available|disabled|deprecated"
)


class HttpModel:
    """A model of one server; goes there only, and sends each request once.

    What the server says that it does not take is left out from then on, and a stream that says
    nothing at all is asked for again as a whole.
    """

    def __init__(
        self,
        dialect: Dialect,
        base: str,
        clock: Clock,
        *,
        key: str | None = None,
        streams: bool = True,
        trusted: str | None = None,
    ) -> None:
        """`base` is the address in the settings, `key` is shown to nobody else."""
        self._dialect = dialect
        self._clock = clock
        self._key = key
        self._streams = streams
        self._sender = Sender(dialect.url(base), dialect.headers(key), clock, trusted=trusted)
        self._not_taken: set[tuple[str, str]] = set()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({type(self._dialect).__name__})"

    def complete(
        self,
        messages: Sequence[Message],
        tools: Sequence[Tool],
        options: ModelOptions,
        deadline: Deadline,
        on_text: OnText,
    ) -> Completion:
        """Return what the model says; raise PersonaError."""
        asked = Asked(messages=messages, tools=tools, options=options)
        streams = self._streams
        while True:
            body = self._body(asked, stream=streams)
            try:
                return self._ask(body, deadline, Draft(on_text))
            except PersonaRefused as error:
                # it was refused before anything was done, so it may be asked again, otherwise
                if not self._leaves_out(body, options.model, error):
                    raise
            except _SilentStream:
                if "stream" not in body:
                    raise
                # llama-cpp-python breaks off like this and tells the reason only without a stream
                self._sender.forget()
                streams = False

    def _body(self, asked: Asked, *, stream: bool) -> dict[str, Any]:
        model = asked.options.model
        body = self._dialect.body(asked, stream=stream and (model, "stream") not in self._not_taken)
        for name, instead in _INSTEAD.items():
            if name in body and (model, name) in self._not_taken:
                value = body.pop(name)
                if instead is not None:
                    body[instead] = value
        return body

    def _leaves_out(self, body: Mapping[str, Any], model: str, error: PersonaRefused) -> bool:
        said = error.detail.lower()
        if _DOES_NOT_TAKE.search(said) is None:
            return False
        for name in _INSTEAD:
            if name in body and re.search(rf"\b{name}(ing)?\b", said):
                log.info("model.does_not_take", field=name, model=model)
                self._not_taken.add((model, name))
                return True
        return False

    def _ask(self, body: Mapping[str, Any], deadline: Deadline, draft: Draft) -> Completion:
        try:
            accept = "text/event-stream" if "stream" in body else "application/json"
            with self._sender.send(orjson.dumps(body), {"Accept": accept}, deadline) as answer:
                self._take(answer, draft)
            return _checked(draft.completed())
        except PersonaError as error:
            error.detail = _without_key(error.detail, self._key or "")
            error.args = (error.detail,)
            error.heard = draft.so_far()
            raise

    def _take(self, answer: Answer, draft: Draft) -> None:
        if answer.status != 200:
            said = answer.evidence(_EVIDENCE_BYTES)
            wait = wait_asked_for(answer.headers, self._clock.now())
            raise refusal(answer.status, said, retry_after=wait)
        kind = answer.media_type
        if kind == "text/event-stream":
            self._take_stream(answer, draft)
        elif kind == "application/json" or kind.endswith("+json"):
            document = read_object(_body_of(answer, draft), "the answer")
            self._dialect.take_answer(document, draft)
        else:
            raise PersonaProtocol(f"the answer is {one_line(kind, 80) or 'of no type'}, not JSON")

    def _take_stream(self, answer: Answer, draft: Draft) -> None:
        reader, is_silent = EventReader(), True
        for piece in answer.pieces_of_body(MOST_STREAM_BYTES):
            for event in reader.feed(piece):
                is_silent = False
                self._dialect.take_event(event, draft)
                if event.data == "[DONE]":
                    return
        for event in reader.end():
            is_silent = False
            self._dialect.take_event(event, draft)
        if is_silent:
            raise _SilentStream


def _body_of(answer: Answer, draft: Draft) -> bytes:
    try:
        return answer.whole_body(MOST_BYTES)
    except (PersonaError, OSError):
        # a whole answer is sent when it is made, though not all of it has come
        draft.is_begun = True
        raise


def _without_key(detail: str, key: str) -> str:
    """Return what a server said without the key, also where only its beginning was not cut off."""
    if not key:
        return detail
    detail = detail.replace(key, "***")
    said = detail.removesuffix("…")
    shown = next((n for n in range(len(key) - 1, _TELLING - 1, -1) if said.endswith(key[:n])), 0)
    return f"{said[:-shown]}***" if shown else detail


class _SilentStream(PersonaProtocol):
    """A stream ended without a single event."""


def _checked(completion: Completion) -> Completion:
    error = None if completion.calls else error_in_text(completion.text)
    if error is not None:
        raise error
    return completion
