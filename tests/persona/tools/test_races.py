"""Thirty thousand calls of tools while a folder and a link outside change places: none gets out."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import pytest

from app.core.clock import SystemClock
from app.persona.openat import Opener, Walk, best_opener
from tests.persona.given import a_real_deadline, put
from tests.persona.tools.given import Calling, file_tools
from tests.persona.treachery import SECRET, everything, swapping

READS = 6_000
CHANGES = 6_000
_MOST = 10 * READS


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: nothing here is about what is on disk."""
    memory = Path("/dev/shm")
    if not memory.is_dir():
        yield tmp_path
        return
    folder = Path(tempfile.mkdtemp(dir=memory))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(params=["kernel", "walk"])
def calling(request: pytest.FixtureRequest, place: Path) -> Calling:
    opener: Opener = Walk() if request.param == "walk" else best_opener()
    put(place, "outside/secret.md", SECRET)
    put(place, "space/door/secret.md", "harmless")
    tools = file_tools(place / "space", opener, SystemClock())
    return Calling(tools, deadline=a_real_deadline(250))


READING = [
    ("read_file", {"path": "door/secret.md"}),
    ("list_files", {"directory": "door"}),
    ("search_files", {"query": "e"}),
]

CHANGING = [
    ("write_file", {"path": "door/new.md", "content": "one"}),
    ("append_file", {"path": "door/new.md", "content": "two"}),
    ("edit_file", {"path": "door/new.md", "old": "one", "new": "three"}),
    ("append_file", {"path": "door/deep/new.md", "content": "four"}),
    ("move_file", {"source": "door/new.md", "target": "door/moved.md"}),
    ("move_file", {"source": "door/moved.md", "target": "door/secret.md"}),
    ("delete_file", {"path": "door/moved.md"}),
    ("delete_file", {"path": "door/deep/new.md"}),
]


def test_a_folder_that_becomes_a_link_never_leads_what_is_read_outside(
    calling: Calling, place: Path
) -> None:
    seen: Counter[bool] = Counter()
    with swapping(place / "space" / "door", place / "outside"):
        for name, arguments in islice(cycle(READING), _MOST):
            answer = calling.answer(name, **arguments)
            assert SECRET not in answer.text
            seen[name == "read_file" and bool(answer.note["ok"])] += name == "read_file"
            if seen.total() >= READS // len(READING) and len(+seen) == 2:
                break
    assert seen[True], "the race must sometimes find the folder"
    assert seen[False], "and sometimes the link"


def test_a_file_that_becomes_a_link_never_leads_what_is_read_outside(
    calling: Calling, place: Path
) -> None:
    put(place, "space/swapped.md", "harmless")
    seen: Counter[bool] = Counter()
    with swapping(place / "space" / "swapped.md", place / "outside" / "secret.md"):
        for _ in range(_MOST):
            answer = calling.answer("read_file", path="swapped.md")
            assert SECRET not in answer.text
            seen[bool(answer.note["ok"])] += 1
            if seen.total() >= READS // 2 and len(+seen) == 2:
                break
    assert seen[True]
    assert seen[False]


def test_a_folder_that_becomes_a_link_never_leads_what_is_written_outside(
    calling: Calling, place: Path
) -> None:
    before = everything(place / "outside")
    done: Counter[tuple[str, bool]] = Counter()
    with swapping(place / "space" / "door", place / "outside"):
        for name, arguments in islice(cycle(CHANGING), _MOST):
            done[name, bool(calling.answer(name, **arguments).note["ok"])] += 1
            if done.total() >= CHANGES and len(+done) == 10:
                break
    assert everything(place / "outside") == before
    assert len(+done) == 10, "each of five tools must sometimes work and sometimes be refused"


def test_there_are_thirty_thousand_calls() -> None:
    assert 2 * (READS + READS // 2 + CHANGES) >= 30_000
