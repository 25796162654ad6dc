"""One request and its answer over HTTP, read within bounds of time and size."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import requests
import structlog
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

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

    def __init__(self, clock: Clock, *, verify: bool | str = True) -> None:
        """`verify` may name a file of trusted certificates."""
        self._clock = clock
        self._verify = verify
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
        try:
            with (
                bound_by(deadline),
                self._adapter().send(request, stream=True, verify=self._verify) as response,
            ):
                yield response
        except (requests.RequestException, HTTPError, OSError) as error:
            deadline.check()
            raise PersonaProtocol(
                f"the connection ended before the answer was complete: {one_line(str(error), 300)}"
            ) from error
        self._threads.used = self._clock.monotonic()

    def forget(self) -> None:
        """Close the connection of this thread: its server behaves as if it were about to."""
        self._adapter().close()

    def _adapter(self) -> BoundAdapter:
        adapter: BoundAdapter | None = getattr(self._threads, "adapter", None)
        if adapter is None:
            adapter = self._threads.adapter = BoundAdapter()
        elif self._clock.monotonic() - self._threads.used > _TRUSTED_IDLE:
            adapter.close()
        self._threads.used = self._clock.monotonic()
        return adapter


def whole_body(response: requests.Response, most_bytes: int) -> bytes:
    """Return the body as it was sent; raise PersonaTooLong for a longer one."""
    _check_encoding(response)
    body = bytearray()
    # the read that finds nothing more is the one that notices an answer cut short
    while part := response.raw.read(_PART_BYTES, decode_content=False):
        body += part
        if len(body) > most_bytes:
            raise PersonaTooLong(f"the answer is longer than {most_bytes} bytes")
    return bytes(body)


def pieces_of_body(response: requests.Response, most_bytes: int) -> Iterator[bytes]:
    """Give the body piece by piece as it arrives; raise PersonaTooLong for a longer one."""
    _check_encoding(response)
    size = 0
    while piece := response.raw.read1(_PART_BYTES, decode_content=False):
        size += len(piece)
        if size > most_bytes:
            raise PersonaTooLong(f"the answer is longer than {most_bytes} bytes")
        yield piece


def evidence(raw: BaseHTTPResponse, deadline: Deadline, most_bytes: int) -> str:
    """Return the beginning of the body of a failure, waiting for it no longer than a second."""
    found = b""
    try:
        with bound_by(deadline.sooner(_EVIDENCE_WAIT)):
            while more := raw.read1(most_bytes - len(found), decode_content=False):
                found += more
    except (PersonaTimeout, HTTPError, OSError) as error:
        # the status is known and decides; what is missing is only what stands beside it
        log.debug("persona.evidence_cut", error=type(error).__name__)
    return found[:most_bytes].decode("utf-8", "replace")


def media_type(response: requests.Response) -> str:
    """Return the type of the body in small letters, without its parameters."""
    return response.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _check_encoding(response: requests.Response) -> None:
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise PersonaProtocol(f"the answer is compressed ({one_line(encoding, 40)}), unasked")
