"""The loop: rounds, calls, bounds, and what is kept of it."""

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from marshmallow import Schema, fields

from app.core.clock import FakeClock
from app.persona.client import Deadline, Request
from app.persona.conversation import Bounds, Conversation
from app.persona.errors import (
    EmptyAnswer,
    PersonaCancelled,
    PersonaFailed,
    PersonaLimit,
    PersonaTimeout,
    PersonaTooLong,
)
from app.persona.llm.chat import Completion, Finish, Message, ModelOptions, OnText, Role, Usage
from app.persona.prompting.fence import Fence
from app.persona.tools.tool import Call, Tool, Toolbox, Use
from tests.persona.given import NOW, a_deadline, a_request, a_task

OPTIONS = ModelOptions(model="tiny")
Line = Completion | Exception | Callable[[], Completion]


class Nothing(Schema):
    text = fields.String()


class ScriptedModel:
    """Says line after line and keeps what it was asked."""

    def __init__(self, *script: Line) -> None:
        self.script = list(script)
        self.asked: list[tuple[list[Message], list[str]]] = []

    def complete(
        self,
        messages: Sequence[Message],
        tools: Sequence[Tool],
        options: ModelOptions,
        deadline: Deadline,
        on_text: OnText,
    ) -> Completion:
        self.asked.append((list(messages), [tool.name for tool in tools]))
        line = self.script.pop(0)
        if isinstance(line, Exception):
            raise line
        return line if isinstance(line, Completion) else line()


COUNTED = Usage(prompt=10, completion=2)


def say(text: str, usage: Usage | None = COUNTED, **more: Any) -> Completion:
    return Completion(text=text, usage=usage, **more)


def call(name: str = "look", text: str = "", arguments: str = "{}", many: int = 1) -> Completion:
    calls = [Call(id=f"c{n}", name=name, arguments=arguments) for n in range(many)]
    return say(text, calls=calls, finish=Finish.CALLS)


class Talk:
    """A conversation with a scripted model, and tools that note that they were used."""

    def __init__(self, *script: Line, task: Any = None, **bounds: int) -> None:
        self.model = ScriptedModel(*script)
        self.used: list[tuple[str, Mapping[str, Any]]] = []
        self.act: Callable[[], str] = lambda: "seen"
        box = Toolbox([self._tool(name) for name in ("look", "run_script")])
        limits = {"rounds": 12, "tool_calls": 50, "tokens": 100_000, "room": 100_000, **bounds}
        self.fence = Fence(mark="7f3a9c0d11")
        self.talk = Conversation(self.model, box, Bounds(**limits), self.fence, lambda _text: None)
        self.request: Request = a_request(task or a_task())

    def _tool(self, name: str) -> Tool:
        def act(arguments: Mapping[str, Any], use: Use) -> str:
            self.used.append((name, arguments))
            return self.act()

        return Tool(name=name, description=name, arguments=Nothing, act=act)

    def hold(self, deadline: Deadline | None = None) -> str:
        opening = [Message(role=Role.USER, content="Go")]
        use = Use(request=self.request, deadline=deadline or a_deadline())
        return self.talk.hold(opening, OPTIONS, use)


def test_a_plain_answer_takes_one_round() -> None:
    talk = Talk(say("Done."))
    assert talk.hold() == "Done."
    assert (talk.talk.rounds, talk.talk.notes, talk.talk.usage.total) == (1, [], 12)


def test_the_answer_is_the_final_text_not_the_first() -> None:
    talk = Talk(call(text="Let me look at my notes."), call(), say("I looked. All is well."))
    assert talk.hold() == "I looked. All is well."
    assert talk.talk.rounds == 3
    assert talk.talk.usage == Usage(prompt=30, completion=6)


