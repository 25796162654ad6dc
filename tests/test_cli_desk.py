"""What is wrong with tasks.json, on the command line."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli import persona


@pytest.fixture
def file(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tasks.json of a new space, on each database."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("PERSONA_SPACE", str(tmp_path / "space"))
    (tmp_path / "space").mkdir()
    assert told() == ["tasks.json is in order"]
    return tmp_path / "space" / "tasks" / "tasks.json"


def told(action: str = "show") -> list[str]:
    result = CliRunner().invoke(persona, ["desk", action])
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


def test_a_bad_entry_is_told_in_a_sentence(file: Path) -> None:
    document = json.loads(file.read_text())
    document["tasks"][0]["schedule"] = "sometimes"
    file.write_text(json.dumps(document))
    (sentence,) = told()
    assert sentence.startswith("tasks.json, entry 0 (daily_reflection), schedule: ")


def test_removals_that_wait_are_told_with_what_can_be_done(file: Path) -> None:
    file.write_text(json.dumps({"tasks": []}))
    held, advice = told()
    assert held.startswith("tasks.json: the file was emptied; these tasks stay in force")
    assert "daily_reflection" in held
    assert "desk confirm" in advice
    file.with_name("README.md").unlink()
    assert told("restore") == ["tasks.json is in order"]
    assert file.with_name("README.md").read_text().startswith("# tasks")
    assert "daily_reflection" in file.read_text()
