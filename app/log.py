"""How this service writes its log: events with fields, on one line each, without secrets."""

import logging
import sys
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any, TextIO
from urllib.parse import urlsplit

import structlog
from sqlalchemy.engine import make_url
from structlog.typing import EventDict, Processor, WrappedLogger

from app.config import Settings

LONGEST_VALUE = 4000
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}
# line breaks of other alphabets, which some viewers take for the end of a line
_CONTROLS |= {0x2028: "\\u2028", 0x2029: "\\u2029"}
_ONE_LINE = _CONTROLS | {ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t"}
_LINES = {code: text for code, text in _CONTROLS.items() if code != ord("\n")}
_CHATTY = ("alembic", "apscheduler", "sqlalchemy", "werkzeug")


def configure_logging(settings: Settings, *, stream: TextIO | None = None) -> None:
    """Write every log line of this process to `stream` (stderr), as LOG_FORMAT says.

    The secrets among the settings never appear, wherever they come from. Control characters are
    escaped, so that nothing a stranger sent can forge a line or move the cursor of a terminal.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _Cleaner(_secrets(settings)),
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer() if settings.log_format == "json" else _render_text
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _secrets(settings: Settings) -> list[str]:
    passwords = [make_url(settings.database_url).password]
    if settings.persona_url is not None:
        passwords.append(urlsplit(settings.persona_url).password)
    keys = (settings.api_token, settings.persona_api_key)
    return [secret for secret in (*keys, *map(_plain, passwords)) if secret]


def _plain(password: object) -> str | None:
    return None if password is None else str(password)


class _Cleaner:
    """Takes secrets, control characters and excess length out of every value."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = secrets

    def __call__(self, _logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
        for key, value in event.items():
            # a traceback keeps its lines: they are indented when they are written
            table = _LINES if key == "exception" else _ONE_LINE
            event[key] = self._clean(value, table)
        return event

    def _clean(self, value: Any, table: Mapping[int, str]) -> Any:
        if isinstance(value, str):
            for secret in self._secrets:
                value = value.replace(secret, "***")
            return _shortened(value, table).translate(table)
        if isinstance(value, Mapping):
            return {str(key): self._clean(inner, table) for key, inner in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._clean(inner, table) for inner in value]
        if value is None or isinstance(value, bool | int | float | logging.LogRecord):
            return value
        return self._clean(str(value), table)


def _shortened(value: str, table: Mapping[int, str]) -> str:
    """Return a value of bounded length; of a traceback the end says most."""
    if len(value) <= LONGEST_VALUE:
        return value
    if table is _LINES:
        return f"({len(value)} characters)\n...{value[-LONGEST_VALUE:]}"
    return f"{value[:LONGEST_VALUE]}... ({len(value)} characters)"


_render_fields: Callable[[Any, str, MutableMapping[str, Any]], str] = (
    structlog.processors.LogfmtRenderer(bool_as_flag=False)
)


def _render_text(logger: WrappedLogger, name: str, event: EventDict) -> str:
    head = f"{event.pop('timestamp')} {event.pop('level'):<8} {event.pop('event')}"
    exception = event.pop("exception", None)
    fields = _render_fields(logger, name, event)
    line = f"{head} {fields}" if fields else head
    if exception is None:
        return line
    return "\n    ".join([line, *str(exception).split("\n")])
