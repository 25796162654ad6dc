"""Takes an edit of tasks.json into the registry, in one transaction with the memory of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog
from sqlalchemy import Connection

from app.core.clock import Clock
from app.core.errors import InvalidInput
from app.tasks import desk_row
from app.tasks.changes import Change, Put, Remove
from app.tasks.desk_row import DeskRow, Held
from app.tasks.desk_text import Sheet, scan
from app.tasks.merge import (
    LONGEST_MESSAGE,
    Definitions,
    Fault,
    Merged,
    definition_of,
    merge,
)
from app.tasks.record import TaskRecord
from app.tasks.registry import Registry
from app.tasks.saved import Saved
from app.tasks.task import Author

log = structlog.get_logger(__name__)

FILE = Author(kind="file")
_SHEETS = 3


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What became of an edit: the row as it was stored, the changes made, and what to tell."""

    row: DeskRow
    changes: tuple[Change, ...]
    notes: tuple[str, ...]


class Intake:
    """Merges texts of tasks.json. Not for several threads at once."""

    def __init__(self, registry: Registry, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock
        self._sheets: list[Sheet] = []
        self._merged: tuple[int, Definitions] | None = None

    def scan(self, text: str) -> Sheet:
        """Scan a text; a text or an entry that was scanned lately costs next to nothing."""
        for sheet in self._sheets:
            if sheet.text == text:
                return sheet
        sheet = scan(text, known=self._sheets[-1] if self._sheets else None)
        self._sheets = [*self._sheets[1 - _SHEETS :], sheet]
        return sheet

    def take_in(
        self, sheet: Sheet, row: DeskRow, *, raced: bool = False, swapped_out: bool = False
    ) -> Taken:
        """Merge a sheet into the registry and remember it as seen.

        `raced` says that it was written while another text was being merged. A sheet that was
        `swapped_out` stands in the file no more: its good edits are taken, nothing else of it is
        remembered. What others do to the same tasks meanwhile is seen by the transaction.
        """
        bases = self._bases(sheet, row, raced)
        looked = self._registry.snapshot().records
        planned = merge(sheet, bases, _definitions(looked), first=row.is_new)
        touched = [*(put.task_id for put in planned.puts), *planned.removed]
        taken = Taken(row=row, changes=(), notes=())

        def decide(locked: Mapping[str, TaskRecord]) -> Sequence[Change]:
            nonlocal taken
            records = {**{key: looked[key] for key in looked.keys() - set(touched)}, **locked}
            merged = planned
            if any(_revision(records, key) != _revision(looked, key) for key in touched):
                merged = merge(sheet, bases, _definitions(records), first=row.is_new)
            puts, faults = self._check(merged, records)
            changes: list[Change] = [*puts]
            if merged.hold is None:
                changes += [Remove(task_id=task_id) for task_id in merged.removed]
            after = row if swapped_out else self._after(sheet, row, bases, merged, faults)
            taken = Taken(row=after, changes=tuple(changes), notes=merged.notes)
            return changes

        def also(connection: Connection) -> None:
            desk_row.store(connection, taken.row)

        self._registry.change(touched, decide, FILE, also)
        if not swapped_out and sheet.stamp is not None:
            self._merged = (sheet.stamp, self.base_of_seen(taken.row))
        return taken

    def base_of_seen(self, row: DeskRow) -> Definitions:
        """Return what the text last seen shows by id; for refused entries, what they showed."""
        if row.seen is None:
            return {}
        return {**_good_entries(self.scan(row.seen), row.faults), **row.bases}

    def _bases(self, sheet: Sheet, row: DeskRow, raced: bool) -> list[Definitions]:
        """Return the texts that the editor of this sheet may have started from.

        Its stamp tells the registry version at which we wrote that text. Others may have edited
        the text since, and had their edit merged, while it still bore the same stamp.
        """
        seen = self.base_of_seen(row)
        stamp = sheet.stamp
        if row.seen is None or stamp is None:
            return [seen]
        was_seen = stamp == self.scan(row.seen).stamp
        bases = [seen] if was_seen else []
        if not was_seen or raced:
            written = self._registry.definitions_at(stamp)
            saved = _saved_by_the_same(row, sheet, written) if not raced else None
            if saved is not None:
                return [{**saved, **row.bases}]
            if written is not None:
                bases += [written, {**written, **row.bases}] if row.bases else [written]
        if bases and self._merged is not None and self._merged[0] == stamp:
            bases.append(self._merged[1])
        return bases or [seen]

    def _check(
        self, merged: Merged, records: Mapping[str, TaskRecord]
    ) -> tuple[list[Put], tuple[Fault, ...]]:
        puts: list[Put] = []
        faults = list(merged.faults)
        for put in merged.puts:
            try:
                self._registry.check(put.definition, previous=records.get(put.task_id))
            except InvalidInput as error:
                faults += [
                    Fault(
                        index=merged.places[put.task_id],
                        id=put.task_id,
                        field=wrong.field,
                        message=wrong.message[:LONGEST_MESSAGE],
                    )
                    for wrong in error.errors
                ]
            else:
                puts.append(put)
        return puts, tuple(sorted(faults, key=lambda fault: fault.index or 0))

    def _after(
        self,
        sheet: Sheet,
        row: DeskRow,
        bases: Sequence[Definitions],
        merged: Merged,
        faults: tuple[Fault, ...],
    ) -> DeskRow:
        now = self._clock.now()
        held = None
        if merged.hold is not None:
            since = row.held.since if row.held is not None else now
            held = Held(reason=merged.hold, task_ids=merged.removed, since=since)
        good = _good_entries(sheet, faults)
        waiting = {fault.id for fault in faults if fault.id is not None and fault.id not in good}
        candidates = [row.bases, *bases]
        after = replace(
            row,
            seen=sheet.text,
            saved=_saved_after(row, sheet, merged),
            held=held,
            faults=faults,
            bases={
                task_id: definition_of(base[task_id])
                for task_id in (*waiting, *(held.task_ids if held is not None else ()))
                if (base := next((base for base in candidates if task_id in base), None))
            },
        )
        return after.dated(row, now)


def _saved_by_the_same(
    row: DeskRow, sheet: Sheet, written: Definitions | None
) -> Definitions | None:
    """Return what the editor of this sheet saved before with the same stamp, if it did."""
    if written is None or row.saved is None or row.saved.stamp != sheet.stamp:
        return None
    shown = {key: definition_of(fields) for key, fields in _good_entries(sheet, ()).items()}
    return row.saved.over(written) if row.saved.goes_on_in(shown, written) else None


def _saved_after(row: DeskRow, sheet: Sheet, merged: Merged) -> Saved | None:
    """Return what an editor saved last, what was refused too: for that a base is kept."""
    shown = _good_entries(sheet, ())
    changed: dict[str, Mapping[str, Any] | None] = {
        put.task_id: definition_of(shown[put.task_id]) for put in merged.puts
    }
    if merged.hold is None:
        changed |= dict.fromkeys(merged.removed)
    if sheet.stamp is None or not changed:
        return row.saved
    before = row.saved.entries if row.saved and row.saved.stamp == sheet.stamp else {}
    return Saved(stamp=sheet.stamp, entries={**before, **changed})


def _good_entries(sheet: Sheet, faults: Sequence[Fault]) -> dict[str, Mapping[str, object]]:
    bad = {fault.index for fault in faults}
    return {
        entry.id: entry.fields
        for entry in sheet.entries
        if entry.index not in bad and entry.id is not None and entry.fields is not None
    }


def _definitions(records: Mapping[str, TaskRecord]) -> Definitions:
    return {task_id: record.definition for task_id, record in records.items()}


def _revision(records: Mapping[str, TaskRecord], task_id: str) -> int | None:
    record = records.get(task_id)
    return record.revision if record is not None else None
