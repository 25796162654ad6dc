"""The text of tasks.json: which entries it holds, and where each of them stands."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from app.core import strict_json
from app.core.errors import BadJson

MOST_BYTES = 4 * 1024 * 1024
STAMP = "_revision"
TASKS = "tasks"
_NOTE = (
    "The scheduled tasks. Edit them with any editor, a change is in force within a second. A new "
    "task needs id, name, type, schedule and prompt. schedule is manual, hourly, daily, weekly, "
    "monthly, five fields of cron such as '0 9 * * 1', 'every 15m', 'in 30m', or "
    "'at 2030-12-01T09:00'; enabled: false lets a task rest, paused_until: 3d until then. "
    "last_run, next_run and run_count only show what happened. An entry with a mistake is left as "
    "it stands, its last good version stays in force, and tasks.errors.json says what is wrong. "
    "Leave _revision alone: it tells which version an edit started from."
)
FRESH = json.dumps({"_note": _NOTE, TASKS: []}, indent=2) + "\n"
"""What a file holds that is new."""

_LOOKS = f'it should look like {{"{TASKS}": [...]}}'
_NO_LIST = f"it has no list of tasks; {_LOOKS}"
_SPACE = re.compile(r"[ \t\r\n]*")
# They take what the strict reader refuses, so that the end of a bad entry can be found. Integers
# are read as floats because a long one must neither cost time nor raise.
_LENIENT = json.JSONDecoder(strict=False, parse_int=float)
_PAIRS = json.JSONDecoder(strict=False, parse_int=float, object_pairs_hook=list)


class NoTasks(BadJson):
    """The text may be JSON, but it holds no list of tasks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One element of the list of tasks: `text[start:end]` of its sheet.

    `fields` is None where the entry is bad in itself, and `problem` says why; `id` is its id as
    far as one can be read even then.
    """

    index: int
    start: int
    end: int
    id: str | None
    fields: Mapping[str, Any] | None
    problem: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A key with its value: `text[start:end]`, the value from `value` on."""

    key: str
    start: int
    value: int
    end: int


class _Part(Protocol):
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...


_P = TypeVar("_P", bound=_Part)


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A text that was scanned: its entries and the registry version that it was written at.

    `stamp` is None where it has none that can be read; `members` is None for a bare list.
    """

    text: str
    entries: tuple[Entry, ...]
    stamp: int | None
    list_start: int
    list_end: int
    members: tuple[Member, ...] | None

    @property
    def bare(self) -> bool:
        """Whether the text is a list without an object around it, which cannot be stamped."""
        return self.members is None


def same(left: Any, right: Any) -> bool:
    """Return whether two JSON values are the same; unlike `==` it tells 1 from true and 1.0."""
    if left is right:
        return True
    if type(left) is not type(right) or left != right:
        return False
    if isinstance(left, dict):  # strings that are equal are the same: most values need no call
        return all(same(value, right[key]) for key, value in left.items() if type(value) is not str)
    if isinstance(left, list):
        return all(map(same, left, right))
    return True


def scan(text: str, *, known: Sheet | None = None) -> Sheet:
    """Find the entries of a text; each is read strictly and by itself.

    Entries whose text stands in `known` too are not read again. Raises BadJson for what is no JSON
    at all or nests too deep to be scanned, NoTasks for what has a key twice at its top or holds no
    list of tasks.
    """
    read = {known.text[e.start : e.end]: e for e in known.entries} if known is not None else {}
    start = _skip(text, 0)
    members: tuple[Member, ...] | None = None
    entries: list[Entry] = []

    def list_of_entries(at: int) -> int:
        nonlocal entries
        entries, close = _walk(text, at + 1, "]", lambda index, at: _entry(text, index, at, read))
        return close + 1

    def member(_index: int, at: int) -> Member:
        return _member(text, at, list_of_entries)

    try:
        if text.startswith("[", start):
            list_start, end = start, list_of_entries(start)
            list_end = end
        elif text.startswith("{", start):
            found, close = _walk(text, start + 1, "}", member)
            members, end = tuple(found), close + 1
            list_start, list_end = _list_of_tasks(members)
        else:
            _decode(text, start)
            raise NoTasks(_NO_LIST)
    except RecursionError as error:
        raise BadJson("it nests too deep to be read") from error
    if (rest := _skip(text, end)) != len(text):
        raise _fault(text, rest, "Extra data")
    return Sheet(
        text=text,
        entries=tuple(entries),
        stamp=_stamp(text, members or ()),
        list_start=list_start,
        list_end=list_end,
        members=members,
    )


def members_of(piece: str) -> list[Member]:
    """Return the members of an object's text, which must be good JSON from brace to brace."""
    return _walk(piece, 1, "}", lambda _, at: _member(piece, at))[0]


