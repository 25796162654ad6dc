"""The persona's files over HTTP: as older clients read them, and nothing beyond the space."""

import json
import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from app import create_app
from app.config import Settings
from app.persona.space import MOST_ENTRIES, Space
from app.persona.window import MOST_SHOWN, Window
from app.wiring import Services
from tests.conftest import on_sqlite

pytestmark = on_sqlite
SECRET = "the secret of somebody else"


def body_of(response: Any) -> Any:
    return json.loads(response.data)


@pytest.fixture
def space(settings: Settings, services: Services) -> Path:
    """The space of the service: a few notes, and every way out that a file system knows."""
    root = settings.persona_space
    (root / "scratch" / "notes.md").write_text("mine, grün\n", encoding="utf-8")
    (root / "scratch" / ".hidden.md").write_text(SECRET)
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "secret.md").write_text(SECRET)
    (root / "scratch" / "link.md").symlink_to(outside / "secret.md")
    (root / "scratch" / "out").symlink_to(outside)
    os.link(outside / "secret.md", root / "scratch" / "second_name.md")
    os.mkfifo(root / "scratch" / "pipe.md")
    with socket.socket(socket.AF_UNIX) as door:
        here = Path.cwd()
        os.chdir(root / "scratch")
        door.bind("socket.md")
        os.chdir(here)
    return root


def test_info_shows_the_space_without_its_place_on_the_machine(
    client: FlaskClient, space: Path
) -> None:
    response = client.get("/api/persona/info")
    info = body_of(response)
    assert list(info) == [
        "file_tree",
        "capabilities",
        "current_emotional_state",
        "persona_space",
    ]
    assert info["persona_space"] == "space"
    assert info["current_emotional_state"] == {
        "in_words": "neither pleasant nor unpleasant, even, steady",
        "valence": 0.0,
        "arousal": 0.5,
        "dominance": 0.5,
    }
    assert info["file_tree"]["scratch/"] == {"README.md": "file", "notes.md": "file"}
    assert info["file_tree"]["tasks/"]["tasks.json"] == "file"
    assert "journals" in info["capabilities"]
    assert str(space.parent) not in response.text


def test_info_shows_the_mood_and_the_capabilities_of_whoever_knows_them(
    settings: Settings, services: Services, space: Path
) -> None:
    window = Window(Space(space), capabilities=lambda: "It sings.", mood=lambda: {"valence": 0.5})
    knowing = replace(services, window=window)
    client = create_app(settings, services_factory=lambda: knowing).test_client()
    info = body_of(client.get("/api/persona/info"))
    assert info["current_emotional_state"] == {"valence": 0.5}
    assert info["capabilities"] == "It sings."


def test_files_gives_the_names_of_a_folder(client: FlaskClient, space: Path) -> None:
    top = body_of(client.get("/api/persona/files"))
    assert top["directory"] == "."
    assert {"README.md", "scratch", "tasks"} <= set(top["files"])
    assert body_of(client.get("/api/persona/files?directory=scratch")) == {
        "directory": "scratch",
        "files": ["README.md", "notes.md"],
    }


def test_file_gives_the_text_of_a_file(client: FlaskClient, space: Path) -> None:
    response = client.get("/api/persona/file/scratch/notes.md")
    assert body_of(response) == {"file_path": "scratch/notes.md", "content": "mine, grün\n"}
    assert "tasks" in body_of(client.get("/api/persona/file/tasks/tasks.json"))["content"]


def test_a_page_that_a_model_wrote_comes_as_data_and_never_as_a_page(
    client: FlaskClient, space: Path
) -> None:
    (space / "scratch" / "page.html").write_text("<script>alert(1)</script>")
    response = client.get("/api/persona/file/scratch/page.html")
    assert response.mimetype == "application/json"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert body_of(response)["content"] == "<script>alert(1)</script>"


def test_damaged_text_is_replaced_and_a_long_file_is_cut_and_says_so(
    client: FlaskClient, space: Path
) -> None:
    (space / "scratch" / "odd.md").write_bytes(b"a\xffb")
    assert body_of(client.get("/api/persona/file/scratch/odd.md"))["content"] == "a\ufffdb"
    (space / "scratch" / "long.md").write_bytes(b"x" * (MOST_SHOWN + 1))
    long = body_of(client.get("/api/persona/file/scratch/long.md"))
    assert (len(long["content"]), long["complete"]) == (MOST_SHOWN, False)


