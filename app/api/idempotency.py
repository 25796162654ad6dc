"""Requests that may be sent twice and have their effect once."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson
from sqlalchemy import Connection

from app.core.errors import TaskExists
from app.tasks.task import Author
from app.wiring import Services

_SCOPE = "create"


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request as its key knows it: the same key must come with the same fingerprint."""

    key: str | None
    fingerprint: str

    @classmethod
    def of(cls, key: str | None, body: Any) -> "Request":
        """Return the request that a key and a body make."""
        canonical = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
        return cls(key=key, fingerprint=sha256(canonical).hexdigest())


class _Known(Exception):
    """The key stands for a creation that somebody else has made meanwhile."""


def create_once(
    services: Services, definition: dict[str, Any], author: Author, request: Request
) -> int:
    """Create a task and return its revision; with a key that was used before, the one of then.

    The key is kept in the transaction of the creation, so neither is there without the other.
    Raises InvalidInput, TaskExists, KeyReused.
    """
    registry, keys = services.registry, services.keys
    if request.key is None:
        return registry.create(definition, author).revision
    key = request.key

    def find(connection: Connection) -> str | None:
        return keys.find(
            connection,
            scope=_SCOPE,
            key=key,
            fingerprint=request.fingerprint,
            now=services.clock.now(),
        )

    def keep(connection: Connection) -> None:
        if find(connection) is not None:
            raise _Known
        keys.keep(
            connection,
            scope=_SCOPE,
            key=key,
            fingerprint=request.fingerprint,
            subject=definition["id"],
            now=services.clock.now(),
        )

    with services.database.read() as connection:
        known = find(connection)
    if known is not None:
        return _created_revision(services, known)
    try:
        return registry.create(definition, author, also=keep).revision
    except (TaskExists, _Known):
        with services.database.read() as connection:
            known = find(connection)
        if known is None:
            raise
        return _created_revision(services, known)


def _created_revision(services: Services, task_id: str) -> int:
    """Return the revision by which a task was last created."""
    made = (r.revision for r in services.registry.history(task_id) if r.action == "created")
    return next(made)
