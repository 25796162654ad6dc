"""What the runs that ended tell about the persona: whether it answers.

The ledger knows it for all processes alike, and still does after a restart.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import Connection, Select, literal_column, or_, select, union_all

from app.core.instants import write_instant
from app.database import Database
from app.persona.words import one_line
from app.runs.run import Outcome, Status
from app.runs.tables import runs

log = structlog.get_logger(__name__)

_LONGEST = 200
_FAILS = frozenset(
    {
        *("persona_unreachable", "persona_auth", "persona_limit", "persona_error"),
        *("persona_protocol", "timeout"),
    }
)
"""Reasons for which the next prompt would fare no better."""

_WORKS = frozenset({"persona_refused", "persona_too_long", "empty_answer", "no_effect"})
"""Reasons that concern one prompt or one answer: the persona itself works.

All others tell nothing of it: the run was stopped, or something of this service failed.
"""


@dataclass(frozen=True, kw_only=True)
class Sign:
    """How the persona stood when a run ended; `failure` is None where it worked."""

    at: datetime
    reason: str | None = None
    failure: str | None = None

    @property
    def is_well(self) -> bool:
        """Whether the persona worked."""
        return self.failure is None


def sign_of(outcome: Outcome) -> Sign | None:
    """Return what an outcome tells of the persona; None where it tells nothing."""
    return _sign(outcome.status, outcome.reason, outcome.error, outcome.completed_at)


def newest_sign(connection: Connection) -> Sign | None:
    """Return the newest sign in the ledger; None where there is none."""
    return _newest(
        _sign(row.status, row.reason, row.error, row.completed_at)
        for row in connection.execute(_NEWEST)
    )


def note_turn(before: Sign | None, outcomes: Iterable[Outcome]) -> None:
    """Log that the persona broke or was mended, where outcomes that are stored now say so."""
    now = _newest(map(sign_of, outcomes))
    if now is None or (before is not None and before.at > now.at):
        return
    if now.is_well and before is not None and not before.is_well:
        log.info("persona.mended", failed_last=write_instant(before.at), reason=before.reason)
    if not now.is_well and (before is None or before.is_well):
        log.warning("persona.broke", reason=now.reason, problem=now.failure)


class Standing:
    """Says whether the persona answers; the same in every process of the ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def problem(self) -> str | None:
        """Say how the newest run that tells of the persona failed; None where it did not."""
        with self._database.read() as connection:
            newest = newest_sign(connection)
        if newest is None or newest.is_well:
            return None
        at = write_instant(newest.at)
        return f"the last call, at {at}, failed ({newest.reason}): {newest.failure}"


def _sign(status: str, reason: str | None, error: str | None, at: datetime) -> Sign | None:
    if status == Status.SUCCEEDED or reason in _WORKS:
        return Sign(at=at)
    if reason in _FAILS:
        return Sign(at=at, reason=reason, failure=one_line(error or reason, _LONGEST))
    return None


def _newest(signs: Iterable[Sign | None]) -> Sign | None:
    told = (sign for sign in signs if sign is not None)
    return max(told, key=lambda sign: sign.at, default=None)


def _newest_of(filed: int) -> Select[tuple[str, str | None, str | None, datetime]]:
    """Select the newest sign of those whose result file is there, or is not.

    Only runs that worked have one, so their indexes pass by any number of slots that did not run.
    """
    newest = (
        select(runs.c.status, runs.c.reason, runs.c.error, runs.c.completed_at)
        .where(
            literal_column(f"runs.filed = {filed}"),
            or_(runs.c.status == str(Status.SUCCEEDED), runs.c.reason.in_([*_FAILS, *_WORKS])),
        )
        .order_by(runs.c.completed_at.desc())
        .limit(1)
        .subquery()
    )
    return select(newest)


_NEWEST = union_all(_newest_of(0), _newest_of(1))
