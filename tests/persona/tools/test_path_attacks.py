"""Whatever path a tool is given: nothing outside is read or changed, and nothing inside breaks."""

from pathlib import Path

import pytest

from app.persona.openat import Opener, Walk, best_opener
from tests.persona.given import put
from tests.persona.tools.given import Calling, file_tools
from tests.persona.treachery import SECRET, TRAPS, everything, plant

PATHS = {
    "the folder above": "../outside/secret.md",
    "two folders above": "../../etc/passwd",
    "up again from a folder": "scratch/../../outside/secret.md",
    "up and back": "scratch/../scratch/notes.md",
    "up from nowhere": "no/such/../../../outside/secret.md",
    "up after a dot": "./../outside/secret.md",
    "up with many slashes": "scratch//..//..//outside/secret.md",
    "up at the end": "scratch/..",
    "up twice at the end": "scratch/../..",
    "only up": "..",
    "up with a slash": "../",
    "absolute": "/etc/passwd",
    "absolute with two slashes": "//etc/passwd",
    "absolute with a dot": "/./etc/passwd",
    "absolute into the process": "/proc/self/environ",
    "absolute into its root": "/proc/self/root/etc/passwd",
    "absolute into its folder": "/proc/self/cwd/setup.cfg",
    "absolute into its descriptors": "/proc/self/fd/0",
    "absolute by device": "/dev/zero",
    "only a slash": "/",
    "nothing": "",
    "blank": " ",
    "a dot": ".",
    "a dot with a slash": "./",
    "three dots": "...",
    "dots in a folder": "scratch/...",
    "backslashes upwards": "..\\outside\\secret.md",
    "backslashes within": "scratch\\notes.md",
    "a drive": "C:\\Windows\\win.ini",
    "a network share": "\\\\server\\share",
    "NUL at the end": "scratch/notes.md\x00",
    "NUL before an ending": "../outside/secret.md\x00.md",
    "NUL in a folder": "scratch\x00/notes.md",
    "a line break": "scratch/no\ntes.md",
    "a carriage return": "scratch/notes.md\r",
    "an escape sequence": "scratch/\x1b[2Jnotes.md",
    "text turned round": "scratch/notes\u202edm.md",
    "a line separator": "scratch/notes\u2028.md",
    "a mark of no width": "scratch/notes\u200b.md",
    "a byte order mark": "\ufeffscratch/notes.md",
    "half a character": "scratch/\ud800.md",
    "a leader of two dots": "\u2025/outside/secret.md",
    "wide dots": "\uff0e\uff0e/outside/secret.md",
    "a wide slash": "..\uff0foutside\uff0fsecret.md",
    "a wide backslash": "scratch\uff3cnotes.md",
    "a hidden file": ".hidden.md",
    "a hidden folder": "scratch/.secret/notes.md",
    "a file that is being written": "scratch/.notes.md.tmp",
    "git": ".git/config",
    "a file as a folder": "scratch/notes.md/more.md",
    "a file with a slash": "scratch/notes.md/",
    "a file and up": "scratch/notes.md/..",
    "encoded slashes": "..%2foutside%2fsecret.md",
    "a folder": "scratch",
    "a folder with a slash": "scratch/",
    "a name with a dot at its end": "scratch/notes.md.",
    "a name with a blank at its end": "scratch/notes.md ",
    "a name with a blank before it": "scratch/ notes.md",
    "a folder with a dot at its end": "scratch./notes.md",
    "a name that is too long": "a" * 300 + ".md",
    "a path that is too long": "a/" * 600 + "a.md",
    "a path that is too deep": "a/" * 9 + "a.md",
    "a very long way up": "../" * 300 + "etc/passwd",
    "a home with a way up": "~/../../etc/passwd",
}

SERVICE = {
    "its file": "tasks/tasks.json",
    "a new file": "tasks/new.md",
    "a result": "tasks/results/new.json",
    "with a dot": "./tasks/tasks.json",
    "with two slashes": "tasks//tasks.json",
    "capital letter": "Tasks/tasks.json",
    "capital letters": "TASKS/tasks.json",
    "a long s": "ta\u017fks/tasks.json",
    "wide letters": "\uff54\uff41\uff53\uff4b\uff53/tasks.json",
    "a blank after it": "tasks /tasks.json",
    "a dot after it": "tasks./tasks.json",
    "itself": "tasks",
    "itself with a slash": "tasks/",
}

