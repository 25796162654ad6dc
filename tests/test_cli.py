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
    """A folder with a space of its own in it."""
    monkeypatch.setenv("PERSONA_SPACE", str(tmp_path / "space"))
    return tmp_path


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(persona, arguments)


def told(*arguments: str) -> str:
    """Return what a command that fails says."""
    result = invoke(*arguments)
    assert isinstance(result.exception, SystemExit), result.exception
    assert (result.exit_code, result.stdout) == (1, "")
    return result.stderr


def test_a_revision_that_does_not_exist_is_told_in_a_sentence(folder: Path) -> None:
    assert told("migrate", "--down-to", "nope") == (
        "Error: the database cannot be migrated: Can't locate revision identified by 'nope'\n"
    )


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
