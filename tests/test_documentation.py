"""What a user may meet is described: settings, outcomes, reasons, commands, routes, decisions."""

import re
from pathlib import Path

import pytest

from app import create_app
from app.cli import persona
from app.config import read_settings
from app.persona.tools.tool import Tool
from app.runs.run import OUTCOMES, REASONS
from app.settings_schema import SettingsSchema
from app.tasks.schema import KNOWN_FIELDS, READ_OUT, RESERVED_IDS
from app.wiring import build

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(SettingsSchema().fields))
def test_every_setting_is_described_with_its_default(name: str) -> None:
    field = SettingsSchema().fields[name]
    default = field.metadata.get("default", field.load_default)
    (line,) = [
        line
        for line in page("reference/settings.md").splitlines()
        if f"`{name}`" in line and line.startswith("|")
    ]
    assert str(field.metadata["help"]) in line
    assert str(default) in line


@pytest.mark.parametrize("outcome", sorted(OUTCOMES))
def test_every_outcome_is_described(outcome: str) -> None:
    assert f"| `{outcome}` |" in page("reference/outcomes.md")


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_every_reason_is_described_in_the_same_words(reason: str) -> None:
    (line,) = [
        line
        for line in page("reference/outcomes.md").splitlines()
        if line.startswith(f"| `{reason}` | ") and line.split("|")[2].strip() in OUTCOMES
    ]
    assert REASONS[reason].split(";")[0].split(":")[0][:40] in line


@pytest.mark.parametrize("command", sorted(persona.commands))
def test_every_command_is_described(command: str) -> None:
    assert re.search(rf"`{re.escape(command)}[ `]", page("reference/cli.md"))


@pytest.mark.parametrize("field", sorted(KNOWN_FIELDS | READ_OUT | RESERVED_IDS))
def test_every_field_of_a_task_and_every_reserved_word_is_described(field: str) -> None:
    assert f"`{field}`" in page("reference/tasks-json.md")


TOOLBOX = build(read_settings({})).being.toolbox


@pytest.mark.parametrize("tool", TOOLBOX.allowed(TOOLBOX.names), ids=lambda t: t.name)
def test_every_tool_is_described_with_its_arguments_and_limits(tool: Tool) -> None:
    assert tool.limits
    (section,) = [
        section
        for section in page("reference/tools.md").split("\n## ")
        if section.startswith(f"`{tool.name}`\n")
    ]
    assert tool.explanation in section
    for name, shape in tool.parameters()["properties"].items():
        (line,) = [line for line in section.splitlines() if line.startswith(f"| `{name}` | ")]
        assert shape["description"] in line


def test_every_route_is_described() -> None:
    described = page("reference/api.md")
    app = create_app(read_settings({}))
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:[^:>]*(?:\([^)]*\))?:)?([a-z_]+)>", r"{\1}", rule.rule)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            if "asset" not in rule.endpoint:
                assert f"{method} {path}" in described, f"{method} {path}"


def test_every_decision_is_listed_and_every_link_leads_somewhere() -> None:
    listed = page("adr/README.md")
    for decision in (DOCS / "adr").glob("0*.md"):
        assert decision.name in listed
    for document in [ROOT / "README.md", *DOCS.rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)", document.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_every_word_stands_in_the_glossary_once() -> None:
    words = re.findall(r"^\| \*\*(.+?)\*\* \|", page("glossary.md"), re.MULTILINE)
    assert "persona" in words
    assert [word for word in words if words.count(word) > 1] == []


def test_the_readme_begins_with_the_two_commands() -> None:
    head = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:12]
    assert any(line.strip().startswith("make run") for line in head)
    assert any(line.strip().startswith("make test") for line in head)


def test_the_reasons_that_the_code_gives_are_the_ones_described() -> None:
    given = set()
    for module in (ROOT / "app").rglob("*.py"):
        text = module.read_text(encoding="utf-8")
        given |= set(re.findall(r"\breason(?:: str)? ?= ?\"([a-z_]+)\"", text))
    assert given <= set(REASONS), given - set(REASONS)


def test_the_row_about_other_machines_lets_them_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (row,) = re.findall(
        r"^\| let other machines in \| `(.*?)`", (ROOT / "README.md").read_text(), re.MULTILINE
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".persona-token").write_text("k" * 64)
    given = dict(setting.split("=", 1) for setting in row.split())
    given["API_TOKEN_FILE"] = str(Path(given["API_TOKEN_FILE"]).expanduser())
    client = create_app(read_settings(given)).test_client()
    headers = {"Host": f"{given['ALLOWED_HOSTS']}:8000", "Authorization": f"Bearer {'k' * 64}"}
    assert client.get("/api/openapi.json", headers=headers).status_code == 200
