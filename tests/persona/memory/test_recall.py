"""What a run has in mind: the day as it was, what fits, and never its own echo."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.core.clock import FakeClock
from app.core.ids import RandomIds
from app.database import Database
from app.persona.memory.memory import Memory, Within
from app.persona.memory.recall import MOST_OF_ONE, Recall, Recollection, result_of_run
from app.persona.memory.store import Memories
from tests.persona.given import a_previous_run, a_task, an_occasion
from tests.persona.memory.given import NOW, a_draft, memories_of

MIDNIGHT = datetime(2026, 11, 24, 0, 0, 2, tzinfo=UTC)


@pytest.fixture
def memories(database: Database) -> Memories:
    return Memories(database, FakeClock(MIDNIGHT), RandomIds())


def lived(recollection: Recollection) -> list[str]:
    return [memory.text for memory in recollection.lived]


def hours_before_midnight(hours: float) -> timedelta:
    return NOW - MIDNIGHT + timedelta(hours=hours)


def recollect(memories: Memories, prompt: str = "Reflect on today.", **given: Any) -> Recollection:
    task = a_task(prompt, id="daily")
    most = given.pop("most_characters", 8000)
    occasion = an_occasion(now=MIDNIGHT, **given)
    return Recall(memories).for_run(task, occasion, most_characters=most)


def test_a_reflection_at_midnight_is_about_the_day_that_just_ended(memories: Memories) -> None:
    memories.remember_all(
        [
            a_draft("in the evening", ago=hours_before_midnight(2)),
            a_draft("in the morning", ago=hours_before_midnight(16)),
            a_draft("the day before", ago=hours_before_midnight(25)),
        ]
    )
    assert lived(recollect(memories)) == ["in the morning", "in the evening"]


def test_without_words_of_time_it_is_about_the_time_since_the_last_run(memories: Memories) -> None:
    memories.remember_all(
        [a_draft(f"{hours} hours ago", ago=hours_before_midnight(hours)) for hours in (2, 30, 60)]
    )
    last = a_previous_run(completed_at=MIDNIGHT - timedelta(hours=40))
    assert lived(recollect(memories, "Write.", previous=last)) == ["30 hours ago", "2 hours ago"]
    last = a_previous_run(completed_at=MIDNIGHT - timedelta(minutes=5))
    assert lived(recollect(memories, "Write.", previous=last)) == ["2 hours ago"]
    last = a_previous_run(completed_at=MIDNIGHT - timedelta(days=300))
    window = recollect(memories, "Write.", previous=last).window
    assert window.since == MIDNIGHT - timedelta(days=31)


def test_what_fits_the_prompt_comes_from_any_time_and_never_twice(memories: Memories) -> None:
    memories.remember_all(
        [
            a_draft("The tomatoes are red at last", ago=hours_before_midnight(3)),
            a_draft("We planted tomatoes behind the house", ago=timedelta(days=100)),
            a_draft("We planted tomatoes behind the house!", ago=timedelta(days=101)),
            a_draft("The sea was calm", ago=timedelta(days=100)),
        ]
    )
    found = recollect(memories, "What did you do about the tomatoes today?")
    assert lived(found) == ["The tomatoes are red at last"]
    assert [one.memory.text for one in found.relevant] == ["We planted tomatoes behind the house"]


def test_a_task_is_not_fed_what_its_own_schedule_brought_forth(memories: Memories) -> None:
    echo = "Insights about tomatoes of all the days"
    for days in range(1, 40):
        at = MIDNIGHT - timedelta(days=days, hours=-1)
        text = f"{echo}, number{days}"
        remembered(
            memories, run_id="0" * 26, task_id="daily", origin="schedule", at=at, answer=text
        )
    memories.remember(a_draft("Tomatoes", ago=timedelta(days=200)))
    found = recollect(memories, "Insights about tomatoes of all the days, today")
    assert lived(found) == []
    assert [one.memory.text for one in found.relevant] == ["Tomatoes"]


def test_life_goes_before_what_other_schedules_brought_forth(memories: Memories) -> None:
    drafts = [
        a_draft(
            f"{'result' if n % 2 else 'life'} {n} " + "x" * 90, ago=hours_before_midnight(1 + n)
        )
        for n in range(10)
    ]
    memories.remember_all(
        [
            a_draft(
                draft.text,
                ago=NOW - draft.at,
                origin="schedule" if "result" in draft.text else "chat",
                task_id="other" if "result" in draft.text else None,
            )
            for draft in drafts
        ]
    )
    kept = recollect(memories, "Write about today", most_characters=700)
    assert sum("life" in text for text in lived(kept)) == 5
    assert kept.left_out == 10 - len(kept.lived) > 0
    assert [m.at for m in kept.lived] == sorted(m.at for m in kept.lived)


def test_life_is_found_before_what_other_schedules_brought_forth(memories: Memories) -> None:
    old = timedelta(days=50)
    memories.remember_all(
        [
            a_draft("A summary of tomatoes", ago=old, origin="schedule", task_id="other"),
            a_draft("Ada brought some tomatoes over", ago=old, origin="chat"),
        ]
    )
    found = recollect(memories, "tomatoes").relevant
    assert [one.memory.origin for one in found] == ["chat", "schedule"]


def test_all_of_it_keeps_to_its_budget_and_long_texts_are_cut(memories: Memories) -> None:
    memories.remember_all(
        [
            *(
                a_draft(f"day {n} " + f"w{n} " * 400, ago=hours_before_midnight(n))
                for n in (1, 2, 3)
            ),
            *(a_draft(f"tomatoes {n} " + f"v{n} " * 400, ago=timedelta(days=n)) for n in (50, 51)),
        ]
    )
    kept = recollect(memories, "tomatoes today", most_characters=3200)
    shown = [*kept.lived, *(one.memory for one in kept.relevant)]
    assert all(len(memory.text) <= MOST_OF_ONE for memory in shown)
    assert sum(len(memory.text) for memory in shown) <= 3200
    assert (len(kept.lived), len(kept.relevant), kept.left_out) == (2, 1, 1)


def test_what_fits_is_recalled_though_the_day_was_too_full_for_it(memories: Memories) -> None:
    memories.remember_all(
        [
            a_draft("Ada brought tomatoes", ago=hours_before_midnight(20)),
            *(a_draft(f"w{n} " * 60, ago=hours_before_midnight(n / 10)) for n in range(1, 60)),
        ]
    )
    kept = recollect(memories, "What about the tomatoes of today?", most_characters=2000)
    assert [one.memory.text for one in kept.relevant] == ["Ada brought tomatoes"]
    assert kept.left_out == 60 - len(kept.lived) - 1


def test_room_that_nothing_else_takes_goes_to_the_day(memories: Memories) -> None:
    memories.remember_all(
        [a_draft(f"w{n} " * 40, ago=hours_before_midnight(n)) for n in range(1, 9)]
    )
    kept = recollect(memories, "Reflect on today", most_characters=1000)
    assert (len(kept.lived), kept.relevant) == (8, [])


def test_a_result_is_kept_once_and_marked_with_where_it_came_from(memories: Memories) -> None:
    given = {"run_id": "1" * 26, "task_id": "daily", "origin": "schedule", "at": MIDNIGHT}
    kept = remembered(memories, answer="I thought.\0", **given)
    assert remembered(memories, answer="I thought.\0", **given) == kept
    assert kept is not None
    assert (kept.kind, kept.run_id, kept.task_id) == ("result", "1" * 26, "daily")
    assert kept.is_scheduled
    assert remembered(memories, answer=" \n", **given) is None
    long = remembered(memories, answer="long " * 50_000, **given)
    assert long is not None
    assert len(long.text) <= 8000
    assert len(memories.page(Within(), limit=9).memories) == 2


def test_who_asks_with_words_of_time_is_answered_about_that_time(memories: Memories) -> None:
    memories.remember_all(
        [
            a_draft("tea with Ada", ago=hours_before_midnight(2)),
            a_draft("tea with Bo", ago=hours_before_midnight(30)),
        ]
    )
    recall = Recall(memories)
    now = MIDNIGHT + timedelta(hours=12)

    def asked(text: str, since: datetime | None = None) -> list[str]:
        found = recall.search(text, now=now, zone="UTC", since=since).found
        return [one.memory.text for one in found]

    assert asked("tea yesterday") == ["tea with Ada"]
    assert asked("tea today") == []
    assert asked("tea") == ["tea with Ada", "tea with Bo"]
    assert asked("tea yesterday", since=MIDNIGHT - timedelta(days=9)) == [
        "tea with Ada",
        "tea with Bo",
    ]


def test_nothing_lived_is_nothing_recalled(database: Database) -> None:
    kept = recollect(memories_of(database))
    assert (kept.lived, kept.relevant, kept.left_out) == ([], [], 0)


def remembered(memories: Memories, **given: Any) -> Memory | None:
    draft = result_of_run(**given)
    return memories.remember(draft) if draft is not None else None