def test_all_calls_of_a_round_are_done_in_order_and_answered_as_data() -> None:
    talk = Talk(call(many=2, arguments='{"text": "a"}'), say("Done."))
    talk.hold()
    assert talk.used == [("look", {"text": "a"})] * 2
    said, first, second = talk.model.asked[1][0][1:]
    assert (said.role, len(said.tool_calls)) == (Role.ASSISTANT, 2)
    assert [(m.role, m.tool_call_id) for m in (first, second)] == [
        (Role.TOOL, "c0"),
        (Role.TOOL, "c1"),
    ]
    assert first.content == talk.fence.enclose("the tool look", "seen")
    assert talk.talk.notes[0] == {
        "name": "look",
        "arguments": {"text": "a"},
        "ok": True,
        "error": None,
    }


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("look", '{"text": ', "the arguments are no JSON object"),
        ("look", '{"depth": 3}', "wrong arguments"),
        ("fly", "{}", "there is no tool"),
    ],
)
def test_a_wrong_call_is_answered_and_the_run_goes_on(name: str, arguments: str, told: str) -> None:
    talk = Talk(call(name, arguments=arguments), say("I see."))
    assert talk.hold() == "I see."
    assert talk.used == []
    assert told in talk.model.asked[1][0][-1].content
    assert talk.talk.notes[0]["ok"] is False
    assert told in talk.talk.notes[0]["error"]


def test_only_the_tools_of_the_task_are_offered_and_done() -> None:
    task = a_task(tools=["look"])
    talk = Talk(call("run_script"), say("I may not."), task=task)
    talk.hold()
    assert talk.model.asked[0][1] == ["look"]
    assert talk.used == []
    assert "does not allow `run_script`" in talk.model.asked[1][0][-1].content


@pytest.mark.parametrize(
    "bounds", [{"rounds": 3}, {"tool_calls": 2}, {"tokens": 24}], ids=["rounds", "calls", "tokens"]
)
def test_at_a_bound_a_last_round_without_tools_asks_for_the_final_text(
    bounds: dict[str, int],
) -> None:
    talk = Talk(call(), call(), say("That is all."), **bounds)
    assert talk.hold() == "That is all."
    assert [tools for _, tools in talk.model.asked] == [
        ["look", "run_script"],
        ["look", "run_script"],
        [],
    ]
    assert "final answer" in talk.model.asked[2][0][-1].content
    assert len(talk.used) == 2


def test_calls_beyond_the_bound_in_one_round_are_not_done() -> None:
    talk = Talk(call(many=5), say("That is all."), tool_calls=3)
    assert talk.hold() == "That is all."
    assert len(talk.used) == len(talk.talk.notes) == 3
    answers = [m.content for m in talk.model.asked[1][0] if m.role is Role.TOOL]
    assert len(answers) == 5
    assert "no more calls" in answers[4]


def test_calls_in_the_last_round_are_not_done() -> None:
    talk = Talk(call(text="Still."), rounds=1)
    assert talk.hold() == "Still."
    assert talk.used == []


def test_the_last_tenth_of_the_time_is_for_the_final_text() -> None:
    clock = FakeClock(NOW)
    talk = Talk(call(), say("In time."))
    talk.act = lambda: str(clock.advance(timedelta(seconds=91)))
    assert talk.hold(a_deadline(100, clock)) == "In time."
    assert talk.model.asked[1][1] == []


def test_the_end_of_the_time_ends_the_run_between_rounds() -> None:
    clock = FakeClock(NOW)
    talk = Talk(call(), say("Too late."))
    talk.act = lambda: str(clock.advance(timedelta(seconds=100)))
    with pytest.raises(PersonaTimeout):
        talk.hold(a_deadline(100, clock))
    assert len(talk.model.asked) == 1


def test_a_run_is_cancelled_between_calls_and_rounds() -> None:
    cancelled = threading.Event()
    talk = Talk(call(many=3), say("Never."))

    def act() -> str:
        cancelled.set()
        return "seen"

    talk.act = act
    with pytest.raises(PersonaCancelled):
        talk.hold(a_deadline(cancelled=cancelled))
    assert len(talk.used) == 1
    assert len(talk.model.asked) == 1


def test_a_model_that_falls_silent_after_its_calls_is_asked_for_words_once() -> None:
    talk = Talk(call(text="Let me write."), say(" \n"), say("I wrote it down."))
    assert talk.hold() == "I wrote it down."
    assert "was empty" in talk.model.asked[2][0][-1].content
    assert talk.model.asked[2][1] == []


