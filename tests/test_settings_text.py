"""Settings as text: what is shown could be given, and shows no secret."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli import persona
from app.config import read_settings
from app.settings_schema import SettingsSchema


def shown(monkeypatch: pytest.MonkeyPatch, given: dict[str, str]) -> dict[str, str]:
    """Return what the command shows of each setting."""
    for name in SettingsSchema().fields:
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(persona, ["settings"])
    assert result.exit_code == 0, result.output
    lines = (line.partition("  # ")[0] for line in result.stdout.splitlines())
    return dict(line.split("=", 1) for line in lines)


@pytest.fixture
def given(tmp_path: Path) -> dict[str, str]:
    """Settings of every kind, none of them the default."""
    (tmp_path / "prices.json").write_text('{"m": {"prompt": 1, "completion": 2}}')
    (tmp_path / "own.csv").write_text("term,valence,arousal,dominance\n")
    return {
        "HOST": "::1",
        "PORT": "8123",
        "DATABASE_URL": "postgresql://keeper@db.example/tasks?sslmode=require",
        "ALLOWED_HOSTS": "persona.example.org, 192.168.1.5",
        "PERSONA_SPACE": "a space",
        "STATE_DIR": str(tmp_path / "state"),
        "PERSONA_BACKEND": "llm",
        "PERSONA_URL": "http://127.0.0.1:11434/v1",
        "PERSONA_MODEL": "qwen3",
        "PERSONA_DIALECT": "anthropic",
        "PERSONA_STREAM": "off",
        "PERSONA_PRICES": str(tmp_path / "prices.json"),
        "AFFECT_LEXICON": str(tmp_path / "own.csv"),
        "JOURNALS": "a.md  b/*.md",
        "SCRIPTS": "off",
        "PERSONA_TIMEOUT": "PT90S",
        "RESULTS_MAX_AGE": "1w",
        "LOG_FORMAT": "json",
    }


def test_what_is_shown_read_back_gives_the_same_settings(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str]
) -> None:
    assert read_settings(shown(monkeypatch, {})) == read_settings({})
    assert read_settings(shown(monkeypatch, given)) == read_settings(given)


def test_each_setting_is_shown_as_the_environment_gives_it(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str]
) -> None:
    names = ("PERSONA_TIMEOUT", "RESULTS_MAX_AGE", "MIN_INTERVAL", "SCRIPTS", "ANTI_META_TALK")
    lines = shown(monkeypatch, given)
    assert [lines[name] for name in names] == ["1m30s", "7d", "1m", "off", "on"]
    assert (lines["JOURNALS"], lines["API_TOKEN"]) == ("a.md b/*.md", "")
    assert lines["ALLOWED_HOSTS"] == "persona.example.org,192.168.1.5"
    assert shown(monkeypatch, {})["ALLOWED_HOSTS"] == ""


@pytest.mark.parametrize(
    ("address", "hidden"),
    [
        ("postgresql://u:opensesame@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u@h/d?password=opensesame", "postgresql://u@h/d?password="),
        ("sqlite:////data/ledger.sqlite3", "sqlite:////data/ledger.sqlite3"),
    ],
)
def test_of_the_address_of_the_database_only_the_password_is_hidden(
    monkeypatch: pytest.MonkeyPatch, address: str, hidden: str
) -> None:
    line = shown(monkeypatch, {"DATABASE_URL": address})["DATABASE_URL"]
    assert line.startswith(hidden)
    assert "opensesame" not in line


def test_secrets_are_hidden_and_the_files_that_hold_them_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("k" * 32)
    url = "http://127.0.0.1:9/v1?key=opensesame"
    given = {"API_TOKEN_FILE": str(tmp_path / "token"), "PERSONA_URL": url}
    lines = shown(monkeypatch, {**given, "PERSONA_API_KEY": "opensesame"})
    hidden = [lines[name] for name in ("API_TOKEN", "PERSONA_API_KEY", "PERSONA_URL")]
    assert hidden == ["***"] * 3
    assert lines["API_TOKEN_FILE"] == str(tmp_path / "token")
