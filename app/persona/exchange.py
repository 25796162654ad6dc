"""One request and its answer over HTTP, read within bounds of time and size."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.client import HTTPException, HTTPResponse
from typing import cast

import requests
import structlog

from app.core.clock import Clock
from app.persona.client import Deadline
from app.persona.connections import BoundAdapter, bound_by
from app.persona.errors import PersonaProtocol, PersonaTimeout, PersonaTooLong
from app.persona.words import one_line

log = structlog.get_logger(__name__)

_PART_BYTES = 64 * 1024
_EVIDENCE_WAIT = timedelta(seconds=1)
_TRUSTED_IDLE = timedelta(seconds=1).total_seconds()
"""Servers drop idle connections after two seconds or more; meeting that very moment would look
like an answer that was lost."""


class Sender:
    """Sends requests to one server, each thread on its own connection, kept while it is fresh.

    A request is sent once. No redirect, proxy, cookie or .netrc is followed, used or kept.
    """

    def __init__(self, clock: Clock, *, trusted: str | None = None) -> None:
        """`trusted` may name a file of the certificates to trust."""
        self._clock = clock
        self._trusted = trusted
        self._threads = threading.local()

    @contextmanager
    def send(
        self, request: requests.PreparedRequest, deadline: Deadline
    ) -> Iterator[requests.Response]:
        """Send it and give the answer, whose body is still to be read, within the deadline.

        Raises PersonaUnreachable, PersonaProtocol where the answer breaks off, and what the
        deadline raises.
        """
        deadline.check()
        adapter, is_whole = self._adapter(), False
        try:
            with bound_by(deadline), adapter.send(request) as response:
                yield response
                is_whole = _raw(response).isclosed()
        except (HTTPException, OSError) as error:
            deadline.check()
            raise PersonaProtocol(
                f"the connection ended before the answer was complete: {one_line(str(error), 300)}"
            ) from error
        finally:
            if not is_whole:
                adapter.close()
        self._threads.used = self._clock.monotonic()

    def forget(self) -> None:
        """Close the connection of this thread: its server behaves as if it were about to."""
        self._adapter().close()

    def _adapter(self) -> BoundAdapter:
        adapter: BoundAdapter | None = getattr(self._threads, "adapter", None)
        if adapter is None:
            adapter = self._threads.adapter = BoundAdapter(trusted=self._trusted)
        elif self._clock.monotonic() - self._threads.used > _TRUSTED_IDLE:
            adapter.close()
        self._threads.used = self._clock.monotonic()
        return adapter


def whole_body(response: requests.Response, most_bytes: int) -> bytes:
    """Return the body as it was sent; raise PersonaTooLong for a longer one."""
    _check_encoding(response)
    body, raw = bytearray(), _raw(response)
    while part := raw.read(_PART_BYTES):
        body += part
        if len(body) > most_bytes:
            raise PersonaTooLong(f"the answer is longer than {most_bytes} bytes")
    _check_end(raw)
    return bytes(body)


def pieces_of_body(response: requests.Response, most_bytes: int) -> Iterator[bytes]:
    """Give the body piece by piece as it arrives; raise PersonaTooLong for a longer one."""
    _check_encoding(response)
    size, raw = 0, _raw(response)
    while piece := _piece(raw, _PART_BYTES):
        size += len(piece)
        if size > most_bytes:
            raise PersonaTooLong(f"the answer is longer than {most_bytes} bytes")
        yield piece
    _check_end(raw)


def evidence(response: requests.Response, deadline: Deadline, most_bytes: int) -> str:
    """Return the beginning of the body of a failure, waiting for it no longer than a second."""
    found, raw = b"", _raw(response)
    try:
        with bound_by(deadline.sooner(_EVIDENCE_WAIT)):
            while more := _piece(raw, most_bytes - len(found)):
                found += more
    except (PersonaTimeout, HTTPException, OSError) as error:
        # the status is known and decides; what is missing is only what stands beside it
        log.debug("persona.evidence_cut", error=type(error).__name__)
    return found[:most_bytes].decode("utf-8", "replace")


def _raw(response: requests.Response) -> HTTPResponse:
    return cast(HTTPResponse, response.raw)


def _piece(raw: HTTPResponse, most_bytes: int) -> bytes:
    """Return what is there of the body, waiting only where there is nothing; `b""` at its end."""
    if raw.chunked:
        return raw.read1(most_bytes)
    # before Python 3.11.8 `read1` does not see where a body of known length ends
    return raw.read(min(len(raw.peek(most_bytes)), most_bytes))


def _check_end(raw: HTTPResponse) -> None:
    # chunks tell by themselves that one is missing
    if raw.length:
        raise PersonaProtocol(
            f"the connection ended before the answer was complete: {raw.length} bytes are missing"
        )


def media_type(response: requests.Response) -> str:
    """Return the type of the body in small letters, without its parameters."""
    return response.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _check_encoding(response: requests.Response) -> None:
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise PersonaProtocol(f"the answer is compressed ({one_line(encoding, 40)}), unasked")
