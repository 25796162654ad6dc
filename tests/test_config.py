"""Settings: typed, with defaults, and every mistake said at once."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from app.config import mistyped, read_settings
from app.core.errors import SettingsError
from app.core.prices import Price
from app.settings_schema import Backend, SpokenDialect

TOKEN = "k" * 32


def wrong(**environment: str) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        read_settings(environment)
    return {error.field: error.message for error in caught.value.errors}


def test_nothing_set_gives_a_service_for_this_machine_only() -> None:
    settings = read_settings({})
    assert (settings.host, settings.port, settings.is_loopback) == ("127.0.0.1", 8000, True)
    assert settings.persona_backend is Backend.EMBEDDED
    assert settings.min_interval == timedelta(minutes=1)
    assert settings.state_dir == settings.persona_space.with_name("persona_space.state")
    assert settings.database_url == f"sqlite:///{settings.state_dir}/ledger.sqlite3"


def test_the_hands_of_the_persona_have_bounds_and_scripts_where_they_can_be_confined() -> None:
    settings = read_settings({})
    assert (settings.space_max_bytes, settings.space_max_files) == (1_000_000_000, 20_000)
    assert settings.journals[1] == "scratch/*_journal.md"
    assert settings.scripts
    settings = read_settings({"JOURNALS": " a.md  b/*.md ", "SCRIPTS": "off"})
    assert settings.journals == ("a.md", "b/*.md")
    assert not settings.scripts
    assert wrong(SCRIPTS="yes")["SCRIPTS"] == "must be one of: on, off"


@pytest.mark.parametrize("state", ["space", "space/state", "./space/../space/.state"])
def test_the_service_keeps_nothing_where_the_persona_reaches_it(state: str) -> None:
    message = wrong(PERSONA_SPACE="space", STATE_DIR=state)["STATE_DIR"]
    assert "must not lie within PERSONA_SPACE" in message


def test_settings_are_read_and_blanks_around_them_are_nothing() -> None:
    settings = read_settings(
        {"PORT": " 8123 ", "PERSONA_SPACE": "/data/space", "MIN_INTERVAL": "1h30m", "HOST": ""}
    )
    assert (settings.port, settings.host) == (8123, "127.0.0.1")
    assert settings.persona_space == Path("/data/space")
    assert settings.min_interval == timedelta(minutes=90)


def test_all_that_is_wrong_is_said_in_one_message() -> None:
    environment = {
        "PORT": "eighty",
        "WEB_CONCURRENCY": "0",
        "DATABASE_URL": "mysql://x/y",
        "PERSONA_BACKEND": "oracle",
        "PERSONA_URL": "ftp://x",
        "PERSONA_TIMEOUT": "5",
        "RUN_CONCURRENCY": "-1",
        "MIN_INTERVAL": "often",
        "DEFAULT_TIMEZONE": "Europe/Atlantis",
        "API_TOKEN": "short",
        "PERSONA_API_KEY": "with blanks",
        "PERSONA_DIALECT": "klingon",
        "PERSONA_STREAM": "maybe",
        "PERSONA_MAX_ROUNDS": "0",
        "PERSONA_MAX_TOOL_CALLS": "many",
        "PERSONA_MAX_TOKENS_PER_RUN": "0",
        "PERSONA_CONTEXT_TOKENS": "100",
        "PERSONA_PRICES": "no-such-file.json",
    }
    assert wrong(**environment).keys() == environment.keys()
    with pytest.raises(SettingsError) as caught:
        read_settings(environment)
    assert all(name in caught.value.detail for name in environment)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "persona.example.org"])
def test_any_address_but_loopback_needs_a_token(host: str) -> None:
    message = wrong(HOST=host)["API_TOKEN"]
    assert "openssl rand -hex 32" in message
    assert read_settings({"HOST": host, "API_TOKEN": TOKEN}).api_token == TOKEN


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.9.9.9"])
def test_loopback_needs_none(host: str) -> None:
    assert read_settings({"HOST": host}).api_token is None


@pytest.mark.parametrize(
    "token", ["k" * 31, "k" * 16 + " " + "k" * 16, "ü" * 40, "k" * 32 + "\x01", "k" * 32 + "\x7f"]
)
def test_a_token_that_is_too_weak_or_cannot_be_sent_is_refused(token: str) -> None:
    assert "API_TOKEN" in wrong(API_TOKEN=token)


def test_a_token_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    settings = read_settings({"HOST": "0.0.0.0", "API_TOKEN_FILE": str(tmp_path / "token")})
    assert settings.api_token == TOKEN
    assert "cannot be read" in wrong(API_TOKEN_FILE=str(tmp_path / "none"))["API_TOKEN_FILE"]
    both = wrong(API_TOKEN=TOKEN, API_TOKEN_FILE=str(tmp_path / "token"))
    assert "not both" in both["API_TOKEN_FILE"]


def test_a_lexicon_of_feelings_must_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("term,valence,arousal,dominance\n")
    settings = read_settings({"AFFECT_LEXICON": str(tmp_path / "own.csv")})
    assert settings.affect_lexicon == tmp_path / "own.csv"
    assert read_settings({}).affect_lexicon is None
    assert "cannot be read" in wrong(AFFECT_LEXICON=str(tmp_path / "none.csv"))["AFFECT_LEXICON"]


def test_the_persona_service_needs_an_address() -> None:
    assert wrong(PERSONA_BACKEND="service").keys() == {"PERSONA_URL"}


MODEL = {
    "PERSONA_BACKEND": "llm",
    "PERSONA_URL": "http://127.0.0.1:11434/v1",
    "PERSONA_MODEL": "llama3.2",
}


def test_a_model_needs_an_address_and_a_name() -> None:
    assert wrong(PERSONA_BACKEND="llm").keys() == {"PERSONA_URL", "PERSONA_MODEL"}
    settings = read_settings(MODEL)
    assert settings.persona_backend is Backend.LLM
    assert (settings.persona_model, settings.persona_api_key) == ("llama3.2", None)
    assert settings.persona_dialect is SpokenDialect.OPENAI
    assert settings.persona_stream is True
    assert read_settings({**MODEL, "PERSONA_STREAM": "off"}).persona_stream is False


def test_the_key_of_a_model_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-123\n")
    (tmp_path / "empty").write_text("\n")
    path = str(tmp_path / "key")
    assert read_settings({**MODEL, "PERSONA_API_KEY_FILE": path}).persona_api_key == "sk-123"
    both = wrong(**MODEL, PERSONA_API_KEY="sk-1", PERSONA_API_KEY_FILE=path)
    assert "not both" in both["PERSONA_API_KEY_FILE"]
    empty = wrong(**MODEL, PERSONA_API_KEY_FILE=str(tmp_path / "empty"))
    assert empty == {"PERSONA_API_KEY_FILE": "is empty"}


def test_a_key_that_cannot_be_sent_is_refused_without_being_repeated() -> None:
    for key in (
        "sk 123",
        "sk-\u00fc",
        "sk-\u20ac",
        "sk-\x01",
        "sk-\x7f",
        "sk-\r\nX: 1",
        "sk-\udcff",
    ):
        message = wrong(**MODEL, PERSONA_API_KEY=key)["PERSONA_API_KEY"]
        assert message == "must be ASCII without blanks and control characters"


@pytest.mark.parametrize(
    "user", ["€:hidden", "%E2%82%AC:hidden", "ada:hidden%E2%82%AC", "ada:hidden\u2026"]
)
def test_a_password_in_an_address_that_cannot_be_sent_is_refused_and_not_told(user: str) -> None:
    message = wrong(**{**MODEL, "PERSONA_URL": f"http://{user}@127.0.0.1:9"})["PERSONA_URL"]
    assert message == "holds a name or password that cannot be sent in Latin-1"


@pytest.mark.parametrize(
    "rest", ["h:99999", "h:x", "[::1", "*x", "a b", "h\r\nX: 1", "h\x7f", ".de", "", "é\u200b.de"]
)
def test_an_address_that_nothing_can_be_sent_to_is_refused_and_not_told(rest: str) -> None:
    environment = {**MODEL, "EMBEDDING_MODEL": "m", "PERSONA_URL": f"http://ada:hidden@{rest}"}
    message = "is not an address such as http://127.0.0.1:8100"
    assert wrong(**environment) == {"PERSONA_URL": message}
    assert "hidden" not in wrong(PERSONA_URL="ftp://ada:hidden@h")["PERSONA_URL"]


@pytest.mark.parametrize("rest", ["h/é€", "ü.de", "[::1]:8000", "ada:h%C3%A9@h:1/v1", "h_x?a=€"])
def test_an_address_may_hold_what_is_written_otherwise_when_it_is_sent(rest: str) -> None:
    assert read_settings({**MODEL, "PERSONA_URL": f"http://{rest}"}).persona_url


def test_a_wrong_table_of_prices_stops_the_start_with_a_message(tmp_path: Path) -> None:
    table = tmp_path / "prices.json"
    table.write_text('{"m": {"prompt": 1, "completion": 2}}')
    assert read_settings({"PERSONA_PRICES": str(table)}).persona_prices == {
        "m": Price(prompt=1.0, completion=2.0)
    }
    table.write_text('{"m": {"prompt": "cheap", "completion": 2}}')
    message = wrong(PERSONA_PRICES=str(table))["PERSONA_PRICES"]
    assert "`prompt` of 'm' must be a number" in message
    assert "cannot be read" in wrong(PERSONA_PRICES=str(tmp_path / "none"))["PERSONA_PRICES"]


FILES = ["API_TOKEN_FILE", "PERSONA_API_KEY_FILE", "PERSONA_PRICES", "AFFECT_LEXICON"]


@pytest.mark.parametrize("name", FILES)
def test_a_pipe_a_device_or_a_folder_is_no_file_to_read_a_setting_from(
    name: str, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero", "/dev/tty", tmp_path):
        assert "regular file" in wrong(**MODEL, **{name: str(path)})[name]


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_ten_gigabytes_is_not_read_as_a_setting(name: str, tmp_path: Path) -> None:
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(10_000_000_000)
    assert "more than" in wrong(**MODEL, **{name: str(tmp_path / "huge")})[name]


def test_a_link_to_a_file_is_read_as_secrets_are_often_mounted(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-123\n")
    (tmp_path / "link").symlink_to("key")
    settings = read_settings({**MODEL, "PERSONA_API_KEY_FILE": str(tmp_path / "link")})
    assert settings.persona_api_key == "sk-123"


def test_secrets_are_not_shown() -> None:
    settings = read_settings(
        {
            "API_TOKEN": TOKEN,
            "DATABASE_URL": "postgresql://u:secret@h/d",
            "PERSONA_API_KEY": "sk-nobody-may-see",
        }
    )
    assert TOKEN not in repr(settings)
    assert "sk-nobody" not in repr(settings)
    assert "secret" not in repr(settings)


@pytest.mark.parametrize(
    "hosts", ["http://x", "a.example,http://b", "*", "*.example", "a b", "a/b", "bücher.example"]
)
def test_a_name_that_no_request_can_ask_by_is_refused(hosts: str) -> None:
    assert "no request can ask by it" in wrong(ALLOWED_HOSTS=hosts)["ALLOWED_HOSTS"]


@pytest.mark.parametrize(
    "hosts", ["A.example, 10.0.0.1,", "[fd00::1]", "fd00::1", "a.example:8000", "my_host"]
)
def test_names_and_addresses_are_taken(hosts: str) -> None:
    assert read_settings({"ALLOWED_HOSTS": hosts}).allowed_hosts


@pytest.mark.parametrize("pattern", ["../x.md", "/x.md", "./x.md", "a//b.md", "a/", "a/.b/*.md"])
def test_a_journal_that_no_file_can_be_is_refused(pattern: str) -> None:
    assert repr(pattern) in wrong(JOURNALS=f"scratch/*.md {pattern}")["JOURNALS"]


def test_a_name_that_looks_like_a_setting_is_found_with_what_it_may_mean() -> None:
    environment = {
        "PERSONA_BAKEND": "llm",
        "PERSONA_BACKEND": "embedded",
        "alowed_hosts": "x",
        "RESULT_MAX_AGE": "1d",
        "API_TOKEN": TOKEN,
        "CI_API_TOKEN": "another",
        "PERSONA_SPACE": "x",
        "PERSONA_SPACES": "y",
        **dict.fromkeys(["HOSTNAME", "SPORT", "STATE_DIRECTORY", "PATH", "LOG_LEVEL", "HOME"], "z"),
    }
    assert mistyped(environment) == [
        ("PERSONA_BAKEND", "PERSONA_BACKEND"),
        ("PERSONA_SPACES", "PERSONA_SPACE"),
        ("RESULT_MAX_AGE", "RESULTS_MAX_AGE"),
        ("alowed_hosts", "ALLOWED_HOSTS"),
    ]