def test_browse_gives_folders_and_files_with_size_and_time(
    client: FlaskClient, space: Path
) -> None:
    (space / "scratch" / "drafts").mkdir()
    os.utime(space / "scratch" / "drafts", (0, 0))
    os.utime(space / "scratch" / "notes.md", (1_763_000_000, 1_763_000_000))
    browsed = body_of(client.get("/api/persona/browse?directory=scratch"))
    assert list(browsed) == ["current_directory", "items", "total"]
    assert browsed["current_directory"] == "scratch"
    assert [item["name"] for item in browsed["items"]] == ["drafts", "README.md", "notes.md"]
    assert browsed["total"] == 3
    assert browsed["items"][0] == {
        "name": "drafts",
        "path": "scratch/drafts",
        "type": "directory",
        "size": 0,
        "modified": "1970-01-01T00:00:00Z",
    }
    assert browsed["items"][2] == {
        "name": "notes.md",
        "path": "scratch/notes.md",
        "type": "file",
        "size": 12,
        "modified": "2025-11-13T02:13:20Z",
    }
    assert body_of(client.get("/api/persona/browse"))["current_directory"] == "."


NO_FILES = [
    "missing.md",
    "scratch",
    "scratch/",
    "..",
    "../outside/secret.md",
    "scratch/../../outside/secret.md",
    "%2e%2e/outside/secret.md",
    "scratch/%2e%2e/%2e%2e/outside/secret.md",
    "%2e%2e%2foutside%2fsecret.md",
    "%252e%252e/outside/secret.md",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "//etc/passwd",
    "scratch/notes.md%00",
    "scratch/notes.md%00.txt",
    "scratch/no%0ates.md",
    "scratch%5cnotes.md",
    "scratch/.hidden.md",
    "scratch/link.md",
    "scratch/out/secret.md",
    "scratch/second_name.md",
    "scratch/pipe.md",
    "scratch/socket.md",
    "scratch/%ff.md",
    "scratch/notes.md/more.md",
    "a" * 300,
    "a/" * 600,
]


@pytest.mark.parametrize("path", NO_FILES)
def test_what_is_refused_or_missing_is_a_404_problem_alike(
    client: FlaskClient, space: Path, path: str
) -> None:
    response = client.get(f"/api/persona/file/{path}")
    assert response.status_code == 404
    assert response.mimetype == "application/problem+json"
    assert SECRET not in response.text
    assert str(space.parent) not in response.text


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("scratch", "`scratch` is a folder"),
        ("scratch/link.md", "`scratch/link.md` is a symbolic link, or lies behind one"),
        ("scratch/out/secret.md", "`scratch/out/secret.md` is a symbolic link, or lies behind one"),
        ("scratch/second_name.md", "`scratch/second_name.md` has 2 names (hard links)"),
        ("scratch/pipe.md", "`scratch/pipe.md` is a pipe, a socket or a device"),
    ],
)
def test_what_is_no_plain_file_is_said_to_be_what_it_is(
    client: FlaskClient, space: Path, path: str, what: str
) -> None:
    assert body_of(client.get(f"/api/persona/file/{path}"))["detail"].startswith(what)


NO_FOLDERS = [
    "missing",
    "..",
    "../outside",
    "scratch/..",
    "%2e%2e",
    "/",
    "/etc",
    "%00",
    "scratch%00",
    ".state",
    "scratch/out",
    "scratch/notes.md",
    "scratch/pipe.md",
    "%ed%a0%80",
]


@pytest.mark.parametrize("door", ["files", "browse"])
@pytest.mark.parametrize("directory", NO_FOLDERS)
def test_a_folder_that_is_refused_or_missing_is_a_404_problem_alike(
    client: FlaskClient, space: Path, door: str, directory: str
) -> None:
    response = client.get(f"/api/persona/{door}?directory={directory}")
    assert response.status_code == 404
    assert body_of(response)["type"] == "/problems/no-such-file"
    assert SECRET not in response.text


def test_without_a_space_everything_is_503(client: FlaskClient, space: Path) -> None:
    space.rename(space.with_name("gone"))
    for path in ("info", "files", "file/scratch/notes.md", "browse"):
        assert client.get(f"/api/persona/{path}").status_code == 503


def test_of_a_folder_with_too_many_entries_five_thousand_are_listed(
    client: FlaskClient, space: Path
) -> None:
    (space / "many").mkdir()
    for number in range(MOST_ENTRIES):
        (space / "many" / f"{number:04}.md").touch()
    exactly = body_of(client.get("/api/persona/files?directory=many"))
    assert len(exactly["files"]) == MOST_ENTRIES
    assert "complete" not in exactly
    (space / "many" / "one_more.md").touch()
    for door, key in (("files", "files"), ("browse", "items")):
        cut = body_of(client.get(f"/api/persona/{door}?directory=many"))
        assert len(cut[key]) == MOST_ENTRIES
        assert cut["complete"] is False
    tree = body_of(client.get("/api/persona/info"))["file_tree"]
    assert 0 < len(tree["many/"]) < MOST_ENTRIES


def test_a_deep_tree_is_shown_eight_folders_deep(client: FlaskClient, space: Path) -> None:
    deep = space.joinpath(*["d"] * 12)
    deep.mkdir(parents=True)
    tree, depth = body_of(client.get("/api/persona/info"))["file_tree"], 0
    while "d/" in tree:
        tree, depth = tree["d/"], depth + 1
    assert depth == 8
