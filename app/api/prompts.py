"""What a task would send to the persona."""

from typing import Any

from flask import Response
from marshmallow import validate

from app.api.answers import answer
from app.api.door import TASK_PATH, Answer, Door
from app.api.schema_fields import Shown, many, number, text
from app.api.serving import services

door = Door("prompts", __name__, url_prefix="/api", description="What the persona is told")


class SentMessage(Shown):
    """One message."""

    role = text(validate=validate.OneOf(["system", "user"]))
    content = text()


class PromptShown(Shown):
    """What would be sent first."""

    messages = many(SentMessage)
    tokens = number("about how many tokens they are")


@door.on(
    "POST",
    f"{TASK_PATH}/prompt-preview",
    answers={200: Answer(description="What a run by hand would send now", schema=PromptShown)},
    problems=(502,),
)
def prompt_preview(task_id: str) -> Response:
    """Show what a task would send to the persona

    Nothing is sent. A run makes the same messages, but for the time, its number and the marks of
    data, which are new each time.
    """
    preview = services().previews.of(task_id)
    messages: list[dict[str, Any]] = [
        {"role": message.role, "content": message.content} for message in preview.messages
    ]
    return answer({"messages": messages, "tokens": preview.tokens})
