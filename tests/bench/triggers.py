"""When a schedule fires next."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

from app.schedule.grammar import read_schedule
from tests.bench.report import Line, compared
from tests.bench.scale import Scale

_SCHEDULES: dict[str, tuple[str, dict[str, Any]]] = {
    "daily": ("0 0 * * *", {"hour": 0, "minute": 0}),
    "every five minutes": ("*/5 * * * *", {"minute": "*/5"}),
    "weekdays at nine": ("0 9 * * 1-5", {"day_of_week": "mon-fri", "hour": 9, "minute": 0}),
    "29 February": ("0 0 29 2 *", {"month": 2, "day": 29, "hour": 0, "minute": 0}),
}
_FIRST = datetime(2026, 11, 24, 7, 13, 21, tzinfo=UTC)


def lines(scale: Scale, _folder: Path) -> Iterator[Line]:
    """Measure."""
    instants = [_FIRST + timedelta(hours=37 * number) for number in range(scale.few)]
    for zone in ("UTC", "America/New_York"):
        for name, (text, fields) in _SCHEDULES.items():
            ours = read_schedule(text, zone).trigger
            other: Any = CronTrigger(timezone=ZoneInfo(zone), **fields)

            def by_other(
                instant: datetime, other: Any = other, zone: str = zone
            ) -> datetime | None:
                found: datetime | None = other.get_next_fire_time(
                    None, instant.astimezone(ZoneInfo(zone))
                )
                return found

            _microseconds(ours.next_after, instants)  # it keeps what it learns of a zone
            mine, others = [], []
            for _ in range(scale.repeats):
                mine.append(_microseconds(ours.next_after, instants))
                others.append(_microseconds(by_other, instants))
            yield compared(
                f"next firing, {name}, {zone}; against CronTrigger", mine, others, "us", at_most=0.2
            )


def _microseconds(
    next_after: Callable[[datetime], datetime | None], instants: list[datetime]
) -> float:
    began = time.perf_counter()
    for instant in instants:
        next_after(instant)
    return (time.perf_counter() - began) / len(instants) * 1e6
