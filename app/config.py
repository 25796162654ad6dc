"""Settings from the environment, typed; all that is wrong is said at once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
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

from app.core.errors import FieldError, SettingsError
from app.core.spans import read_span

SHORTEST_TOKEN = 32


class Backend(StrEnum):
    """Who answers a prompt."""

    EMBEDDED = "embedded"
    SERVICE = "service"


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
    persona_url: str | None
    persona_timeout: timedelta
    run_concurrency: int
    min_interval: timedelta
    default_timezone: str
    catch_up_pace: timedelta
    drain_timeout: timedelta
    results_max_age: timedelta
    results_max_count: int
    results_max_bytes: int
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
    PERSONA_BACKEND = fields.String(
        load_default="embedded",
        validate=validate.OneOf(
            [str(b) for b in Backend], error="must be one of: embedded, service"
        ),
        metadata={"help": "who answers: embedded (no model, no network) or service (HTTP)"},
    )
    PERSONA_URL = fields.String(
        validate=_check_url,
        **_default("none", "base address of the persona service; needed with service"),
    )
    PERSONA_TIMEOUT = Span(
        load_default=timedelta(minutes=15),
        metadata={"default": "15m", "help": "longest time of one answer, whatever the task says"},
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
    _read_token_file(given, errors)
    try:
        values = schema.load(given)
    except ValidationError as error:
        wrong = error.messages_dict
        errors += [FieldError(field=name, message="; ".join(wrong[name])) for name in wrong]
        values = {**SettingsSchema().load({}), **dict(error.valid_data or {})}
    wrong_names = {error.field for error in errors}
    errors += [e for e in _check_together(values, wrong_names) if e.field not in wrong_names]
    if errors:
        raise SettingsError(errors)
    return _settings(values)


def _read_token_file(given: dict[str, str], errors: list[FieldError]) -> None:
    path = given.get("API_TOKEN_FILE")
    if path is None:
        return
    if "API_TOKEN" in given:
        message = "set this or API_TOKEN, not both"
        errors.append(FieldError(field="API_TOKEN_FILE", message=message))
        return
    try:
        given["API_TOKEN"] = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        message = f"cannot be read: {error}"
        errors.append(FieldError(field="API_TOKEN_FILE", message=message))


def _check_together(values: Mapping[str, Any], wrong: set[str]) -> list[FieldError]:
    errors = []
    open_to_others = not is_loopback(values["HOST"])
    if open_to_others and not values["API_TOKEN"] and not wrong & {"API_TOKEN", "API_TOKEN_FILE"}:
        message = (
            f"is needed because HOST={values['HOST']} lets other machines in: set at least "
            f"{SHORTEST_TOKEN} random characters, for example the output of `openssl rand -hex 32`"
        )
        errors.append(FieldError(field="API_TOKEN", message=message))
    if values["PERSONA_BACKEND"] == "service" and not values["PERSONA_URL"]:
        message = "is needed with PERSONA_BACKEND=service"
        errors.append(FieldError(field="PERSONA_URL", message=message))
    return errors


def _settings(values: Mapping[str, Any]) -> Settings:
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
        run_concurrency=values["RUN_CONCURRENCY"],
        min_interval=values["MIN_INTERVAL"],
        default_timezone=values["DEFAULT_TIMEZONE"],
        catch_up_pace=values["CATCH_UP_PACE"],
        drain_timeout=values["DRAIN_TIMEOUT"],
        results_max_age=values["RESULTS_MAX_AGE"],
        results_max_count=values["RESULTS_MAX_COUNT"],
        results_max_bytes=values["RESULTS_MAX_BYTES"],
        anti_meta_talk=values["ANTI_META_TALK"] == "on",
        log_format=values["LOG_FORMAT"],
    )
