"""A persona service over HTTP: one POST to /api/persona/chat, one answer."""

import threading
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import orjson
import requests
import structlog
from requests.structures import CaseInsensitiveDict
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from app.core import strict_json
from app.core.clock import Clock
from app.core.errors import (
    BadJson,
    PersonaAuth,
    PersonaCancelled,
    PersonaError,
    PersonaFailed,
    PersonaLimit,
    PersonaProtocol,
    PersonaRefused,
    PersonaTimeout,
    PersonaTooLong,
    PersonaUnreachable,
)
from app.core.instants import write_instant
from app.persona.client import Deadline, Reply, Request
from app.persona.connections import BoundAdapter, bound_by
from app.persona.words import one_line

log = structlog.get_logger(__name__)

MOST_BYTES = 1024 * 1024
_PART_BYTES = 64 * 1024
_EVIDENCE_BYTES = 1024
_EVIDENCE_WAIT = timedelta(seconds=1)
_MODE_OFF = "Persona mode not enabled"
_TRUSTED_IDLE = timedelta(seconds=1).total_seconds()
"""Servers drop idle connections after two seconds or more; meeting that very moment would look
like an answer that was lost."""

_ITS_WORKS = (PersonaRefused, PersonaTooLong)
"""Errors that concern one prompt: the service itself works."""


class ServicePersona:
    """Sends each prompt once, with the run's id as Idempotency-Key, and never again by itself.

    A read timeout may hide a persona that acted, so nothing is retried here. It goes to `url` only:
    no redirect, proxy, cookie or .netrc is followed, used or kept.
    """

    has_hands = False
    name = "service"

    def __init__(self, url: str, clock: Clock, *, verify: bool | str = True) -> None:
        """`url` is the base address; `verify` may name a file of trusted certificates."""
        self._clock = clock
        self._verify = verify
        self._threads = threading.local()
        self._problem: str | None = None
        self._blank = requests.Request(
            "POST",
            url.rstrip("/") + "/api/persona/chat",
            headers={
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "Content-Type": "application/json",
                "User-Agent": "persona-tasks",
            },
        ).prepare()

    def reply(self, request: Request, deadline: Deadline) -> Reply:
        """Return the answer within the deadline; raise the PersonaError that says what happened."""
        deadline.check()
        try:
            with bound_by(deadline):
                reply = self._ask(request, deadline)
        except PersonaCancelled:
            raise
        except PersonaError as error:
            self._remember(None if isinstance(error, _ITS_WORKS) else error)
            raise
        self._remember(None)
        return reply

    def problem(self) -> str | None:
        """Say how the last call of this process failed; None where it went well or none was."""
        return self._problem

    def _ask(self, request: Request, deadline: Deadline) -> Reply:
        try:
            with self._adapter().send(
                self._prepared(request), stream=True, verify=self._verify
            ) as response:
                answer = _read_answer(response, deadline)
        except (requests.RequestException, HTTPError, OSError) as error:
            deadline.check()
            raise PersonaProtocol(
                f"the connection ended before the answer was complete: {one_line(str(error), 300)}"
            ) from error
        self._threads.used = self._clock.monotonic()
        return _reply_of(answer)

    def _adapter(self) -> BoundAdapter:
        adapter: BoundAdapter | None = getattr(self._threads, "adapter", None)
        if adapter is None:
            adapter = self._threads.adapter = BoundAdapter()
        elif self._clock.monotonic() - self._threads.used > _TRUSTED_IDLE:
            adapter.close()
        self._threads.used = self._clock.monotonic()
        return adapter

    def _prepared(self, request: Request) -> requests.PreparedRequest:
        prepared = self._blank.copy()
        prepared.body = body = orjson.dumps(
            {
                "message": request.prompt,
                "retrieve_memories": True,
                "top_k": 10,
                "conversation_history": [],
            }
        )
        prepared.headers["Content-Length"] = str(len(body))
        prepared.headers["Idempotency-Key"] = request.occasion.run_id
        return prepared

    def _remember(self, error: PersonaError | None) -> None:
        before, self._problem = self._problem, None
        if error is not None:
            at = write_instant(self._clock.now())
            self._problem = f"the last call, at {at}, failed: {one_line(error.detail, 200)}"
        if (before is None) != (error is None):
            log.info("persona.mended" if error is None else "persona.broke", problem=self._problem)


def _read_answer(response: requests.Response, deadline: Deadline) -> bytes:
    raw, headers = response.raw, response.headers
    encoding = headers.get("Content-Encoding", "identity").strip().lower()
    if response.status_code != 200:
        raise _refusal(response.status_code, _evidence(raw, deadline))
    if encoding not in ("", "identity"):
        raise PersonaProtocol(f"the answer is compressed ({one_line(encoding, 40)}), unasked")
    _check_type(headers)
    answer = bytearray()
    # the read that finds nothing more is the one that notices an answer cut short
    while part := raw.read(_PART_BYTES, decode_content=False):
        answer += part
        if len(answer) > MOST_BYTES:
            raise PersonaTooLong(f"the answer is longer than {MOST_BYTES} bytes")
    return bytes(answer)


def _evidence(raw: BaseHTTPResponse, deadline: Deadline) -> str:
    found = b""
    try:
        with bound_by(deadline.sooner(_EVIDENCE_WAIT)):
            while more := raw.read1(_EVIDENCE_BYTES - len(found), decode_content=False):
                found += more
    except (PersonaTimeout, HTTPError, OSError) as error:
        # the status is known and decides; what is missing is only what stands beside it
        log.debug("persona.evidence_cut", error=type(error).__name__)
    return _shown(found)


def _shown(data: bytes) -> str:
    return one_line(data[:_EVIDENCE_BYTES].decode("utf-8", "replace"), _EVIDENCE_BYTES)


def _refusal(status: int, evidence: str) -> PersonaError:
    said = f"the persona answered {status}: {evidence}" if evidence else f"it answered {status}"
    if status == 503 and _MODE_OFF in evidence:
        # it says itself that it never looked at the prompt, so the prompt may be sent again
        return PersonaUnreachable("the persona service is up, but its persona mode is off")
    if status in (401, 403):
        return PersonaAuth(said)
    if status == 429:
        return PersonaLimit(said)
    if 400 <= status < 500:
        return PersonaRefused(said)
    if 500 <= status < 600:
        return PersonaFailed(said)
    return PersonaProtocol(f"{said} (only 200 is an answer; redirects are not followed)")


def _check_type(headers: CaseInsensitiveDict[str]) -> None:
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise PersonaProtocol(f"the answer is {one_line(kind, 80) or 'of no type'}, not JSON")


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
