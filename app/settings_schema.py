"""Every setting: its form, its default, what it does."""

import re
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from marshmallow import Schema, ValidationError, fields, validate
from requests import Request
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from app.core.errors import UnfitFile
from app.core.plain_files import read_plain
from app.core.spans import read_span

SHORTEST_TOKEN = 32
_LARGEST_FILE = 1024 * 1024
_HOST = re.compile(r"(?:\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::[0-9]{1,5})?|[0-9a-f:.]*:[0-9a-f:.]*")


class Backend(StrEnum):
    """Who answers a prompt."""

    EMBEDDED = "embedded"
    SERVICE = "service"
    LLM = "llm"


class SpokenDialect(StrEnum):
    """How the server of a language model is talked to."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"


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
    """Refuse what no request can be made for; the address is not told, it may hold a password."""
    try:
        parts = urlsplit(value)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname)
        # made ready as for sending, so that what cannot be sent is told now and not by every run
        Request("POST", value).prepare()
    except UnicodeEncodeError:
        raise ValidationError("holds a name or password that cannot be sent in Latin-1") from None
    except ValueError:
        is_address = False
    if not is_address:
        raise ValidationError("is not an address such as http://127.0.0.1:8100")


def _check_database(value: str) -> None:
    try:
        name = make_url(value).get_backend_name()
    except ArgumentError as error:
        raise ValidationError("is not a database URL") from error
    if name not in {"sqlite", "postgresql", "postgres"}:
        raise ValidationError("must begin with sqlite:/// or postgresql://")


def _check_key(value: str) -> None:
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValidationError("must be ASCII without blanks and control characters")


def _check_token(value: str) -> None:
    if len(value) < SHORTEST_TOKEN:
        raise ValidationError(f"must have at least {SHORTEST_TOKEN} characters")
    _check_key(value)


def _check_file(value: str) -> None:
    try:
        read_plain(Path(value), most_bytes=_LARGEST_FILE)
    except UnfitFile as error:
        raise ValidationError(f"{value!r} {error.detail}") from error


def _check_hosts(value: str) -> None:
    """Refuse what no `Host` header can name, such as an address with `http://` before it."""
    for name in filter(None, map(str.strip, value.lower().split(","))):
        if _HOST.fullmatch(name) is None:
            raise ValidationError(
                f"{name!r} is no name or address such as persona.example.org or 192.168.1.5, and"
                " no request can ask by it"
            )


def _check_journals(value: str) -> None:
    """Refuse what fits no path of the space, as a path that leads out of it."""
    for pattern in value.split():
        if any(part == "" or part.startswith(".") for part in pattern.split("/")):
            raise ValidationError(
                f"{pattern!r} fits no file of the space; write it as scratch/*_journal.md"
            )


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
        validate=_check_hosts,
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
        validate=_check_journals,
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
        validate=_check_key,
        **_default("none", "key that the model's server, or the persona service, is shown"),
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
    CHAT_CONCURRENCY = WholeNumber(
        load_default=4,
        validate=validate.Range(1, 16),
        metadata={"help": "chats that one worker answers at one time; it has 32 threads for all"},
    )
    RUN_CONCURRENCY = WholeNumber(
        load_default=8,
        validate=validate.Range(1, 1024),
        metadata={"help": "runs that ask their persona at one time, over all workers"},
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
