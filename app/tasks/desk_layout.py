"""How tasks.json is made to show what is in force without touching the rest of it.

Nothing is dumped anew but the values that change, so an editor finds unknown keys, key order,
indentation and odd layout as it left them.
"""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.tasks.desk_text import STAMP, TASKS, Entry, Member, Sheet, members_of, same
from app.tasks.schema import READ_OUT

_ABSENT = object()
_NEWLINE = re.compile(r"\r?\n[ \t]*$")


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What has to change in a sheet so that it shows what is wanted.

    `changed` maps the index of an entry to the fields that it must show, `removed` holds indexes,
    `added` whole entries. `definitions` says whether more than read-out fields differ.
    """

    changed: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    removed: frozenset[int] = frozenset()
    added: tuple[Mapping[str, Any], ...] = ()
    definitions: bool = False

    def __bool__(self) -> bool:
        return bool(self.changed or self.removed or self.added)


def compare(
    sheet: Sheet, wanted: Mapping[str, Mapping[str, Any]], *, untouched: Collection[int] = ()
) -> Changes:
    """Return what has to change so that the sheet shows just the wanted entries, by id.

    Entries in `untouched` (indexes) stay as they are, and what they may stand for is not added.
    """
    changed: dict[int, Mapping[str, Any]] = {}
    removed: set[int] = set()
    shown: set[str | None] = set()
    definitions = False
    for entry in sheet.entries:
        if entry.index in untouched:
            shown.add(entry.id)
            continue
        fields = wanted.get(entry.id or "")
        if fields is None or entry.fields is None or entry.id in shown:
            removed.add(entry.index)
            continue
        shown.add(entry.id)
        if differing := _differing(entry.fields, fields):
            changed[entry.index] = fields
            definitions = definitions or not differing <= READ_OUT
    added = tuple(fields for task_id, fields in wanted.items() if task_id not in shown)
    return Changes(
        changed=changed,
        removed=frozenset(removed),
        added=added,
        definitions=definitions or bool(removed or added),
    )


def _differing(left: Mapping[str, Any], right: Mapping[str, Any]) -> set[str]:
    if same(left, right):
        return set()
    return {
        key
        for key in left.keys() | right.keys()
        if not same(left.get(key, _ABSENT), right.get(key, _ABSENT))
    }


def render(sheet: Sheet, changes: Changes, *, stamp: int) -> str:
    """Return the text of the sheet with these changes, stamped with a registry version.

    A bare list stays a bare list and bears no stamp.
    """
    outer, inner, unit = _margins(sheet)
    replaced = {
        index: _changed_entry(_cut(sheet.text, sheet.entries[index]), fields, unit)
        for index, fields in changes.changed.items()
    }
    tasks = _rebuild(
        sheet.text[sheet.list_start : sheet.list_end],
        [(entry.start - sheet.list_start, entry.end - sheet.list_start) for entry in sheet.entries],
        replaced=replaced,
        removed=changes.removed,
        added=[_dump(fields, unit, inner) for fields in changes.added],
        margins=(inner, outer),
    )
    if sheet.members is None:
        return sheet.text[: sheet.list_start] + tasks + sheet.text[sheet.list_end :]
    return _stamped(sheet.text, sheet.members, tasks, stamp)


def _stamped(text: str, members: Sequence[Member], tasks: str, stamp: int) -> str:
    new = f'"{STAMP}": {stamp}'
    stamped = any(member.key == STAMP for member in members)
    pieces, at = [], 0
    for member in members:
        if member.key == STAMP:
            pieces += [text[at : member.start], new]
        elif member.key == TASKS:
            head = text[: member.start]
            space = head[len(head.rstrip()) :] or " "
            lead = "" if stamped else f"{new},{space}"
            pieces += [text[at : member.start], lead, text[member.start : member.value], tasks]
        else:
            continue
        at = member.end
    return "".join(pieces) + text[at:]


def _changed_entry(piece: str, wanted: Mapping[str, Any], unit: str) -> str:
    """Return the text of an entry with the fields that differ put right, all others as they are."""
    members = members_of(piece)
    margin = _margin(piece[1 : members[0].start])
    replaced, removed = {}, set()
    for place, member in enumerate(members):
        if member.key not in wanted:
            removed.add(place)
        elif not same(json.loads(piece[member.value : member.end]), wanted[member.key]):
            value = _dump(wanted[member.key], unit, margin)
            replaced[place] = piece[member.start : member.value] + value
    keys = {member.key for member in members}
    return _rebuild(
        piece,
        [(member.start, member.end) for member in members],
        replaced=replaced,
        removed=removed,
        added=[
            f"{_dump(key, unit, margin)}: {_dump(value, unit, margin)}"
            for key, value in wanted.items()
            if key not in keys
        ],
        margins=(margin, ""),
    )


def _rebuild(
    text: str,
    parts: Sequence[tuple[int, int]],
    *,
    replaced: Mapping[int, str],
    removed: Collection[int],
    added: Sequence[str],
    margins: tuple[str, str],
) -> str:
    """Return a container's text, from bracket to bracket, with some of its parts changed.

    What stands between the parts that stay is kept; `margins` are the white space before a part and
    before the closing bracket, for a container that was empty.
    """
    lead, tail = margins
    separator = "," + (lead or " ")
    if parts:
        lead, tail = text[1 : parts[0][0]], text[parts[-1][1] : -1]
    if len(parts) > 1:
        separator = text[parts[-2][1] : parts[-1][0]]
    pieces: list[str] = []
    for place, (start, end) in enumerate(parts):
        if place in removed:
            continue
        if pieces:
            pieces.append(text[parts[place - 1][1] : start])
        pieces.append(replaced[place] if place in replaced else text[start:end])
    for piece in added:
        pieces += [separator, piece] if pieces else [piece]
    return text[0] + (lead + "".join(pieces) + tail if pieces else "") + text[-1]


def _margins(sheet: Sheet) -> tuple[str, str, str]:
    """Return the white space before a member at the top and before an entry, and one step of it."""
    text, outer = sheet.text, ""
    inner = _margin(text[sheet.list_start + 1 : sheet.entries[0].start]) if sheet.entries else ""
    if sheet.members is not None:
        outer = _margin(text[text.index("{") + 1 : sheet.members[0].start])
    unit = (outer if sheet.members is not None else inner).strip("\r\n") or "  "
    if not sheet.entries:
        outer = outer or "\n"
        inner = outer + unit
    return outer, inner, unit


def _margin(space: str) -> str:
    """Return the last line break of white space with the indentation after it, or nothing."""
    found = _NEWLINE.search(space)
    return found.group() if found else ""


def _dump(value: Any, unit: str, margin: str) -> str:
    if not margin:
        return json.dumps(value, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False, indent=unit).replace("\n", margin)


def _cut(text: str, entry: Entry) -> str:
    return text[entry.start : entry.end]
