"""A server of language models that says what its script says, in both dialects, over real HTTP.

A request to `.../chat/completions` is answered as OpenAI would, one to `.../v1/messages` as
Anthropic would, as a stream where one is asked for. Each request takes the next line of the script;
after the last one `otherwise` is said.
"""

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TEN_GB = 10 * 1024**3


@dataclass(frozen=True, kw_only=True)
class Say:
    """An answer: text, calls as (name, arguments), figures; in pieces of so many characters."""

    text: str = ""
    calls: Sequence[tuple[str, str]] = ()
    usage: tuple[int, int] | None = (100, 20)
    finish: str | None = None
    piece: int = 3


@dataclass(frozen=True, kw_only=True)
class Status:
    """An answer with this status and body, as it is."""

    status: int
    body: Any = ""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Stream:
    """A stream of just these bytes, in writes of so many bytes, and then nothing more.

    `then` is what follows: `end`, `hang`, or `pour` (10 GB of the
    same, as fast as it is read).
    """

    data: bytes
    piece: int = 1 << 20
    pause: float = 0.0
    then: str = "end"


Line = Say | Status | Stream | Callable[[dict[str, Any]], "Say | Status | Stream"]


@dataclass(frozen=True, kw_only=True)
class Received:
    """One request as it came in."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    connection: int


class ModelServer:
    """The server; a context manager. `received` holds every request."""

    def __init__(self, *script: Line, otherwise: Line | None = None, streams: bool = True) -> None:
        self.script = deque(script)
        self.otherwise = otherwise or Say(text="Done.")
        self.streams = streams
        self.received: list[Received] = []
        self.stopping = threading.Event()
        server = self

        class Handler(_Handler):
            state = server

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> "ModelServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def url(self, dialect: str = "openai") -> str:
        """Return the address that goes into the settings."""
        base = f"http://127.0.0.1:{self._server.server_address[1]}"
        return f"{base}/v1" if dialect == "openai" else base

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [received.body for received in self.received]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: ModelServer

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        state = self.state
        state.received.append(
            Received(
                path=self.path,
                headers=dict(self.headers),
                body=body,
                connection=self.client_address[1],
            )
        )
        line = state.script.popleft() if state.script else state.otherwise
        if not isinstance(line, Say | Status | Stream):
            line = line(body)
        try:
            self._answer(line, body)
        except OSError:
            self.close_connection = True  # the client has gone, as it should

    def _answer(self, line: Say | Status | Stream, body: dict[str, Any]) -> None:
        if isinstance(line, Status):
            whole = line.body if isinstance(line.body, bytes | str) else json.dumps(line.body)
            self._send(line.status, whole, line.headers)
        elif isinstance(line, Stream):
            self._stream(line)
        elif body.get("stream") and self.state.streams:
            events = _anthropic_events if self._is_anthropic else _openai_events
            data = "".join(events(line, body)).encode()
            self._stream(Stream(data=data, piece=line.piece * 7))
        else:
            make = _anthropic_document if self._is_anthropic else _openai_document
            self._send(200, json.dumps(make(line, body)), {})

    @property
    def _is_anthropic(self) -> bool:
        return self.path.endswith("/v1/messages")

    def _send(self, status: int, body: bytes | str, headers: dict[str, str]) -> None:
        data = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, line: Stream) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for start in range(0, len(line.data), line.piece):
            self._chunk(line.data[start : start + line.piece])
            if line.pause and self.state.stopping.wait(line.pause):
                return
        if line.then == "hang":
            self.state.stopping.wait(60)
        elif line.then == "pour":
            part = line.data * (65536 // len(line.data) + 1)
            for _ in range(TEN_GB // len(part)):
                if self.state.stopping.is_set():
                    return
                self._chunk(part)
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))


def event(document: Any, name: str = "") -> str:
    """Return a document as a server-sent event."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(document)}\n\n"


def _pieces(text: str, size: int) -> Iterator[str]:
    for start in range(0, len(text), size):
        yield text[start : start + size]


# ---- OpenAI


def _openai_call(number: int, name: str, arguments: str) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"id": f"call_{name}_{number}", "type": "function", "function": function}


def _openai_usage(say: Say) -> dict[str, Any]:
    if say.usage is None:
        return {}
    prompt, completion = say.usage
    return {"usage": {"prompt_tokens": prompt, "completion_tokens": completion}}


def _openai_finish(say: Say) -> str:
    return say.finish or ("tool_calls" if say.calls else "stop")


def _openai_document(say: Say, body: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": say.text or None}
    if say.calls:
        message["tool_calls"] = [_openai_call(n, *call) for n, call in enumerate(say.calls)]
    choice = {"index": 0, "message": message, "finish_reason": _openai_finish(say)}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "model": body["model"]}
    return {**head, "choices": [choice], **_openai_usage(say)}


def _openai_events(say: Say, body: dict[str, Any]) -> Iterator[str]:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": body["model"]}

    def chunk(delta: dict[str, Any], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return event({**head, "choices": [choice]})

    yield ": a comment to keep the line open\n\n"
    yield chunk({"role": "assistant", "content": ""})
    for piece in _pieces(say.text, say.piece):
        yield chunk({"content": piece})
    for number, (name, arguments) in enumerate(say.calls):
        call = {"index": number, **_openai_call(number, name, "")}
        yield chunk({"tool_calls": [call]})
        for piece in _pieces(arguments, say.piece):
            yield chunk({"tool_calls": [{"index": number, "function": {"arguments": piece}}]})
    yield chunk({}, _openai_finish(say))
    if body.get("stream_options", {}).get("include_usage") and say.usage is not None:
        yield event({**head, "choices": [], **_openai_usage(say)})
    yield "data: [DONE]\n\n"


# ---- Anthropic


def _anthropic_stop(say: Say) -> str:
    return say.finish or ("tool_use" if say.calls else "end_turn")


def _anthropic_document(say: Say, body: dict[str, Any]) -> dict[str, Any]:
    content: list[dict[str, Any]] = [{"type": "text", "text": say.text}] if say.text else []
    for number, (name, arguments) in enumerate(say.calls):
        use = {"type": "tool_use", "id": f"toolu_{number}", "name": name}
        content.append({**use, "input": json.loads(arguments)})
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": body["model"]}
    prompt, completion = say.usage or (0, 0)
    usage = {"input_tokens": prompt, "output_tokens": completion}
    return {**head, "content": content, "stop_reason": _anthropic_stop(say), "usage": usage}


def _anthropic_events(say: Say, body: dict[str, Any]) -> Iterator[str]:
    def named(kind: str, **rest: Any) -> str:
        return event({"type": kind, **rest}, kind)

    prompt, completion = say.usage or (0, 0)
    message = {"id": "msg_1", "usage": {"input_tokens": prompt, "output_tokens": 1}}
    yield named("message_start", message=message)
    yield named("ping")
    blocks: list[tuple[dict[str, Any], str, str, str]] = []
    if say.text:
        blocks.append(({"type": "text", "text": ""}, "text_delta", "text", say.text))
    for number, (name, arguments) in enumerate(say.calls):
        block = {"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": {}}
        blocks.append((block, "input_json_delta", "partial_json", arguments))
    for index, (block, kind, key, value) in enumerate(blocks):
        yield named("content_block_start", index=index, content_block=block)
        for piece in _pieces(value, say.piece):
            yield named("content_block_delta", index=index, delta={"type": kind, key: piece})
        yield named("content_block_stop", index=index)
    delta = {"stop_reason": _anthropic_stop(say), "stop_sequence": None}
    yield named("message_delta", delta=delta, usage={"output_tokens": completion})
    yield named("message_stop")
