"""Models over real HTTP, in both dialects, streaming and not."""

import json
import threading
import time

import pytest

from app.persona.errors import (
    PersonaCancelled,
    PersonaProtocol,
    PersonaRefused,
    PersonaTimeout,
    PersonaTooLong,
)
from app.persona.llm.chat import Finish, Message, ModelOptions, Role, Usage
from app.persona.tools.tool import Call
from tests.persona.given import a_real_deadline
from tests.persona.llm.given import (
    KEY,
    a_model,
    a_tool,
    ask,
    both_dialects,
    both_ways,
    fail,
    user,
)
from tests.persona.model_server import ModelServer, Say, Status, Stream, event

ARGUMENTS = '{"path": "scratch/ü.md", "content": "one\\ntwo 🌙"}'
CALLED = Message(
    role=Role.ASSISTANT,
    content="I write it down.",
    tool_calls=[Call(id="c1", name="append_file", arguments=ARGUMENTS)],
)
TOLD = Message(role=Role.TOOL, content="3 bytes appended", tool_call_id="c1")
SYSTEM = Message(role=Role.SYSTEM, content="You are you.")


@both_dialects
@both_ways
def test_text_and_figures_come_through_whole(dialect: str, streams: bool) -> None:
    text = "Thinking of 你好 and 🎈.\n\nThen — more."
    with ModelServer(Say(text=text, usage=(321, 45))) as server:
        completion = ask(a_model(server, dialect, streams=streams))
    assert completion.text == text
    assert completion.usage == Usage(prompt=321, completion=45)
    assert (completion.calls, completion.finish) == ([], Finish.STOP)


@both_dialects
@both_ways
def test_several_calls_of_one_round_come_through_in_order(dialect: str, streams: bool) -> None:
    say = Say(
        text="Both.",
        calls=[("append_file", ARGUMENTS), ("append_file", ARGUMENTS), ("recall", "{}")],
        piece=1,
    )
    with ModelServer(say) as server:
        completion = ask(a_model(server, dialect, streams=streams), tools=[a_tool()])
    assert [call.name for call in completion.calls] == ["append_file", "append_file", "recall"]
    assert [json.loads(call.arguments or "{}") for call in completion.calls] == [
        json.loads(ARGUMENTS),
        json.loads(ARGUMENTS),
        {},
    ]
    assert len({call.id for call in completion.calls}) == 3
    assert (completion.text, completion.finish) == ("Both.", Finish.CALLS)


@both_dialects
def test_text_is_heard_while_it_comes(dialect: str) -> None:
    heard: list[str] = []
    with ModelServer(Say(text="one two three", piece=4)) as server:
        ask(a_model(server, dialect), on_text=heard.append)
    assert heard == ["one ", "two ", "thre", "e"]


@both_dialects
@both_ways
def test_an_answer_that_was_cut_says_so(dialect: str, streams: bool) -> None:
    finish = "length" if dialect == "openai" else "max_tokens"
    with ModelServer(Say(text="So", finish=finish)) as server:
        assert ask(a_model(server, dialect, streams=streams)).finish is Finish.LENGTH


def test_openai_is_asked_as_its_reference_says() -> None:
    options = ModelOptions(model="big", temperature=0.2, max_tokens=77)
    with ModelServer() as server:
        ask(a_model(server), SYSTEM, user("Go"), CALLED, TOLD, tools=[a_tool()], options=options)
    (received,) = server.received
    assert received.path == "/v1/chat/completions"
    assert received.headers["Authorization"] == f"Bearer {KEY}"
    assert received.headers["Accept-Encoding"] == "identity"
    (call,) = received.body["messages"][2]["tool_calls"]
    assert json.loads(call["function"].pop("arguments")) == json.loads(ARGUMENTS)
    assert received.body == {
        "model": "big",
        "temperature": 0.2,
        "max_tokens": 77,
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [
            {"role": "system", "content": "You are you."},
            {"role": "user", "content": "Go"},
            {
                "role": "assistant",
                "content": "I write it down.",
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "append_file"}}
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "3 bytes appended"},
        ],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "append_file",
                    "description": "What append_file does.",
                    "parameters": a_tool().parameters(),
                },
            }
        ],
    }