HARMLESS = {
    "encoded": "%2e%2e/outside/secret.md",
    "a home": "~/notes.md",
    "a variable": "$HOME/notes.md",
    "a command": "$(id).md",
    "an option": "-rf",
    "a pattern": "scratch/*.md",
    "an address": "file:scratch/notes.md",
    "letters of another script": "scratch/n\u043etes.md",
}


@pytest.fixture(params=["kernel", "walk"])
def opener(request: pytest.FixtureRequest) -> Opener:
    return Walk() if request.param == "walk" else best_opener()


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    put(tmp_path, "outside/secret.md", SECRET)
    return tmp_path / "outside"


@pytest.fixture
def root(tmp_path: Path, outside: Path) -> Path:
    root = tmp_path / "space"
    put(root, "scratch/notes.md", "mine\n")
    put(root, "tasks/tasks.json", '{"tasks": []}')
    return root


def calls(path: str) -> list[tuple[str, dict[str, str]]]:
    """Return one call of every tool that changes a file of this path, or reads it."""
    return [
        ("read_file", {"path": path}),
        ("write_file", {"path": path, "content": "x"}),
        ("append_file", {"path": path, "content": "x"}),
        ("edit_file", {"path": path, "old": "secret", "new": "x"}),
        ("delete_file", {"path": path}),
        ("move_file", {"source": path, "target": "scratch/moved.md"}),
        ("move_file", {"source": "scratch/notes.md", "target": path}),
    ]


def assert_all_refuse(root: Path, opener: Opener, path: str, *, reads: bool) -> None:
    before = everything(root.parent)
    folders = sorted(p for p in root.parent.rglob("*") if p.is_dir())
    calling = Calling(file_tools(root, opener))
    for name, arguments in calls(path):
        if reads or name != "read_file":
            text = calling.refused(name, **arguments)
            assert SECRET not in text
            assert str(root) not in text
    for name, argument in [("list_files", "directory"), ("search_files", "query")]:
        assert "secret.md" not in calling.answer(name, **{argument: path}).text.splitlines()[1:]
    assert SECRET not in calling.answer("search_files", query="somebody").text.partition("\n")[2]
    assert everything(root.parent) == before
    assert sorted(p for p in root.parent.rglob("*") if p.is_dir()) == folders


def test_there_are_enough_attacks() -> None:
    assert len(PATHS) + len(TRAPS) >= 60


@pytest.mark.parametrize("attack", PATHS)
def test_a_path_that_is_not_simply_a_file_below_is_refused_by_every_tool(
    root: Path, opener: Opener, attack: str
) -> None:
    assert_all_refuse(root, opener, PATHS[attack], reads=True)


@pytest.mark.parametrize("trap", TRAPS)
def test_what_is_no_plain_file_is_refused_by_every_tool(
    root: Path, outside: Path, opener: Opener, trap: str
) -> None:
    assert_all_refuse(root, opener, plant(root, outside, trap), reads=True)


@pytest.mark.parametrize("attack", SERVICE)
def test_the_folder_of_the_service_is_refused_by_every_tool_that_changes(
    root: Path, opener: Opener, attack: str
) -> None:
    assert_all_refuse(root, opener, SERVICE[attack], reads=False)


def test_the_folder_of_the_service_is_read(root: Path) -> None:
    calling = Calling(file_tools(root))
    assert '{"tasks": []}' in calling.ok("read_file", path="tasks/tasks.json")
    assert "tasks.json" in calling.ok("list_files", directory="tasks")


@pytest.mark.parametrize("attack", HARMLESS)
def test_a_name_that_only_looks_dangerous_is_a_name(
    root: Path, outside: Path, opener: Opener, attack: str
) -> None:
    calling = Calling(file_tools(root, opener))
    path = HARMLESS[attack]
    for name, arguments in [
        ("write_file", {"path": path, "content": "the secret\n"}),
        ("append_file", {"path": path, "content": "x\n"}),
        ("edit_file", {"path": path, "old": "the secret", "new": "mine"}),
    ]:
        calling.ok(name, **arguments)
    assert "mine\n\nx\n" in calling.ok("read_file", path=path)
    assert (root / path).read_text() == "mine\n\nx\n"
    calling.ok("delete_file", path=path)
    assert everything(outside) == [("secret.md", SECRET.encode())]
