"""Whether the service does its work, and if not, why."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from app.core.clock import Clock
from app.core.errors import PersonaTasksError
from app.persona.client import Persona
from app.persona.confinement import Availability
from app.runs.history import History
from app.runs.processes import Liveness
from app.tasks.desk import Desk
from app.tasks.registry import Registry

log = structlog.get_logger(__name__)

OVERDUE_AFTER = timedelta(seconds=30)
SILENT_AFTER = timedelta(seconds=20)
"""Twice as long as from one heartbeat to the next."""
UNFILED_AFTER = timedelta(minutes=1)
_REMOVED = (
    "the file of the database, or its log beside it, was removed or replaced, and nothing is "
    "written any more: put the same file back, or stop the service, remove what is left of the old "
    "one (-wal, -shm) and put a copy there"
)


@dataclass(frozen=True, kw_only=True)
class Health:
    """The state of the service.

    `reasons` are sentences, empty where all is well; `notes` are things to know that do not stop
    it from working. `tick_age` is how long ago any process looked at the clock, `overdue` the
    oldest slot that is due and has no row yet.
    """

    reasons: Sequence[str]
    notes: Sequence[str]
    processes: int
    tick_age: timedelta | None
    overdue: datetime | None
    scripts: Availability

    @property
    def is_well(self) -> bool:
        """Whether the service does its work."""
        return not self.reasons


class HealthCheck:
    """Looks at everything that could keep tasks from running."""

    def __init__(
        self,
        registry: Registry,
        desk: Desk,
        persona: Persona,
        history: History,
        clock: Clock,
        *,
        is_ledger_in_place: Callable[[], bool],
        silence: Callable[[], timedelta | None],
        standing: Callable[[], str | None],
        liveness: Callable[[], Liveness],
        scripts: Callable[[], Availability],
    ) -> None:
        """`silence` says how long nothing could be written to the ledger; None where nothing was to
        be. `standing` says how the runs of any process found the persona, if not well."""
        self._registry = registry
        self._desk = desk
        self._persona = persona
        self._history = history
        self._clock = clock
        self._is_ledger_in_place = is_ledger_in_place
        self._silence = silence
        self._standing = standing
        self._liveness = liveness
        self._scripts = scripts

    def check(self) -> Health:
        """Return the state of the service; never raises for what is wrong with it."""
        reasons = [] if self._is_ledger_in_place() else [_REMOVED]
        silence = self._silence()
        if silence is not None and silence >= SILENT_AFTER:
            reasons.append(
                f"nothing could be written to the ledger for {silence.total_seconds():.0f} s: "
                "it is locked, its disk is full, or it is away"
            )
        try:
            liveness = self._liveness()
            overdue = self._oldest_overdue()
            notes = self._notes()
            problem = self._persona.problem() or self._standing()
        except PersonaTasksError as error:
            # its detail may tell of hosts and paths, which is for the log only
            log.warning("health.unknown", problem=error.problem, detail=error.detail)
            return Health(
                reasons=[*reasons, f"it cannot be looked at: {error.title}"],
                notes=[],
                processes=0,
                tick_age=None,
                overdue=None,
                scripts=self._scripts(),
            )
        now = self._clock.now()
        if not liveness.alive:
            reasons.append("no process ticks: nothing will fire until one is started")
        if overdue is not None and now - overdue >= OVERDUE_AFTER:
            reasons.append("a slot is due and nothing has taken it up")
        if problem is not None:
            reasons.append(problem)
        return Health(
            reasons=reasons,
            notes=notes,
            processes=liveness.processes,
            tick_age=now - liveness.ticked_at if liveness.ticked_at is not None else None,
            overdue=overdue,
            scripts=self._scripts(),
        )

    def _oldest_overdue(self) -> datetime | None:
        now = self._clock.now()
        slots = (self._registry.next_run(r) for r in self._registry.snapshot().records.values())
        return min((slot for slot in slots if slot is not None and slot <= now), default=None)

    def _notes(self) -> list[str]:
        status = self._desk.status()
        notes = []
        if status.held is not None:
            notes.append("an edit of tasks.json is held for confirmation")
        faults = [fault for fault in status.errors if fault.index is not None]
        if len(faults) < len(status.errors):
            notes.append("tasks.json as a whole cannot be used: GET /api/desk says why")
        if faults:
            notes.append(f"tasks.json has {len(faults)} refused edit(s)")
        if self._history.is_any_unfiled(self._clock.now() - UNFILED_AFTER):
            notes.append("result files cannot be written; the ledger keeps what they should hold")
        return notes
