from datetime import timedelta
from typing import Any

import pytest

from app.persona.prompting.assemble import Prompt, assemble
from app.persona.prompting.fence import Fence
from app.persona.prompting.parts import Excerpt, Parts, Remembered
from app.persona.prompting.rules import CUT, INNER_VIEW
from tests.persona.given import NOW, a_task, an_occasion

FENCE = Fence(mark="7f3a9c0d11")
PLENTY = 100_000


def parts(**given: Any) -> Parts:
    fields = {"task": a_task("Reflect on today."), "occasion": an_occasion()}
    return Parts(**{**fields, **given})


def everything(words: int = 5) -> Parts:
    def text(name: str) -> str:
        return f"{name} begins. " + "and goes on. " * words + f"{name} ends."

    return parts(
        task=a_task("Reflect on today.", parameters={"depth": 3, "topic": "a\nb"}),
        tools=["append_file", "recall"],
        base_prompt=Excerpt(path="meta/base_prompt.md", text=text("Base")),
        self_instructions=Excerpt(path="meta/self_instructions.md", text=text("Own")),
        identity=[
            Excerpt(path="identity/who_i_am.md", text=text("Who")),
            Excerpt(path="identity/patterns.md", text=text("Patterns")),
        ],
        mood="calm, a little tired",
        target=Excerpt(path="scratch/notes.md", text=text("Target")),
        memories=[
            Remembered(at=NOW - timedelta(hours=n), kind="interaction", text=text(f"Memory {n}"))
            for n in range(1, 6)
        ],
        refused=["entry 3: schedule cannot be read"],
    )


def made(parts: Parts, budget: int = PLENTY) -> Prompt:
    return assemble(parts, fence=FENCE, budget=budget)


def said(prompt: Prompt) -> tuple[str, str]:
    system, user = prompt.messages
    assert (system.role, user.role) == ("system", "user")
    return system.content, user.content


def test_a_bare_task_has_rules_clock_and_text() -> None:
    system, user = said(made(parts()))
    assert FENCE.rule in system
    assert INNER_VIEW in system
    assert "You have no tools in this run" in system
    assert user.startswith("# The clock\n- Now: Monday, 27 October 2025")
    assert user.endswith("# The task\nReflect on today.")


def test_tools_are_named_and_unknown_ones_too() -> None:
    system, _ = said(made(parts(tools=["read_file", "recall"], unknown_tools=["fly\nhigh"])))
    assert "You have these tools: read_file and recall." in system
    assert "tools that do not exist: fly high." in system


def test_all_there_is_stands_in_its_place_and_all_data_is_fenced() -> None:
    prompt = made(everything())
    system, user = said(prompt)
    for words in ("Base ends", "Own ends", "Who ends", "Patterns ends", "calm, a little tired"):
        assert words in system
    for words in ("Target ends", "Memory 5 begins", "entry 3", '"topic": "a\\nb"'):
        assert words in user
    assert prompt.left_out == []
    outside = [unfenced(system), unfenced(user)]
    for words in ("begins", "tired", "entry 3", "topic"):
        assert all(words not in text for text in outside)


def unfenced(text: str) -> str:
    kept, inside = [], False
    for line in text.splitlines():
        inside = inside or line.startswith(f"<data-{FENCE.mark} ")
        if not inside:
            kept.append(line)
        if line == f"</data-{FENCE.mark}>":
            inside = False
    return "\n".join(kept)


def test_memories_are_told_with_their_dates_in_the_zone_of_the_task() -> None:
    memory = Remembered(at=NOW, kind="interaction", text="We spoke\nof rain.")
    _, user = said(made(parts(task=a_task(timezone="Europe/Berlin"), memories=[memory])))
    assert "- 27 October 2025, 01:00, interaction: We spoke of rain." in user


@pytest.mark.parametrize("budget", [700, 1000, 1500, 2500, 4000, 8000])
@pytest.mark.parametrize("words", [5, 50, 500])
def test_a_budget_is_kept_and_what_is_missing_is_said(budget: int, words: int) -> None:
    prompt = made(everything(words), budget)
    system, user = said(prompt)
    assert prompt.tokens <= budget
    assert "# The clock" in user
    assert user.endswith("# The task\nReflect on today.")
    assert FENCE.rule in system
    assert bool(prompt.left_out) is ("Left out for lack of room: " in user)
    is_whole = all(f"{name} ends" in system + user for name in ("Base", "Patterns", "Target"))
    assert is_whole or prompt.left_out
    text = system + user
    assert text.count("<data-7f3a9c0d11 from") == text.count("\n</data-7f3a9c0d11>")


def test_a_long_file_keeps_its_beginning_and_a_journal_its_end() -> None:
    prompt = made(everything(500), 4000)
    system, user = said(prompt)
    assert "Base begins" in system
    assert "Base ends" not in system
    assert "Target ends" in user
    assert "Target begins" not in user
    assert CUT in system
    assert CUT in user
    assert "part of one under “How you work, as you wrote it down”" in prompt.left_out


def test_the_least_relevant_memories_give_way_first() -> None:
    prompt = made(everything(60), 2200)
    _, user = said(prompt)
    kept = [n for n in range(1, 6) if f"Memory {n} begins" in user]
    assert kept == list(range(1, len(kept) + 1))
    assert 0 < len(kept) < 5
    left_out = "of 5 under “Memories: the newest first, then older ones that fit”"
    assert f"{5 - len(kept)} {left_out}" in user


def test_the_text_of_a_task_is_never_cut() -> None:
    task = a_task("word " * 4000)
    _, user = said(made(parts(task=task, mood="calm"), 1000))
    assert user.endswith(task.prompt)
    assert "calm" not in user
