"""The persona's own sentences in a Markdown text, with their places; code is not talk. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})")
_MARKER = re.compile(r"[ \t]*(?:>|#{1,6}(?=[ \t])|[-+*](?=[ \t])|[0-9]{1,9}[.)](?=[ \t]))[ \t]?")
_LABEL = re.compile(r"[ \t]*(\*\*|__)[^*_\n]+\1:?[ \t]*")
_INDENTED = re.compile(r"(?: {4}|\t)[ \t]*\S")
_END = re.compile(r"((?<![.!?…])[.!?…]++[\"”’'»)\]*_]*+)[ \t\n]++(?:>[ \t]*)?|([。！？]++)")
_CELL = re.compile(r"()\|")
_ABBREVIATION = re.compile(r"(?:^|[\s(])(?:mr|mrs|ms|dr|prof|st|vs|etc|e\.g|i\.e|z\.b)\.\s*$", re.I)
_MOST_MARKERS = 8


@dataclass(frozen=True, kw_only=True)
class Block:
    """A paragraph, heading, list item or quoted part: from its first to its last character.

    `inside` is where its text begins, after the marks. `sentences` are (start, end) pairs; in the
    row of a table a cell counts as one.
    """

    start: int
    inside: int
    end: int
    is_row: bool
    sentences: Sequence[tuple[int, int]]


@dataclass(frozen=True, kw_only=True)
class _Line:
    start: int
    inside: int
    end: int
    marks: str


def blocks(text: str) -> list[Block]:
    """Return the blocks of a text in which somebody talks; code blocks are left out."""
    return [_block(text, lines) for lines in _grouped(text, _spoken_lines(text))]


def _spoken_lines(text: str) -> Iterator[_Line | None]:
    """Give the lines outside of code; None between two that do not belong together."""
    fence, is_listed, is_apart = "", False, True
    for line in _lines(text):
        body = text[line.start : line.end]
        mark = _FENCE.match(text, line.inside, line.end)
        if fence or mark:
            fence = _fence_after(fence, mark.group(1) if mark else "", body)
            is_apart = True
            yield None
        elif not body.strip():
            is_apart = True
            yield None
        elif is_apart and not is_listed and _INDENTED.match(body):
            yield None
        else:
            is_listed = bool(line.marks.strip("> \t")) or (is_listed and body[0] in " \t")
            is_apart = False
            yield line


def _fence_after(fence: str, mark: str, body: str) -> str:
    """Return the fence that is open after a line; `""` for none."""
    if not fence:
        return mark
    is_closed = mark[:1] == fence[0] and len(mark) >= len(fence) and body.strip(" \t\r>") == mark
    return "" if is_closed else fence


def _lines(text: str) -> Iterator[_Line]:
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        inside = start
        for _ in range(_MOST_MARKERS):
            if not (marker := _MARKER.match(text, inside, end)):
                break
            inside = marker.end()
        yield _Line(start=start, inside=inside, end=end, marks=text[start:inside])
        start = end + 1


def _grouped(text: str, lines: Iterator[_Line | None]) -> Iterator[list[_Line]]:
    """Put together the lines of one block: one without a mark of its own goes on with the last."""
    group: list[_Line] = []
    for line in lines:
        if group and (line is None or not _goes_on(text, group[-1], line)):
            yield group
            group = []
        if line is not None:
            group.append(line)
    if group:
        yield group


def _goes_on(text: str, last: _Line, line: _Line) -> bool:
    if "#" in last.marks or _LABEL.fullmatch(text, last.inside, last.end):
        return False
    if text.startswith("|", line.inside):
        return False
    marks = line.marks.strip()
    if marks.strip("> \t"):
        return False
    return not marks or ">" in last.marks


def _block(text: str, lines: Sequence[_Line]) -> Block:
    start, inside, end = lines[0].start, lines[0].inside, lines[-1].end
    is_row = text.startswith("|", inside)
    spans = _sentences(text, inside, end, _CELL if is_row else _END)
    return Block(start=start, inside=inside, end=end, is_row=is_row, sentences=list(spans))


def _sentences(
    text: str, start: int, end: int, ending: re.Pattern[str]
) -> Iterator[tuple[int, int]]:
    begin = start
    for stop in ending.finditer(text, start, end):
        if _is_inside(text, begin, stop, end):
            continue
        yield from _trimmed(text, begin, stop.end(stop.lastindex or 0))
        begin = stop.end()
    yield from _trimmed(text, begin, end)


def _is_inside(text: str, begin: int, stop: re.Match[str], end: int) -> bool:
    """Say whether what looks like the end of a sentence is inside of one."""
    following = text[stop.end() : stop.end() + 1] if stop.end() < end else ""
    if following.islower() and stop.group().startswith(("..", "…")):
        return True
    return _ABBREVIATION.search(text, max(begin, stop.start() - 6), stop.start() + 1) is not None


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    if start < end:
        yield start, end
