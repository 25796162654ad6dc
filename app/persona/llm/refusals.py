"""What servers of models say when they give no answer, and which error it is. Pure.

Known shapes: `{"error": {"message", "type", "code"}}` (OpenAI, llama.cpp, Ollama, vLLM),
`{"error": "text"}` (LM Studio, Ollama), `{"object": "error", "message"}` (older vLLM),
`{"type": "error", "error": {"type", "message"}}` (Anthropic), and plain text.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from app.persona.errors import (
    PersonaAuth,
    PersonaError,
    PersonaFailed,
    PersonaLimit,
    PersonaProtocol,
    PersonaRefused,
    PersonaTooLong,
)
from app.persona.words import one_line

_LONGEST_DETAIL = 600
_LONGEST_ERROR_TEXT = 2_000
_CONTEXT = re.compile(
    r"context[ _](?:length|size|window)|maximum context|prompt is too long|input is too long"
    r"|too many (?:input )?tokens|exceed_context|context the overflows|request_too_large"
)
_FILTER = re.compile(
    r"content[ _](?:filter|policy|management)|responsibleaipolicy|safety system|moderation"
)
_CREDIT = re.compile(
    r"insufficient_quota|credit balance|insufficient credit|billing|quota_exceeded"
)
_KEY = re.compile(r"authentication_error|invalid_api_key|incorrect api key|permission_error")
_LATER = re.compile(r"rate[ _]limit|overloaded|loading model|too many requests|server busy")
_ERROR_TEXT = re.compile(
    r"\W{0,4}(?:api |http |llm |model |provider |upstream |server )?error(?: code)?\W{0,4}"
    r"(?P<after>[45]\d\d)\b"
    r"|\W{0,4}(?:http |status )?(?P<alone>[45]\d\d)\W{1,3}"
    r"(?:too many requests|unauthorized|forbidden|bad request|not found|internal server error"
    r"|bad gateway|service unavailable|rate limit)"
    r"|\W{0,4}(?:rate_limit|overloaded|authentication|invalid_request|api)_error\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Said:
    """What stands in the body of a failure."""

    message: str
    kind: str = ""

    @property
    def words(self) -> str:
        """All of it in small letters, to be searched."""
        return f"{self.kind} {self.message}".lower()


def refusal(status: int, body: str, *, retry_after: timedelta | None = None) -> PersonaError:
    """Return the error that an answer with another status than 200 stands for."""
    said = _said(body)
    detail = one_line(f"the model's server answered {status}: {said.message}", _LONGEST_DETAIL)
    return _error(status, said, detail, retry_after)


def told_error(error: Any) -> PersonaError:
    """Return the error that an error object with status 200, or in a stream, stands for."""
    said = _of_error(error)
    detail = one_line(f"the model's server answered with an error: {said.message}", _LONGEST_DETAIL)
    code = error.get("code") if isinstance(error, Mapping) else None
    status = code if isinstance(code, int) and 400 <= code < 600 else None
    return _error(status, said, detail, None)


def error_in_text(text: str) -> PersonaError | None:
    """Return the error that an answer is in truth, where its whole text is one; None for an answer.

    Gateways pass on `API Error: 529 ...` or the JSON of an error as if the model had said so.
    """
    bare = text.strip()
    if len(bare) > _LONGEST_ERROR_TEXT:
        return None
    document = _document(bare) if bare.startswith("{") else None
    if isinstance(document, Mapping) and document.get("error") and not _answers(document):
        return told_error(document["error"])
    found = _ERROR_TEXT.match(bare)
    if found is None:
        return None
    number = found["after"] or found["alone"]
    detail = one_line(f"instead of an answer came an error: {bare}", _LONGEST_DETAIL)
    return _error(int(number) if number else None, Said(message=bare), detail, None)


def wait_asked_for(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """Return how long the server asks to wait, from Retry-After in seconds or as a date.

    The names of the headers are in small letters.
    """
    milliseconds = headers.get("retry-after-ms", "")
    given = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", milliseconds):
        return timedelta(milliseconds=float(milliseconds))
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", given):
        return timedelta(seconds=float(given))
    try:
        at = parsedate_to_datetime(given)
    except ValueError:
        return None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return max(at - now, timedelta(0))


def _error(
    status: int | None, said: Said, detail: str, retry_after: timedelta | None
) -> PersonaError:
    kind = _kind(status, said.words)
    if kind is PersonaLimit:
        is_used_up = status == 402 or _CREDIT.search(said.words) is not None
        return PersonaLimit(detail, retry_after=retry_after, transient=not is_used_up)
    return kind(detail)


def _kind(status: int | None, words: str) -> type[PersonaError]:
    is_long = status not in (403, 429) and _CONTEXT.search(words)
    rules: list[tuple[object, type[PersonaError]]] = [
        (status == 401, PersonaAuth),
        (status == 402 or _CREDIT.search(words), PersonaLimit),
        (status == 413 or is_long, PersonaTooLong),
        (_FILTER.search(words), PersonaRefused),
        (status == 403 or _KEY.search(words), PersonaAuth),
        (status in (429, 503, 529) or _LATER.search(words), PersonaLimit),
        (status is None or status >= 500, PersonaFailed),
        (status is not None and status >= 400, PersonaRefused),
    ]
    return next((kind for applies, kind in rules if applies), PersonaProtocol)


def _said(body: str) -> Said:
    document = _document(body)
    if not isinstance(document, Mapping):
        return Said(message=body)
    if document.get("error"):
        return _of_error(document["error"])
    return _of_error(document)


def _of_error(error: Any) -> Said:
    if not isinstance(error, Mapping):
        return Said(message=error if isinstance(error, str) else json.dumps(error))
    message = error.get("message") or error.get("detail") or json.dumps(error)
    kinds = (error.get(name) for name in ("type", "code", "status"))
    return Said(message=str(message), kind=" ".join(str(kind) for kind in kinds if kind))


def _answers(document: Mapping[str, Any]) -> bool:
    """Say whether an object holds more than errors do: then it may be what was asked for."""
    return not document.keys() <= {"error", "type", "status", "code", "request_id", "message"}


def _document(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
