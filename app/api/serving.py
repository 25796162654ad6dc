"""What the endpoints serve from: the services of this process, and what is kept to be quick."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from flask import current_app

from app.api import shapes
from app.api.listing import Listing, Page
from app.api.seats import Seats
from app.core.clock import Clock
from app.core.forks import after_fork
from app.runs.processes import Liveness
from app.tasks.desk_report import DeskStatus
from app.wiring import Services

EXTENSION = "persona-tasks"
_LOOK_AGAIN_AFTER = 1.0
T = TypeVar("T")


class Seen(Generic[T]):
    """Something that is looked up at most once a second, however many ask for it."""

    def __init__(self, look: Callable[[], T], clock: Clock) -> None:
        self._look = look
        self._clock = clock
        self._kept: tuple[float, T] | None = None

    def get(self) -> T:
        """Return it as it was at most a second ago."""
        kept, now = self._kept, self._clock.monotonic()
        if kept is None or now - kept[0] >= _LOOK_AGAIN_AFTER:
            kept = self._kept = (now, self._look())
        return kept[1]

    def forget(self) -> None:
        """Look again the next time."""
        self._kept = None


@dataclass(frozen=True, kw_only=True)
class Serving:
    """The services of one process, and what the API keeps beside them."""

    services: Services
    listing: Listing
    seats: Seats
    liveness: Seen[Liveness]
    desk: Seen[DeskStatus]

    def page(self) -> Page:
        """Return the answer that lists all tasks."""
        snapshot = self.services.registry.snapshot()
        return self.listing.page(snapshot, self.liveness.get(), self.desk.get())

    def clock(self) -> dict[str, Any]:
        """Return whether anything will fire: every answer that shows a schedule says so."""
        return shapes.clock(self.liveness.get())


class OncePerProcess:
    """Puts the services together on first use, and anew in a process that was forked meanwhile:
    connections, threads and the name of a process must not be carried over a fork."""

    def __init__(self, build: Callable[[], Services]) -> None:
        self._build = build
        self._inherited: list[object] = []
        self._serving: Serving | None = None
        self._renew()
        after_fork(self._renew)

    def _renew(self) -> None:
        # what is let go of would be closed
        self._inherited.append(self._serving)
        self._serving, self._lock = None, threading.Lock()

    def get(self) -> Serving:
        """Return what this process serves from."""
        if self._serving is None:
            with self._lock:
                if self._serving is None:
                    self._serving = _serve_from(self._build())
        return self._serving


def _serve_from(services: Services) -> Serving:
    return Serving(
        services=services,
        listing=Listing(services.registry, services.book),
        seats=Seats(chats=services.settings.chat_concurrency),
        liveness=Seen(services.clockwork.liveness, services.clock),
        desk=Seen(services.desk.status, services.clock),
    )


def serving() -> Serving:
    """Return what the app of the present request serves from."""
    return cast(OncePerProcess, current_app.extensions[EXTENSION]).get()


def services() -> Services:
    """Return the services of this process."""
    return serving().services
