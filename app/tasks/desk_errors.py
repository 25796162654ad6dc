"""What is wrong with tasks.json, told to those who can mend it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog

from app.core.errors import SpaceError
from app.core.instants import write_instant
from app.tasks.desk_row import DeskRow, Held
from app.tasks.merge import Fault, Hold
from app.tasks.space_file import SpaceFile

log = structlog.get_logger(__name__)

_NOTE = (
    "What could not be taken over from tasks.json, and why. Mend it there; this file goes away by "
    "itself. index counts the entries from 0."
)
_REASONS = {
    Hold.MISSING: "the file is gone",
    Hold.EMPTIED: "the file was emptied",
    Hold.MOST_REMOVED: "more than half of the tasks were removed in one edit",
    Hold.UNREADABLE_ID: "an entry whose id cannot be read may be one of the tasks that are missing",
}


class ErrorsFile:
    """Keeps tasks.errors.json beside a file: there while something is wrong, gone when not."""

    def __init__(self, beside: Path) -> None:
        self._about = beside.name
        self._file = SpaceFile(beside.parent, f"{beside.stem}.errors.json")

    def show(self, row: DeskRow) -> None:
        """Make the file tell what the row tells; where that is impossible, log it."""
        text = errors_text(row, self._about)
        try:
            if text is None:
                self._file.remove()
            elif not self._shows(text.encode()):
                self._file.replace(text.encode())
        except SpaceError as error:
            log.warning("desk.errors_unwritten", reason=error.detail)

    def _shows(self, data: bytes) -> bool:
        try:
            return self._file.read() == data
        except SpaceError:
            return False


def errors_text(row: DeskRow, file_name: str) -> str | None:
    """Return the text of tasks.errors.json, None where there is nothing to tell."""
    if row.errors_at is None:
        return None
    content = {
        "_note": _NOTE,
        "file": file_name,
        "at": write_instant(row.errors_at),
        "errors": [error_fields(fault) for fault in row.errors],
        "held": held_fields(row.held) if row.held is not None else None,
    }
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def error_fields(fault: Fault) -> dict[str, Any]:
    """Return a fault as JSON shows it; `field` only where one is to blame."""
    shown = {"index": fault.index, "id": fault.id, "field": fault.field, "message": fault.message}
    return {key: value for key, value in shown.items() if key != "field" or value is not None}


def held_fields(held: Held) -> dict[str, Any]:
    """Return what is held as JSON shows it."""
    return {
        "reason": str(held.reason),
        "message": f"{_REASONS[held.reason]}; nothing was removed, confirm it or restore the file",
        "task_ids": list(held.task_ids),
        "since": write_instant(held.since),
    }


def sentences(errors: Sequence[Fault], held: Held | None, file_name: str) -> list[str]:
    """Return what is wrong in sentences, for the next prompt and for people."""
    told = [_sentence(fault, file_name) for fault in errors]
    if held is not None:
        names = ", ".join(held.task_ids[:10])
        more = ", ..." if len(held.task_ids) > 10 else ""
        told.append(
            f"{file_name}: {_REASONS[held.reason]}; these tasks stay in force until the owner "
            f"decides: {names}{more}"
        )
    return told


def _sentence(fault: Fault, file_name: str) -> str:
    if fault.index is None:
        # what says why the whole file cannot be used names it mostly by itself
        named = fault.message.startswith(file_name)
        return fault.message if named else f"{file_name}: {fault.message}"
    name = f" ({fault.id})" if fault.id is not None else ""
    field = f", {fault.field}" if fault.field is not None else ""
    return f"{file_name}, entry {fault.index}{name}{field}: {fault.message}"
