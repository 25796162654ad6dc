"""A model that is asked again where its server said "later" and had done nothing."""

from collections.abc import Sequence
from datetime import timedelta

import structlog

from app.persona.client import Deadline
from app.persona.errors import PersonaLimit
from app.persona.llm.chat import ChatModel, Completion, Message, ModelOptions, OnText
from app.persona.tools.tool import Tool

log = structlog.get_logger(__name__)

MOST_WAITS = 4
_FIRST_WAIT = timedelta(seconds=1)


class PatientModel:
    """Waits as long as the server asks, at most four times and only within the deadline.

    A server that had begun to answer is not asked again.
    """

    def __init__(self, model: ChatModel) -> None:
        self._model = model

    def complete(
        self,
        messages: Sequence[Message],
        tools: Sequence[Tool],
        options: ModelOptions,
        deadline: Deadline,
        on_text: OnText,
    ) -> Completion:
        """Return what the model says; raise PersonaError."""
        heard = _Heard(on_text)
        for waits in range(MOST_WAITS + 1):
            try:
                return self._model.complete(messages, tools, options, deadline, heard)
            except PersonaLimit as limit:
                wait = limit.retry_after
                wait = _FIRST_WAIT * 2**waits if wait is None else wait
                may_wait = limit.transient and not heard.anything and waits < MOST_WAITS
                if not may_wait or wait >= deadline.remaining():
                    raise
                log.info("model.later", wait=wait.total_seconds(), detail=limit.detail)
                deadline.pause(wait)
        raise AssertionError("the last round returns or raises")


class _Heard:
    def __init__(self, on_text: OnText) -> None:
        self.anything = False
        self._on_text = on_text

    def __call__(self, text: str) -> None:
        self.anything = True
        self._on_text(text)
