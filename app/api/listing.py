"""The tasks of the registry as JSON, each encoded once for as long as it stays as it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import orjson

from app.api import shapes
from app.api.answers import tag_of_list
from app.runs.processes import Liveness
from app.schedule.book import ScheduleBook
from app.tasks.desk_errors import error_fields
from app.tasks.desk_report import DeskStatus
from app.tasks.record import Snapshot, TaskRecord
from app.tasks.registry import Registry

_Encoded = Mapping[str, tuple[int, bytes]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """The answer that lists all tasks, with its tag and what it was made of."""

    tag: str
    body: bytes
    made_of: tuple[Snapshot, Liveness, DeskStatus]


class Listing:
    """Encodes tasks.

    The state of a task does not depend on the time of day: its next run moves only when its record
    does. So its bytes are kept until then, and a list is put together from them.
    """

    def __init__(self, registry: Registry, book: ScheduleBook) -> None:
        self._registry = registry
        self._book = book
        self._kept: tuple[int, _Encoded] = (-1, {})
        self._page: Page | None = None

    def page(self, snapshot: Snapshot, liveness: Liveness, desk: DeskStatus) -> Page:
        """Return the list of all tasks.

        The very same parts make the same page, so it is put together anew only where one of them
        was looked up anew: a list of a thousand tasks takes longer to copy than to find.
        """
        held = self._page
        if held is not None:
            parts = held.made_of
            if parts[0] is snapshot and parts[1] is liveness and parts[2] is desk:
                return held
        clock = shapes.clock(liveness)
        quarantined = [error_fields(fault) for fault in desk.errors]
        rest = {"total": len(snapshot.records), "clock": clock, "quarantined": quarantined}
        page = self._page = Page(
            tag=tag_of_list(snapshot.version, clock, quarantined),
            body=b'{"tasks":[%b],%b' % (self.encoded(snapshot), orjson.dumps(rest)[1:]),
            made_of=(snapshot, liveness, desk),
        )
        return page

    def encoded(self, snapshot: Snapshot) -> bytes:
        """Return the tasks of a snapshot, as in the middle of a JSON list."""
        version, kept = self._kept
        if version != snapshot.version:
            kept = {
                task_id: self._encode(record, kept.get(task_id))
                for task_id, record in snapshot.records.items()
            }
            self._kept = (snapshot.version, kept)
        return b",".join([data for _, data in kept.values()])

    def next_run(self, record: TaskRecord) -> datetime | None:
        """Return the first slot that has no row yet."""
        return self._registry.next_run(record)

    def sentence(self, record: TaskRecord) -> str:
        """Return the schedule of a task in words."""
        return self._book.read(record.schedule, record.timezone).sentence

    def _encode(self, record: TaskRecord, kept: tuple[int, bytes] | None) -> tuple[int, bytes]:
        if kept is not None and kept[0] == record.changed:
            return kept
        shown = shapes.task(record, next_run=self.next_run(record), sentence=self.sentence(record))
        return record.changed, orjson.dumps(shown)
