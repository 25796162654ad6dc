"""Parts that several compositions share: findings -> lines of a list. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from app.persona.client import PastRun
from app.persona.feelings.assessment import take_assessment
from app.persona.findings import Findings, Note
from app.persona.metatalk import find_metatalk
from app.persona.themes import Quote, Source
from app.persona.words import as_path, count, day, day_and_time, ended_as, listed, plain, quoted

Block = str
"""A paragraph, a heading or a list of Markdown."""

MOST_ITEMS = 10
_NAMED = re.compile(r"“[^”\n]+”|`[^`\n]+`")
_QUOTED = re.compile(r"“([^”\n]+)”")
_OUTCOMES = ("succeeded", "failed", "timed_out", "cancelled", "interrupted")


def section(title: str, lines: Sequence[str]) -> list[Block]:
    """Return a heading and a list; nothing at all for no lines.

    Left out are lines that would not be kept with the run, see `stands`.
    """
    kept = [f"- {line}" for line in lines if stands(f"- {line}")]
    return [f"### {title}", "\n".join(kept)] if kept else []


def stands(line: str) -> bool:
    """Say whether a line would stay in an answer: it holds no meta-talk and no inner view.

    What is quoted counts as said: nobody wants to read meta-talk again.
    """
    said = [line, *_QUOTED.findall(line)]
    is_own = not any(find_metatalk(text) for text in said)
    return is_own and all(take_assessment(text) == (text, None) for text in said)


def capped(lines: Sequence[str]) -> list[str]:
    """Return the first lines, and how many more there are."""
    more = len(lines) - MOST_ITEMS
    return [*lines[:MOST_ITEMS], *([f"And {more} more."] if more > 0 else [])]


def cited(quote: Quote, zone: str) -> str:
    """Return a sentence with its source and date."""
    source = quote.source
    at = day_and_time(source.at, zone) if source.is_memory else day(source.at, zone)
    return f"{quoted(quote.sentence)} ({source.label}, {at})"


def whole(source: Source) -> Quote:
    """Return a source as a quotation of all of it."""
    return Quote(source=source, sentence=source.text)


def days_of(sources: Iterable[Source], zone: str) -> list[date]:
    """Return the different days of texts, in order."""
    return sorted({source.at.astimezone(ZoneInfo(zone)).date() for source in sources})


def what_happened(f: Findings) -> list[str]:
    """Say which runs ended, by outcome and task, and which did not succeed and why."""
    if not f.are_runs_known:
        return []
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


def entry_before(f: Findings) -> str:
    """Say which entry of the task was the last."""
    if not f.own:
        return "This is the first entry of this task here."
    entries = count(len(f.own), "entry", "entries")
    return f"{entries} of this task so far, the last on {day(f.own[-1].at, f.zone)}."


def new_names(f: Findings, named: Sequence[str]) -> list[str]:
    """Return what of this (quotations, paths) the entry before does not name."""
    before = set(_NAMED.findall(f.own[-1].text)) if f.own else set()
    return [name for name in dict.fromkeys(named) if name not in before]


def names_in(blocks: Sequence[Block]) -> list[str]:
    """Return the quotations and paths in an entry."""
    return _NAMED.findall("\n".join(blocks))
