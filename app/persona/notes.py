"""Markdown files of the space: the persona's own text, apart from the entries of runs in it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from app.core.errors import SpaceError
from app.persona.client import Deadline
from app.persona.journal import Entry, read_journal
from app.persona.space import Space, SpaceFile, Survey
from app.persona.themes import sentences

_OPENING = 1000
_MOST_NOTES = 60
_NOTE_BYTES = 64 * 1024
_NOTES_BYTES = 1024 * 1024
_LONGEST_RUN = timedelta(minutes=15)
_DAY = re.compile(r"(?<!\d)\d{4}-\d\d-\d\d(?!\d)")


@dataclass(frozen=True, kw_only=True)
class Note:
    """A Markdown file, its text apart from the entries of this persona in it.

    Of a long file `text` is of its beginning, `entries` are those of its beginning and its end.
    """

    path: str
    modified: datetime
    text: str
    entries: Sequence[Entry]

    def has_entry_since(self, instant: datetime) -> bool:
        """Say whether a run wrote an entry to it after an instant: then nobody can tell from its
        time whether its other text changed, too. A run writes later than it began."""
        return any(entry.at > instant - _LONGEST_RUN for entry in self.entries)

    @property
    def day(self) -> date | None:
        """Return the day that its name tells, as that of a diary with a file a day does."""
        named = _DAY.search(self.path.rpartition("/")[2])
        try:
            return date.fromisoformat(named[0]) if named else None
        except ValueError:
            return None

    @property
    def opening(self) -> str:
        """Return its first sentence; after a heading the next one too."""
        text = self.text[:_OPENING].lstrip()
        return ": ".join(sentences(text)[: 2 if text.startswith("#") else 1])


def read_notes(space: Space, survey: Survey, deadline: Deadline) -> tuple[list[Note], list[str]]:
    """Read the newest Markdown files, and say in sentences which were not read."""
    files, notes, unread, budget = survey.notes(), [], 0, _NOTES_BYTES
    for file in files[:_MOST_NOTES]:
        deadline.check()
        if budget <= 0:
            break
        try:
            notes.append(_read(space, file, min(_NOTE_BYTES, budget)))
        except SpaceError:
            unread += 1  # it changed into something else meanwhile; the entry says how many
            continue
        budget -= min(file.size, _NOTE_BYTES)
    left_out = []
    if len(notes) + unread < len(files):
        left_out.append(f"Only the newest {len(notes) + unread} of {len(files)} notes were read.")
    if unread:
        left_out.append(f"{unread} of the notes could not be read.")
    return notes, left_out


def _read(space: Space, file: SpaceFile, most_bytes: int) -> Note:
    journal = read_journal(space.read_text(file.path, most_bytes))
    entries = journal.entries
    if file.size > most_bytes:
        # the newest entries are at the end
        entries = [*entries, *read_journal(space.read_end(file.path, _NOTE_BYTES)).entries]
    return Note(path=file.path, modified=file.modified, text=journal.rest, entries=entries)
