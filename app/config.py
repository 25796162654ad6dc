"""Settings from the environment, typed; all that is wrong is said at once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from dataclasses import fields as dataclass_fields
from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from marshmallow import Schema, ValidationError, fields, validate
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from app.core.errors import BadJson, FieldError, SettingsError
from app.core.prices import Price, read_prices
from app.core.spans import read_span

SHORTEST_TOKEN = 32


class Backend(StrEnum):
    """Who answers a prompt."""

    EMBEDDED = "embedded"
    SERVICE = "service"
    LLM = "llm"


class SpokenDialect(StrEnum):
    """How the server of a language model is talked to."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"


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


def is_loopback(host: str) -> bool:
    """Say whether an address to listen on is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Span(fields.Field[timedelta]):
    """A span of time such as 30s, 5m or 1h."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> timedelta:
        try:
            return read_span(value)
        except ValueError as error:
            raise ValidationError(str(error)) from error


class WholeNumber(fields.Field[int]):
    """A whole number in ASCII digits, nothing around them."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if not (value.isascii() and value.isdigit() and len(value) < 16):
            raise ValidationError(f"{value!r} is not a whole number")
        return int(value)


def _check_zone(value: str) -> None:
    if value not in available_timezones():
        raise ValidationError(f"{value!r} is not an IANA time zone such as Europe/Berlin")


def _check_url(value: str) -> None:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValidationError(f"{value!r} is not an address such as http://127.0.0.1:8100")


def _check_database(value: str) -> None:
    try:
        name = make_url(value).get_backend_name()
    except ArgumentError as error:
        raise ValidationError("is not a database URL") from error
    if name not in {"sqlite", "postgresql", "postgres"}:
        raise ValidationError("must begin with sqlite:/// or postgresql://")


def _check_token(value: str) -> None:
    if len(value) < SHORTEST_TOKEN:
        raise ValidationError(f"must have at least {SHORTEST_TOKEN} characters")
    if not value.isascii() or any(character.isspace() for character in value):
        raise ValidationError("must be ASCII without blanks")


def _check_file(value: str) -> None:
    if not Path(value).is_file() or not os.access(value, os.R_OK):
        raise ValidationError(f"{value!r} is not a file that can be read")


def _check_key(value: str) -> None:
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValidationError("must be ASCII without blanks")


def _default(text: str, help_text: str) -> dict[str, Any]:
    return {"load_default": None, "metadata": {"default": text, "help": help_text}}


class SettingsSchema(Schema):
    """Every setting, its form, its default and what it does; the reference is made from this."""

    HOST = fields.String(
        load_default="127.0.0.1",
        metadata={"help": "address to listen on; any but loopback needs API_TOKEN"},
    )
    PORT = WholeNumber(
        load_default=8000,
        validate=validate.Range(1, 65535),
        metadata={"help": "port to listen on"},
    )
    WEB_CONCURRENCY = WholeNumber(
        load_default=2,
        validate=validate.Range(1, 64),
        metadata={"help": "worker processes; each serves, ticks and runs"},
    )
    DATABASE_URL = fields.String(
        validate=_check_database,
        **_default("sqlite:///STATE_DIR/ledger.sqlite3", "where registry and ledger are kept"),
    )
    API_TOKEN = fields.String(
        validate=_check_token,
        **_default("none", "token that every request must show, at least 32 characters"),
    )
    API_TOKEN_FILE = fields.String(**_default("none", "file that holds API_TOKEN"))
    ALLOWED_HOSTS = fields.String(
        load_default="",
        metadata={
            "default": "none",
            "help": "names, beside loopback and HOST, by which the service may be addressed",
        },
    )
    PERSONA_SPACE = fields.String(
        load_default="persona_space", metadata={"help": "the persona's own folder"}
    )
    STATE_DIR = fields.String(
        **_default(
            "PERSONA_SPACE with .state added",
            "what the service keeps for itself, out of the persona's reach",
        )
    )
    SPACE_MAX_BYTES = WholeNumber(
        load_default=1_000_000_000,
        validate=validate.Range(min=1),
        metadata={"help": "most bytes in files of the space, beyond which tools write nothing"},
    )
    SPACE_MAX_FILES = WholeNumber(
        load_default=20_000,
        validate=validate.Range(min=1),
        metadata={"help": "most files and folders in the space, the same"},
    )
    JOURNALS = fields.String(
        load_default="scratch/*_reflections.md scratch/*_journal.md scratch/*_insights.md",
        metadata={"help": "files to which tools may only append, as patterns between blanks"},
    )
    SCRIPTS = fields.String(
        load_default="on",
        validate=validate.OneOf(["on", "off"], error="must be one of: on, off"),
        metadata={"help": "whether run_script may run programs: on, where they can be confined"},
    )
    PERSONA_BACKEND = fields.String(
        load_default="embedded",
        validate=validate.OneOf(
            [str(b) for b in Backend], error="must be one of: embedded, service, llm"
        ),
        metadata={
            "help": "who answers: embedded (no model, no network), service (HTTP) or llm (a model)"
        },
    )
    PERSONA_URL = fields.String(
        validate=_check_url,
        **_default(
            "none",
            "base address of the persona service, or of the model's server; needed with both",
        ),
    )
    PERSONA_TIMEOUT = Span(
        load_default=timedelta(minutes=15),
        metadata={"default": "15m", "help": "longest time of one answer, whatever the task says"},
    )
    EMBEDDING_MODEL = fields.String(
        validate=validate.Length(max=200),
        **_default(
            "none",
            "model of PERSONA_URL/embeddings, by which memories are found that mean the same",
        ),
    )
    PERSONA_TASKS_PER_DAY = WholeNumber(
        load_default=10,
        validate=validate.Range(0, 1000),
        metadata={"help": "tasks that the persona may create in 24 hours, all runs together"},
    )
    PERSONA_MODEL = fields.String(
        validate=validate.Length(max=200),
        **_default("none", "model of tasks that name none; needed with llm"),
    )
    PERSONA_API_KEY = fields.String(
        validate=_check_key, **_default("none", "key that the model's server is shown")
    )
    PERSONA_API_KEY_FILE = fields.String(**_default("none", "file that holds PERSONA_API_KEY"))
    PERSONA_DIALECT = fields.String(
        load_default="openai",
        validate=validate.OneOf(
            [str(d) for d in SpokenDialect], error="must be one of: openai, anthropic"
        ),
        metadata={"help": "how the model's server is talked to: openai or anthropic"},
    )
    PERSONA_STREAM = fields.String(
        load_default="on",
        validate=validate.OneOf(["on", "off"], error="must be on or off"),
        metadata={"help": "whether a model's answer is read while it is written: on or off"},
    )
    PERSONA_MAX_ROUNDS = WholeNumber(
        load_default=12,
        validate=validate.Range(1, 100),
        metadata={"help": "most times that a model is asked in one run, unless the task says"},
    )
    PERSONA_MAX_TOOL_CALLS = WholeNumber(
        load_default=50,
        validate=validate.Range(0, 1000),
        metadata={"help": "most calls of tools in one run"},
    )
    PERSONA_MAX_TOKENS_PER_RUN = WholeNumber(
        load_default=200_000,
        validate=validate.Range(min=1),
        metadata={"help": "tokens, read and written, after which a run gives its final answer"},
    )
    PERSONA_CONTEXT_TOKENS = WholeNumber(
        load_default=8192,
        validate=validate.Range(2048, 10_000_000),
        metadata={"help": "tokens that the model reads and writes at one time"},
    )
    PERSONA_PRICES = fields.String(
        **_default("none", "JSON file with what a million tokens of each model cost")
    )
    RUN_CONCURRENCY = WholeNumber(
        load_default=8,
        validate=validate.Range(1, 1024),
        metadata={"help": "runs at one time, over all workers"},
    )
    MIN_INTERVAL = Span(
        load_default=timedelta(minutes=1),
        metadata={"default": "1m", "help": "shortest time between two firings of a task"},
    )
    DEFAULT_TIMEZONE = fields.String(
        load_default="UTC",
        validate=_check_zone,
        metadata={"help": "IANA zone of tasks that name none"},
    )
    CATCH_UP_PACE = Span(
        load_default=timedelta(seconds=1),
        metadata={"default": "1s", "help": "time between the starts of two late runs"},
    )
    DRAIN_TIMEOUT = Span(
        load_default=timedelta(seconds=30),
        metadata={"default": "30s", "help": "how long runs may finish when a worker stops"},
    )
    RESULTS_MAX_AGE = Span(
        load_default=timedelta(days=365),
        metadata={"default": "365d", "help": "results older than this are removed"},
    )
    RESULTS_MAX_COUNT = WholeNumber(
        load_default=100_000,
        validate=validate.Range(min=1),
        metadata={"help": "most results kept, the newest of each task always among them"},
    )
    RESULTS_MAX_BYTES = WholeNumber(
        load_default=1_000_000_000,
        validate=validate.Range(min=1),
        metadata={"help": "most bytes of answers kept"},
    )
    HISTORY_MAX_AGE = Span(
        load_default=timedelta(days=365),
        metadata={"default": "365d", "help": "what files held longer ago than this is forgotten"},
    )
    AFFECT_LEXICON = fields.String(
        validate=_check_file,
        **_default("none", "lexicon of feelings to use instead of the built-in English one"),
    )
    ANTI_META_TALK = fields.String(
        load_default="on",
        validate=validate.OneOf(["on", "off"], error="must be one of: on, off"),
        metadata={"help": "whether talk about being a machine is taken out of answers: on or off"},
    )
    LOG_FORMAT = fields.String(
        load_default="text",
        validate=validate.OneOf(["text", "json"], error="must be one of: text, json"),
        metadata={"help": "how log lines are written: text or json"},
    )


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


def _read_secret_file(name: str, given: dict[str, str], errors: list[FieldError]) -> None:
    path = given.get(f"{name}_FILE")
    if path is None:
        return
    if name in given:
        message = f"set this or {name}, not both"
        errors.append(FieldError(field=f"{name}_FILE", message=message))
        return
    try:
        secret = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        message = f"cannot be read: {error}"
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
        return read_prices(Path(path).read_bytes())
    except OSError as error:
        message = f"cannot be read: {error}"
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
    if values["EMBEDDING_MODEL"] and not values["PERSONA_URL"]:
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
