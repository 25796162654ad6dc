from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import SpaceError
from app.persona.client import Deadline, Request
from app.persona.errors import PersonaCancelled
from app.persona.prompting.parts import Excerpt, Parts, Remembered
from app.persona.prompting.sources import Sources
from app.persona.space import Space
from app.tasks.task import Expected
from tests.persona.given import NOW, a_deadline, a_request, a_task, put


def gathered(root: Path, request: Request | None = None, **sources: Any) -> Parts:
    source = Sources(space=Space(root), **sources)
    return source.gather(request or a_request(), ["recall"], [], a_deadline())


def test_an_empty_space_gives_only_task_and_occasion(tmp_path: Path) -> None:
    request = a_request()
    parts = gathered(tmp_path, request)
    assert (parts.task, parts.occasion) == (request.task, request.occasion)
    assert parts.tools == ["recall"]
    assert (parts.base_prompt, parts.self_instructions, parts.target) == (None, None, None)
    assert (parts.identity, parts.memories, parts.mood) == ([], (), "")


def test_what_the_persona_wrote_of_itself_is_read(tmp_path: Path) -> None:
    put(tmp_path, "meta/base_prompt.md", "Write plainly.")
    put(tmp_path, "meta/self_instructions.md", "  \n")
    put(tmp_path, "identity/desires.md", "To see the sea.")
    put(tmp_path, "identity/who_i_am.md", "I am Ada.")
    put(tmp_path, "identity/README.md", "What belongs here.")
    put(tmp_path, "identity/traits.json", "{}")
    parts = gathered(tmp_path)
    assert parts.base_prompt == Excerpt(path="meta/base_prompt.md", text="Write plainly.")
    assert parts.self_instructions is None
    assert [excerpt.text for excerpt in parts.identity] == ["I am Ada.", "To see the sea."]


def test_the_end_of_the_file_that_the_task_writes_to_is_read(tmp_path: Path) -> None:
    put(tmp_path, "scratch/notes.md", "old " * 10_000 + "new")
    put(tmp_path, "scratch/other.md", "of the contract")
    target = gathered(tmp_path).target
    assert target is not None
    assert target.path == "scratch/notes.md"
    assert target.text.endswith("old new")
    assert len(target.text) == 16_000
    task = a_task(expects=[Expected(path="scratch/other.md")])
    assert gathered(tmp_path, a_request(task)).target == Excerpt(
        path="scratch/other.md", text="of the contract"
    )


def test_a_link_out_of_the_space_is_not_followed(tmp_path: Path) -> None:
    secret = put(tmp_path, "secret.txt", "the key")
    space = tmp_path / "space"
    for path in ("meta/base_prompt.md", "identity/who_i_am.md", "scratch/notes.md"):
        (space / path).parent.mkdir(parents=True, exist_ok=True)
        (space / path).symlink_to(secret)
    parts = gathered(space)
    assert (parts.base_prompt, list(parts.identity), parts.target) == (None, [], None)


def test_others_are_asked_for_memories_and_mood(tmp_path: Path) -> None:
    memory = Remembered(at=NOW, kind="note", text="Rain.")
    parts = gathered(
        tmp_path,
        recall=lambda _request, _deadline: [memory],
        mood=lambda _request: "calm",
        target=lambda _request: Excerpt(path="x.md", text="end"),
    )
    assert (parts.memories, parts.mood) == ([memory], "calm")
    assert parts.target == Excerpt(path="x.md", text="end")


def test_a_part_that_cannot_be_had_is_left_out(tmp_path: Path) -> None:
    def damaged(_request: Request) -> str:
        raise SpaceError("the mood file is damaged")

    assert gathered(tmp_path, mood=damaged).mood == ""


def test_a_run_that_was_cancelled_meanwhile_ends(tmp_path: Path) -> None:
    def recall(_request: Request, _deadline: Deadline) -> Sequence[Remembered]:
        raise PersonaCancelled

    with pytest.raises(PersonaCancelled):
        gathered(tmp_path, recall=recall)
