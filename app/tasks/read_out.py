"""What an entry of tasks.json shows: the definition and, read only, what its task has done."""

from collections.abc import Mapping
from typing import Any

from app.core.instants import write_instant
from app.tasks.record import Snapshot, TaskRecord
from app.tasks.registry import Registry


class ReadOut:
    """Makes the entries; asks for a next run only where something of its task has changed."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._entries: dict[str, tuple[int, Mapping[str, Any]]] = {}

    def entries(self, snapshot: Snapshot) -> dict[str, Mapping[str, Any]]:
        """Return the entry of each task in force, by id and in the order of the snapshot."""
        known, self._entries = self._entries, {}
        for task_id, record in snapshot.records.items():
            found = known.get(task_id)
            if found is None or found[0] != record.changed:
                found = (record.changed, self._entry(record))
            self._entries[task_id] = found
        return {task_id: fields for task_id, (_, fields) in self._entries.items()}

    def _entry(self, record: TaskRecord) -> Mapping[str, Any]:
        next_run = self._registry.next_run(record)
        return {
            **record.definition,
            "last_run": write_instant(record.last_run) if record.last_run is not None else None,
            "next_run": write_instant(next_run) if next_run is not None else None,
            "run_count": record.run_count,
        }
