"""The proof: expected slots, recomputed from the definitions of the time, against the ledger."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.core.clock import Clock
from app.core.errors import FieldError, InvalidInput
from app.runs.history import History, SlotRow
from app.schedule.book import ScheduleBook
from app.schedule.triggers import Trigger
from app.tasks.registry import Registry
from app.tasks.task import InForce

GRACE = timedelta(seconds=10)
"""A slot this young may still be on its way into the ledger; it is not judged yet."""

MOST_EXPECTED = 2_000_000


@dataclass(frozen=True, kw_only=True)
class TaskAudit:
    """The slots of one task: expected, recorded, and how the two differ.

    `unexpected` are recorded slots that no definition of the time called for.
    """

    task_id: str
    expected: int
    recorded: int
    missing: int
    duplicated: int
    unexpected: int


@dataclass(frozen=True, kw_only=True)
class Audit:
    """The slots of all tasks in (since, until]."""

    since: datetime
    until: datetime
    tasks: Sequence[TaskAudit]

    def total(self, name: str) -> int:
        """Return the sum of one figure over all tasks."""
        return sum(getattr(task, name) for task in self.tasks)

    @property
    def is_clean(self) -> bool:
        """Whether nothing is missing, duplicated or unexpected."""
        return not any(map(self.total, ("missing", "duplicated", "unexpected")))


class Auditor:
    """Compares what should have happened with what is written down."""

    def __init__(
        self, registry: Registry, history: History, book: ScheduleBook, clock: Clock
    ) -> None:
        self._registry = registry
        self._history = history
        self._book = book
        self._clock = clock

    def audit(self, since: datetime | None = None, until: datetime | None = None) -> Audit:
        """Audit the slots in (since, until]: by default the last day up to ten seconds ago.

        Raises InvalidInput where the window is empty or holds more than two million slots.
        """
        latest = self._clock.now() - GRACE
        end = min(until or latest, latest)
        begin = since or end - timedelta(days=1)
        if begin > end:
            raise InvalidInput([FieldError(field="since", message="must be before until and now")])
        expected = self._expected(begin, end)
        recorded: dict[str, list[SlotRow]] = defaultdict(list)
        for row in self._history.slots(begin, end):
            recorded[row.task_id].append(row)
        audits = [
            compare(task_id, expected.get(task_id, []), recorded.get(task_id, []), begin, end)
            for task_id in sorted(expected.keys() | recorded.keys())
        ]
        return Audit(since=begin, until=end, tasks=audits)

    def _expected(self, since: datetime, until: datetime) -> dict[str, list[datetime]]:
        """Return the slots of each task that the definitions of the time call for, in order."""
        expected: dict[str, list[datetime]] = {}
        left = MOST_EXPECTED
        for stretch in self._registry.in_force_between(since, until):
            task = stretch.task
            if not task.enabled:
                continue
            trigger = self._book.schedule_of(task).trigger
            left -= trigger.count(stretch.since, stretch.until)
            if left < 0:
                message = f"the window holds more than {MOST_EXPECTED} slots; make it shorter"
                raise InvalidInput([FieldError(field="since", message=message)])
            slots = list(_slots(trigger, stretch))
            if slots:
                expected.setdefault(task.id, []).extend(slots)
        return expected


def _slots(trigger: Trigger, stretch: InForce) -> Iterator[datetime]:
    slot = trigger.next_after(stretch.since)
    while slot is not None and slot <= stretch.until:
        yield slot
        slot = trigger.next_after(slot)


def compare(
    task_id: str,
    expected: Sequence[datetime],
    recorded: Iterable[SlotRow],
    since: datetime,
    until: datetime,
) -> TaskAudit:
    """Compare the expected slots of a task, in order, with its rows.

    A summary row stands for as many slots as it says; where the window cuts it, for those of the
    expected slots that lie in both.
    """
    seen = [0] * len(expected)
    counted = unexpected = 0
    for row in recorded:
        first = row.covers_from or row.scheduled_for
        begin, end = bisect_left(expected, first), bisect_right(expected, row.scheduled_for)
        is_whole = first > since and row.scheduled_for <= until
        stands_for = row.count if is_whole else end - begin
        counted += stands_for
        unexpected += max(stands_for - (end - begin), 0)
        for index in range(begin, min(end, begin + stands_for)):
            seen[index] += 1
    return TaskAudit(
        task_id=task_id,
        expected=len(expected),
        recorded=counted,
        missing=seen.count(0),
        duplicated=sum(times - 1 for times in seen if times > 1),
        unexpected=unexpected,
    )
