"""The command line as somebody meets it: what it answers, what it logs, how it tells mistakes."""

import json
import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from app import __version__
from app.api.lifecycle import prepare
from app.cli import persona
from app.config import make_state_dir, read_settings
from app.core.clock import FakeClock
from app.core.errors import LedgerUnavailable, SettingsError
from app.migrations import upgrade
from app.wiring import build
from tests.house import OWNER, definition


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a space of its own in it, which nobody has used yet."""
    monkeypatch.setenv("PERSONA_SPACE", str(tmp_path / "space"))
    (tmp_path / "space").mkdir()
    return tmp_path


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(persona, arguments)


def told(*arguments: str) -> str:
    """Return what a command that fails says."""
    result = invoke(*arguments)
    assert isinstance(result.exception, SystemExit), result.exception
    assert (result.exit_code, result.stdout) == (1, "")
    return result.stderr


@pytest.mark.parametrize(
    "command",
    [
        *(["list"], ["show", "x"], ["delete", "x"], ["restore", "x"], ["history", "x"]),
        *(["run", "daily_reflection"], ["execute-due"], ["runs"], ["diff", "x"], ["revert", "x"]),
        *(["audit"], ["desk"], ["desk", "restore"], ["health"], ["shell"], ["enable", "x"]),
        *(["memories", "list"], ["memories", "embed"], ["disable", "x"]),
        ["add", "x", "--name", "X", "--schedule", "daily", "--prompt", "Think."],
        ["edit", "x", "--name", "X"],
    ],
    ids=" ".join,
)
def test_in_a_folder_without_a_space_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PERSONA_SPACE", raising=False)
    assert told(*command) == (
        f"Error: there is no space at {tmp_path}/persona_space: set PERSONA_SPACE, or begin one "
        "with `make run` or `persona-tasks serve`\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_schedule_is_told_without_a_space_and_the_database_may_be_made_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PERSONA_SPACE", raising=False)
    assert invoke("preview", "daily").exit_code == 0
    assert list(tmp_path.iterdir()) == []
    assert invoke("migrate").exit_code == 0
    assert (tmp_path / "persona_space.state" / "ledger.sqlite3").exists()


def test_a_revision_that_does_not_exist_is_told_in_a_sentence(folder: Path) -> None:
    invoke("migrate")
    assert told("migrate", "--down-to", "nope", "--yes") == (
        "Error: the database cannot be migrated: Can't locate revision identified by 'nope'\n"
    )


def test_without_a_terminal_nothing_is_emptied_that_was_not_meant(folder: Path) -> None:
    invoke("list")
    ledger = f"sqlite:///{folder / 'space.state' / 'ledger.sqlite3'}"
    assert told("migrate", "--down-to", "base") == (
        f"Error: every task, run and memory in it would be lost ({ledger}): "
        "say --yes if that is meant\n"
    )
    assert "daily_reflection" in invoke("list").stdout
    emptied = invoke("migrate", "--down-to", "base", "--yes").stdout
    assert emptied == f"the database {ledger} is at base\n"


@pytest.mark.parametrize("answer", ["y", "n"])
def test_at_a_terminal_it_is_asked_whether_that_is_meant(
    folder: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    invoke("migrate")
    monkeypatch.setattr("app.cli._is_at_a_terminal", lambda: True)
    result = CliRunner().invoke(persona, ["migrate", "--down-to", "base"], input=f"{answer}\n")
    assert "This removes every task, run and memory in it. [y/N]" in result.stdout
    assert (result.exit_code == 0, " is at base\n" in result.stdout) == (
        (True, True) if answer == "y" else (False, False)
    )


def test_what_does_not_exist_is_not_made_to_be_emptied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERSONA_SPACE", str(tmp_path / "space"))
    assert "No such file or directory" in told("migrate", "--down-to", "base", "--yes")
    assert list(tmp_path.iterdir()) == []


COMMANDS = ["list", "migrate"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_state_folder_that_cannot_be_made_is_told_in_a_sentence(
    folder: Path, command: str
) -> None:
    (folder / "space.state").touch()
    assert f"STATE_DIR: the folder cannot be made: [Errno 17] File exists: '{folder}" in told(
        command
    )
    with pytest.raises(SettingsError, match="STATE_DIR"):
        prepare(read_settings({"PERSONA_SPACE": "/proc/x"}), [])


@pytest.mark.parametrize("command", COMMANDS)
def test_a_damaged_ledger_is_told_in_a_sentence_that_names_it(folder: Path, command: str) -> None:
    ledger = folder / "space.state" / "ledger.sqlite3"
    ledger.parent.mkdir()
    ledger.write_text("garbage\n")
    assert told(command) == (
        f"Error: the database {ledger} is damaged (file is not a database): "
        "restore it from a backup, or move it away and begin with an empty one\n"
    )
    with pytest.raises(LedgerUnavailable, match="is damaged"):
        prepare(read_settings({"PERSONA_SPACE": str(folder / "space")}), [])


def test_the_log_goes_to_stderr_as_the_settings_say(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG_FORMAT", "json")
    result = invoke("run", "daily_reflection")
    logged = [json.loads(line) for line in result.stderr.splitlines() if line.startswith("{")]
    assert "run.finished" in [event["event"] for event in logged]
    assert "run.finished" not in result.stdout


def test_a_run_that_fails_tells_its_reason_and_its_error_on_stderr(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERSONA_BACKEND", "service")
    monkeypatch.setenv("PERSONA_URL", "http://127.0.0.1:9")
    said = told("run", "daily_reflection").splitlines()[-1]
    assert re.match(r"failed, run \w+: persona_unreachable: .*127\.0\.0\.1", said)


def owe_a_run_of(*definitions: Mapping[str, Any]) -> None:
    """Have tasks that nobody has looked at for two hours, instead of the default ones."""
    clock = FakeClock(datetime.now(UTC) - timedelta(hours=2))
    services = build(read_settings(os.environ), clock=clock)
    make_state_dir(services.settings)
    upgrade(services.database)
    for one in definitions:
        services.registry.create({**one, "missed_window": "6h"}, OWNER)
    services.database.close()


def test_of_the_runs_that_were_due_each_that_failed_tells_its_reason_and_error_in_one_line(
    folder: Path,
) -> None:
    promised = {"expects": [{"path": "scratch/long.md", "min_bytes": 8_000_000}]}
    owe_a_run_of(
        definition("goes_well", schedule="hourly"),
        definition("writes_little", schedule="hourly", **promised),
    )
    result = invoke("execute-due")
    assert result.exit_code == 0, result.output
    executed, *lines = result.stdout.splitlines()
    assert executed == "executed 2"
    well, little = sorted(lines)
    assert well == "  goes_well: succeeded"
    assert re.fullmatch(r"  writes_little: failed, run \w{26}: no_effect: .*long\.md.*", little)


def test_what_somebody_named_gives_a_terminal_no_orders(folder: Path) -> None:
    name = "Tea\x1b[2J\nschedule: hourly \u202egnp"
    owe_a_run_of(definition("tea", name=name, prompt="Think.\n\tAgain.\x1b[1m 👩‍🌾"))
    shown = invoke("show", "tea").stdout
    assert "name: Tea\\x1b[2J\\nschedule: hourly \\u202egnp\n" in shown
    assert "prompt: Think.\n\tAgain.\\x1b[1m 👩‍🌾\n" in shown
    assert "\x1b" not in shown + invoke("list").stdout


def test_runs_of_a_task_that_never_was_are_not_found_and_those_of_a_deleted_one_are(
    folder: Path,
) -> None:
    assert told("runs", "--task", "nope").endswith("Error: Task not found: nope\n")
    assert invoke("runs", "--task", "daily_reflection").exit_code == 0
    invoke("run", "daily_reflection")
    invoke("delete", "daily_reflection")
    found = invoke("runs", "--task", "daily_reflection")
    assert (found.exit_code, found.stdout.count("succeeded")) == (0, 1)
    none = invoke("runs", "--task", "daily_reflection", "--status", "failed")
    assert (none.exit_code, none.stdout.count("\n")) == (0, 1)


def test_the_version_is_told() -> None:
    assert invoke("--version").stdout == f"persona-tasks, version {__version__}\n"


def test_a_preview_says_what_may_surprise(folder: Path) -> None:
    said = invoke("preview", "0 0 13 * 5", "--count", "1").stdout.splitlines()
    assert len(said) == 3
    assert said[2].startswith("mind: day-of-month 13 OR day-of-week 5: ")
    assert "mind" not in invoke("preview", "daily").stdout


def test_a_preview_shows_the_time_of_the_zone_beside_utc(folder: Path) -> None:
    arguments = ("preview", "at 2030-07-01T09:00", "--timezone")
    assert invoke(*arguments, "Europe/Berlin").stdout.splitlines()[1] == (
        "  2030-07-01T07:00:00Z  2030-07-01T09:00:00+02:00"
    )
    assert invoke(*arguments, "UTC").stdout.splitlines()[1] == "  2030-07-01T09:00:00Z"


def test_the_zone_of_a_schedule_and_the_time_of_a_run_by_hand_are_listed(folder: Path) -> None:
    owe_a_run_of(definition("tea", timezone="Asia/Tokyo"))
    head, line = invoke("list").stdout.splitlines()
    assert head.split()[:3] == ["task", "schedule", "zone"]
    assert line.split()[:3] == ["tea", "daily", "Asia/Tokyo"]
    invoke("run", "tea")
    _, line = invoke("runs").stdout.splitlines()
    assert re.match(r"\w{26}  tea +\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ  manual  succeeded", line)