@pytest.mark.parametrize(
    "script", [[say("")], [call(text="Let me see."), say(""), say(" ")]], ids=["at once", "at last"]
)
def test_silence_is_no_answer_and_an_earlier_sentence_is_not_taken_for_one(
    script: list[Completion],
) -> None:
    talk = Talk(*script)
    with pytest.raises(EmptyAnswer):
        talk.hold()


def test_an_answer_that_used_up_its_tokens_says_what_to_do() -> None:
    with pytest.raises(EmptyAnswer, match="raise max_tokens"):
        Talk(say("", finish=Finish.LENGTH)).hold()


def test_what_a_failed_run_did_is_known() -> None:
    talk = Talk(call(), PersonaFailed("broke"))
    with pytest.raises(PersonaFailed):
        talk.hold()
    assert (talk.talk.rounds, len(talk.talk.notes), talk.talk.usage.total) == (2, 1, 12)


def test_tokens_that_a_server_does_not_count_are_estimated() -> None:
    talk = Talk(say("x" * 400, usage=None))
    talk.hold()
    assert talk.talk.is_estimated
    assert talk.talk.usage == Usage(prompt=1, completion=100)


def test_the_oldest_answers_of_tools_make_room() -> None:
    talk = Talk(call(), call(), call(), say("Done."), room=1000)
    talk.act = lambda: "x" * 2400
    talk.hold()
    last = [m.content for m in talk.model.asked[3][0] if m.role is Role.TOOL]
    assert [len(content) < 100 for content in last] == [True, True, False]
    assert "left out" in last[0]


# ---- one question more


def test_a_question_more_is_asked_of_the_whole_conversation_without_tools() -> None:
    talk = Talk(call(), say("All is well."), say("Glad."), say("Once more."))
    talk.hold()
    assert talk.talk.ask("How does it look?", OPTIONS, a_deadline()) == "Glad."
    asked, tools = talk.model.asked[2]
    assert tools == []
    assert [m.content for m in asked[-2:]] == ["All is well.", "How does it look?"]
    assert (talk.talk.rounds, talk.talk.usage) == (3, Usage(prompt=30, completion=6))
    talk.talk.ask("And now?", OPTIONS, a_deadline())
    assert [m.content for m in talk.model.asked[3][0][-2:]] == ["All is well.", "And now?"]


@pytest.mark.parametrize("finish", [Finish.STOP, Finish.LENGTH])
def test_a_question_more_leaves_how_the_answer_ended(finish: Finish) -> None:
    talk = Talk(say("All is", finish=finish), say("Glad."))
    talk.hold()
    talk.talk.ask("How does it look?", OPTIONS, a_deadline())
    assert talk.talk.finish is finish


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (say(" "), EmptyAnswer),
        (say("It looks", finish=Finish.LENGTH), PersonaTooLong),
        (PersonaFailed("down"), PersonaFailed),
    ],
)
def test_a_question_more_that_gets_no_whole_answer_fails_and_counts(
    line: Line, error: type[Exception]
) -> None:
    talk = Talk(say("All is well.", finish=Finish.STOP), line)
    talk.hold()
    with pytest.raises(error):
        talk.talk.ask("How does it look?", OPTIONS, a_deadline())
    assert talk.talk.rounds == 2
    assert talk.talk.usage.total == (12 if error is PersonaFailed else 24)
    assert talk.talk.finish is Finish.STOP


def test_nothing_more_is_asked_where_the_tokens_are_used_up() -> None:
    talk = Talk(say("All is well."), say("Glad."), tokens=12)
    talk.hold()
    with pytest.raises(PersonaLimit):
        talk.talk.ask("How does it look?", OPTIONS, a_deadline())
    assert len(talk.model.asked) == 1


def test_nothing_more_is_asked_where_the_run_is_over() -> None:
    talk, cancelled = Talk(say("All is well."), say("Glad.")), threading.Event()
    talk.hold()
    cancelled.set()
    with pytest.raises(PersonaCancelled):
        talk.talk.ask("How does it look?", OPTIONS, a_deadline(cancelled=cancelled))
    assert len(talk.model.asked) == 1
