"""What the API itself refuses, before any part of the service is asked."""

from collections.abc import Mapping
from datetime import timedelta

from app.core.errors import PersonaTasksError


class HostMissing(PersonaTasksError):
    """The request names no host that can be read."""

    problem = "host-missing"
    title = "No Host"
    status = 400


class HostRefused(PersonaTasksError):
    """The service is not addressed by this name."""

    problem = "host-refused"
    title = "Wrong host"
    status = 421

    def __init__(self, name: str) -> None:
        super().__init__(
            f"this service is not addressed as {name[:100]!r}; "
            "names other than loopback and HOST belong in ALLOWED_HOSTS"
        )


class OriginRefused(PersonaTasksError):
    """Pages of other origins may not change anything here."""

    problem = "origin-refused"
    title = "Foreign origin"
    status = 403


class TokenNeeded(PersonaTasksError):
    """The request shows no token; send `Authorization: Bearer <API_TOKEN>`."""

    problem = "token-needed"
    title = "Token needed"
    status = 401
    challenge = 'Bearer realm="persona-tasks"'

    def headers(self) -> Mapping[str, str]:
        return {"WWW-Authenticate": self.challenge}


class TokenWrong(TokenNeeded):
    """The token is not the one of this service."""

    problem = "token-wrong"
    title = "Wrong token"
    challenge = 'Bearer realm="persona-tasks", error="invalid_token"'


class NotJson(PersonaTasksError):
    """A body must be JSON; send `Content-Type: application/json`."""

    problem = "not-json"
    title = "Body is not JSON"
    status = 415

    def headers(self) -> Mapping[str, str]:
        return {"Accept": "application/json"}


class Encoded(PersonaTasksError):
    """A body must be plain."""

    problem = "encoded"
    title = "Body is encoded"
    status = 415

    def __init__(self, encoding: str) -> None:
        super().__init__(
            f"a body with `Content-Encoding: {encoding[:40]}` is not read; send it as it is"
        )

    def headers(self) -> Mapping[str, str]:
        return {"Accept-Encoding": "identity"}


class TooLarge(PersonaTasksError):
    """A body may have at most 1 MiB."""

    problem = "too-large"
    title = "Body too large"
    status = 413


class TooManyWait(PersonaTasksError):
    """As many requests wait for runs as may here; nothing was started, come again in a moment."""

    problem = "too-many-wait"
    title = "Too many wait"
    status = 503
    transient = True
    retry_after = timedelta(seconds=5)


class NothingRuns(PersonaTasksError):
    """No process of this service runs tasks at the moment, so nothing was started."""

    problem = "nothing-runs"
    title = "Nothing runs"
    status = 503
    transient = True
    retry_after = timedelta(seconds=10)
