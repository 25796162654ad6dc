"""With which settings the service of a space was started, for commands that are given others.

Settings come from the environment alone, and another terminal has another one: a command that
forgot DATABASE_URL would make a second ledger, and say that it did what it was told.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from app.config import Settings
from app.core.errors import PersonaTasksError
from app.settings_text import write_settings

LEDGER = ("DATABASE_URL",)
PERSONA = ("PERSONA_BACKEND", "PERSONA_URL", "PERSONA_MODEL")
_NAME = "started-with.json"


class OtherSettings(PersonaTasksError):
    """A command has other settings than the service of the space."""

    problem = "other-settings"
    title = "Other settings"


def note_start(settings: Settings, environment: Mapping[str, str]) -> None:
    """Remember the settings of a service that starts, passwords left out."""
    path = _path(settings)
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(json.dumps(_given(environment), indent=2) + "\n")
    unfinished.replace(path)


def check_same(
    settings: Settings, environment: Mapping[str, str], names: Sequence[str] = LEDGER
) -> None:
    """Raise OtherSettings where the service was last started with others of these settings.

    What is not given counts as its default, wherever the space lies.
    """
    try:
        started = json.loads(_path(settings).read_bytes())
    except (OSError, ValueError):
        return  # it was never started, or nobody knows
    given = _given(environment)
    theirs = {name: str(started.get(name, "")) for name in names}
    other = {name: value for name, value in theirs.items() if value != given.get(name, "")}
    if other:
        wanted = " ".join(
            f"{name}={value}" if value else f"no {name}" for name, value in other.items()
        )
        raise OtherSettings(
            f"the service of this space was started with {wanted}: give this command the same "
            "settings (`set -a; . ./persona.env; set +a` where they are in a file), or start the "
            "service with these"
        )


def _given(environment: Mapping[str, str]) -> dict[str, str]:
    written = write_settings(environment)
    return {
        name: written[name] for name in (*LEDGER, *PERSONA) if environment.get(name, "").strip()
    }


def _path(settings: Settings) -> Path:
    return settings.state_dir / _NAME
