"""What an answer means to the persona that gave it: its inner view, its words, its mood."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog

from app.persona.client import Deadline, Reply, Request
from app.persona.errors import PersonaCancelled, PersonaError
from app.persona.feelings.assessment import Inner, take_assessment
from app.persona.feelings.feelings import Feelings
from app.persona.feelings.mirror import SpaceFiles
from app.persona.metatalk import Done, Mended, after_rewriting, corrective_prompt, mended
from app.persona.space import Space
from app.persona.writing import Hands

log = structlog.get_logger(__name__)

_FROM_OUTSIDE = (
    "One question about your last answer, for your records: which mood would somebody see in it "
    "who reads only its words? Answer with one plain sentence and nothing else."
)
_LEAST_KEPT = 0.5
"""The share of an answer below which a rewritten one has lost what it said."""


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

        Moves the mood, unless nothing is left of the answer. Raises only PersonaCancelled, with
        the account of what was asked.
        """
        if not self._is_own:
            text, notes = self._mended(reply.text, _Asking(replace(reply, ask=None)))
            return replace(reply, text=text, metadata={**reply.metadata, **notes})
        visible, inner = take_assessment(reply.text)
        if not visible.strip():
            return replace(reply, text="")
        asking = _Asking(reply)
        try:
            return self._felt(visible, inner or reply.inner, reply, asking, request, deadline)
        except PersonaError as error:
            error.account = asking.account
            raise

    def _felt(
        self,
        visible: str,
        inner: Inner | None,
        reply: Reply,
        asking: "_Asking",
        request: Request,
        deadline: Deadline,
    ) -> Reply:
        told = asking.once_more(_FROM_OUTSIDE) if inner is not None else None
        text, notes = self._mended(visible, asking)
        felt = self._feelings.weigh(
            text if reply.voice is None else reply.voice,
            inner,
            run_id=request.occasion.run_id if request.talk is None else None,
            origin=request.occasion.origin,
            source="reply" if request.talk is None else "chat",
            told=told,
            files=SpaceFiles(self._space, self._hands, deadline, request.changes),
            holding=request.changes.hold,
        )
        return replace(
            reply,
            text=text,
            reconciliation=felt.reconciliation or reply.reconciliation,
            metadata={**asking.account, **notes, **felt.metadata()},
        )

    def _mended(self, text: str, asking: "_Asking") -> tuple[str, Mapping[str, Any]]:
        """Return the text without meta-talk, and the note of what was done."""
        if not self._mends:
            return text, {}
        found = mended(text)
        if found.findings:
            found = _rewritten(found, asking)
        return found.text, {"meta_talk": found.note()}


class _Asking:
    """The model that gave an answer; `account` is of all that it was asked so far."""

    def __init__(self, reply: Reply) -> None:
        self._ask = reply.ask
        self.account = reply.metadata

    def once_more(self, prompt: str) -> str | None:
        """Ask the model one thing more; None where it cannot: the answer it gave stands."""
        if self._ask is None:
            return None
        try:
            again = self._ask(prompt)
        except PersonaError as error:
            self.account = error.account or self.account
            if isinstance(error, PersonaCancelled):
                raise
            log.warning("persona.not_asked_again", reason=error.reason, error=error.detail)
            return None
        self.account = again.metadata
        return again.text


def _rewritten(found: Mended, asking: _Asking) -> Mended:
    """Return the answer as the model wrote it anew; as it was found where that is worth less."""
    again = asking.once_more(corrective_prompt(found.findings))
    visible = take_assessment(again)[0] if again is not None else ""
    least = _LEAST_KEPT * len(found.text) if found.done is Done.REMOVED else 1
    return after_rewriting(found.findings, visible) if len(visible.strip()) >= least else found