def test_anthropic_is_asked_as_its_reference_says() -> None:
    options = ModelOptions(model="big", temperature=0.2)
    second = Message(role=Role.TOOL, content="and more", tool_call_id="c2")
    with ModelServer() as server:
        ask(
            a_model(server, "anthropic"),
            *(SYSTEM, user("Go"), CALLED, TOLD, second, user("Now end.")),
            tools=[a_tool()],
            options=options,
        )
    (received,) = server.received
    assert received.path == "/v1/messages"
    assert received.headers["x-api-key"] == KEY
    assert received.headers["anthropic-version"] == "2023-06-01"
    assert "Authorization" not in received.headers
    assert received.body == {
        "model": "big",
        "temperature": 0.2,
        "max_tokens": 4096,
        "stream": True,
        "system": "You are you.",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Go"}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "I write it down."},
                    {
                        "type": "tool_use",
                        "id": "c1",
                        "name": "append_file",
                        "input": json.loads(ARGUMENTS),
                    },
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "c1", "content": "3 bytes appended"},
                    {"type": "tool_result", "tool_use_id": "c2", "content": "and more"},
                    {"type": "text", "text": "Now end."},
                ],
            },
        ],
        "tools": [
            {
                "name": "append_file",
                "description": "What append_file does.",
                "input_schema": a_tool().parameters(),
            }
        ],
    }


def test_an_address_of_anthropic_may_end_with_the_version() -> None:
    with ModelServer() as server:
        model = a_model(server, "anthropic")
        with_version = type(model)(model._dialect, server.url("openai"), model._clock)
        ask(with_version)
    assert server.received[0].path == "/v1/messages"


def test_where_no_tool_is_offered_any_more_anthropic_still_knows_those_that_were_used() -> None:
    with ModelServer() as server:
        ask(a_model(server, "anthropic"), user("Go"), CALLED, TOLD)
    assert server.bodies[0]["tools"] == [
        {"name": "append_file", "input_schema": {"type": "object"}}
    ]
    assert server.bodies[0]["tool_choice"] == {"type": "none"}


@both_dialects
def test_arguments_that_are_no_object_are_shown_to_the_server_as_none(dialect: str) -> None:
    broken = Message(
        role=Role.ASSISTANT,
        content="",
        tool_calls=[Call(id="c1", name="append_file", arguments='{"path": "a')],
    )
    with ModelServer() as server:
        ask(a_model(server, dialect), user("Go"), broken, TOLD)
    said = server.bodies[0]["messages"][1]
    if dialect == "openai":
        assert said["tool_calls"][0]["function"]["arguments"] == "{}"
    else:
        assert said["content"][0]["input"] == {}


@both_dialects
def test_a_server_that_does_not_stream_is_understood(dialect: str) -> None:
    with ModelServer(Say(text="Whole."), streams=False) as server:
        assert ask(a_model(server, dialect)).text == "Whole."
    assert server.bodies[0]["stream"] is True


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("stream", "Streaming is not supported by this model"),
        ("stream_options", "body.stream_options: Extra inputs are not permitted"),
        ("temperature", "Unsupported value: 'temperature' does not support 0.2 with this model."),
        (
            "max_tokens",
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
        ),
    ],
)
def test_what_a_server_does_not_take_is_left_out_from_then_on(field: str, said: str) -> None:
    options = ModelOptions(model="odd", temperature=0.2, max_tokens=9)
    with ModelServer(Status(status=400, body={"error": {"message": said}})) as server:
        model = a_model(server)
        assert ask(model, options=options).text == "Done."
        assert ask(model, options=options).text == "Done."
    assert [field in body for body in server.bodies] == [True, False, False]
    if field == "max_tokens":
        assert server.bodies[2]["max_completion_tokens"] == 9
    if field == "stream":
        assert "stream_options" not in server.bodies[1] or "stream" in server.bodies[1]


