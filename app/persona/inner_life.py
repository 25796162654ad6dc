"""What an answer means to the persona that gave it: its inner view, its words, its mood."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog

from app.core.errors import PersonaCancelled, PersonaError
from app.persona.client import Deadline, Reply, Request
from app.persona.feelings.assessment import take_assessment
from app.persona.feelings.feelings import Feelings
from app.persona.feelings.mirror import SpaceFiles
from app.persona.metatalk import Mended, after_rewriting, corrective_prompt, mended
from app.persona.space import Space
from app.persona.writing import Hands

log = structlog.get_logger(__name__)

_FROM_OUTSIDE = (
    "One question about your last answer, for your records: which mood would somebody see in it "
    "who reads only its words? Answer with one plain sentence and nothing else."
)


class InnerLife:
    """Takes answers in.

    With `mends` talk about being a machine is written anew by a model that can be asked again, else
    removed. A persona that lives elsewhere (`is_own` false) keeps feelings and memory there.
    """

    def __init__(
        self, feelings: Feelings, space: Space, hands: Hands, *, mends: bool, is_own: bool
    ) -> None:
        self._feelings = feelings
        self._space = space
        self._hands = hands
        self._mends = mends
        self._is_own = is_own

    def take_in(self, reply: Reply, request: Request, deadline: Deadline) -> Reply:
        """Return the answer as it is kept: without inner view and meta-talk, with what was felt.

        Moves the mood. Raises only a PersonaError that ends the run.
        """
        if not self._is_own:
            return self._only_mended(reply)
        visible, inner = take_assessment(reply.text)
        account = reply.metadata
        told, account = self._told(reply, account) if inner is not None else (None, account)
        text, notes, account = self._mended(visible, reply, account)
        felt = self._feelings.weigh(
            text,
            inner,
            run_id=request.occasion.run_id if request.talk is None else None,
            origin=request.occasion.origin,
            source="reply" if request.talk is None else "chat",
            told=told,
            files=SpaceFiles(self._space, self._hands, deadline, request.changes),
        )
        return replace(
            reply,
            text=felt.text,
            reconciliation=felt.reconciliation or reply.reconciliation,
            metadata={**account, **notes, **felt.metadata()},
        )

    def _only_mended(self, reply: Reply) -> Reply:
        text, notes, _ = self._mended(reply.text, replace(reply, ask=None), {})
        return replace(reply, text=text, metadata={**reply.metadata, **notes})

    def _mended(
        self, text: str, reply: Reply, account: Mapping[str, Any]
    ) -> tuple[str, Mapping[str, Any], Mapping[str, Any]]:
        """Return the text without meta-talk, the note of what was done, and the account so far."""
        if not self._mends:
            return text, {}, account
        found = mended(text)
        if found.findings and reply.ask is not None:
            found, account = self._rewritten(found, reply, account)
        return found.text, {"meta_talk": found.note()}, account

    def _rewritten(
        self, found: Mended, reply: Reply, account: Mapping[str, Any]
    ) -> tuple[Mended, Mapping[str, Any]]:
        again = _asked(reply, corrective_prompt(found.findings))
        if again is None:
            return found, account
        visible, _ = take_assessment(again.text)
        if not visible.strip():
            return found, again.metadata
        return after_rewriting(found.findings, visible), again.metadata

    def _told(
        self, reply: Reply, account: Mapping[str, Any]
    ) -> tuple[str | None, Mapping[str, Any]]:
        again = _asked(reply, _FROM_OUTSIDE)
        return (again.text, again.metadata) if again is not None else (None, account)


def _asked(reply: Reply, prompt: str) -> Reply | None:
    """Ask the model one thing more; None where it cannot: the answer it gave stands."""
    if reply.ask is None:
        return None
    try:
        return reply.ask(prompt)
    except PersonaCancelled:
        raise
    except PersonaError as error:
        log.warning("persona.not_asked_again", reason=error.reason, error=error.detail)
        return None
