"""Which slots are owed, which of them run, and which are missed."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.schedule.triggers import Trigger
from app.tasks.task import Missed

SUPERSEDED = "superseded"
TOO_LATE = "too_late"
MISSED_SKIP = "missed_skip"

ON_TIME = timedelta(seconds=10)
MOST_SLOTS = 1000
MOST_RUNS = 100
SHORTEST_WINDOW = timedelta(minutes=5)
LONGEST_WINDOW = timedelta(hours=12)
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The oldest slots of a long outage as one row: `count` of them from `first` to `last`."""

    first: datetime
    last: datetime
    count: int


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What becomes of every owed slot; each is in `run`, in `missed` or counted in `summary`.

    `run` and `missed` are oldest first; a missed slot comes with its reason. `cursor` is the
    newest owed slot.
    """

    run: tuple[datetime, ...]
    missed: tuple[tuple[datetime, str], ...]
    summary: Summary | None
    cursor: datetime


def plan_owed(
    trigger: Trigger,
    cursor: datetime,
    now: datetime,
    *,
    missed: Missed,
    missed_window: timedelta | None,
    on_time: timedelta = ON_TIME,
) -> Plan | None:
    """Decide about all slots in (cursor, now]; None when nothing is owed.

    A slot at most `on_time` late runs under every policy. Of later ones, those within
    `missed_window` may run: the newest slot with `once`, the newest 100 with `all`, none with
    `skip`. A window of None is half the distance to the next slot, from 5 minutes to 12 hours.
    The cost is bounded by 1,000 slots, however long the outage was.
    """
    oldest = trigger.next_after(cursor)
    if oldest is None or oldest > now:
        return None
    slots = _newest_slots(trigger, cursor, now)
    summary = None
    if slots[0] > oldest:
        last = slots[0] - _TICK
        summary = Summary(
            first=oldest,
            last=trigger.last_until(last) or oldest,
            count=trigger.count(cursor, last),
        )
    run: list[datetime] = []
    passed: list[tuple[datetime, str]] = []
    follower = trigger.next_after(now)
    for slot in reversed(slots):
        window = _half_period(slot, follower) if missed_window is None else missed_window
        reason = _reason_to_miss(now - slot, window, on_time, missed, len(run))
        if reason is None:
            run.append(slot)
        else:
            passed.append((slot, reason))
        follower = slot
    return Plan(
        run=tuple(reversed(run)), missed=tuple(reversed(passed)), summary=summary, cursor=slots[-1]
    )


def _newest_slots(trigger: Trigger, cursor: datetime, now: datetime) -> list[datetime]:
    """Return up to 1,000 slots in (cursor, now], oldest first, found from now backwards."""
    slots: list[datetime] = []
    slot = trigger.last_until(now)
    while slot is not None and slot > cursor and len(slots) < MOST_SLOTS:
        slots.append(slot)
        slot = trigger.last_until(slot - _TICK)
    return slots[::-1]


def _reason_to_miss(
    lateness: timedelta, window: timedelta, on_time: timedelta, missed: Missed, running: int
) -> str | None:
    """Return why a slot does not run, None if it does; `running` newer ones do."""
    if lateness <= on_time:
        return None
    if missed is Missed.SKIP:
        return MISSED_SKIP
    if lateness > window:
        return TOO_LATE
    return None if running < (MOST_RUNS if missed is Missed.ALL else 1) else SUPERSEDED


def _half_period(slot: datetime, follower: datetime | None) -> timedelta:
    if follower is None:
        return LONGEST_WINDOW
    return min(max((follower - slot) / 2, SHORTEST_WINDOW), LONGEST_WINDOW)
