"""The settings in force as text, in the forms that the environment gives them in."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy.engine import make_url

from app.config import SECRETS, read_settings
from app.core.spans import write_span
from app.settings_schema import SettingsSchema

_HIDDEN = "***"
_BETWEEN = {"ALLOWED_HOSTS": ",", "JOURNALS": " "}
_FILES = frozenset({"API_TOKEN_FILE", "PERSONA_API_KEY_FILE", "PERSONA_PRICES"})
"""Of these the settings keep what the file holds, not its name."""


def write_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Return every setting in force as the environment would give it, nothing for one not set.

    `read_settings` makes the same settings of it, but for the secrets, which are only said to be
    there. Raises SettingsError.
    """
    settings = read_settings(environment)
    written = {}
    for name in SettingsSchema().fields:
        if name in _FILES:
            written[name] = environment.get(name, "").strip()
        else:
            written[name] = _written(name, getattr(settings, name.lower()))
    return written


def _written(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name.lower() in SECRETS:
        return _SHOWN_IN_PART.get(name, _hidden)(value)
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, timedelta):
        return write_span(value)
    return _BETWEEN[name].join(value) if isinstance(value, tuple) else str(value)


def _hidden(_secret: str) -> str:
    return _HIDDEN


def _without_password(address: str) -> str:
    url = make_url(address)
    in_query = {name: _HIDDEN for name in url.query if "password" in name}
    if url.password is None and not in_query:
        return address
    return url.update_query_dict(in_query).render_as_string()


def _unless_it_holds_a_key(address: str) -> str:
    return _HIDDEN if "@" in address or "?" in address else address


_SHOWN_IN_PART: Mapping[str, Callable[[str], str]] = {
    "DATABASE_URL": _without_password,
    "PERSONA_URL": _unless_it_holds_a_key,
}
