"""A model against servers that misbehave in every way that a socket allows."""

import gc
import resource
import time
import tracemalloc
from collections.abc import Iterator

import pytest

from app.core.clock import SystemClock
from app.persona.errors import (
    PersonaError,
    PersonaFailed,
    PersonaProtocol,
    PersonaTimeout,
    PersonaTooLong,
    PersonaUnreachable,
)
from app.persona.llm.draft import MOST_CALLS, MOST_TEXT
from app.persona.llm.wire import MOST_BYTES, HttpModel
from tests.persona.evil import EvilPersona
from tests.persona.given import a_real_deadline
from tests.persona.llm.given import DIALECTS, KEY, a_model, both_dialects, fail
from tests.persona.model_server import ModelServer, Stream, event
from tests.persona.test_service import free_port

SOON = 0.6


@pytest.fixture(scope="module")
def server() -> Iterator[EvilPersona]:
    with EvilPersona() as evil:
        yield evil


def error_of(server: EvilPersona, mode: str, seconds: float = 10.0) -> PersonaError:
    model = HttpModel(DIALECTS["openai"], server.url(mode), SystemClock(), key=KEY)
    began = time.monotonic()
    error = fail(model, deadline=a_real_deadline(seconds))
    assert time.monotonic() - began < seconds + 0.5
    return error


@pytest.mark.parametrize(
    "mode", ["hang", "trickle-headers", "trickle-body", "continue", "latency-3000"]
)
def test_the_whole_time_is_kept_whatever_trickles_in(server: EvilPersona, mode: str) -> None:
    assert isinstance(error_of(server, mode, SOON), PersonaTimeout)


@pytest.mark.parametrize(
    "mode",
    ["garbage", "html", "no-type", "truncated", "endless-headers", "reset", "close", "redirect"],
)
def test_what_is_no_whole_answer_breaks_the_protocol(server: EvilPersona, mode: str) -> None:
    before = len(server.received)
    assert type(error_of(server, mode)) is PersonaProtocol
    assert len(server.received) == before + 1, "it must not be sent again"


@pytest.mark.parametrize("mode", ["bomb", "unasked-gzip"])
def test_a_compressed_answer_is_not_unpacked(server: EvilPersona, mode: str) -> None:
    assert "compressed (gzip)" in error_of(server, mode).detail


def test_a_failure_is_known_before_its_slow_body_has_come(server: EvilPersona) -> None:
    assert isinstance(error_of(server, "slow-500", 1.4), PersonaFailed)


def test_a_connection_that_cannot_be_made_never_reached_anybody() -> None:
    model = HttpModel(DIALECTS["openai"], f"http://127.0.0.1:{free_port()}/v1", SystemClock())
    error = fail(model)
    assert isinstance(error, PersonaUnreachable)
    assert not error.reached


@pytest.mark.parametrize("mode", ["huge", "endless"])
def test_ten_gigabytes_of_a_document_are_neither_read_nor_kept(
    server: EvilPersona, mode: str
) -> None:
    with MemoryBelow(4 * MOST_BYTES):
        assert isinstance(error_of(server, mode), PersonaTooLong)


@pytest.mark.parametrize(
    "part",
    [
        event({"choices": [{"delta": {"content": "x" * 1000}}]}),
        event({"choices": [{"delta": {"reasoning_content": "x" * 4000}}]}),
        event(
            {
                "choices": [
                    {"delta": {"tool_calls": [{"index": 0, "function": {"arguments": "x" * 1000}}]}}
                ]
            }
        ),
        "x" * 1000,
        "data: " + "x" * 1000,
        ": so it goes\n\n" * 100,
        "\n" * 1000,
    ],
    ids=["text", "thoughts", "arguments", "one line", "one event", "comments", "nothing"],
)
def test_ten_gigabytes_of_a_stream_are_neither_read_nor_kept(part: str) -> None:
    with (
        ModelServer(Stream(data=part.encode(), then="pour")) as server,
        MemoryBelow(24 * MOST_TEXT),
    ):
        assert isinstance(fail(a_model(server), deadline=a_real_deadline(60)), PersonaTooLong)


class MemoryBelow:
    """Checks that what is done inside keeps no more than so many bytes at any time."""

    def __init__(self, most: int) -> None:
        self._most = most

    def __enter__(self) -> None:
        gc.collect()
        self._resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        tracemalloc.start()

    def __exit__(self, kind: object, *_: object) -> None:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        if kind is None:
            assert peak < self._most
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - self._resident
            assert grown < 60_000  # KiB


def test_too_many_calls_at_once_are_too_many() -> None:
    calls = [{"index": n, "id": f"c{n}", "function": {"name": "x"}} for n in range(MOST_CALLS + 1)]
    with ModelServer(
        Stream(data=event({"choices": [{"delta": {"tool_calls": calls}}]}).encode())
    ) as server:
        assert isinstance(fail(a_model(server)), PersonaTooLong)


@both_dialects
@pytest.mark.parametrize(
    "junk",
    [
        {"choices": 5, "content": 5},
        {"choices": [5, None, {}], "usage": {"prompt_tokens": "many"}},
        {"choices": [{"delta": {"content": 5, "tool_calls": [{"function": 7}]}}]},
        {"type": "content_block_start", "content_block": []},
        {"type": "message_start", "message": 5},
        {"usage": {"prompt_tokens": -5, "completion_tokens": True}},
        {"choices": [{"delta": "x", "finish_reason": {"a": 1}}]},
        {"type": "message_delta", "delta": {"stop_reason": {"a": 1}}},
    ],
)
def test_junk_in_a_stream_breaks_the_protocol_and_nothing_else(dialect: str, junk: object) -> None:
    with ModelServer(Stream(data=event(junk).encode())) as server:
        assert isinstance(fail(a_model(server, dialect)), PersonaProtocol)
