"""Scheduled tasks for an AI persona: what is to be done, when, one run at a time, by whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    from app.config import Settings
    from app.wiring import Services

__version__ = "0.1.0"


def create_app(
    settings: Settings | None = None, services_factory: Callable[[], Services] | None = None
) -> Flask:
    """Return the Flask application; settings come from the environment if not given.

    Nothing is opened or started: the services are put together in each process on first use, by
    `services_factory` if there is one, and whoever runs the process starts and stops them. Raises
    SettingsError.
    """
    import os

    from flask import Flask

    from app.api import open_doors
    from app.api.guards import guard
    from app.api.json_provider import StrictJson
    from app.api.problems import handle_errors
    from app.api.serving import EXTENSION, OncePerProcess
    from app.config import read_settings
    from app.core.clock import SystemClock
    from app.core.ids import RandomIds
    from app.wiring import build

    chosen = settings or read_settings(os.environ)
    ids, clock = RandomIds(), SystemClock()
    app = Flask(__name__, static_folder=None)
    app.json = StrictJson(app)
    app.extensions[EXTENSION] = OncePerProcess(services_factory or (lambda: build(chosen)))
    handle_errors(app, new_id=lambda: ids.new(clock.now()))
    guard(app, chosen)
    open_doors(app, __version__)
    return app
