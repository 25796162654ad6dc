"""Errors as RFC 9457 problem documents, one shape for all of them."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson
import structlog
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.wrappers import Response as AnyResponse

from app.api.refusals import TooLarge
from app.core.errors import PersonaTasksError
from app.persona.errors import PersonaError

log = structlog.get_logger(__name__)

PROBLEM_JSON = "application/problem+json"
REQUEST_ID = "X-Request-Id"


def handle_errors(app: Flask, new_id: Callable[[], str]) -> None:
    """Answer every error of the app as a problem document.

    What the service itself got wrong is logged under a fresh id that the answer repeats; the answer
    says nothing of its inside.
    """

    def ours(error: PersonaTasksError) -> AnyResponse:
        # what a persona service or a model's server said may be more than its callers should know
        if error.status >= 500 or isinstance(error, PersonaError):
            return _failed(error, new_id())
        return _problem(
            error.problem,
            error.title,
            error.status,
            error.detail,
            extensions=error.extensions(),
            headers=error.headers(),
        )

    def of_http(error: HTTPException) -> AnyResponse:
        code = error.code or 500
        if code < 400:
            return error.get_response()
        if code >= 500:
            return _broken(error, new_id())
        if isinstance(error, RequestEntityTooLarge):
            return ours(TooLarge())
        headers = {name: value for name, value in error.get_headers() if name != "Content-Type"}
        return _problem(_slug(error.name), error.name, code, error.name, headers=headers)

    def unexpected(error: Exception) -> AnyResponse:
        return _broken(error, new_id())

    app.register_error_handler(PersonaTasksError, ours)
    app.register_error_handler(HTTPException, of_http)
    app.register_error_handler(Exception, unexpected)


def _failed(error: PersonaTasksError, request_id: str) -> Response:
    """Answer what is known to fail: its kind is said, its detail stays in the log."""
    note = log.warning if error.transient else log.error
    note(
        "request.failed",
        request_id=request_id,
        method=request.method,
        path=request.path,
        problem=error.problem,
        detail=error.detail,
    )
    return _problem(
        error.problem,
        error.title,
        error.status,
        (type(error).__doc__ or error.title).splitlines()[0],
        extensions={**error.extensions(), "request_id": request_id},
        headers={**error.headers(), REQUEST_ID: request_id},
    )


def _broken(error: Exception, request_id: str) -> Response:
    """Answer what nobody expected."""
    cause = getattr(error, "original_exception", None) or error
    log.error(
        "request.broke",
        request_id=request_id,
        method=request.method,
        path=request.path,
        exc_info=cause,
    )
    return _problem(
        PersonaTasksError.problem,
        PersonaTasksError.title,
        500,
        "The service failed; its log has the details under this request id",
        extensions={"request_id": request_id},
        headers={REQUEST_ID: request_id},
    )


def _problem(
    problem: str,
    title: str,
    status: int,
    detail: str,
    *,
    extensions: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    document = {
        "type": f"/problems/{problem}",
        "title": title,
        "status": status,
        "detail": detail,
        **(extensions or {}),
    }
    response = Response(orjson.dumps(document), status, content_type=PROBLEM_JSON)
    response.headers.extend(headers or {})
    return response


def _slug(name: str) -> str:
    return re.sub(r"[^a-z]+", "-", name.lower()).strip("-")
