"""A three-way merge of tasks.json, per task and field; pure.

What an editor changed is what differs from the text that it started from. Sometimes several texts
may have been that one (a file that was edited and merged, but not yet stamped anew): a field that
is as it stood in any of them was not touched.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from app.core.instants import read_instant
from app.tasks.changes import ImportedState, Put
from app.tasks.desk_text import Entry, Sheet, same
from app.tasks.schema import READ_OUT, TASK_ID

Definitions = Mapping[str, Mapping[str, Any]]
_ABSENT = object()
LONGEST_MESSAGE = 300
_MOST_RUNS = 2**31 - 1


class Hold(StrEnum):
    """Why the removals of an edit wait for a confirmation."""

    MISSING = "missing"
    EMPTIED = "emptied"
    MOST_REMOVED = "most_removed"
    UNREADABLE_ID = "unreadable_id"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What is wrong with an entry, which therefore stays as it stands.

    `index` counts from 0; it is None for what concerns the whole file.
    """

    index: int | None
    id: str | None
    message: str
    field: str | None = None


@dataclass(frozen=True, kw_only=True)
class Merged:
    """What an edit means: definitions to put (not yet checked), tasks to remove, what is wrong.

    With `hold` the removals must not be applied unless the owner confirms them. `places` says at
    which index each good entry stands, `notes` what else happened, in sentences.
    """

    puts: tuple[Put, ...]
    removed: tuple[str, ...]
    hold: Hold | None
    faults: tuple[Fault, ...]
    places: Mapping[str, int]
    notes: tuple[str, ...]


def merge(
    sheet: Sheet, bases: Sequence[Definitions], current: Definitions, *, first: bool = False
) -> Merged:
    """Merge the entries of a sheet into the definitions in force.

    `bases` are the texts that its editor may have started from, as entries or definitions by id,
    at least one. With `first` the read-out fields of new tasks are taken over as their run state.
    """
    chosen, faults = _choose(sheet, bases, current)
    puts: list[Put] = []
    notes: list[str] = []
    for task_id, entry in chosen.items():
        before = [base.get(task_id, {}) for base in bases]
        put, note = _merge_entry(task_id, entry.fields or {}, before, current.get(task_id), first)
        puts += put
        notes += note
    readable = {entry.id for entry in sheet.entries}
    shown = [task_id for task_id in current if all(task_id in base for base in bases)]
    removed = tuple(task_id for task_id in shown if task_id not in readable)
    return Merged(
        puts=tuple(puts),
        removed=removed,
        hold=_hold(sheet, len(removed), len(shown)),
        faults=tuple(faults),
        places={task_id: entry.index for task_id, entry in chosen.items()},
        notes=tuple(notes),
    )


def definition_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the definition that an entry shows: its fields without the read-out."""
    return {key: value for key, value in fields.items() if key not in READ_OUT}


def _choose(
    sheet: Sheet, bases: Sequence[Definitions], current: Definitions
) -> tuple[dict[str, Entry], list[Fault]]:
    """Return the entry that stands for each id, and a fault for every other one."""
    faults: list[Fault] = []
    named: dict[str, list[Entry]] = {}
    for entry in sheet.entries:
        bad_id = _bad_id(entry.id)
        if problem := entry.problem or bad_id:
            task_id = entry.id if bad_id is None else None
            faults.append(Fault(index=entry.index, id=task_id, message=problem[:LONGEST_MESSAGE]))
        else:
            named.setdefault(entry.id or "", []).append(entry)
    chosen: dict[str, Entry] = {}
    for task_id, entries in named.items():
        stays = entries[0]
        if len(entries) > 1:
            known = [base[task_id] for base in (*bases, current) if task_id in base]
            stays = next((entry for entry in entries if _is_known(entry, known)), stays)
        chosen[task_id] = stays
        faults += [
            Fault(
                index=entry.index,
                id=task_id,
                field="id",
                message=f"the id stands twice; entry {stays.index} has it, give this one another",
            )
            for entry in entries
            if entry is not stays
        ]
    return chosen, sorted(faults, key=lambda fault: fault.index or 0)


def _is_known(entry: Entry, known: Sequence[Mapping[str, Any]]) -> bool:
    definition = definition_of(entry.fields or {})
    return any(same(definition, definition_of(fields)) for fields in known)


def _bad_id(task_id: str | None) -> str | None:
    if task_id is None:
        return "it has no id that can be read"
    if TASK_ID.fullmatch(task_id) is None:
        return (
            f"{task_id[:80]!r} cannot be an id: 1 to 64 of a-z, 0-9, _ and -, "
            "beginning with a letter or a digit"
        )
    return None


def _merge_entry(
    task_id: str,
    fields: Mapping[str, Any],
    before: Sequence[Mapping[str, Any]],
    current: Mapping[str, Any] | None,
    first: bool,
) -> tuple[list[Put], list[str]]:
    definition = definition_of(fields)
    if any(same(fields, base) or same(definition, base) for base in before):
        return [], []
    edits = _edits(fields, before)
    notes: list[str] = []
    touched = set() if first else READ_OUT & edits.keys()
    if by_hand := sorted(key for key in touched if any(key in base for base in before)):
        notes.append(f"{task_id}: {', '.join(by_hand)} was edited by hand and is put right again")
    edits = definition_of(edits)
    if current is None:
        if not edits:
            return [], notes
        if any(before):
            notes.append(
                f"{task_id}: it was deleted meanwhile; the edit of its entry brings it back"
            )
        imported = _imported(fields) if first else None
        return [Put(task_id=task_id, definition=definition, imported=imported)], notes
    merged = {**current, **edits}
    definition = {key: value for key, value in merged.items() if value is not _ABSENT}
    if same(definition, dict(current)):
        return [], notes
    return [Put(task_id=task_id, definition=definition)], notes


def _edits(fields: Mapping[str, Any], before: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the fields that are not as they were in any of the texts; absence is a value too."""
    keys = dict.fromkeys([*fields, *(key for base in before for key in base)])
    edits: dict[str, Any] = {}
    for key in keys:
        value = fields.get(key, _ABSENT)
        if not any(same(value, base.get(key, _ABSENT)) for base in before):
            edits[key] = value
    return edits


def _imported(fields: Mapping[str, Any]) -> ImportedState:
    """Return the run state that an entry shows; what cannot be read counts as absent."""
    count = fields.get("run_count")
    return ImportedState(
        last_run=_instant(fields.get("last_run")),
        next_run=_instant(fields.get("next_run")),
        run_count=count if type(count) is int and 0 < count <= _MOST_RUNS else 0,
    )


def _instant(value: Any) -> datetime | None:
    try:
        instant = read_instant(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return instant if instant is not None and 1970 <= instant.year < 9999 else None


def _hold(sheet: Sheet, removed: int, shown: int) -> Hold | None:
    if not removed:
        return None
    if not sheet.entries:
        return Hold.EMPTIED
    if any(_bad_id(entry.id) for entry in sheet.entries):
        return Hold.UNREADABLE_ID
    return Hold.MOST_REMOVED if 2 * removed > shown else None
