"""`emotional_state/reconciliation_log.json`: the newest reconciliations, for people to read.

The database is the truth about the mood. Whatever stands in the file's place, a run is not hurt.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog

from app.core import strict_json
from app.core.errors import BadJson, SpaceError
from app.core.instants import read_instant
from app.persona.errors import NoSuchFile, PersonaTimeout
from app.persona.feelings.mirror import DAMAGED_LOG_FILE, LOG_FILE, MoodFiles, as_json
from app.persona.words import storable

log = structlog.get_logger(__name__)

MOST_KEPT = 50
MOST_BYTES = 512 * 1024
_NOTE = f"The newest {MOST_KEPT} reconciliations that moved the mood, the newest last."
_INSTRUCTIONS = (
    "Written by the service after each answer that carries feeling; other keys are kept."
)

_OURS = {"written_by": "persona-tasks"}
"""What the service's own entries hold: others may have ids of runs, too, of which it knows nothing.
"""

Noted = tuple[str, datetime]
"""The id of a run, and when its reconciliation was made."""

Gone = Callable[[Sequence[Noted]], set[str]]
"""Says which of these runs count as if they had not been."""


def keep_reconciliation(files: MoodFiles, entry: Mapping[str, Any], gone: Gone) -> str | None:
    """Append a reconciliation; return a warning where that was not possible, or where what stood
    there was damaged and was set aside.

    An entry has the id of its run under `run_id`, None for a chat. Of the service's own entries
    those go that `gone` names, and what an earlier attempt of the same run left. At most 50 entries
    and 512 KiB stay. Raises only PersonaCancelled.
    """
    warning = None
    try:
        noted, damage = _look(files)
        if damage is not None:
            warning = f"`{LOG_FILE}` was set aside as `{DAMAGED_LOG_FILE}`: {damage}"
        without = {*gone(noted), entry["run_id"]} - {None}
        files.change_text(LOG_FILE, lambda text: _appended(text, entry, without))
    except (SpaceError, PersonaTimeout) as error:
        warning = f"the reconciliation was not written to the space: {error.detail}"
    return _warned(warning) if warning else None


def _look(files: MoodFiles) -> tuple[list[Noted], str | None]:
    """Return the runs in the file; where it is damaged, keep a copy of it and say why."""
    try:
        text = files.read_text(LOG_FILE, MOST_BYTES + 1)
        return _noted(_document(text)), None
    except NoSuchFile:
        return [], None
    except BadJson as error:
        files.write_text(DAMAGED_LOG_FILE, text)
        return [], error.detail


def _document(text: str) -> Mapping[str, Any]:
    document = strict_json.loads(text, most_bytes=MOST_BYTES)
    if not isinstance(document, dict):
        raise BadJson("it holds no JSON object")
    if not isinstance(document.get("reconciliations", []), list):
        raise BadJson("its `reconciliations` are no list")
    return document


def _entries(document: Mapping[str, Any]) -> list[Any]:
    return list(document.get("reconciliations", []))[-MOST_KEPT:]


def _noted(document: Mapping[str, Any]) -> list[Noted]:
    found = ((_run_of(one), _instant_of(one)) for one in _entries(document))
    return [(run_id, at) for run_id, at in found if run_id is not None and at is not None]


def _run_of(entry: Any) -> str | None:
    """Return the run of an entry of our own; None for all others."""
    if not isinstance(entry, dict) or not _OURS.items() <= entry.items():
        return None
    run_id = entry.get("run_id")
    return run_id if isinstance(run_id, str) else None


def _instant_of(entry: Any) -> datetime | None:
    try:
        return read_instant(entry["timestamp"])
    except (KeyError, TypeError, ValueError):
        return None


def _appended(text: str | None, entry: Mapping[str, Any], without: set[str]) -> str:
    try:
        document = _document(text) if text is not None else {}
    except BadJson:
        document = {}  # it was set aside
    kept = [one for one in _entries(document) if _run_of(one) not in without]
    entries = [*kept, {**_storable(entry), **_OURS}][-MOST_KEPT:]
    while True:
        try:
            return _written(document, entries)
        except SpaceError:
            if len(entries) == 1:
                raise
            entries = entries[1:]


def _storable(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entry without what could not be read again."""
    return {key: storable(one) if isinstance(one, str) else one for key, one in entry.items()}


def _written(document: Mapping[str, Any], entries: Sequence[Any]) -> str:
    named = {"_note": _NOTE, "_instructions": _INSTRUCTIONS}
    return as_json({**named, **document, "reconciliations": entries}, MOST_BYTES)


def _warned(warning: str) -> str:
    log.warning("reconciliation.file", problem=warning)
    return warning
