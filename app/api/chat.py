"""Talking to the persona, in the format of older clients and of other services' runs."""

from typing import Any

from flask import Response
from marshmallow import EXCLUDE, fields, validate

from app.api.answers import answer
from app.api.door import Answer, Door, Takes
from app.api.inputs import LEAST, MOST, Body, KeyHeader, WholeNumber
from app.api.schema_fields import Shown, measure, text
from app.api.serving import services
from app.core.errors import Draining
from app.persona.chatting import Message
from app.persona.client import Said

door = Door("chat", __name__, url_prefix="/api/persona", description="Talking to the persona")

MOST_MESSAGE = 200_000
MOST_HISTORY = 1_000
LOOKED_AT = 40
MOST_MEMORIES = 20
_ROLES = frozenset({"user", "assistant"})
_PROVIDERS = ("openai:", "anthropic:")
_EXAMPLE = {"message": "What do you remember about the tomatoes?", "top_k": 5}


class _Tolerant(Body):
    """A body of older clients: what is not known here is left alone."""

    class Meta:
        unknown = EXCLUDE


class SaidBefore(_Tolerant):
    """Something that was said before."""

    role = fields.String(
        required=True,
        metadata={"description": "user or assistant; what any other role said is left out"},
    )
    content = fields.String(required=True)


class ChatMessage(_Tolerant):
    """What is said to the persona."""

    message = fields.String(
        required=True,
        validate=validate.Length(max=MOST_MESSAGE),
        metadata={"minLength": 1, "pattern": r"\S"},
    )
    retrieve_memories = fields.Boolean(load_default=True)
    top_k = WholeNumber(
        load_default=3,
        metadata={
            "description": f"memories that are recalled; less than 0 is none, more than "
            f"{MOST_MEMORIES} is {MOST_MEMORIES}",
            "minimum": LEAST,
            "maximum": MOST,
        },
    )
    conversation_history = fields.List(
        fields.Nested(SaidBefore),
        load_default=list,
        validate=validate.Length(max=MOST_HISTORY),
        metadata={"description": f"oldest first; the newest {LOOKED_AT} count"},
    )
    model = fields.String(
        allow_none=True,
        load_default=None,
        validate=validate.Length(max=200),
        metadata={"description": "with `llm`, the model to ask; `openai:` before it is taken off"},
    )
    use_agent_router = fields.Boolean(
        load_default=False, metadata={"description": "known to older clients; does nothing"}
    )
    agent_type_override = fields.String(
        allow_none=True,
        load_default=None,
        metadata={"description": "known to older clients; does nothing"},
    )


def _maybe(description: str) -> fields.String:
    return text(description, allow_none=True)


class ChatAnswer(Shown):
    """What the persona answers."""

    response = text()
    reconciliation = fields.Dict(
        required=True,
        allow_none=True,
        metadata={"description": "both views of the answer's feeling, weighed; see feelings"},
    )
    internal_assessment = _maybe("the same as in `reconciliation`")
    external_assessment = _maybe("the same as in `reconciliation`")
    reconciled_state = _maybe("the same as in `reconciliation`")
    experience_id = text("the memory that was made of it, to be found under /api/memories")
    user_valence = measure(-1, "of the message: bad to good")
    user_arousal = measure(0, "of the message: calm to stirred")
    user_dominance = measure(0, "of the message: powerless to in control")


@door.on(
    "POST",
    "/chat",
    takes=Takes(body=ChatMessage(), body_example=_EXAMPLE, headers=KeyHeader()),
    answers={200: Answer(description="What the persona answers", schema=ChatAnswer)},
    problems=(429, 502, 504),
)
def chat(body: dict[str, Any], headers: dict[str, Any]) -> Response:
    """Talk to the persona

    The message and the answer become a memory, and the persona's mood moves. No file and no task is
    changed. It goes on where the caller hangs up.
    """
    here = services()
    if here.engine.is_draining:
        raise Draining
    return answer(here.chatting.answer(_message(body), headers.get("key")))


def _message(body: dict[str, Any]) -> Message:
    history = [
        Said(role=said["role"], content=said["content"])
        for said in body["conversation_history"]
        if said["role"] in _ROLES
    ]
    most = max(0, min(body["top_k"], MOST_MEMORIES)) if body["retrieve_memories"] else 0
    return Message(
        text=body["message"],
        history=history[-LOOKED_AT:],
        most_memories=most,
        model=_model(body["model"]),
    )


def _model(given: str | None) -> str | None:
    """Return the model as its server calls it; older clients put the provider before it."""
    for provider in _PROVIDERS:
        if given is not None and given.startswith(provider):
            given = given.removeprefix(provider)
    return given or None
