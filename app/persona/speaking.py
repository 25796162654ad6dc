"""A persona whose answers are mended of meta-talk before anybody reads them."""

from dataclasses import replace

import structlog

from app.persona.client import Deadline, Persona, Reply, Request
from app.persona.metatalk import mended

log = structlog.get_logger(__name__)

META_TALK = "meta_talk"


class SpeaksForItself:
    """Asks another persona, removes meta-talk from its answer and notes it under `meta_talk`.

    An answer that carries the note already, because its persona has mended it, is left alone.
    """

    def __init__(self, persona: Persona) -> None:
        self._persona = persona
        self.name = persona.name

    def reply(self, request: Request, deadline: Deadline) -> Reply:
        """Return the mended answer; raise what the other persona raises."""
        reply = self._persona.reply(request, deadline)
        if META_TALK in reply.metadata:
            return reply
        answer = mended(reply.text)
        if answer.findings:
            log.info(
                "persona.meta_talk",
                run_id=request.occasion.run_id,
                found=len(answer.findings),
                done=str(answer.done),
            )
        metadata = {**reply.metadata, META_TALK: answer.note()}
        return replace(reply, text=answer.text, metadata=metadata)

    def problem(self) -> str | None:
        """Say what is known to be wrong with the other persona."""
        return self._persona.problem()
