"""What every request passes before anything of the service is touched, in this order:
the name it is addressed by, where it comes from, the token, the size and kind of its body."""

import hmac
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from flask import Flask, Request, g, request

from app.api.refusals import (
    Encoded,
    HostMissing,
    HostRefused,
    NotJson,
    OriginRefused,
    TokenNeeded,
    TokenWrong,
    TooLarge,
)
from app.config import Settings, is_loopback
from app.tasks.task import Author

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MOST_BODY = 1024 * 1024
OPEN_ENDPOINTS = frozenset({"health.livez", "docs.root", "docs.page", "docs.asset"})
"""What needs no token: a sign of life, and the page that asks for the token (it shows nothing)."""

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::(?P<port>[0-9]{1,5}))?")
_WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104  nobody is addressed by these

_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_DATA_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_ALWAYS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)

_Headers = list[tuple[str, str]]


def guard(app: Flask, settings: Settings) -> None:
    """Let only requests in that may come in, and send every answer out with its safety headers."""
    names = {_bare(name) for name in (settings.host, *settings.allowed_hosts)} - _WILDCARDS
    declared = {_bare(name) for name in settings.allowed_hosts}
    caller = Author(kind="owner" if settings.api_token is None else "token")

    def let_in() -> None:
        host = _check_host(request, names)
        _check_origin(request, host, declared)
        if settings.api_token is not None and request.endpoint not in OPEN_ENDPOINTS:
            _check_token(request, settings.api_token)
        g.author = caller
        _check_body(request)

    # a body of unsaid length is cut off there without a word: one byte more tells it from a fit one
    app.config["MAX_CONTENT_LENGTH"] = MOST_BODY + 1
    app.before_request(let_in)
    app.wsgi_app = _protected(app.wsgi_app)  # type: ignore[assignment]  # as Flask advises


def author() -> Author:
    """Return who makes the changes of the present request, as far as the guards could tell."""
    return cast(Author, g.author)


def _check_host(asked: Request, names: set[str]) -> str:
    """Return the Host header; a page that rebinds a name of its own to this address stops here."""
    host = str(asked.environ.get("HTTP_HOST", "")).lower()
    name, is_here = _named(host)
    if name is None:
        raise HostMissing
    if not (is_here or name in names):
        raise HostRefused(name)
    return host


@lru_cache(maxsize=64)
def _named(host: str) -> tuple[str | None, bool]:
    """Return the name in a Host header, None where there is none, and whether it is loopback's.

    Kept for the few that are in use: to find out takes as long as a look into the database.
    """
    match = _HOST.fullmatch(host)
    if match is None:
        return None, False
    name = _bare(match["name"])
    return name, is_loopback(name)


def _check_origin(asked: Request, host: str, declared: set[str]) -> None:
    """Refuse changes that a page of another origin sends through somebody's browser."""
    if asked.method in _SAFE_METHODS:
        return
    if asked.headers.get("Sec-Fetch-Site", "none") not in {"same-origin", "none"}:
        raise OriginRefused
    origin = asked.headers.get("Origin")
    if origin is None:
        return
    try:
        parts = urlsplit(origin.lower())
        name = parts.hostname or ""
    except ValueError as error:
        raise OriginRefused from error
    if parts.netloc != host and name not in declared:
        raise OriginRefused


def _check_token(asked: Request, token: str) -> None:
    scheme, _, given = asked.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not given:
        raise TokenNeeded
    if not hmac.compare_digest(given.strip().encode("utf-8", "replace"), token.encode()):
        raise TokenWrong


def _check_body(asked: Request) -> None:
    """Refuse a body that is too large, not said to be JSON or encoded; none at all is fine here.

    A missing Content-Type is taken for JSON, as older clients send it.
    """
    given = asked.environ
    if "CONTENT_LENGTH" not in given and "HTTP_TRANSFER_ENCODING" not in given:
        return
    if asked.content_length is not None and asked.content_length > MOST_BODY:
        raise TooLarge
    has_body = bool(asked.content_length) or "Transfer-Encoding" in asked.headers
    if has_body and asked.method not in _SAFE_METHODS and asked.mimetype and not asked.is_json:
        raise NotJson
    encoding = given.get("HTTP_CONTENT_ENCODING", "").strip()
    if has_body and encoding.lower() not in {"", "identity"}:
        raise Encoded(encoding)


def _bare(name: str) -> str:
    """Return a host name without port and brackets."""
    name = name.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name if name.count(":") > 1 else name.partition(":")[0]


def _protected(application: "WSGIApplication") -> "WSGIApplication":
    """Return the application with the safety headers on every answer.

    They are put on right before the server takes the answer, where headers are plain pairs: through
    the response of Flask they would cost as much as all other guards together.
    """

    def answering(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        def start(status: str, headers: _Headers, *error: Any) -> Callable[[bytes], object]:
            return start_response(status, [*headers, *_safety(status, headers)], *error)

        return application(environ, start)

    return answering


def _safety(status: str, headers: _Headers) -> Iterator[tuple[str, str]]:
    given = {name.lower(): value for name, value in headers}
    # what "not modified" says a cache takes over, and it does not say what of
    if not status.startswith("304"):
        is_page = given.get("content-type", "").startswith("text/html")
        yield "Content-Security-Policy", _PAGE_POLICY if is_page else _DATA_POLICY
    yield from _ALWAYS
    if "cache-control" not in given:
        yield "Cache-Control", "no-cache" if "etag" in given else "no-store"
