"""Two versions of a text, line by line: compared, merged with a third, attributed; pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import pygit2
from pygit2.enums import DiffOption

MOST_LINES = 20_000
"""Lines in which two versions may differ; beyond that they are not compared line by line."""

MOST_IN_ALL = 200_000
"""Lines of a text; one of more is taken whole, as if it were no text."""

MOST_SHOWN = 64 * 1024
_CONTEXT = 3

Author = TypeVar("Author")


@dataclass(frozen=True, kw_only=True)
class Hunk:
    """The lines [start, end) of the one version stand for the lines of another."""

    start: int
    end: int
    lines: Sequence[bytes]


def is_text(content: bytes | None) -> bool:
    """Say whether it can be shown and merged by lines; nothing at all can, a million lines not."""
    if content is None:
        return True
    if content.count(b"\n") > MOST_IN_ALL:
        return False
    try:
        return "\0" not in content.decode()
    except UnicodeDecodeError:
        return False


def split(content: bytes | None) -> list[bytes]:
    """Return the lines, ends included; only \\n ends one."""
    return [line + b"\n" for line in content.split(b"\n")[:-1]] + _rest(content) if content else []


def hunks(old: Sequence[bytes], new: Sequence[bytes]) -> list[Hunk] | None:
    """Return how the one becomes the other; None where they differ in too many lines."""
    head, tail = _common(old, new)
    one, other = old[head : len(old) - tail], new[head : len(new) - tail]
    if max(len(one), len(other)) > MOST_LINES:
        return None
    if not one or not other:
        return [Hunk(start=head, end=head + len(one), lines=other)] if one or other else []
    # the standard library's comparison takes minutes for a thousand lines that are much the same
    patch = pygit2.Patch.create_from(
        b"".join(one), b"".join(other), flag=DiffOption.FORCE_TEXT, context_lines=0
    )
    return [_hunk(found, other, head) for found in patch.hunks]


def merged(
    base: bytes | None, ours: bytes | None, theirs: bytes | None
) -> tuple[bool, bytes | None]:
    """Apply what leads from `base` to `theirs` to `ours`; say whether that is possible.

    None is no file. Changes of the same lines are not possible; changes of neighbouring lines are,
    because two who append to one journal touch. Anything but text is taken whole.
    """
    if base in (ours, theirs) or ours == theirs:
        return True, theirs if ours == base else ours
    if ours is None or not (is_text(base) and is_text(ours) and is_text(theirs)):
        return False, ours
    lines = split(base)
    here, there = hunks(lines, split(ours)), hunks(lines, split(theirs))
    if here is None or there is None or _any_clash(here, there):
        return False, ours
    both = sorted({(h.start, h.end, tuple(h.lines)) for h in (*here, *there)})
    result, position = bytearray(), 0
    for start, end, instead in both:
        result += b"".join(lines[position:start]) + b"".join(instead)
        position = end
    result += b"".join(lines[position:])
    return True, bytes(result) if result or theirs is not None else None


def unified(before: bytes | None, after: bytes | None) -> str:
    """Return the difference in unified form, without file names, at most 64 Ki characters."""
    if not (is_text(before) and is_text(after)):
        return f"binary: {_size(before)} before, {_size(after)} after\n"
    old, new = split(before), split(after)
    found = hunks(old, new)
    if found is None:
        return f"too much to show line by line: {len(old)} lines before, {len(new)} after\n"
    text, shift = "", 0
    for group in _grouped(found):
        text += _group(old, group, shift)
        shift += sum(len(hunk.lines) - (hunk.end - hunk.start) for hunk in group)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}\n[cut]\n"


def attributed(
    authors: Sequence[Author], before: bytes | None, after: bytes | None, author: Author
) -> list[Author]:
    """Return who wrote each line of `after`, given who wrote each line of `before`."""
    old, new = split(before), split(after)
    found = hunks(old, new)
    if found is None:
        return [author] * len(new)
    result: list[Author] = []
    position = 0
    for hunk in found:
        result += [*authors[position : hunk.start], *[author] * len(hunk.lines)]
        position = hunk.end
    return [*result, *authors[position:]]


def _hunk(found: pygit2.DiffHunk, other: Sequence[bytes], head: int) -> Hunk:
    # an empty range is named by the line before it
    start = head + found.old_start - bool(found.old_lines)
    first = found.new_start - bool(found.new_lines)
    lines = other[first : first + found.new_lines]
    return Hunk(start=start, end=start + found.old_lines, lines=lines)


def _rest(content: bytes) -> list[bytes]:
    rest = content.rpartition(b"\n")[2]
    return [rest] if rest else []


def _common(old: Sequence[bytes], new: Sequence[bytes]) -> tuple[int, int]:
    shorter = min(len(old), len(new))
    head = next((n for n in range(shorter) if old[n] != new[n]), shorter)
    rest = shorter - head
    tail = next((n for n in range(rest) if old[-1 - n] != new[-1 - n]), rest)
    return head, tail


def _any_clash(here: Sequence[Hunk], there: Sequence[Hunk]) -> bool:
    """Look only at neighbours: both are in order, and none of a side meet one another."""
    starts, ends = [hunk.start for hunk in there], [hunk.end for hunk in there]
    return any(
        _clash(one, other)
        for one in here
        for other in there[bisect_left(ends, one.start) : bisect_right(starts, one.end)]
    )


def _clash(one: Hunk, other: Hunk) -> bool:
    if one == other:
        return False
    if one.start == one.end and other.start == other.end:
        return one.start == other.start
    if one.start == other.start and one.end == other.end:
        return True
    return one.start < other.end and other.start < one.end


def _grouped(found: Sequence[Hunk]) -> list[list[Hunk]]:
    groups: list[list[Hunk]] = []
    for hunk in found:
        if groups and hunk.start - groups[-1][-1].end <= 2 * _CONTEXT:
            groups[-1].append(hunk)
        else:
            groups.append([hunk])
    return groups


def _group(old: Sequence[bytes], group: Sequence[Hunk], shift: int) -> str:
    start = max(group[0].start - _CONTEXT, 0)
    end = min(group[-1].end + _CONTEXT, len(old))
    written, position, size = "", start, 0
    for hunk in group:
        written += _marked(" ", old[position : hunk.start])
        written += _marked("-", old[hunk.start : hunk.end]) + _marked("+", hunk.lines)
        size += hunk.start - position + len(hunk.lines)
        position = hunk.end
    written += _marked(" ", old[position:end])
    size += end - position
    places = f"-{_place(start, end - start)} +{_place(start + shift, size)}"
    return f"@@ {places} @@\n{written}"


def _place(start: int, size: int) -> str:
    """Return a range as patch reads it: an empty one is named by the line before it."""
    return f"{start + 1 if size else start},{size}"


def _marked(mark: str, lines: Sequence[bytes]) -> str:
    return "".join(
        f"{mark}{line.decode()}" + ("" if line.endswith(b"\n") else "\n\\ No newline at end\n")
        for line in lines
    )


def _size(content: bytes | None) -> str:
    return "nothing" if content is None else f"{len(content)} bytes"
