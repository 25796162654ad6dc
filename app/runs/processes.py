"""The processes that tick and run, and how one is known to be dead.

A process is alive while its heartbeat is fresh. One of this host whose pid is gone is known to be
dead at once, without waiting for its heartbeat to go stale.
"""

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from app.core.clock import Clock
from app.core.ids import Ids
from app.database import Database
from app.runs.tables import processes

HEARTBEAT_EVERY = timedelta(seconds=10)
STALE_AFTER = timedelta(seconds=30)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a process lives: host (boot and pid namespace included), pid, and since when."""

    host: str
    pid: int
    pid_started: str


def this_place() -> Place:
    """Return the place of the calling process."""
    host = socket.gethostname()
    boot = _read("/proc/sys/kernel/random/boot_id")
    namespace = _link("/proc/self/ns/pid")
    return Place(
        host=f"{host} {boot} {namespace}".strip()[:200],
        pid=os.getpid(),
        pid_started=_started(os.getpid()),
    )


def is_gone(place: Place, here: Place) -> bool:
    """Say that a process is certainly dead: it lived here, and its pid is free or reused."""
    if place.host != here.host or not here.pid_started:
        return False
    return _started(place.pid) != place.pid_started


def _started(pid: int) -> str:
    """Return when a pid was given out, in clock ticks since boot; a zombie counts as gone."""
    text = _read(f"/proc/{pid}/stat")
    fields = text.rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] != "Z" else ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _link(path: str) -> str:
    try:
        return str(Path(path).readlink())
    except OSError:
        return ""


@dataclass(frozen=True, kw_only=True)
class Liveness:
    """Whether something alive will fire what is due, and since when it last looked.

    `ticked_at` is the newest look at the clock by any process, `processes` how many tick.
    """

    alive: bool
    processes: int
    ticked_at: datetime | None


class Processes:
    """Keeps the row of this process and looks at those of the others.

    `sharing` is how many processes, this one included, were found to take runs at the last look;
    `is_known` says whether this one has a row by which the others see that it lives.
    """

    def __init__(self, database: Database, clock: Clock, ids: Ids, here: Place) -> None:
        self._database = database
        self._clock = clock
        self._here = here
        self.id = ids.new(clock.now())
        self._beaten: float | None = None
        self.sharing = 1
        self.is_known = False

    def beat(self, *, ticked_at: datetime | None, state: str) -> None:
        """Say that this process lives; `state` is ticking, draining or working."""
        now = self._clock.now()
        fresh = {"heartbeat_at": now, "ticked_at": ticked_at, "state": state}
        with self._database.write() as connection:
            known = connection.execute(
                update(processes).where(processes.c.id == self.id).values(fresh)
            )
            if known.rowcount == 0:
                place = {
                    "host": self._here.host,
                    "pid": self._here.pid,
                    "pid_started": self._here.pid_started,
                }
                connection.execute(
                    insert(processes).values(id=self.id, started_at=now, **place, **fresh)
                )
        self.is_known = True
        self._beaten = self._clock.monotonic()

    @property
    def silence(self) -> timedelta | None:
        """How long ago this process last could write that it lives; None before the first time."""
        if self._beaten is None:
            return None
        return timedelta(seconds=self._clock.monotonic() - self._beaten)

    def leave(self) -> None:
        """Take the row of this process away: it holds nothing any more."""
        with self._database.write() as connection:
            connection.execute(delete(processes).where(processes.c.id == self.id))

    def forget(self, ids: Sequence[str]) -> None:
        """Take away the rows of processes that are dead."""
        with self._database.write() as connection:
            connection.execute(delete(processes).where(processes.c.id.in_(ids)))

    def split(self) -> tuple[set[str], set[str]]:
        """Return the ids of the live processes and those of the dead."""
        now = self._clock.now()
        alive, dead, ticking = {self.id}, set[str](), {self.id}
        for row in self._rows():
            if row.id == self.id:
                continue
            is_dead = self._is_dead(row, now)
            (dead if is_dead else alive).add(row.id)
            if row.state == "ticking" and not is_dead:
                ticking.add(row.id)
        self.sharing = len(ticking)
        return alive, dead

    def is_alive(self, id_: str) -> bool:
        """Say whether a process lives."""
        return id_ in self.split()[0]

    def alive_until(self, connection: Connection, id_: str) -> datetime | None:
        """Return the last instant at which a process may have lived; None where it is unknown."""
        query = select(processes.c.heartbeat_at).where(processes.c.id == id_)
        beat = connection.execute(query).scalar()
        return beat + STALE_AFTER if beat is not None else None

    def liveness(self) -> Liveness:
        """Say whether any process ticks."""
        now = self._clock.now()
        ticking = [
            row
            for row in self._rows()
            if row.state == "ticking"
            and row.ticked_at is not None
            and abs(now - row.ticked_at) < STALE_AFTER
            and not self._is_dead(row, now)
        ]
        newest = max((row.ticked_at for row in ticking), default=None)
        return Liveness(alive=bool(ticking), processes=len(ticking), ticked_at=newest)

    def _rows(self) -> list[Row[Any]]:
        with self._database.read() as connection:
            return list(connection.execute(select(processes)))

    def _is_dead(self, row: Row[Any], now: datetime) -> bool:
        place = Place(host=row.host, pid=row.pid, pid_started=row.pid_started)
        return abs(now - row.heartbeat_at) >= STALE_AFTER or is_gone(place, self._here)
