"""Where the blocks of an inner view stand among the lines of an answer. Pure.

A line belongs to at most one block and is looked at a bounded number of times.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.persona.feelings.labels import Line, read_line

MOST_LINES = 60
"""Beyond so many lines nothing belongs to a block any more."""

_MOST_BLANKS = 3
_PLAIN_FENCES = frozenset({"", "text", "txt", "plain", "plaintext", "markdown", "md"})
_FENCE_NAME = "assessment"
_DECORATION = r"[ \t>#*_~`\"'“”‘’«»]{0,40}"
_MARKER = r"internal[ \t]{1,8}emotional[ \t]{1,8}assessment"
_BRACKETED = re.compile(
    rf"(?P<before>{_DECORATION})\[[ \t*_]{{0,8}}{_MARKER}[ \t*_:]{{0,8}}\]"
    r"(?P<after>[ \t*_~`\"'“”‘’«»:]{0,40})",
    re.IGNORECASE,
)
_BARE = re.compile(
    rf"(?P<before>{_DECORATION}){_MARKER}[ \t*_~`\"'“”‘’#]{{0,40}}(?::[ \t*_~`]{{0,20}}|$)",
    re.IGNORECASE,
)
_CLOSER = re.compile(
    r"\[[ \t]{0,8}(?:/|end\b)[ \t]{0,8}"
    r"(?:\.\.\.|…|[a-z ]{0,40}(?:internal|emotional|assessment)[a-z ]{0,40})?"
    r"[ \t]{0,8}\][ \t*_~`\"'“”‘’]{0,20}$",
    re.IGNORECASE,
)
_FENCE = re.compile(r"[ \t>]{0,12}(?P<mark>`{3,20}|~{3,20})[ \t]{0,8}(?P<info>[^`]{0,8000})")
_HEADING = re.compile(
    r"[ \t]{0,3}(?:#{1,6}[ \t]"
    r"|(?:\*\*[^*]{1,200}\*\*|__[^_]{1,200}__|\[[^\]]{1,80}\]):?[ \t]{0,8}$)"
)
_RULE = re.compile(r"[ \t]{0,3}(?:-{3,80}|\*{3,80}|_{3,80}|={3,80})[ \t]{0,8}$")
_QUOTING = frozenset("`\"'“”‘’«»")


@dataclass(frozen=True, kw_only=True)
class Block:
    """The lines [start, end) of a block; `before` is the text ahead of its marker in its line."""

    start: int
    end: int
    content: Sequence[str]
    before: str = ""
    is_labelled: bool = False


@dataclass(frozen=True, kw_only=True)
class _Opening:
    """A marker: what stands before and after it in its line."""

    before: str
    rest: str
    needs_labels: bool


def is_rule(line: str) -> bool:
    """Say whether a line is nothing but a rule across the page."""
    return _RULE.match(line.rstrip()) is not None


def blocks_of(lines: Sequence[str]) -> list[Block]:
    """Return the blocks, first one first."""
    return list(_found([line.rstrip() for line in lines]))


def _found(lines: Sequence[str]) -> Iterator[Block]:
    fences = _Fences(lines)
    at = 0
    while at < len(lines):
        block: Block | None
        if (fence := _FENCE.match(lines[at])) is not None:
            end = fences.end(at, fence["mark"])
            block = _fenced(lines, at, end, fence)
            following = at + 1 if end is None else end
        elif (opening := _opening(lines[at])) is not None:
            block, following = _opened(lines, at, opening, fences), at + 1
        else:
            block, following = None, at + 1
        if block is not None:
            yield block
            following = block.end
        at = following


class _Fences:
    """Where fences end; looks through the lines at most once for each length of a mark."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self._unclosed: dict[str, int] = {}

    def end(self, start: int, mark: str) -> int | None:
        """Return the line after the fence that begins at `start`, None where it does not end."""
        shortest = self._unclosed.get(mark[0])
        if shortest is not None and len(mark) >= shortest:
            return None
        for number in range(start + 1, len(self._lines)):
            closing = self._lines[number].strip(" \t>")
            if closing.startswith(mark) and not closing.strip(mark[0]):
                return number + 1
        self._unclosed[mark[0]] = len(mark)
        return None


def _fenced(lines: Sequence[str], at: int, end: int | None, fence: re.Match[str]) -> Block | None:
    info = fence["info"].strip()
    tail = lines[at][fence.end() :]
    name, _, inline = info.partition(" ")
    if name.lower().startswith(_FENCE_NAME) and name[len(_FENCE_NAME) :][:1] in {"", "{", ":"}:
        inline = info[len(_FENCE_NAME) :].strip(" :")
        if tail.startswith(fence["mark"]):
            return Block(start=at, end=at + 1, content=[inline], is_labelled=True)
        last = end - 1 if end is not None else _next_blank(lines, at)
        content = [inline, *lines[at + 1 : last]]
        return Block(start=at, end=end or last, content=content, is_labelled=True)
    if end is None or info.lower() not in _PLAIN_FENCES:
        return None
    first = next((n for n in range(at + 1, end - 1) if lines[n]), None)
    opening = _opening(lines[first]) if first is not None else None
    if first is None or opening is None or opening.before:
        return None
    content = [opening.rest, *lines[first + 1 : end - 1]]
    return Block(start=at, end=end, content=content, is_labelled=_any_labels(content))


