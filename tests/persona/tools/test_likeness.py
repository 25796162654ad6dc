"""Tasks that say the same are told from tasks that only sound alike."""

import itertools
import json
from pathlib import Path

import pytest

import app
from app.persona.tools.likeness import alike

SAME = [
    (
        "Reflect on today's events and write it to scratch/daily.md",
        "Reflect on the events of today and write it to scratch/daily.md",
    ),
    ("Remind the owner to water the plants", "Remind owner to water the plants."),
    ("Remind me to drink a glass of water.", "Please REMIND me to drink a glass of water"),
    (
        "Review open goals in meta/goals.md and choose one for the week.",
        "Review the open goals in meta/goals.md, then choose one of them for this week.",
    ),
    (
        "Check whether the backup ran and note the outcome in notes/backup.md",
        "Check if the backup has run, and note its outcome in notes/backup.md",
    ),
    (
        "Summarise what I learned today in scratch/learned.md",
        "Write a summary of what I learned today into scratch/learned.md",
    ),
    (
        "Go through the notes of the last week and collect open questions",
        "Go through last week's notes and collect the open questions",
    ),
    ("その日の出来事を振り返る", "その日の出来事を振り返る。"),
    ("To be or not to be", "to be, or not to be?"),
]
DIFFERENT = [
    ("Remind the owner to water the plants", "Remind the owner to call the dentist"),
    (
        "Review open goals in meta/goals.md and choose one for the week.",
        "Review open invoices in notes/invoices.md and list what is overdue.",
    ),
    (
        "Reflect on today's events and write it to scratch/daily.md",
        "Reflect on how you feel and write it to scratch/mood.md",
    ),
    (
        "Read notes/garden.md and write what to do to notes/todo.md",
        "Read notes/money.md and write what to save to notes/money_plan.md",
    ),
    (
        "Summarise the conversations of today in scratch/talks.md",
        "Summarise the files that changed today in scratch/files.md",
    ),
    ("Write a haiku about the weather", "Write a letter to your future self"),
    ("...", "!!!"),
]


@pytest.mark.parametrize(("first", "second"), SAME)
def test_a_prompt_in_other_words_is_the_same_task(first: str, second: str) -> None:
    assert alike("Morning", first, "Something else", second)


@pytest.mark.parametrize(("first", "second"), DIFFERENT)
def test_a_prompt_about_something_else_is_another_task(first: str, second: str) -> None:
    assert not alike("Morning", first, "Something else", second)


@pytest.mark.parametrize("name", ["Daily reflection 2", "daily-reflection", "The Daily Reflection"])
def test_a_name_that_is_nearly_taken_is_the_same_task(name: str) -> None:
    assert alike("Daily reflection", "Think.", name, "Write something.")


@pytest.mark.parametrize("name", ["Weekly reflection", "Daily check-in", "Reflection on goals"])
def test_a_name_that_shares_a_word_is_another_task(name: str) -> None:
    assert not alike("Daily reflection", "Think.", name, "Write something.")


def test_the_five_default_tasks_are_five() -> None:
    path = Path(app.__file__).parent / "tasks" / "templates" / "defaults.json"
    for first, second in itertools.combinations(json.loads(path.read_text()), 2):
        assert not alike(first["name"], first["prompt"], second["name"], second["prompt"])


def test_prompts_of_any_length_are_compared_in_bounded_time() -> None:
    assert alike("a", "word " * 1_000_000, "b", "word " * 2_000_000)
