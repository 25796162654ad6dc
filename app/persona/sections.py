"""Parts that several compositions share: findings -> lines of a list. Pure."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from app.persona.client import PastRun
from app.persona.feelings.assessment import Inner, take_assessment
from app.persona.findings import GOALS, Findings
from app.persona.metatalk import find_metatalk
from app.persona.notes import Note
from app.persona.themes import Quote, Source
from app.persona.words import (
    as_path,
    count,
    day,
    day_and_time,
    ended_as,
    listed,
    plain,
    quoted,
    times,
)

Block = str
"""A paragraph, a heading or a list of Markdown."""

MOST_ITEMS = 10
_NAMED = re.compile(r"“[^”\n]+”|`[^`\n]+`")
_QUOTED = re.compile(r"“([^”\n]+)”")
_REPEATED = 60
_WORDS_AGAIN = 6
_OUTCOMES = ("succeeded", "failed", "timed_out", "cancelled", "interrupted")


@dataclass(frozen=True, kw_only=True)
class Composition:
    """An entry's blocks, the sentences to be remembered of it, and the inner view that it gives."""

    blocks: Sequence[Block]
    insights: Sequence[Quote] = ()
    inner: Inner | None = None


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


def told_once(blocks: Sequence[Block]) -> list[Block]:
    """Return the blocks with long quotations cut to their first words from the second time on."""
    seen: set[str] = set()

    def again(match: re.Match[str]) -> str:
        said = match[1]
        if len(said) <= _REPEATED or said not in seen:
            seen.add(said)
            return match[0]
        words = " ".join(said.split()[:_WORDS_AGAIN]).rstrip(",.;:!?…")
        return f"“{words}…”"

    return [_QUOTED.sub(again, block) for block in blocks]


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
        return [f"No run ended since {f.on(f.since)}."]
    failures: dict[tuple[str, str, str | None], list[PastRun]] = defaultdict(list)
    for run in f.runs:
        if run.status != "succeeded":
            failures[run.task_name, run.status, run.reason].append(run)
    return [*_ended(f.runs), *capped([_failure(runs, f.zone) for runs in failures.values()])]


def _ended(runs: Sequence[PastRun]) -> list[str]:
    outcomes = Counter(run.status for run in runs)
    if len(runs) == 1:
        return [f"1 run ended: {quoted(runs[0].task_name)} {ended_as(runs[0].status)}."]
    parts = [f"{outcomes[status]} {ended_as(status)}" for status in _OUTCOMES if outcomes[status]]
    how = f", and all {ended_as(runs[0].status)}" if len(parts) == 1 else f": {listed(parts)}"
    tasks = Counter(run.task_name for run in runs)
    most = sorted(tasks.items(), key=lambda task: (-task[1], task[0]))
    names = [f"{quoted(name)} {number}" for name, number in most]
    more = f" and {len(names) - MOST_ITEMS} more" if len(names) > MOST_ITEMS else ""
    return [f"{len(runs)} runs ended{how}.", f"By task: {', '.join(names[:MOST_ITEMS])}{more}."]


def _failure(runs: Sequence[PastRun], zone: str) -> str:
    """Say how often a task failed in one way; the runs are newest first."""
    last = runs[0]
    why = f": {plain(last.reason)}" if last.reason else ""
    often = f" {times(len(runs))}, the last time" if len(runs) > 1 else ""
    when = day_and_time(last.completed_at, zone)
    return f"{quoted(last.task_name)} {ended_as(last.status)}{often} on {when}{why}."


def what_changed(f: Findings) -> list[str]:
    """Say which files changed, newest first, and how they begin; and where runs wrote entries."""
    notes = {note.path: note for note in f.notes}
    journals = {note.path for note in f.notes if note.has_entry_since(f.since)}
    lines = capped(
        [
            f"{as_path(file.path)}, {count(file.size, 'byte')}, {day(file.modified, f.zone)}"
            f"{_opening(notes.get(file.path))}"
            for file in f.changed
            if file.path not in journals
        ]
    )
    written = [as_path(file.path) for file in f.changed if file.path in journals]
    lines += [f"Runs wrote entries to {listed(written)}."] if written else []
    return lines or [f"No file changed since {f.on(f.since)}."]


def _opening(note: Note | None) -> str:
    # a list of goals begins as it began before one of them was done
    said = note.opening if note and note.path != GOALS else ""
    return f": {quoted(said)}" if said else "."


def new_names(f: Findings, named: Sequence[str]) -> list[str]:
    """Return what of this (quotations, paths) the entry before does not name."""
    before = set(_NAMED.findall(f.own[-1].text)) if f.own else set()
    return [name for name in dict.fromkeys(named) if name not in before]


def names_in(blocks: Sequence[Block]) -> list[str]:
    """Return the quotations and paths in an entry."""
    return _NAMED.findall("\n".join(blocks))
