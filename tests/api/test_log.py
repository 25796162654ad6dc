"""The log: one line an event, no secret, nothing a stranger sent can forge one."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from app.config import read_settings
from app.log import configure_logging

TOKEN = "a-token-of-at-least-thirty-two-characters"
DATABASE = "postgresql://keeper:pass%40word@db.example/tasks"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    yield io.StringIO()
    configure_logging(read_settings({}))


def write_to(stream: io.StringIO, log_format: str) -> None:
    settings = {
        "API_TOKEN": TOKEN,
        "DATABASE_URL": DATABASE,
        "LOG_FORMAT": log_format,
        "PERSONA_API_KEY": "sk-of-a-model",
    }
    settings |= {"PERSONA_BACKEND": "service", "PERSONA_URL": "http://me:opensesame@p.example"}
    configure_logging(read_settings(settings), stream=stream)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_secret_reaches_the_log_wherever_it_comes_from(
    stream: io.StringIO, log_format: str
) -> None:
    write_to(stream, log_format)
    log = structlog.get_logger("test")
    log.info("event", header=f"Bearer {TOKEN}", nested={"list": [f"x{TOKEN}"]})
    log.info(f"event {TOKEN} sk-of-a-model")
    logging.getLogger("foreign").warning("cannot reach %s with pass@word", "db")
    try:
        raise ValueError(f"opensesame and {TOKEN}")
    except ValueError:
        log.exception("broke")
    text = stream.getvalue()
    assert len(text.splitlines()) >= 4
    for secret in (TOKEN, "pass@word", "opensesame", "sk-of-a-model"):
        assert secret not in text
    assert "***" in text


FORGERIES = ["\n2026-01-01 info forged", "\r", "\x1b[2J", "\x00", "\x9b31m", "\u2028", "\x7f"]


@pytest.mark.parametrize("forgery", FORGERIES)
def test_what_a_stranger_sent_stays_on_its_line_of_text(stream: io.StringIO, forgery: str) -> None:
    write_to(stream, "text")
    structlog.get_logger("test").info("event", path=f"/a{forgery}b", many=[forgery])
    logging.getLogger("foreign").warning("path %s", forgery)
    lines = stream.getvalue().split("\n")
    assert len(lines) == 3
    assert not [c for c in stream.getvalue() if not c.isprintable() and c != "\n"]


@pytest.mark.parametrize("forgery", FORGERIES)
def test_what_a_stranger_sent_stays_in_its_json(stream: io.StringIO, forgery: str) -> None:
    write_to(stream, "json")
    structlog.get_logger("test").info("event", path=forgery)
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["event"] == "event"


def test_a_line_of_text_has_time_level_event_and_fields(stream: io.StringIO) -> None:
    write_to(stream, "text")
    structlog.get_logger("test").info("run.finished", run_id="abc", note="two words", none=None)
    line = stream.getvalue()
    assert line.endswith('Z info     run.finished run_id=abc note="two words" none=\n')


def test_a_line_of_json_has_time_level_event_and_fields(stream: io.StringIO) -> None:
    write_to(stream, "json")
    structlog.get_logger("test").info("run.finished", run_id="abc", runs=3, when=None)
    event = json.loads(stream.getvalue())
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "event": "run.finished",
        "level": "info",
        "run_id": "abc",
        "runs": 3,
        "when": None,
    }


def test_the_lines_of_a_traceback_are_indented_so_that_none_looks_like_an_event(
    stream: io.StringIO,
) -> None:
    write_to(stream, "text")
    try:
        raise ValueError("bad\n2026-01-01T00:00:00Z info     forged")
    except ValueError:
        structlog.get_logger("test").exception("broke")
    first, *rest = stream.getvalue().rstrip("\n").split("\n")
    assert first.endswith("error    broke")
    assert len(rest) > 3
    assert all(line.startswith("    ") for line in rest)


def test_long_values_are_cut(stream: io.StringIO) -> None:
    write_to(stream, "text")
    structlog.get_logger("test").info("event", value="x" * 100_000)
    assert len(stream.getvalue()) < 5000
    assert "(100000 characters)" in stream.getvalue()


def test_what_others_chatter_is_left_out(stream: io.StringIO) -> None:
    write_to(stream, "text")
    structlog.get_logger("test").debug("quiet")
    logging.getLogger("apscheduler.scheduler").info("quiet")
    assert stream.getvalue() == ""
