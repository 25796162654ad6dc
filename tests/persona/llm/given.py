"""What tests of models start from."""

from collections.abc import Mapping
from typing import Any

import pytest
from marshmallow import Schema, fields

from app.core.clock import Clock, SystemClock
from app.persona.client import Deadline
from app.persona.errors import PersonaError
from app.persona.llm.anthropic import Anthropic
from app.persona.llm.chat import ChatModel, Completion, Message, ModelOptions, Role, unheard
from app.persona.llm.dialect import Dialect
from app.persona.llm.openai import OpenAi
from app.persona.llm.wire import HttpModel
from app.persona.tools.tool import Tool
from tests.persona.given import a_real_deadline
from tests.persona.model_server import ModelServer

DIALECTS: Mapping[str, Dialect] = {"openai": OpenAi(), "anthropic": Anthropic()}
OPTIONS = ModelOptions(model="tiny")
KEY = "sk-a-key-that-nobody-may-see"

both_dialects = pytest.mark.parametrize("dialect", list(DIALECTS))
both_ways = pytest.mark.parametrize("streams", [True, False], ids=["stream", "whole"])


class NoteArguments(Schema):
    path = fields.String(required=True, metadata={"description": "where to"})
    content = fields.String(required=True)


def a_tool(name: str = "append_file", act: Any = None, arguments: Any = NoteArguments) -> Tool:
    return Tool(
        name=name,
        description=f"What {name} does.",
        arguments=arguments,
        act=act or (lambda _arguments, _use: "done"),
    )


def a_model(
    server: ModelServer, dialect: str = "openai", clock: Clock | None = None, **options: Any
) -> HttpModel:
    return HttpModel(
        DIALECTS[dialect], server.url(dialect), clock or SystemClock(), key=KEY, **options
    )


def user(text: str) -> Message:
    return Message(role=Role.USER, content=text)


def ask(
    model: ChatModel,
    *messages: Message,
    tools: Any = (),
    options: ModelOptions = OPTIONS,
    deadline: Deadline | None = None,
    on_text: Any = unheard,
) -> Completion:
    return model.complete(
        messages or [user("Hello")], tools, options, deadline or a_real_deadline(10), on_text
    )


def fail(model: ChatModel, *messages: Message, **how: Any) -> PersonaError:
    with pytest.raises(PersonaError) as caught:
        ask(model, *messages, **how)
    return caught.value
