"""What runs changed, over HTTP and on the command line: shown, taken back, told line by line."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from app.cli import persona as command_line
from app.config import Settings
from app.persona.client import Persona, Request
from app.persona.fakes import ScriptedPersona
from tests.conftest import on_sqlite
from tests.runs.hands import append, doing, write

EXECUTE = "/api/tasks/daily_reflection/execute"
JOURNAL = "scratch/daily_reflections.md"


def body_of(response: Any) -> Any:
    return json.loads(response.data)


@pytest.fixture
def root(settings: Settings) -> Path:
    return settings.persona_space


@pytest.fixture
def persona(root: Path) -> Persona:
    def journal(request: Request) -> None:
        append(root, JOURNAL, f"# {request.occasion.run_id}\n", request)

    def note(request: Request) -> None:
        write(root, "note.md", b"a note\n", request)

    return ScriptedPersona(otherwise=doing(journal, note), has_hands=True)


def test_a_run_is_shown_and_taken_back(client: FlaskClient, root: Path) -> None:
    first = body_of(client.post(EXECUTE))["run_id"]
    shown = body_of(client.get(f"/api/runs/{first}/diff"))
    assert shown == {
        "run_id": first,
        "files": [
            {
                "path": "note.md",
                "change": "created",
                "diff": "@@ -0,0 +1,1 @@\n+a note\n",
                "shared": False,
                "reverted": False,
            },
            {
                "path": JOURNAL,
                "change": "created",
                "diff": f"@@ -0,0 +1,1 @@\n+# {first}\n",
                "shared": False,
                "reverted": False,
            },
        ],
        "complete": True,
    }
    second = body_of(client.post(EXECUTE))["run_id"]
    response = client.post(f"/api/runs/{first}/revert")
    assert body_of(response) == {"reverted": ["note.md", JOURNAL], "conflicts": []}
    assert (root / JOURNAL).read_text() == f"\n# {second}\n"
    again = client.post(f"/api/runs/{first}/revert")
    assert (again.status_code, body_of(again)["type"]) == (409, "/problems/nothing-to-revert")
    history = body_of(client.get(f"/api/space/history?path={JOURNAL}"))
    assert [(e["author"], e["run_id"], e["task_id"]) for e in history["entries"]] == [
        ("owner", first, "daily_reflection"),
        ("run", second, "daily_reflection"),
        ("run", first, "daily_reflection"),
    ]
    assert history["count"] == 3
    assert [(lines["first"], lines["last"], lines["run_id"]) for lines in history["lines"]] == [
        (1, 2, second)
    ]


@on_sqlite
def test_a_run_whose_task_expects_more_fails_without_effect(client: FlaskClient) -> None:
    client.patch(
        "/api/tasks/daily_reflection",
        json={"expects": [{"path": "other.md", "change": "created"}]},
    )
    result = body_of(client.post(EXECUTE))
    assert (result["success"], result["status"], result["reason"]) == (False, "failed", "no_effect")
    assert "`other.md` was not changed" in result["error"]
    run = body_of(client.get(f"/api/runs/{result['run_id']}"))
    assert [file["path"] for file in run["metadata"]["files"]] == ["note.md", JOURNAL]


@on_sqlite
@pytest.mark.parametrize(
    "path", ["nowhere.md", "../x", "/etc/passwd", "tasks/tasks.json", ".hidden", "scratch", "%00"]
)
def test_a_file_without_a_history_is_not_found(client: FlaskClient, path: str) -> None:
    assert client.get(f"/api/space/history?path={path}").status_code == 404


@on_sqlite
def test_a_history_without_a_path_is_refused(client: FlaskClient) -> None:
    assert client.get("/api/space/history").status_code == 422


@on_sqlite
def test_a_run_that_never_was_has_nothing_to_show(client: FlaskClient) -> None:
    assert client.get(f"/api/runs/{'0' * 26}/diff").status_code == 404
    assert client.post(f"/api/runs/{'0' * 26}/revert").status_code == 404


@on_sqlite
def test_one_command_takes_a_run_back(
    client: FlaskClient, settings: Settings, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = body_of(client.post(EXECUTE))["run_id"]
    monkeypatch.setenv("DATABASE_URL", settings.database_url)
    monkeypatch.setenv("PERSONA_SPACE", str(root))
    shown = CliRunner().invoke(command_line, ["diff", run_id])
    assert "note.md (created)" in shown.output
    assert "+a note" in shown.output
    taken = CliRunner().invoke(command_line, ["revert", run_id])
    assert (taken.exit_code, taken.stdout.splitlines()) == (
        0,
        ["reverted note.md", f"reverted {JOURNAL}"],
    )
    again = CliRunner().invoke(command_line, ["revert", run_id])
    assert again.exit_code == 1
    assert f"Run {run_id} has nothing to revert (it was reverted already)" in again.output


def test_a_run_whose_history_was_removed_is_a_problem_of_its_own(
    client: FlaskClient, settings: Settings, root: Path
) -> None:
    for path in ("note.md", JOURNAL):
        (root / path).write_text("mine\n")
    run_id = body_of(client.post(EXECUTE))["run_id"]
    shutil.rmtree(settings.state_dir / "history.git")
    shown = client.get(f"/api/runs/{run_id}/diff")
    taken = client.post(f"/api/runs/{run_id}/revert")
    for response in (shown, taken):
        assert (response.status_code, body_of(response)["type"]) == (410, "/problems/history-lost")
    assert run_id in body_of(taken)["detail"]
    assert (root / "note.md").read_text() == "a note\n"
    second = body_of(client.post(EXECUTE))["run_id"]
    assert client.get(f"/api/runs/{second}/diff").status_code == 200
