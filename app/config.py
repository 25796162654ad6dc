"""Settings from the environment, typed; all that is wrong is said at once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from dataclasses import fields as dataclass_fields
from datetime import timedelta
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from marshmallow import ValidationError

from app.core.errors import BadJson, FieldError, SettingsError, UnfitFile
from app.core.plain_files import read_plain
from app.core.prices import MOST_BYTES, Price, read_prices
from app.settings_schema import SHORTEST_TOKEN, Backend, SettingsSchema, SpokenDialect

_MOST_SECRET = 64 * 1024
_LIKE = 0.88
_SHORTEST_LIKE, _LONGEST_LIKE = 8, 40


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How this service runs."""

    host: str
    port: int
    web_concurrency: int
    database_url: str = field(repr=False)
    api_token: str | None = field(repr=False)
    allowed_hosts: tuple[str, ...]
    persona_space: Path
    state_dir: Path
    persona_backend: Backend
    persona_url: str | None = field(repr=False)
    persona_timeout: timedelta
    embedding_model: str | None
    persona_tasks_per_day: int
    persona_model: str | None
    persona_api_key: str | None = field(repr=False)
    persona_dialect: SpokenDialect
    persona_stream: bool
    persona_max_rounds: int
    persona_max_tool_calls: int
    persona_max_tokens_per_run: int
    persona_context_tokens: int
    persona_prices: Mapping[str, Price]
    space_max_bytes: int
    space_max_files: int
    journals: tuple[str, ...]
    scripts: bool
    chat_concurrency: int
    run_concurrency: int
    min_interval: timedelta
    default_timezone: str
    catch_up_pace: timedelta
    drain_timeout: timedelta
    results_max_age: timedelta
    results_max_count: int
    results_max_bytes: int
    history_max_age: timedelta
    affect_lexicon: Path | None
    anti_meta_talk: bool
    log_format: str

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches the service."""
        return is_loopback(self.host)

    @property
    def base_url(self) -> str:
        """Where the service is reached from this machine."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


SECRETS = frozenset(each.name for each in dataclass_fields(Settings) if not each.repr)
"""Settings that hold a secret, or may, as an address with a password does: they are never shown."""


def make_state_dir(settings: Settings) -> None:
    """Make the folder that the service keeps its own files in; raise SettingsError."""
    try:
        settings.state_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"the folder cannot be made: {error}"
        raise SettingsError([FieldError(field="STATE_DIR", message=message)]) from error


def is_loopback(host: str) -> bool:
    """Say whether an address to listen on is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings; raise SettingsError with one message that names all wrong ones.

    A variable that is set to nothing counts as not set.
    """
    schema = SettingsSchema()
    given = {name: environment[name].strip() for name in schema.fields if environment.get(name)}
    given = {name: value for name, value in given.items() if value}
    errors: list[FieldError] = []
    for name in ("API_TOKEN", "PERSONA_API_KEY"):
        _read_secret_file(name, given, errors)
    try:
        values = schema.load(given)
    except ValidationError as error:
        wrong = error.messages_dict
        errors += [FieldError(field=name, message="; ".join(wrong[name])) for name in wrong]
        values = {**SettingsSchema().load({}), **dict(error.valid_data or {})}
    prices = _read_prices(values["PERSONA_PRICES"], errors)
    wrong_names = {error.field for error in errors}
    errors += [e for e in _check_together(values, wrong_names) if e.field not in wrong_names]
    if errors:
        raise SettingsError(errors)
    return _settings(values, prices)


