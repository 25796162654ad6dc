"""Parts that several compositions share: findings -> lines of a list. Pure."""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from app.persona.client import PastRun
from app.persona.findings import Findings, Note
from app.persona.themes import Quote
from app.persona.words import as_path, count, day, day_and_time, ended_as, listed, plain, quoted

Block = str
"""A paragraph, a heading or a list of Markdown."""

MOST_ITEMS = 10
_NAMED = re.compile(r"“[^”\n]+”|`[^`\n]+`")
_OUTCOMES = ("succeeded", "failed", "timed_out", "cancelled", "interrupted")


def section(title: str, lines: Sequence[str]) -> list[Block]:
    """Return a heading and a list; nothing at all for no lines."""
    if not lines:
        return []
    return [f"### {title}", "\n".join(f"- {line}" for line in lines)]


def capped(lines: Sequence[str]) -> list[str]:
    """Return the first lines, and how many more there are."""
    more = len(lines) - MOST_ITEMS
    return [*lines[:MOST_ITEMS], *([f"And {more} more."] if more > 0 else [])]


def cited(quote: Quote, zone: str) -> str:
    """Return a sentence with its source and date."""
    return f"{quoted(quote.sentence)} ({quote.source.label}, {day(quote.source.at, zone)})"


def what_happened(f: Findings) -> list[str]:
    """Say which runs ended, by outcome and task, and which did not succeed and why."""
    if not f.runs:
        return [f"No run ended since {day(f.since, f.zone)}."]
    outcomes = Counter(run.status for run in f.runs)
    ended = [f"{outcomes[status]} {ended_as(status)}" for status in _OUTCOMES if outcomes[status]]
    tasks = Counter(run.task_name for run in f.runs)
    names = [f"{quoted(name)} {times}" for name, times in sorted(tasks.items())]
    lines = [f"{count(len(f.runs), 'run')} ended: {listed(ended)}."]
    lines.append(f"By task: {', '.join(names[:MOST_ITEMS])}.")
    return lines + capped([_failure(run, f.zone) for run in f.runs if run.status != "succeeded"])


def _failure(run: PastRun, zone: str) -> str:
    why = f": {plain(run.reason)}" if run.reason else ""
    when = day_and_time(run.completed_at, zone)
    return f"{quoted(run.task_name)} {ended_as(run.status)} on {when}{why}."


def what_changed(f: Findings) -> list[str]:
    """Say which files changed, newest first: how they begin, or that a run wrote an entry there."""
    notes = {note.path: note for note in f.notes}
    lines = [
        f"{as_path(file.path)}, {count(file.size, 'byte')}, {day(file.modified, f.zone)}"
        f"{_what_is_new(notes.get(file.path), f.since)}"
        for file in f.changed
    ]
    return capped(lines) or [f"No file changed since {day(f.since, f.zone)}."]


def _what_is_new(note: Note | None, since: datetime) -> str:
    writers = sorted({entry.task_id for entry in note.entries if entry.at > since}) if note else []
    if writers:
        return f", with an entry of {listed(writers)}."
    return f": {quoted(note.opening)}" if note and note.opening else "."


def since_the_entry_before(f: Findings, blocks: Sequence[Block]) -> list[Block]:
    """Say what an entry names (quotations, files) that the entry before it did not name."""
    title = "Since the entry before"
    if not f.own:
        return section(title, ["This is the first entry of this task here."])
    last = f.own[-1]
    entries = count(len(f.own), "entry", "entries")
    lines = [f"{entries} of this task so far, the last on {day(last.at, f.zone)}."]
    named = _named("\n".join(blocks))
    new = [name for name in named if name not in _named(last.text)]
    if new:
        lines += capped([f"New: {name}" for name in new])
    elif named:
        lines.append("Nothing is new: what is named here was named there already.")
    else:
        lines.append("Nothing is new.")
    return section(title, lines)


def _named(text: str) -> list[str]:
    return list(dict.fromkeys(_NAMED.findall(text)))
