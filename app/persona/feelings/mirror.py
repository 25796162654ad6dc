"""`emotional_state/current.json`: the mood, mirrored into the space for people and older tools.

The database is the truth. Whatever stands in the file's place, a run is not hurt by it.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

import structlog

from app.core import strict_json
from app.core.errors import BadJson, SpaceError
from app.core.instants import write_instant
from app.persona.client import Changes, Deadline
from app.persona.errors import NoSuchFile, PersonaTimeout
from app.persona.feelings.values import Affect
from app.persona.space import Space
from app.persona.writing import Hands, Rewording

log = structlog.get_logger(__name__)

MOOD_FILE = "emotional_state/current.json"
LOG_FILE = "emotional_state/reconciliation_log.json"
DAMAGED_LOG_FILE = "emotional_state/reconciliation_log.damaged.json"
MIRRORS = frozenset({MOOD_FILE, LOG_FILE, DAMAGED_LOG_FILE})
"""Files that the service writes after answers: no work of a run, and nothing to take back."""

_MOST_BYTES = 64 * 1024
_NOTE = "Written by the service after each answer that carries feeling; other keys are kept."


class MoodFiles(Protocol):
    """Reads and writes files of the space; raises SpaceError, and PersonaError to end the run."""

    def read_text(self, path: str, most_bytes: int) -> str:
        """Return the text of a file; raise NoSuchFile where nothing is there."""

    def write_text(self, path: str, text: str) -> None:
        """Put a text in the place of a file, or make it."""

    def change_text(self, path: str, change: Rewording) -> None:
        """Put what `change` makes of a file's text in its place; nobody writes meanwhile."""


class SpaceFiles:
    """The files of a space within one run, whose changes are announced before they are made."""

    def __init__(self, space: Space, hands: Hands, deadline: Deadline, changes: Changes) -> None:
        self._space = space
        self._hands = hands
        self._deadline = deadline
        self._changes = changes

    def read_text(self, path: str, most_bytes: int) -> str:
        return self._space.read_text(path, most_bytes)

    def write_text(self, path: str, text: str) -> None:
        self._hands.write_text(path, text, self._deadline, self._changes)

    def change_text(self, path: str, change: Rewording) -> None:
        self._hands.change_text(path, change, self._deadline, self._changes)


def show_mood(files: MoodFiles, state: str, mood: Affect, pattern: str, at: datetime) -> str | None:
    """Write the mood into the space; return a warning where that was not possible, or where what
    stood there was damaged. Raises only PersonaCancelled: an answer that came in the last moment
    stands, even where no time is left to show its mood."""
    warning = None
    document: Mapping[str, Any] = {}
    try:
        document = _document(files.read_text(MOOD_FILE, _MOST_BYTES + 1))
    except NoSuchFile:
        pass  # the first mood of this space
    except BadJson as error:
        warning = f"`{MOOD_FILE}` was damaged and was replaced: {error.detail}"
    except SpaceError as error:
        return _warned(f"the mood was not written to the space: {error.detail}")
    try:
        files.write_text(MOOD_FILE, _written(document, state, mood, pattern, at))
    except (SpaceError, PersonaTimeout) as error:
        warning = f"the mood was not written to the space: {error.detail}"
    return _warned(warning) if warning else None


def as_json(document: Mapping[str, Any], most_bytes: int) -> str:
    """Return a document as JSON: set in for people, in one line where it would be too long so.

    Raises SpaceError where it is too long in one line, too: what is written must be read again.
    """
    dense = json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n"
    if size_of(dense) > most_bytes:
        raise SpaceError(f"it would be longer than {most_bytes} bytes")
    set_in = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    return set_in if size_of(set_in) <= most_bytes else dense


def size_of(text: str) -> int:
    """Return how many bytes a text has in a file."""
    return len(text.encode("utf-8", "replace"))


def _document(text: str) -> Mapping[str, Any]:
    if size_of(text) > _MOST_BYTES:
        # what is merely long is somebody's, and not read to its end it would be lost
        raise SpaceError(f"`{MOOD_FILE}` is longer than {_MOST_BYTES} bytes and was left")
    document = strict_json.loads(text, most_bytes=_MOST_BYTES)
    if not isinstance(document, dict):
        raise BadJson("it holds no JSON object")
    return document


def _written(
    document: Mapping[str, Any], state: str, mood: Affect, pattern: str, at: datetime
) -> str:
    before = document.get("current_state")
    current = {
        **(before if isinstance(before, dict) else {}),
        "reconciled_state": state,
        "last_updated": write_instant(at),
        "recent_pattern": pattern,
        **mood.as_dict(),
    }
    return as_json({"_note": _NOTE, **document, "current_state": current}, _MOST_BYTES)


def _warned(warning: str) -> str:
    log.warning("mood.file", problem=warning)
    return warning
