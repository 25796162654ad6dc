"""Commands that are given other settings than the service, or another database than it knows."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app import migrations
from app.api.lifecycle import prepare
from app.cli import persona
from app.config import read_settings
from app.database import Database
from app.wiring import build

SERVICE = {"PERSONA_BACKEND": "service", "PERSONA_URL": "http://127.0.0.1:9"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PERSONA_SPACE", str(tmp_path / "space"))
    return tmp_path


@pytest.fixture
def database(
    folder: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Database]:
    """The ledger of a space whose service was started once."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    start(folder, DATABASE_URL=database_url)
    opened = Database(database_url)
    yield opened
    migrations.upgrade(opened)  # on PostgreSQL other tests have the same one
    opened.close()


def start(folder: Path, **environment: str) -> None:
    """Do what the master of a service does at its start."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        given = {"PERSONA_SPACE": str(folder / "space"), **environment}
        prepare(read_settings(given), [])


def ticking(folder: Path, **environment: str) -> Iterator[None]:
    services = build(read_settings({"PERSONA_SPACE": str(folder / "space"), **environment}))
    services.clockwork.start()
    yield
    services.stop()


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(persona, arguments)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize("command", [["list"], ["delete", "daily_reflection"], ["audit"], ["runs"]])
def test_a_command_that_forgot_where_the_ledger_is_does_nothing(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.delenv("DATABASE_URL")
    before = files(folder)
    result = invoke(*command)
    assert result.exit_code == 1
    assert "Error: the service of this space was started with DATABASE_URL=" in result.stderr
    assert files(folder) == before


def test_a_password_is_neither_kept_nor_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start(folder)
    noted = folder / "space.state" / "started-with.json"
    noted.write_text(json.dumps({"DATABASE_URL": "postgresql://me:***@localhost/x"}))
    assert "DATABASE_URL=postgresql://me:***@localhost/x: give" in invoke("list").stderr
    from app.started_with import note_start

    url = "postgresql://me:secret@localhost/x"
    note_start(read_settings({"PERSONA_SPACE": str(folder / "space")}), {"DATABASE_URL": url})
    assert "secret" not in noted.read_text()
    assert json.loads(noted.read_text()) == {"DATABASE_URL": "postgresql://me:***@localhost/x"}


def test_the_default_is_the_default_wherever_the_space_lies(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(folder)
    for name in ("space", "space.state"):
        (folder / name).rename(folder / name.replace("space", "moved"))
    monkeypatch.setenv("PERSONA_SPACE", str(folder / "moved"))
    assert "daily_reflection" in invoke("list").stdout


def test_a_service_that_is_started_with_others_is_the_one_that_counts(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL")
    start(folder)
    assert "daily_reflection" in invoke("list").stdout


@pytest.mark.parametrize("command", [["run", "daily_reflection"], ["execute-due"], ["health"]])
def test_beside_a_service_a_command_asks_no_other_persona(
    folder: Path, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    start(folder, **SERVICE)
    alive = ticking(folder, **SERVICE)
    next(alive)
    result = invoke(*command)
    assert result.exit_code == 1
    assert "started with PERSONA_BACKEND=service PERSONA_URL=http://127.0.0.1:9: " in result.stderr
    assert invoke("list").exit_code == 0, "which asks nobody"
    next(alive, None)


def test_where_no_service_is_alive_a_command_may_ask_whom_it_likes(folder: Path) -> None:
    start(folder, **SERVICE)
    assert invoke("run", "daily_reflection").exit_code == 0


# ---- another revision


def test_a_command_leaves_a_database_of_another_revision_alone(
    database: Database, folder: Path
) -> None:
    migrations.downgrade(database, "0007")
    result = invoke("list")
    assert result.exit_code == 1
    assert "Error: the database is at revision 0007 and this program needs 0008: " in result.stderr
    assert migrations.current(database) == "0007"
    assert " is at 0008\n" in invoke("migrate").stdout
    assert "daily_reflection" in invoke("list").stdout


def test_under_a_service_the_database_is_not_migrated(
    database: Database, folder: Path, database_url: str
) -> None:
    alive = ticking(folder, DATABASE_URL=database_url)
    next(alive)
    for revision in ("0006", "base"):
        result = invoke("migrate", "--down-to", revision, "--yes")
        assert result.exit_code == 1
        assert "Error: a service works with " in result.stderr
        assert migrations.current(database) == "0008"
    assert invoke("migrate").exit_code == 0, "there is nothing to do"
    next(alive, None)
    assert " is at 0006\n" in invoke("migrate", "--down-to", "0006", "--yes").stdout