def _next_blank(lines: Sequence[str], at: int) -> int:
    most = min(at + MOST_LINES, len(lines))
    return next((n for n in range(at + 1, most) if not lines[n]), most)


def _any_labels(content: Sequence[str]) -> bool:
    return any(read_line(line).keys for line in content[:MOST_LINES])


def _opening(line: str) -> _Opening | None:
    if "]" in line:
        for match in _BRACKETED.finditer(line):
            rest = line[match.end() :]
            if match.start() == 0:
                # a marker in quotation marks with a sentence after it is only spoken of
                quoted = _QUOTING & {*match["before"]} and _QUOTING & {*match["after"]}
                if not (quoted and rest and not read_line(rest).keys):
                    return _Opening(before="", rest=rest, needs_labels=False)
            elif not rest:
                before = line[: match.start()].rstrip()
                return _Opening(before=before, rest="", needs_labels=False)
    match_ = _BARE.match(line)
    if match_ is None:
        return None
    return _Opening(before="", rest=line[match_.end() :], needs_labels=True)


def _opened(lines: Sequence[str], at: int, opening: _Opening, fences: _Fences) -> Block | None:
    limit = min(at + 1 + MOST_LINES, len(lines))
    end = _closed(lines, at, opening, limit)
    if end is None:
        end, content = _open_ended(lines, at, opening.rest, limit, fences)
    else:
        content = [opening.rest, *lines[at + 1 : end]]
        content[-1] = _CLOSER.sub("", content[-1])
    is_labelled = _any_labels(content)
    if opening.needs_labels and not is_labelled:
        return None
    return Block(start=at, end=end, content=content, before=opening.before, is_labelled=is_labelled)


def _closed(lines: Sequence[str], at: int, opening: _Opening, limit: int) -> int | None:
    """Return the line after the one that closes the block by a marker, None where none does."""
    if _CLOSER.search(opening.rest[-200:]):
        return at + 1
    for number in range(at + 1, limit):
        line = lines[number]
        if "]" in line[-24:] and _CLOSER.search(line[-200:]):
            return number + 1
        if _opening(line) is not None:
            return None
    return None


def _open_ended(
    lines: Sequence[str], at: int, rest: str, limit: int, fences: _Fences
) -> tuple[int, list[str]]:
    """Return the line after a block that nothing closes, and its content."""
    seen: set[str] = set()
    content = [rest] if rest else []
    first = [read_line(rest)] if rest else []
    end = at + 1
    at = end if rest else _skip(lines, end, limit)
    if not rest and at < limit and (fence := _FENCE.match(lines[at])) is not None:
        closed = fences.end(at, fence["mark"])
        if closed is not None and lines[at + 1].lstrip().startswith("{"):
            return closed, [*lines[at + 1 : closed - 1]]
    while True:
        paragraph = [*first, *_paragraph(lines, at, limit)]
        taken = _belonging(paragraph, seen)
        fresh = taken - len(first)
        content += [line.text for line in paragraph[len(first) : taken]]
        if fresh > 0:
            end = at + fresh
        if taken < len(paragraph) or not paragraph:
            return end, content
        first = []
        at = _skip(lines, end, limit)
        if at >= limit or not read_line(lines[at]).keys:
            return end, content


def _skip(lines: Sequence[str], at: int, limit: int) -> int:
    """Return the next line that says something; `at` itself where too many are empty."""
    for number in range(at, min(at + _MOST_BLANKS + 1, limit)):
        if lines[number]:
            return number
    return limit


def _paragraph(lines: Sequence[str], at: int, limit: int) -> list[Line]:
    found: list[Line] = []
    for number in range(at, limit):
        text = lines[number]
        line = read_line(text)
        if not text or (not line.keys and _ends(text)):
            break
        found.append(line)
    return found


def _ends(line: str) -> bool:
    return bool(_HEADING.match(line) or _RULE.match(line) or _FENCE.match(line) or _opening(line))


def _belonging(paragraph: Sequence[Line], seen: set[str]) -> int:
    """Return how many lines of a paragraph belong to the block, and add their keys to `seen`.

    Up to the last line with a label that is new, with the lines that carry it on; all of a first
    paragraph without labels.
    """
    last = -1
    was_first = not seen
    for number, line in enumerate(paragraph):
        if line.keys and not line.keys - seen:
            break
        if line.keys:
            last = number
            seen |= line.keys
    if last < 0:
        return len(paragraph) if was_first else 0
    taken = last + 1
    while taken < len(paragraph) and _carries_on(paragraph[taken], paragraph[last]):
        taken += 1
    return taken


def _carries_on(line: Line, labelled: Line) -> bool:
    if line.text.strip() == "}":
        return True
    if line.keys or labelled.key is None:
        return False
    start = line.text.lstrip("*_ \t")
    is_set_in = line.text[:1] in {" ", "\t"}
    return not labelled.value or is_set_in or start[:1].islower()
