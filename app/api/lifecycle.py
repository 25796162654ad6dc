"""A server process at the edges of its life: made ready, begun after the fork, drained at the end.

The master makes database and space ready once and keeps nothing open; each worker puts its own
services together, ticks, runs and serves.
"""

import os
import signal
from collections.abc import Sequence
from datetime import timedelta
from types import FrameType
from typing import Any, Protocol
from urllib.parse import urlsplit

import structlog
from flask import Flask

import app
from app.api.serving import EXTENSION
from app.config import Settings, is_loopback, mistyped
from app.core.errors import FieldError, SettingsError
from app.core.instants import write_instant
from app.core.spans import write_span
from app.persona.feelings.feelings import why_no_lexicon
from app.settings_schema import Backend
from app.started_with import note_start
from app.wiring import Services, build, next_firing

log = structlog.get_logger(__name__)

CONNECTION_GRACE = timedelta(seconds=10)
"""How long a worker that stops lets open connections finish before it drains its runs."""

_STOPPING = timedelta(seconds=30)
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


class Worker(Protocol):
    """A worker of gunicorn, as far as it is needed here."""

    wsgi: Flask
    cfg: Any
    tmp: Any


def graceful_timeout(settings: Settings) -> int:
    """Return the seconds after which the master may kill a worker that was told to stop."""
    return int((CONNECTION_GRACE + settings.drain_timeout + _STOPPING).total_seconds())


def prepare(settings: Settings, addresses: Sequence[Any]) -> str:
    """Make database and space ready and return what to tell the person who started the service.

    Leaves no connection open, so that a fork carries none over. Raises SettingsError where an
    address lets other machines in and there is no token, and for a lexicon that is none.
    """
    _check_addresses(settings, addresses)
    _check_lexicon(settings)
    for name, likely in mistyped(os.environ):
        log.warning("settings.unknown", name=name, did_you_mean=likely)
    services = build(settings)
    try:
        services.prepare()
        note_start(settings, os.environ)
        return banner(services)
    finally:
        services.database.close()


def _check_addresses(settings: Settings, addresses: Sequence[Any]) -> None:
    """The server may have been told another address than HOST."""
    hosts = [address[0] for address in addresses if isinstance(address, tuple)]
    wide = [host for host in hosts if not is_loopback(host)]
    if wide and settings.api_token is None:
        message = f"is needed because the server binds to {wide[0]}, which lets other machines in"
        raise SettingsError([FieldError(field="API_TOKEN", message=message)])


def _check_lexicon(settings: Settings) -> None:
    """The settings have only seen that it is a file: what one holds is known to the feelings."""
    path = settings.affect_lexicon
    why = why_no_lexicon(path) if path is not None else None
    if why is not None:
        raise SettingsError([FieldError(field="AFFECT_LEXICON", message=f"'{path}' {why}")])


def banner(services: Services) -> str:
    """Return in a few lines what is served, from where, who answers, and what fires next."""
    settings = services.settings
    count = len(services.registry.snapshot().records)
    return "\n".join(
        [
            f"Persona tasks {app.__version__}",
            f"  serves    {settings.base_url} (API described at /api/docs)",
            f"  space     {settings.persona_space} with {count} task{'' if count == 1 else 's'}",
            f"  persona   {services.being.persona.name}{_where(settings)}",
            f"  next      {_next(services)}",
        ]
    )


def _where(settings: Settings) -> str:
    if settings.persona_url is None:
        return ""
    parts = urlsplit(settings.persona_url)
    model = f" ({settings.persona_model})" if settings.persona_backend is Backend.LLM else ""
    return f" at {parts.scheme}://{parts.netloc.rpartition('@')[2]}{model}"


def _next(services: Services) -> str:
    firing = next_firing(services)
    if firing is None:
        return "nothing: no task has a schedule that fires"
    task_id, slot = firing
    left = slot - services.clock.now()
    when = f"in {write_span(left)}" if left > timedelta(0) else "now"
    return f"{task_id} at {write_instant(slot)}, {when}"


class Life:
    """The life of the services in one worker."""

    def __init__(self, services: Services, heartbeat: int) -> None:
        self._services = services
        self._heartbeat = heartbeat

    @classmethod
    def begin(cls, worker: Worker) -> "Life":
        """Start the services of a worker, after the fork.

        From now on a signal to stop keeps new runs from starting at once, not only after the last
        connection has closed.
        """
        services: Services = worker.wsgi.extensions[EXTENSION].get().services
        # the master's own limit stands: it covers the connections and the runs after them
        worker.cfg.set("graceful_timeout", int(CONNECTION_GRACE.total_seconds()))
        life = cls(services, os.dup(worker.tmp.fileno()))
        services.start()
        for number in _STOP_SIGNALS:
            life.drain_on(number)
        return life

    def drain_on(self, number: signal.Signals) -> None:
        """Begin to drain when this signal comes, then do what was done before."""
        before = signal.getsignal(number)

        def handle(signum: int, frame: FrameType | None) -> None:
            if not self._services.engine.is_draining:
                self._services.begin_drain()
            if callable(before):
                before(signum, frame)

        signal.signal(number, handle)
        signal.siginterrupt(number, False)

    def end(self) -> None:
        """Let running runs finish as long as the settings allow, and stop."""
        self._services.stop(on_wait=self._beat)
        os.close(self._heartbeat)

    def _beat(self) -> None:
        """Tell the master that this worker lives; gunicorn itself has ceased to by now."""
        now = self._services.clock.monotonic()
        os.utime(self._heartbeat, (now, now))
