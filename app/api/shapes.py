"""What the API says of tasks and runs: key by key, in the order that older clients know.

New keys stand after the old ones.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.core.instants import write_instant
from app.runs.processes import Liveness
from app.runs.run import Run
from app.runs.space_history import Entry, Lines
from app.tasks.record import TaskRecord
from app.tasks.schema import PolicySchema
from app.tasks.task import Revision

SHORT_RESPONSE = 200
_POLICIES = tuple(
    name for name in PolicySchema().fields if name not in {"enabled", "timezone", "metadata"}
)


def instant(moment: datetime | None) -> str | None:
    """Write an instant as RFC 3339 in UTC, or null."""
    return write_instant(moment) if moment is not None else None


def clock(liveness: Liveness) -> dict[str, Any]:
    """Return whether anything will fire, and when somebody last looked."""
    return {
        "alive": liveness.alive,
        "processes": liveness.processes,
        "ticked_at": instant(liveness.ticked_at),
    }


def task(record: TaskRecord, *, next_run: datetime | None, sentence: str) -> dict[str, Any]:
    """Return a task as a list shows it."""
    return {**_known(record, next_run), **_added(record, sentence)}


def task_in_full(record: TaskRecord, *, next_run: datetime | None, sentence: str) -> dict[str, Any]:
    """Return a task as it is shown alone: with its metadata."""
    return {
        **_known(record, next_run),
        "metadata": dict(record.task.metadata),
        **_added(record, sentence),
    }


def due_task(record: TaskRecord, *, next_run: datetime) -> dict[str, Any]:
    """Return a task that is due."""
    task = record.task
    return {
        "id": task.id,
        "name": task.name,
        "type": str(task.type),
        "schedule": task.schedule,
        "next_run": instant(next_run),
    }


def _known(record: TaskRecord, next_run: datetime | None) -> dict[str, Any]:
    task = record.task
    return {
        "id": task.id,
        "name": task.name,
        "type": str(task.type),
        "schedule": task.schedule,
        "enabled": task.enabled,
        "last_run": instant(record.last_run),
        "next_run": instant(next_run),
        "run_count": record.run_count,
        "prompt": task.prompt,
    }


def _added(record: TaskRecord, sentence: str) -> dict[str, Any]:
    definition = record.definition
    return {
        "timezone": record.timezone,
        "revision": record.revision,
        "sentence": sentence,
        **{name: definition[name] for name in _POLICIES if name in definition},
    }


def execution(run: Run) -> dict[str, Any]:
    """Return how a run by hand went."""
    return {
        "task_id": run.task_id,
        "task_name": run.task_name,
        "success": run.success is True,
        "started_at": instant(run.started_at),
        "completed_at": instant(run.completed_at),
        "response": run.response,
        "error": run.error,
        "run_id": run.id,
        "status": str(run.status),
        "reason": run.reason,
    }


def execution_in_short(run: Run) -> dict[str, Any]:
    """Return how one of several runs went."""
    return {
        "task_id": run.task_id,
        "task_name": run.task_name,
        "success": run.success is True,
        "error": run.error,
        "run_id": run.id,
        "status": str(run.status),
    }


def result(run: Run) -> dict[str, Any]:
    """Return a finished run as a result of its task."""
    return {
        "task_name": run.task_name,
        "started_at": instant(run.started_at),
        "completed_at": instant(run.completed_at),
        "success": run.success is True,
        "response": run.response,
        "error": run.error,
        "run_id": run.id,
        "status": str(run.status),
        "reason": run.reason,
        "origin": str(run.origin),
        "scheduled_for": instant(run.scheduled_for),
    }


def recent_result(run: Run) -> dict[str, Any]:
    """Return a finished run among those of all tasks: its response cut short, nothing as null."""
    short = (run.response or "")[:SHORT_RESPONSE] or None
    return {"task_id": run.task_id, **result(run), "response": short}


def run_in_full(run: Run) -> dict[str, Any]:
    """Return all that is known of a run."""
    return {
        "id": run.id,
        "task_id": run.task_id,
        "task_name": run.task_name,
        "origin": str(run.origin),
        "status": str(run.status),
        "reason": run.reason,
        "scheduled_for": instant(run.scheduled_for),
        "started_at": instant(run.started_at),
        "completed_at": instant(run.completed_at),
        "success": run.success,
        "response": run.response,
        "error": run.error,
        "attempt": run.attempt,
        "metadata": dict(run.metadata),
        "recorded_at": instant(run.recorded_at),
        "revision": run.revision,
        "count": run.count,
        "covers_from": instant(run.covers_from),
    }


def attempt(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return an attempt of a run."""
    return {
        "attempt": row["attempt"],
        "started_at": instant(row["started_at"]),
        "ended_at": instant(row["ended_at"]),
        "status": row["status"],
        "reason": row["reason"],
    }


def file_entry(entry: Entry) -> dict[str, Any]:
    """Return one change of a file."""
    return {
        "author": entry.author,
        "run_id": entry.run_id,
        "task_id": entry.task_id,
        "at": instant(entry.at),
        "change": entry.change,
        "lines_added": entry.added,
        "lines_removed": entry.removed,
        "shared": entry.shared,
        "undone": entry.undone,
    }


def file_lines(lines: Lines) -> dict[str, Any]:
    """Return who wrote some lines of a file."""
    entry = lines.entry
    return {
        "first": lines.first,
        "last": lines.last,
        "author": entry.author if entry is not None else None,
        "run_id": entry.run_id if entry is not None else None,
        "task_id": entry.task_id if entry is not None else None,
        "at": instant(entry.at) if entry is not None else None,
    }


def revision(made: Revision, before: Revision | None) -> dict[str, Any]:
    """Return a revision with what it changed; `before` is the one that it replaced."""
    return {
        "revision": made.revision,
        "at": instant(made.at),
        "author": str(made.author),
        "action": made.action,
        "effective_from": instant(made.effective_from),
        "definition": made.definition,
        "changes": _changes(
            (before.definition if before is not None else None) or {}, made.definition or {}
        ),
        "reason": made.reason,
    }


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    return {
        field: {"from": old.get(field), "to": new.get(field)}
        for field in dict.fromkeys([*old, *new])
        if old.get(field) != new.get(field)
    }
