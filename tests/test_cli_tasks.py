"""Adding and editing tasks on the command line."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from app.cli import persona

NEW = ("--name", "Water", "--schedule", "daily", "--prompt", "Water the plants.")


@pytest.fixture
def file(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tasks.json of a new space with one more task, on each database."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("PERSONA_SPACE", str(tmp_path / "space"))
    (tmp_path / "space").mkdir()
    assert invoke("add", "water", *NEW, "--set", "timeout=10m").stdout == "added water\n"
    return tmp_path / "space" / "tasks" / "tasks.json"


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(persona, arguments)


def entry(file: Path) -> dict[str, Any]:
    entries: list[dict[str, Any]] = json.loads(file.read_text())["tasks"]
    (found,) = [each for each in entries if each["id"] == "water"]
    return found


def test_a_task_is_added_with_any_field(file: Path) -> None:
    shown = entry(file)
    assert (shown["name"], shown["type"], shown["timeout"]) == ("Water", "custom", "10m")


def test_an_edit_changes_what_is_given_and_nothing_else(file: Path) -> None:
    expects = [{"path": "scratch/a.md", "change": "updated"}]
    edited = invoke(
        *("edit", "water", "--schedule", "every 2h", "--set", f"expects={json.dumps(expects)}"),
        *("--set", "enabled=false", "--set", "timeout=null", "--set", "overlap=allow"),
    )
    assert edited.stdout == "water is at revision 2; next run never\n"
    shown = entry(file)
    assert shown["name"] == "Water"
    assert (shown["schedule"], shown["enabled"], shown["overlap"]) == ("every 2h", False, "allow")
    assert shown["expects"] == expects
    assert "timeout" not in shown


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("plants=3", "plants: is not a field of a task; `metadata` is the place for your own data"),
        ("timeout=soon", "timeout: 'soon' is not a span of time"),
        ('tools=["hammer"]', "tools: there is no tool 'hammer'; there are: read_file, "),
        ("schedule=sometimes", "schedule: "),
    ],
)
def test_an_edit_that_is_wrong_is_explained_and_changes_nothing(
    file: Path, field: str, message: str
) -> None:
    before = file.read_bytes()
    for arguments in (["edit", "water"], ["add", "water_2", *NEW]):
        result = invoke(*arguments, "--set", field)
        assert result.exit_code == 1
        assert f"Error: {message}" in result.stderr
    assert file.read_bytes() == before


@pytest.mark.parametrize("arguments", [["edit", "water"], ["add", "water_2", *NEW]])
def test_the_id_is_no_field_to_set(file: Path, arguments: list[str]) -> None:
    result = invoke(*arguments, "--set", "id=other")
    assert result.exit_code == 2
    assert "the id of a task is what stands after the command" in result.stderr


@pytest.mark.parametrize("arguments", [[], ["--set", "timeout"], ["--set", "=5"]])
def test_an_edit_of_nothing_shows_how(file: Path, arguments: list[str]) -> None:
    result = invoke("edit", "water", *arguments)
    assert result.exit_code == 2
    assert "FIELD=VALUE" in result.stderr


def test_a_task_that_is_not_there_is_not_edited(file: Path) -> None:
    assert invoke("edit", "fire", "--name", "Fire").stderr.endswith("Error: Task not found: fire\n")