def _list_of_tasks(members: Sequence[Member]) -> tuple[int, int]:
    found: dict[str, Member] = {}
    for member in members:
        if member.key in found:
            raise NoTasks(f"the key {member.key!r} stands twice at the top of the file")
        found[member.key] = member
    if TASKS not in found:
        raise NoTasks(_NO_LIST)
    return found[TASKS].value, found[TASKS].end


def _stamp(text: str, members: Sequence[Member]) -> int | None:
    for member in members:
        digits = text[member.value : member.end]
        if member.key == STAMP and digits.isdecimal() and len(digits) < 19:
            return int(digits)
    return None


def _walk(text: str, at: int, closer: str, part: Callable[[int, int], _P]) -> tuple[list[_P], int]:
    """Read the parts of a container up to its closing bracket; return them and its place."""
    parts: list[_P] = []
    at = _skip(text, at)
    if text.startswith(closer, at):
        return parts, at
    while True:
        parts.append(part(len(parts), at))
        at = _skip(text, parts[-1].end)
        if text.startswith(closer, at):
            return parts, at
        if not text.startswith(",", at):
            raise _fault(text, at, "Expecting ',' delimiter")
        at = _skip(text, at + 1)


def _member(text: str, at: int, end_of_tasks: Callable[[int], int] | None = None) -> Member:
    if not text.startswith('"', at):
        raise _fault(text, at, "Expecting property name enclosed in double quotes")
    key, colon = _decode(text, at)
    colon = _skip(text, colon)
    if not text.startswith(":", colon):
        raise _fault(text, colon, "Expecting ':' delimiter")
    value = _skip(text, colon + 1)
    if end_of_tasks is None or key != TASKS:
        end = _decode(text, value)[1]
    elif text.startswith("[", value):
        end = end_of_tasks(value)
    else:
        raise NoTasks(f'"{TASKS}" is no list; {_LOOKS}')
    return Member(key=key, start=at, value=value, end=end)


def _entry(text: str, index: int, at: int, read: Mapping[str, Entry]) -> Entry:
    end = _decode(text, at)[1]
    piece = text[at:end]
    known = read.get(piece)
    if known is not None and known.index == index and known.start == at:
        return known
    if known is not None:
        fields, problem, task_id = known.fields, known.problem, known.id
    else:
        fields, problem, task_id = _read_entry(piece)
    return Entry(index=index, start=at, end=end, id=task_id, fields=fields, problem=problem)


def _read_entry(piece: str) -> tuple[Mapping[str, Any] | None, str | None, str | None]:
    try:
        value = strict_json.loads(piece, most_bytes=MOST_BYTES)
    except BadJson as error:
        return None, error.detail, _readable_id(piece)
    if not isinstance(value, dict):
        return None, 'it is no object; a task looks like {"id": ..., "name": ...}', None
    task_id = value.get("id")
    return value, None, task_id if isinstance(task_id, str) else None


def _readable_id(piece: str) -> str | None:
    """Return the id of an entry that is bad otherwise, if it has just one."""
    if not piece.startswith("{"):
        return None
    ids = [value for key, value in _PAIRS.decode(piece) if key == "id"]
    return ids[0] if len(ids) == 1 and isinstance(ids[0], str) else None


def _decode(text: str, at: int) -> tuple[Any, int]:
    try:
        return _LENIENT.raw_decode(text, at)
    except json.JSONDecodeError as error:
        raise _fault(text, error.pos, error.msg) from error


def _skip(text: str, at: int) -> int:
    return _SPACE.match(text, at).end()  # type: ignore[union-attr]  # it matches nothing too


def _fault(text: str, at: int, message: str) -> BadJson:
    place = json.JSONDecodeError(message, text, at)
    return BadJson(f"{message} at line {place.lineno}, column {place.colno}{_hint(text, at)}")


def _hint(text: str, at: int) -> str:
    """Say what is probably meant, for the mistakes that are made most."""
    here = text[at : at + 2]
    if here[:1] in {"}", "]"} and text[:at].rstrip().endswith(","):
        return "; remove the comma before it"
    if here in {"//", "/*"} or here[:1] == "#":
        return '; JSON has no comments, write them into a key such as "_note"'
    if here[:1] == "'":
        return "; use double quotes"
    if not here:
        return "; it ends too early"
    return ""
