"""How many runs of other tasks one run may start."""

import threading
from collections import OrderedDict

from app.persona.errors import ToolRefused

MOST_STARTED = 3
"""Runs of other tasks that one run may start."""

_RUNS_REMEMBERED = 1_000


class Starts:
    """Which tasks each of the latest runs has started."""

    def __init__(self) -> None:
        self._started: OrderedDict[str, set[str]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, run: str, task_id: str) -> None:
        """Note a start; raise ToolRefused where the run has started as many as it may."""
        with self._lock:
            started = self._started.setdefault(run, set())
            if task_id not in started and len(started) >= MOST_STARTED:
                raise ToolRefused(
                    f"one run may start {MOST_STARTED} other tasks and this one has; leave the rest"
                    " to their schedules"
                )
            started.add(task_id)
            while len(self._started) > _RUNS_REMEMBERED:
                self._started.popitem(last=False)
