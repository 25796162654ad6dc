"""What known servers say when they give no answer, and what becomes of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.persona.errors import (
    PersonaAuth,
    PersonaError,
    PersonaFailed,
    PersonaLimit,
    PersonaProtocol,
    PersonaRefused,
    PersonaTooLong,
)
from app.persona.llm.refusals import error_in_text, wait_asked_for
from tests.persona.llm.given import KEY, a_model, fail
from tests.persona.model_server import ModelServer, Say, Status, Stream, event

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


def openai(message: str, kind: str = "invalid_request_error", code: Any = None) -> Any:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def anthropic(kind: str, message: str) -> Any:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


SHAPES: list[tuple[str, int, Any, type[PersonaError]]] = [
    # OpenAI
    (
        "openai",
        401,
        openai("Incorrect API key provided: sk-x.", code="invalid_api_key"),
        PersonaAuth,
    ),
    ("openai", 403, openai("Country, region, or territory not supported"), PersonaAuth),
    ("openai", 429, openai("Rate limit reached for m on tokens per min", "tokens"), PersonaLimit),
    ("openai", 429, openai("You exceeded your current quota", "insufficient_quota"), PersonaLimit),
    ("openai", 400, openai("This model's maximum context length is 8192 tokens."), PersonaTooLong),
    ("openai", 400, openai("Too long", code="context_length_exceeded"), PersonaTooLong),
    ("openai", 400, openai("Flagged by the safety system", code="content_filter"), PersonaRefused),
    ("openai", 404, openai("The model `x` does not exist", code="model_not_found"), PersonaRefused),
    ("openai", 500, openai("The server had an error", "server_error"), PersonaFailed),
    ("openai", 503, openai("The engine is currently overloaded", "server_error"), PersonaLimit),
    # llama.cpp and llama-cpp-python
    (
        "openai",
        400,
        {
            "error": {
                "code": 400,
                "message": "the request exceeds the available context size, try increasing it",
                "type": "exceed_context_size_error",
                "n_prompt_tokens": 9000,
                "n_ctx": 4096,
            }
        },
        PersonaTooLong,
    ),
    (
        "openai",
        503,
        {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}},
        PersonaLimit,
    ),
    (
        "openai",
        500,
        openai("Requested tokens (900) exceed context window of 512", "internal_server_error"),
        PersonaTooLong,
    ),
    # vLLM, old and new
    (
        "openai",
        400,
        {
            "object": "error",
            "message": "This model's maximum context length is 4096 tokens. However, you requested",
            "type": "BadRequestError",
            "param": None,
            "code": 400,
        },
        PersonaTooLong,
    ),
    ("openai", 401, {"error": "Unauthorized"}, PersonaAuth),
    ("openai", 400, openai("tool_choice is not valid", "BadRequestError", 400), PersonaRefused),
    # Ollama
    (
        "openai",
        404,
        openai('model "x" not found, try pulling it first', "api_error"),
        PersonaRefused,
    ),
    ("openai", 400, openai("registry/x does not support tools", "api_error"), PersonaRefused),
    ("openai", 503, {"error": "server busy, please try again."}, PersonaLimit),
    # LM Studio
    (
        "openai",
        400,
        {
            "error": "Trying to keep the first 4500 tokens when context the overflows. However, "
            "the model is loaded with context length of only 4096 tokens."
        },
        PersonaTooLong,
    ),
    # gateways
    ("openai", 402, openai("Insufficient credits", code=402), PersonaLimit),
    ("openai", 413, "<html>Request Entity Too Large</html>", PersonaTooLong),
    ("openai", 502, "<html>Bad Gateway</html>", PersonaFailed),
    ("openai", 302, "", PersonaProtocol),
    ("openai", 204, "", PersonaProtocol),
    ("openai", 500, "[" * 5000, PersonaFailed),
    ("openai", 418, {"detail": "no"}, PersonaRefused),
    # Anthropic
    ("anthropic", 401, anthropic("authentication_error", "invalid x-api-key"), PersonaAuth),
    ("anthropic", 403, anthropic("permission_error", "not yours"), PersonaAuth),
    ("anthropic", 429, anthropic("rate_limit_error", "slow down"), PersonaLimit),
    ("anthropic", 529, anthropic("overloaded_error", "Overloaded"), PersonaLimit),
    (
        "anthropic",
        400,
        anthropic("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
        PersonaTooLong,
    ),
    (
        "anthropic",
        400,
        anthropic("invalid_request_error", "Your credit balance is too low"),
        PersonaLimit,
    ),
    ("anthropic", 413, anthropic("request_too_large", "Request exceeds 32 MB"), PersonaTooLong),
    ("anthropic", 404, anthropic("not_found_error", "model: x"), PersonaRefused),
    ("anthropic", 500, anthropic("api_error", "Internal server error"), PersonaFailed),
]


@pytest.mark.parametrize(("dialect", "status", "body", "kind"), SHAPES)
def test_what_a_server_says_becomes_the_error_that_it_means(
    dialect: str, status: int, body: Any, kind: type[PersonaError]
) -> None:
    with ModelServer(Status(status=status, body=body)) as server:
        error = fail(a_model(server, dialect))
    assert type(error) is kind
    assert f"answered {status}" in error.detail
    assert error.detail.isprintable()
    assert len(error.detail) <= 600


@pytest.mark.parametrize(
    ("dialect", "body", "kind"),
    [
        ("openai", {"error": "Model unloaded."}, PersonaFailed),
        ("openai", {"error": {"message": "Rate limit exceeded", "code": 429}}, PersonaLimit),
        ("openai", {"error": {"message": "No auth credentials", "code": 401}}, PersonaAuth),
        ("openai", {"choices": [{"error": {"message": "broke", "code": 502}}]}, PersonaFailed),
        ("openai", {"object": "error", "message": "context length", "code": 400}, PersonaTooLong),
        ("openai", {"choices": []}, PersonaProtocol),
        ("openai", {"choices": [{"message": "text"}]}, PersonaProtocol),
        ("openai", {"choices": [{"message": {"refusal": "I can't"}}]}, PersonaRefused),
        (
            "openai",
            {"choices": [{"message": {"content": "So"}, "finish_reason": "content_filter"}]},
            PersonaRefused,
        ),
        ("openai", [], PersonaProtocol),
        ("openai", "{", PersonaProtocol),
        ("openai", "[" * 100_000, PersonaProtocol),
        ("anthropic", anthropic("overloaded_error", "Overloaded"), PersonaLimit),
        ("anthropic", {"content": [], "stop_reason": "refusal"}, PersonaRefused),
        (
            "anthropic",
            {"content": [], "stop_reason": "model_context_window_exceeded"},
            PersonaTooLong,
        ),
        ("anthropic", {}, PersonaProtocol),
    ],
)
def test_an_error_with_status_200_is_an_error(
    dialect: str, body: Any, kind: type[PersonaError]
) -> None:
    with ModelServer(Status(status=200, body=body)) as server:
        assert type(fail(a_model(server, dialect))) is kind


@pytest.mark.parametrize(
    ("dialect", "events", "kind"),
    [
        ("openai", event({"error": {"message": "broke", "type": "server_error"}}), PersonaFailed),
        ("openai", event({"error": "an error was encountered while running"}), PersonaFailed),
        ("openai", event({"choices": [{"delta": {"refusal": "I can't"}}]}), PersonaRefused),
        (
            "openai",
            event({"choices": [{"delta": {}, "finish_reason": "content_filter"}]}),
            PersonaRefused,
        ),
        ("openai", "data: nothing\n\n", PersonaProtocol),
        ("anthropic", event(anthropic("overloaded_error", "x"), "error"), PersonaLimit),
        (
            "anthropic",
            event({"type": "message_delta", "delta": {"stop_reason": "refusal"}}),
            PersonaRefused,
        ),
        ("anthropic", event({"type": "content_block_delta", "index": 3}), PersonaProtocol),
        (
            "anthropic",
            event(
                {
                    "type": "content_block_delta",
                    "index": 3,
                    "delta": {"type": "input_json_delta", "partial_json": "{"},
                }
            ),
            PersonaProtocol,
        ),
    ],
)
def test_an_error_inside_a_stream_is_an_error(
    dialect: str, events: str, kind: type[PersonaError]
) -> None:
    with ModelServer(Stream(data=events.encode())) as server:
        assert type(fail(a_model(server, dialect))) is kind


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("API Error: 529 {'type': 'overloaded_error'}", PersonaLimit),
        ("Error code: 401 - Incorrect API key", PersonaAuth),
        ("⚠️ HTTP error 500: upstream broke", PersonaFailed),
        ("429 Too Many Requests", PersonaLimit),
        ("overloaded_error: try again", PersonaLimit),
        ('{"error": {"message": "maximum context length is 10"}}', PersonaTooLong),
        ('{"type": "error", "error": {"type": "authentication_error"}}', PersonaAuth),
    ],
)
def test_an_error_delivered_as_the_answer_is_no_answer(text: str, kind: type[PersonaError]) -> None:
    with ModelServer(Say(text=text)) as server:
        assert type(fail(a_model(server))) is kind


@pytest.mark.parametrize(
    "text",
    [
        "I made an error: 500 words were too many for one evening.",
        "Error handling is what I want to learn next.",
        "429 steps today.",
        "Today I read about HTTP 429 Too Many Requests.",
        '{"error": null, "mood": "calm"}',
        '{"error": "once", "lesson": "look twice", "mood": "calm"}',
        "error: 500 lines. " + "I wrote on about them. " * 200,
        "",
    ],
)
def test_an_answer_that_speaks_of_errors_is_an_answer(text: str) -> None:
    assert error_in_text(text) is None


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after": "7"}, timedelta(seconds=7)),
        ({"retry-after": "0.5"}, timedelta(seconds=0.5)),
        ({"retry-after": "Tue, 24 Nov 2026 09:01:30 GMT"}, timedelta(seconds=90)),
        ({"retry-after": "Tue, 24 Nov 2026 08:00:00 GMT"}, timedelta(0)),
        ({"retry-after-ms": "250", "retry-after": "9"}, timedelta(milliseconds=250)),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "9" * 50}, None),
        ({}, None),
    ],
)
def test_a_server_says_how_long_to_wait_in_seconds_or_as_a_date(
    headers: dict[str, str], wait: timedelta | None
) -> None:
    assert wait_asked_for(headers, NOW) == wait


def test_a_key_that_a_server_repeats_is_not_repeated_further() -> None:
    body = openai(f"Incorrect API key provided: {KEY}")
    with ModelServer(Status(status=401, body=body)) as server:
        model = a_model(server)
        error = fail(model)
    assert KEY not in error.detail
    assert KEY not in str(error)
    assert KEY not in repr(model)
    assert "***" in error.detail