def test_another_refusal_is_not_asked_again() -> None:
    said = {"error": {"message": "messages: the stream of your thoughts is too odd"}}
    with ModelServer(Status(status=400, body=said)) as server:
        assert type(fail(a_model(server))) is PersonaRefused
    assert len(server.received) == 1


# ---- servers with habits of their own


def chunk(delta: object, finish: str | None = None) -> str:
    return event({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def calls(*pieces: object) -> str:
    return "".join(chunk({"tool_calls": [piece]}) for piece in pieces) + chunk({}, "tool_calls")


@pytest.mark.parametrize(
    "events",
    [
        # Ollama: whole calls, all of index 0
        calls(
            {"index": 0, "id": "a", "function": {"name": "one", "arguments": "{}"}},
            {"index": 0, "id": "b", "function": {"name": "two", "arguments": '{"x": 1}'}},
        ),
        # no index at all, with ids and without
        calls(
            {"id": "a", "function": {"name": "one", "arguments": "{"}},
            {"function": {"arguments": "}"}},
            {"id": "b", "function": {"name": "two", "arguments": '{"x": 1}'}},
        ),
        calls(
            {"function": {"name": "one", "arguments": "{}"}},
            {"function": {"name": "two", "arguments": {"x": 1}}},
        ),
        # the name repeated with each piece; pieces of two calls in turns
        calls(
            {"index": 0, "id": "a", "function": {"name": "one", "arguments": "{"}},
            {"index": 1, "id": "b", "function": {"name": "two", "arguments": '{"x"'}},
            {"index": 0, "id": "a", "function": {"name": "one", "arguments": "}"}},
            {"index": 1, "id": "", "function": {"name": None, "arguments": ": 1}"}},
        ),
    ],
)
def test_calls_are_put_together_whatever_a_server_calls_them(events: str) -> None:
    with ModelServer(Stream(data=events.encode(), piece=5)) as server:
        completion = ask(a_model(server), tools=[a_tool()])
    assert [(call.name, json.loads(call.arguments)) for call in completion.calls] == [
        ("one", {}),
        ("two", {"x": 1}),
    ]
    assert all(call.id for call in completion.calls)


def test_a_stream_without_its_last_mark_is_complete_if_the_model_had_finished() -> None:
    with ModelServer(Stream(data=(chunk({"content": "Well."}) + chunk({}, "stop")).encode())) as s:
        assert ask(a_model(s)).text == "Well."


@both_dialects
def test_a_stream_that_breaks_off_is_no_answer(dialect: str) -> None:
    say = Say(text="All is well, and")
    with ModelServer() as server:
        whole = b"data: {}\n\n" if dialect == "anthropic" else chunk({"content": say.text}).encode()
        server.script.append(Stream(data=whole))
        error = fail(a_model(server, dialect))
    assert type(error) is PersonaProtocol
    assert "before the answer was complete" in error.detail


@both_dialects
def test_a_stream_that_says_nothing_is_asked_for_as_a_whole(dialect: str) -> None:
    why = {"error": {"message": "This model's maximum context length is 1024 tokens."}}
    silent = Stream(data=b": so\n\n")
    with ModelServer(silent, Status(status=400, body=why), silent, Say(text="Whole.")) as server:
        model = a_model(server, dialect)
        assert isinstance(fail(model), PersonaTooLong)
        assert ask(model).text == "Whole."
        assert ask(model).text == "Done."
    assert ["stream" in body for body in server.bodies] == [True, False, True, False, True]
    first, second, third, fourth, _ = (received.connection for received in server.received)
    assert first != second, "a server that broke off may close its connection any moment"
    assert third != fourth


@both_dialects
def test_a_server_that_streams_nothing_even_unasked_is_asked_twice_at_most(dialect: str) -> None:
    silent = Stream(data=b": so\n\n")
    with ModelServer(silent, silent, Say(text="Too late.")) as server:
        error = fail(a_model(server, dialect))
    assert isinstance(error, PersonaProtocol)
    assert "without a single event" in error.detail
    assert ["stream" in body for body in server.bodies] == [True, False]


def test_halves_of_a_character_find_each_other() -> None:
    events = (
        b'data: {"choices": [{"delta": {"content": "\\ud83c"}}]}\n\n'
        b'data: {"choices": [{"delta": {"content": "\\udf88 \\udf88"}}]}\n\ndata: [DONE]\n\n'
    )
    with ModelServer(Stream(data=events)) as server:
        assert ask(a_model(server)).text == "🎈 \ufffd"


def test_thoughts_before_an_answer_are_not_the_answer() -> None:
    with ModelServer(
        Say(text="<think>\nHm. 2 + 2?\n</think>\n\nFour."),
        Say(text="Use <think> tags? No."),
        Say(text="<think>endless"),
    ) as server:
        model = a_model(server)
        assert [ask(model).text for _ in range(3)] == ["Four.", "Use <think> tags? No.", ""]


def test_a_content_in_parts_is_read() -> None:
    message = {"content": [{"type": "text", "text": "One, "}, {"type": "text", "text": "two."}]}
    with ModelServer(Status(status=200, body={"choices": [{"message": message}]})) as server:
        assert ask(a_model(server)).text == "One, two."


def test_missing_figures_are_unknown() -> None:
    with ModelServer(Say(text="Well.", usage=None)) as server:
        assert ask(a_model(server)).usage is None


# ---- time


@both_dialects
def test_a_trickling_stream_is_given_up_with_the_deadline(dialect: str) -> None:
    stream = Stream(data=b": so\n" * 999, piece=1, pause=0.02)
    with ModelServer(stream) as server:
        began = time.monotonic()
        error = fail(a_model(server, dialect), deadline=a_real_deadline(0.6))
        assert isinstance(error, PersonaTimeout)
        assert time.monotonic() - began < 1.1


@both_dialects
@pytest.mark.parametrize("pause", [0.02, 30.0], ids=["trickling", "silent"])
def test_a_run_is_cancelled_inside_a_stream(dialect: str, pause: float) -> None:
    cancelled = threading.Event()
    stream = Stream(data=chunk({"content": "x"}).encode() * 999, piece=40, pause=pause)
    with ModelServer(stream) as server:
        began = time.monotonic()
        timer = threading.Timer(0.2, cancelled.set)
        timer.start()
        error = fail(a_model(server, dialect), deadline=a_real_deadline(30, cancelled))
        timer.join()
        assert isinstance(error, PersonaCancelled)
        assert time.monotonic() - began < 1.0


@both_dialects
@pytest.mark.parametrize(
    "arguments",
    ['{"a":' * 300 + "1" + "}" * 300, '{"a": "\\ud800"}', f'{{"a": {10**30}}}', "[" * 100_000],
    ids=["deep", "half a character", "a huge number", "brackets"],
)
def test_arguments_that_cannot_be_written_again_do_not_end_the_conversation(
    dialect: str, arguments: str
) -> None:
    call = Call(id="c1", name="append_file", arguments=arguments)
    called = Message(role=Role.ASSISTANT, content="", tool_calls=[call])
    with ModelServer(Say(text="So be it.")) as server:
        assert ask(a_model(server, dialect), user("Go."), called, TOLD).text == "So be it."


@pytest.mark.parametrize("before", range(480, 600, 7))
def test_no_part_of_the_key_is_told_even_where_what_is_said_is_cut(before: int) -> None:
    body = json.dumps({"error": {"message": f"{'x' * before}{KEY} is no key {'y' * 200}"}})
    with ModelServer(Status(status=400, body=body)) as server:
        error = fail(a_model(server))
    assert KEY[:4] not in error.detail
    assert KEY[:4] not in str(error)
