"""A persona service over HTTP: one POST to /api/persona/chat, one answer."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson

from app.core import strict_json
from app.core.clock import Clock
from app.core.errors import BadJson
from app.persona.client import Deadline, Reply, Request, Sent, as_one_message
from app.persona.errors import (
    PersonaAuth,
    PersonaError,
    PersonaFailed,
    PersonaLimit,
    PersonaProtocol,
    PersonaRefused,
    PersonaUnreachable,
)
from app.persona.exchange import Answer, Sender
from app.persona.llm.refusals import wait_asked_for
from app.persona.words import one_line

MOST_BYTES = 1024 * 1024
_EVIDENCE_BYTES = 1024
_LATER = ("/problems/chat-busy", "/problems/draining")
"""What another instance of this service says that is too busy, or stops."""

_MODE_OFF = "Persona mode not enabled"


class ServicePersona:
    """Sends each prompt once, with the run's id as Idempotency-Key, and never again by itself.

    A read timeout may hide a persona that acted, so nothing is retried here. It goes to `url` only:
    no redirect, proxy, cookie or .netrc is followed, used or kept.
    """

    has_hands = False
    name = "service"

    def __init__(
        self, url: str, clock: Clock, *, key: str | None = None, trusted: str | None = None
    ) -> None:
        """`url` is the base address, `key` what the service wants to be shown, the API_TOKEN of
        another instance of this one; `trusted` may name a file of the certificates to trust."""
        self._clock = clock
        headers = {"Accept": "application/json"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        address = url.rstrip("/") + "/api/persona/chat"
        self._sender = Sender(address, headers, clock, trusted=trusted)

    def reply(self, request: Request, deadline: Deadline) -> Reply:
        """Return the answer within the deadline; raise the PersonaError that says what happened."""
        deadline.check()
        return self._ask(request, deadline)

    def would_send(self, request: Request, deadline: Deadline) -> Sequence[Sent]:
        """Return the rendered prompt as one message."""
        return as_one_message(request)

    def problem(self) -> str | None:
        """Say nothing: how calls ended is in the ledger, for all processes alike."""
        return None

    def _ask(self, request: Request, deadline: Deadline) -> Reply:
        body = orjson.dumps(
            {
                "message": request.prompt,
                "retrieve_memories": True,
                "top_k": 10,
                "conversation_history": [],
            }
        )
        headers = {"Idempotency-Key": request.occasion.run_id}
        with self._sender.send(body, headers, deadline) as answer:
            return _reply_of(_read_answer(answer, self._clock.now()))


def _read_answer(answer: Answer, now: datetime) -> bytes:
    if answer.status != 200:
        found = one_line(answer.evidence(_EVIDENCE_BYTES), _EVIDENCE_BYTES)
        raise _refusal(answer.status, found, wait_asked_for(answer.headers, now))
    kind = answer.media_type
    if kind != "application/json" and not kind.endswith("+json"):
        raise PersonaProtocol(f"the answer is {one_line(kind, 80) or 'of no type'}, not JSON")
    return answer.whole_body(MOST_BYTES)


def _refusal(status: int, found: str, wait: timedelta | None) -> PersonaError:
    said = f"the persona answered {status}: {found}" if found else f"it answered {status}"
    if status == 503 and _MODE_OFF in found:
        # it says itself that it never looked at the prompt, so the prompt may be sent again
        return PersonaUnreachable("the persona service is up, but its persona mode is off")
    if status in (401, 403):
        return PersonaAuth(said)
    if status == 429 or (status == 503 and any(problem in found for problem in _LATER)):
        return PersonaLimit(said, retry_after=wait)
    if 400 <= status < 500:
        return PersonaRefused(said)
    if 500 <= status < 600:
        return PersonaFailed(said)
    return PersonaProtocol(f"{said} (only 200 is an answer; redirects are not followed)")


def _reply_of(answer: bytes) -> Reply:
    try:
        document = strict_json.loads(answer, most_bytes=MOST_BYTES)
    except BadJson as error:
        begins = one_line(answer[:_EVIDENCE_BYTES].decode("utf-8", "replace"), _EVIDENCE_BYTES)
        raise PersonaProtocol(
            f"no JSON that is read: {error.detail}; it begins: {begins}"
        ) from error
    if not isinstance(document, dict):
        raise PersonaProtocol("the answer is no JSON object")
    if document.get("resolution_required"):
        raise PersonaRefused("the persona demands that a conflict of beliefs be resolved first")
    text = document.get("response")
    if not isinstance(text, str):
        raise PersonaProtocol("the answer has no text in `response`")
    return Reply(
        text=text,
        reconciliation=_object(document.get("reconciliation")),
        metadata=_kept(document),
    )


def _object(value: Any) -> Mapping[str, Any] | None:
    return value if isinstance(value, dict) else None


def _kept(document: Mapping[str, Any]) -> Mapping[str, Any]:
    experience = document.get("experience_id")
    return {"experience_id": experience[:200]} if isinstance(experience, str) else {}
