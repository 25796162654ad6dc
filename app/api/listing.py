"""The tasks of the registry as JSON, each encoded once for as long as it stays as it is."""

from collections.abc import Mapping
from datetime import datetime

import orjson

from app.api import shapes
from app.schedule.book import ScheduleBook
from app.tasks.registry import Registry
from app.tasks.task import Snapshot, TaskRecord

_Encoded = Mapping[str, tuple[int, bytes]]


class Listing:
    """Encodes tasks.

    The state of a task does not depend on the time of day: its next run moves only when its record
    does. So its bytes are kept until then, and a list is put together from them.
    """

    def __init__(self, registry: Registry, book: ScheduleBook) -> None:
        self._registry = registry
        self._book = book
        self._kept: tuple[int, _Encoded, bytes] = (-1, {}, b"")

    def encoded(self, snapshot: Snapshot) -> bytes:
        """Return the tasks of a snapshot, as in the middle of a JSON list."""
        version, kept, joined = self._kept
        if version != snapshot.version:
            kept = {
                task_id: self._encode(record, kept.get(task_id))
                for task_id, record in snapshot.records.items()
            }
            joined = b",".join([data for _, data in kept.values()])
            self._kept = (snapshot.version, kept, joined)
        return joined

    def next_run(self, record: TaskRecord) -> datetime | None:
        """Return the first slot that has no row yet."""
        return self._registry.next_run(record)

    def sentence(self, record: TaskRecord) -> str:
        """Return the schedule of a task in words."""
        return self._book.read(record.task.schedule, record.task.timezone).sentence

    def _encode(self, record: TaskRecord, kept: tuple[int, bytes] | None) -> tuple[int, bytes]:
        if kept is not None and kept[0] == record.changed:
            return kept
        shown = shapes.task(record, next_run=self.next_run(record), sentence=self.sentence(record))
        return record.changed, orjson.dumps(shown)
