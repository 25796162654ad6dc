"""Memories on the command line."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from app.cli import persona
from app.config import read_settings

TEA = {"text": "Tea with Ada", "at": "2026-11-20T09:00:00Z", "kind": "interaction"}


@pytest.fixture
def space(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A space of its own, on each database."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("PERSONA_SPACE", str(tmp_path / "space"))
    (tmp_path / "space").mkdir()
    return tmp_path


def memories(*arguments: str) -> Result:
    return CliRunner().invoke(persona, ["memories", *arguments])


def written(space: Path, *lines: object) -> str:
    path = space / "memories.jsonl"
    path.write_bytes(
        b"\n".join(one if isinstance(one, bytes) else json.dumps(one).encode() for one in lines)
    )
    return str(path)


def test_an_import_may_be_repeated_and_doubles_nothing(space: Path) -> None:
    file = written(space, TEA, {**TEA, "at": "2026-11-21T09:00:00Z"}, {"text": "Undated"}, b"")
    assert memories("import", file).stdout.splitlines()[-1] == "imported 3, known already 0"
    again = memories("import", file)
    assert again.exit_code == 0
    assert again.stdout.splitlines()[-1] == "imported 0, known already 3"


def test_lines_that_are_wrong_are_named_and_the_rest_is_imported(space: Path) -> None:
    too_long = b'{"text": "' + b"x" * 3_000_000 + b'"}'
    file = written(
        space,
        *(TEA, b"nope", b"", {"text": ""}, too_long, [1], {**TEA, "origin": "chat"}, b"\xff"),
        *({"text": "Kept", "metadata": {"a": 1}}, {**TEA, "at": "yesterday"}),
    )
    result = memories("import", file)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1] == "imported 2, known already 0"
    told = result.stderr.splitlines()
    named = [line.split(":")[0] for line in told if line.startswith("line ")]
    assert named == [f"line {number}" for number in (2, 4, 5, 6, 7, 8, 10)]
    assert "line 6: must be a JSON object" in told
    assert "line 7: origin is not known here" in told
    assert told[-1] == "left out 7"


def test_a_line_with_too_much_metadata_is_left_out(space: Path) -> None:
    deep: Any = json.loads("[" * 12 + "]" * 12)
    file = written(
        space,
        *({**TEA, "metadata": {"a": deep}}, {**TEA, "metadata": {"a": "x" * 70_000}}, TEA),
    )
    result = memories("import", file)
    assert result.stdout.splitlines()[-1] == "imported 1, known already 0"
    told = [line for line in result.stderr.splitlines() if line.startswith("line ")]
    assert [line[: len("line 1: metadata")] for line in told] == [
        "line 1: metadata",
        "line 2: metadata",
    ]


def test_what_was_imported_is_listed_and_found(space: Path) -> None:
    memories("import", written(space, TEA, {**TEA, "text": "Coffee\nwith Bo", "kind": "note"}))
    listed = memories("list", "--kind", "note", "--since", "2026-11-20T00:00Z").stdout
    assert listed.splitlines()[-1].endswith("import  Coffee with Bo")
    assert "Tea" not in listed
    found = memories("search", "ada", '"', "(tea").stdout.splitlines()
    assert found[-1].endswith("interaction  import  Tea with Ada")
    assert found[-2].startswith("score")
    assert "Tea" not in memories("search", "ada", "--until", "2026-11-20T09:00Z").stdout


def test_more_than_one_batch_is_imported(space: Path) -> None:
    file = written(space, *({"text": f"thought {number}"} for number in range(1101)))
    assert memories("import", file).stdout.splitlines()[-1] == "imported 1101, known already 0"


def test_without_a_model_there_are_no_vectors_to_make(space: Path) -> None:
    memories("list")  # makes the space, of which the log tells on stderr
    result = memories("embed")
    assert (result.exit_code, result.stderr) == (1, "Error: EMBEDDING_MODEL is not set\n")


@pytest.mark.parametrize("command", [["list"], ["search", "tea"]])
def test_a_kind_that_none_can_be_is_refused(space: Path, command: list[str]) -> None:
    refused = memories(*command, "--kind", 'a" OR "b')
    assert refused.exit_code == 2
    assert "must be 1 to 32 of" in refused.output


def test_the_list_of_settings_shows_no_secret(space: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {
        "API_TOKEN": "a-token-" + "t" * 32,
        "PERSONA_API_KEY": "a-key-that-nobody-may-see",
        "PERSONA_URL": "http://ada:a-word-that-nobody-may-see@127.0.0.1:9/v1",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    shown = CliRunner().invoke(persona, ["settings"]).output
    assert [name for name, value in secrets.items() if value in shown] == []
    assert "nobody-may-see" not in repr(read_settings({**secrets}))
    assert all(f"{name}=***" in shown for name in secrets)
    assert "PERSONA_MAX_TOKENS_PER_RUN=200000" in shown