def mistyped(environment: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the variables that look like a setting and are none, each with the one it may mean.

    Short names are like too many others. That what is meant is set as well excuses nothing.
    """
    known = SettingsSchema().fields
    wanted = [name for name in known if len(name) >= _SHORTEST_LIKE]
    found = []
    for name in sorted(environment.keys() - known.keys()):
        near = get_close_matches(name.upper()[:_LONGEST_LIKE], wanted, n=1, cutoff=_LIKE)
        found += [(name, likely) for likely in near]
    return found


def _read_secret_file(name: str, given: dict[str, str], errors: list[FieldError]) -> None:
    path = given.get(f"{name}_FILE")
    if path is None:
        return
    if name in given:
        message = f"set this or {name}, not both"
        errors.append(FieldError(field=f"{name}_FILE", message=message))
        return
    try:
        secret = read_plain(Path(path), most_bytes=_MOST_SECRET).decode("utf-8").strip()
    except (UnfitFile, UnicodeDecodeError) as error:
        message = error.detail if isinstance(error, UnfitFile) else f"cannot be read: {error}"
        errors.append(FieldError(field=f"{name}_FILE", message=message))
        return
    if secret:
        given[name] = secret
    else:
        errors.append(FieldError(field=f"{name}_FILE", message="is empty"))


def _read_prices(path: str | None, errors: list[FieldError]) -> Mapping[str, Price]:
    if path is None:
        return {}
    try:
        return read_prices(read_plain(Path(path), most_bytes=MOST_BYTES))
    except UnfitFile as error:
        message = error.detail
    except BadJson as error:
        message = f"is no table of prices: {error.detail}"
    errors.append(FieldError(field="PERSONA_PRICES", message=message))
    return {}


def _check_together(values: Mapping[str, Any], wrong: set[str]) -> list[FieldError]:
    errors = []
    open_to_others = not is_loopback(values["HOST"])
    if open_to_others and not values["API_TOKEN"] and not wrong & {"API_TOKEN", "API_TOKEN_FILE"}:
        message = (
            f"is needed because HOST={values['HOST']} lets other machines in: set at least "
            f"{SHORTEST_TOKEN} random characters, for example the output of `openssl rand -hex 32`"
        )
        errors.append(FieldError(field="API_TOKEN", message=message))
    needed = {"service": ["PERSONA_URL"], "llm": ["PERSONA_URL", "PERSONA_MODEL"]}
    for name in needed.get(values["PERSONA_BACKEND"], []):
        if not values[name]:
            message = f"is needed with PERSONA_BACKEND={values['PERSONA_BACKEND']}"
            errors.append(FieldError(field=name, message=message))
    if values["EMBEDDING_MODEL"] and not values["PERSONA_URL"] and "PERSONA_URL" not in wrong:
        message = "needs PERSONA_URL, the server that has the model"
        errors.append(FieldError(field="EMBEDDING_MODEL", message=message))
    if "STATE_DIR" not in wrong and _is_within_space(values):
        message = "must not lie within PERSONA_SPACE, where the persona reaches it"
        errors.append(FieldError(field="STATE_DIR", message=message))
    return errors


def _is_within_space(values: Mapping[str, Any]) -> bool:
    state = values["STATE_DIR"]
    space = Path(values["PERSONA_SPACE"]).resolve()
    return bool(state) and Path(state).resolve().is_relative_to(space)


def _settings(values: Mapping[str, Any], prices: Mapping[str, Price]) -> Settings:
    space = Path(os.path.abspath(values["PERSONA_SPACE"]))  # noqa: PTH100  links are kept
    given = values["STATE_DIR"]
    state = Path(given).absolute() if given else space.with_name(f"{space.name}.state")
    return Settings(
        host=values["HOST"],
        port=values["PORT"],
        web_concurrency=values["WEB_CONCURRENCY"],
        database_url=values["DATABASE_URL"] or f"sqlite:///{state / 'ledger.sqlite3'}",
        api_token=values["API_TOKEN"],
        allowed_hosts=tuple(
            name.strip().lower() for name in values["ALLOWED_HOSTS"].split(",") if name.strip()
        ),
        persona_space=space,
        state_dir=state,
        persona_backend=Backend(values["PERSONA_BACKEND"]),
        persona_url=values["PERSONA_URL"],
        persona_timeout=values["PERSONA_TIMEOUT"],
        embedding_model=values["EMBEDDING_MODEL"],
        persona_tasks_per_day=values["PERSONA_TASKS_PER_DAY"],
        persona_model=values["PERSONA_MODEL"],
        persona_api_key=values["PERSONA_API_KEY"],
        persona_dialect=SpokenDialect(values["PERSONA_DIALECT"]),
        persona_stream=values["PERSONA_STREAM"] == "on",
        persona_max_rounds=values["PERSONA_MAX_ROUNDS"],
        persona_max_tool_calls=values["PERSONA_MAX_TOOL_CALLS"],
        persona_max_tokens_per_run=values["PERSONA_MAX_TOKENS_PER_RUN"],
        persona_context_tokens=values["PERSONA_CONTEXT_TOKENS"],
        persona_prices=prices,
        space_max_bytes=values["SPACE_MAX_BYTES"],
        space_max_files=values["SPACE_MAX_FILES"],
        journals=tuple(values["JOURNALS"].split()),
        scripts=values["SCRIPTS"] == "on",
        chat_concurrency=values["CHAT_CONCURRENCY"],
        run_concurrency=values["RUN_CONCURRENCY"],
        min_interval=values["MIN_INTERVAL"],
        default_timezone=values["DEFAULT_TIMEZONE"],
        catch_up_pace=values["CATCH_UP_PACE"],
        drain_timeout=values["DRAIN_TIMEOUT"],
        results_max_age=values["RESULTS_MAX_AGE"],
        results_max_count=values["RESULTS_MAX_COUNT"],
        results_max_bytes=values["RESULTS_MAX_BYTES"],
        history_max_age=values["HISTORY_MAX_AGE"],
        affect_lexicon=(
            Path(values["AFFECT_LEXICON"]).absolute() if values["AFFECT_LEXICON"] else None
        ),
        anti_meta_talk=values["ANTI_META_TALK"] == "on",
        log_format=values["LOG_FORMAT"],
    )
