"""Entries in a Markdown file, marked so that they can be told from other text. Pure.

An entry is a heading that ends with a comment naming the run, and goes on until the comment that
closes it:

    ## Monday, 27 October 2025, ...: Daily Self-Reflection <!-- persona-tasks entry R -->
    ...
    <!-- persona-tasks end R task=daily_reflection at=2025-10-27T00:00:02Z -->
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.core.instants import read_instant, write_instant

_START = re.compile(r"<!-- persona-tasks entry ([\w-]{1,64}) -->$")
_END = re.compile(
    r"<!-- persona-tasks end ([\w-]{1,64}) task=([a-z0-9_-]{1,64}) at=([0-9TZ:.-]{1,32}) -->"
)
_MARK = re.compile(r"[ \t]*<!-- persona-tasks (?:entry|end) [^\n>]{1,200} -->")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry as it stands in a file, marks included."""

    run_id: str
    task_id: str
    at: datetime
    text: str

    @property
    def statements(self) -> list[str]:
        """Return the items of its lists."""
        return [line[2:] for line in self.text.splitlines() if line.startswith("- ")]


@dataclass(frozen=True, kw_only=True)
class Journal:
    """A file taken apart: the entries in it, oldest first as they stand, and all other text."""

    entries: Sequence[Entry]
    rest: str


def start_mark(run_id: str) -> str:
    """Return the comment by which the entry of a run is found."""
    return f"<!-- persona-tasks entry {run_id} -->"


COMPOSED = "*Composed without a language model"
"""How an entry begins under its heading; it tells one whose marks were taken out."""


def is_entry(text: str) -> bool:
    """Say whether a text is, or holds, an entry, with its marks or without."""
    return "<!-- persona-tasks entry " in text or COMPOSED in text


def without_marks(text: str) -> str:
    """Return a text without the comments that mark entries in it."""
    return _MARK.sub("", text)


def write_entry(
    *, run_id: str, task_id: str, at: datetime, title: str, body: Sequence[str]
) -> Entry:
    """Return the entry of these blocks; each block is a paragraph, a heading or a list."""
    end = f"<!-- persona-tasks end {run_id} task={task_id} at={write_instant(at)} -->"
    blocks = [f"## {title} {start_mark(run_id)}", *body, end]
    return Entry(run_id=run_id, task_id=task_id, at=at, text="\n\n".join(blocks) + "\n")


def read_journal(text: str) -> Journal:
    """Take a file apart in one pass.

    An entry without its end goes on to the next one or to the end of the text: it may have been
    cut there. It is no entry to rely on, and no other text either.
    """
    entries: list[Entry] = []
    rest: list[str] = []
    open_run, lines = "", []
    for line in text.splitlines(keepends=True):
        bare = line.rstrip("\r\n")
        start = _START.search(bare) if bare.startswith("## ") else None
        if start is not None:
            open_run, lines = start.group(1), [line]
        elif not open_run:
            rest.append(line)
        else:
            lines.append(line)
            end = _END.fullmatch(bare)
            if end is not None and end.group(1) == open_run:
                entries += _entry(end, lines)
                open_run = ""
    return Journal(entries=entries, rest="".join(rest))


def _entry(end: re.Match[str], lines: list[str]) -> list[Entry]:
    run_id, task_id, at = end.groups()
    try:
        return [Entry(run_id=run_id, task_id=task_id, at=read_instant(at), text="".join(lines))]
    except ValueError:
        return []
