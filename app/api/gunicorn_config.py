"""How gunicorn serves: the same settings as everywhere, from the environment.

gunicorn reads the names of this module, in a checkout by way of `gunicorn.conf.py`, from an
installed package as `python:app.api.gunicorn_config`.
"""

import os
import sys
from typing import Any, NoReturn

from flask import Flask
from gunicorn.glogging import Logger

from app import create_app
from app.api.lifecycle import Life, prepare
from app.api.lifecycle import graceful_timeout as _graceful_timeout
from app.api.seats import THREADS
from app.config import read_settings
from app.core.errors import PersonaTasksError, SettingsError
from app.log import configure_logging


def _stop(error: PersonaTasksError, code: int) -> NoReturn:
    sys.stderr.write(f"{error.detail}\n")
    raise SystemExit(code) from None


try:
    _settings = read_settings(os.environ)
except SettingsError as error:
    _stop(error, 2)


class _Log(Logger):  # type: ignore[misc]  # it has no types
    """gunicorn's own lines, written like all others."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        configure_logging(_settings)
        if cfg.errorlog == "-":
            self.error_log.handlers.clear()
            self.error_log.propagate = True

    def error(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Say along with gunicorn's last word on an address that is in use what to do about it."""
        if msg.startswith("Can't connect to"):
            msg += "; set PORT to one that is free, and HOST to an address of this machine"
        super().error(msg, *args, **kwargs)


def application() -> Flask:
    """Return the application, where gunicorn is not told another one such as `wsgi:app`."""
    return create_app(_settings)


wsgi_app = f"{__name__}:application()"
bind = _settings.base_url.removeprefix("http://")
workers = _settings.web_concurrency
logger_class = _Log

# Threads, because a request may wait for a run, and because a few half-sent requests, which hold a
# thread each, must not stop a worker. The persona's own calls are made elsewhere.
worker_class = "gthread"
threads = THREADS
worker_connections = 512
timeout = 60
keepalive = 15
graceful_timeout = _graceful_timeout(_settings)

limit_request_line = 8190
limit_request_fields = 64
limit_request_field_size = 8190

# Nobody in front is believed about addresses or schemes; nothing here depends on them.
forwarded_allow_ips = ""
# It would be made in the home directory, which may be read-only.
control_socket_disable = True


def on_starting(server: Any) -> None:
    """Make database and space ready."""
    try:
        server.banner = prepare(_settings, server.cfg.address)
    except SettingsError as error:
        _stop(error, 2)
    except PersonaTasksError as error:
        _stop(error, 1)


def when_ready(server: Any) -> None:
    """Say what is served, now that the address is taken by this service and no other one."""
    sys.stderr.write(f"{server.banner}\n")


def post_worker_init(worker: Any) -> None:
    """Start the services of a worker."""
    worker.life = Life.begin(worker)


def worker_exit(_server: Any, worker: Any) -> None:
    """Stop the services of a worker."""
    # absent where the worker never came up, and in the master, which may call this too
    life = getattr(worker, "life", None)
    if life is not None:
        life.end()
