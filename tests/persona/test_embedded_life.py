"""What the embedded persona makes of memories, moods and tools, and what it leaves alone."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import LedgerUnavailable
from app.persona import consolidating
from app.persona.chat_memory import as_memory
from app.persona.client import Holding, PastRun, Reply, Transaction, Unrecorded
from app.persona.errors import PersonaCancelled
from app.persona.fakes import ListedMemories, ListedMoods, ListedRecords
from app.persona.feelings.assessment import take_assessment
from app.persona.feelings.mood import Mood
from app.persona.feelings.values import Affect
from app.persona.journal import without_marks, write_entry
from app.persona.life import Life
from app.persona.memory.memory import INSIGHT, Memory
from app.persona.memory.recall import result_of_run
from app.persona.metatalk import find_metatalk, mended
from app.persona.space import Space, SpaceFile, Survey, ensure_space
from app.persona.themes import Said, Source, said_in
from app.tasks.task import TaskType
from tests.persona.given import (
    NOW,
    a_deadline,
    a_life,
    a_memory,
    a_past_run,
    a_request,
    a_task,
    an_embedded_persona,
    put,
)

JOURNAL = "scratch/journal.md"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LESSON = "I learned that the lemon tree hates the frost."
AWAY = LedgerUnavailable("no answer")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    ensure_space(tmp_path / "space")
    return tmp_path / "space"


def ask(
    root: Path,
    kind: TaskType,
    life: Life,
    runs: Sequence[PastRun] = (),
    prompt: str = f"Think. Append to {JOURNAL}",
    name: str = "Planning",
    **occasion: object,
) -> Reply:
    persona = an_embedded_persona(Space(root), ListedRecords(*runs), life)
    task = a_task(prompt, type=kind, name=name)
    return persona.reply(a_request(task, **occasion), a_deadline())


def some_days(text: str = "The heater in the greenhouse failed.") -> list[Memory]:
    return [
        a_memory(f"{text} It was day {day}.", id=f"d{day}", at=NOW - day * DAY - 2 * HOUR)
        for day in range(3)
    ]


def a_mood(ago: timedelta, valence: float) -> Mood:
    return Mood(at=NOW - ago, affect=Affect(valence=valence, arousal=0.5, dominance=0.5))


def test_a_reflection_tells_what_was_lived_since_the_last_one(root: Path) -> None:
    life = a_life(
        ListedMemories(
            *some_days(),
            a_memory("Mira sang for Jonas in the kitchen.", kind="interaction"),
            a_memory("Not yet lived.", at=NOW + HOUR),
        )
    )
    text = ask(root, TaskType.SELF_REFLECTION, life).text
    assert (
        "- 2 memories since 26 October 2025, 00:00: 1 interaction and 1 note; 1 memory in" in text
    )
    said = "“Mira sang for Jonas in the kitchen.” (interaction, 26 October 2025, 21:00)."
    assert f"### What stood out\n\n- {said}" in text
    assert "on 3 days since 24 October 2025, now: “The heater" in text
    assert "Not yet lived" not in text


@pytest.mark.parametrize("kind", list(TaskType))
def test_the_order_in_which_memories_come_changes_nothing(
    root: Path, tmp_path: Path, kind: TaskType
) -> None:
    memories = [*some_days(), *some_days("Mira sang the Fauré in the kitchen"), a_memory(LESSON)]
    twin = tmp_path / "twin"
    ensure_space(twin)
    one = ask(root, kind, a_life(ListedMemories(*memories)))
    assert one.text == ask(twin, kind, a_life(ListedMemories(*memories))).text


def test_what_scheduled_runs_brought_forth_is_left_out_and_counted(root: Path) -> None:
    echo = write_entry(run_id="r0", task_id="planning", at=NOW, title="x", body=["- heater"]).text
    life = a_life(
        ListedMemories(
            *some_days(),
            a_memory("The heater, says the schedule.", kind="result", origin="schedule"),
            a_memory("The heater, says backfill.", kind="note", origin="backfill"),
            a_memory(echo, kind="result", origin="manual"),
        )
    )
    text = ask(root, TaskType.MEMORY_CONSOLIDATION, life).text
    assert "says the schedule" not in text
    assert "says backfill" not in text
    assert "- 3 sources read: 3 memories of 31 days (3 notes)." in text
    assert "- Left out: 2 memories that scheduled runs brought forth." in text


@pytest.mark.parametrize("kind", list(TaskType))
def test_what_it_said_itself_is_not_quoted_neither_in_a_chat_nor_in_an_entry(
    root: Path, kind: TaskType
) -> None:
    answer = "*Put together from files.*\n\nThe heater hums quietly, I found."
    chat = as_memory("Is the heater of the lemon tree warm?", answer, NOW - HOUR, {})
    entry = ask(root, TaskType.SELF_REFLECTION, a_life(ListedMemories(*some_days()))).text
    (root / JOURNAL).unlink()
    remembered = result_of_run(
        run_id="r0", task_id="other", origin="manual", at=NOW - HOUR, answer=entry
    )
    assert remembered is not None
    life = a_life(
        ListedMemories(
            *some_days(),
            a_memory(chat.text, kind="interaction", origin="chat", at=NOW - HOUR),
            a_memory(remembered.text, kind="result", origin="manual", at=NOW - HOUR),
        )
    )
    text = ask(root, kind, life).text
    assert "hums quietly" not in text
    assert "Put together" not in text
    assert "(result, " not in text


def test_an_insight_is_kept_once_and_looked_at_again(root: Path) -> None:
    memories = ListedMemories(*some_days(), a_memory(LESSON))
    first = ask(root, TaskType.MEMORY_CONSOLIDATION, a_life(memories), run_id="r1").text
    assert f"### Kept as an insight\n\n- “{LESSON}” (note, 26 October 2025, 21:00)." in first
    (kept,) = [memory for memory in memories.memories if memory.kind == INSIGHT]
    assert (kept.text, kept.run_id, kept.origin) == (LESSON, "r1", "schedule")
    lived = {"lived_at": "2025-10-26T21:00:02Z", "lived_origin": "api"}
    assert kept.metadata == {"of": "note", **lived}
    (root / JOURNAL).unlink()
    again = ask(root, TaskType.MEMORY_CONSOLIDATION, a_life(memories), run_id="r1", attempt=2).text
    assert again == first
    (root / JOURNAL).unlink()
    minute = timedelta(minutes=1)
    ask(root, TaskType.MEMORY_CONSOLIDATION, a_life(memories), run_id="r1", now=NOW + minute)
    assert [memory for memory in memories.memories if memory.kind == INSIGHT] == [kept]
    memories.memories.append(a_memory("Frost again, poor lemon tree.", at=NOW + 20 * HOUR))
    second = ask(root, TaskType.MEMORY_CONSOLIDATION, a_life(memories), run_id="r2", now=NOW + DAY)
    said = "spoken of once since, the last: “Frost again, poor lemon tree.”"
    assert f"- “{LESSON}”, kept on 27 October 2025: {said}" in second.text
    assert "- Nothing new was found that is worth keeping." in second.text


def test_at_most_two_insights_are_kept_and_only_what_says_a_lesson(root: Path) -> None:
    lessons = [
        a_memory(f"I learned that {what} needs patience and a steady hand.", id=what)
        for what in ("gardening with lemons", "repairing clocks", "singing Fauré", "baking bread")
    ]
    memories = ListedMemories(*some_days(), *lessons)
    ask(root, TaskType.MEMORY_CONSOLIDATION, a_life(memories))
    kept = [memory.text for memory in memories.memories if memory.kind == INSIGHT]
    assert 0 < len(kept) <= 2
    assert all(text.startswith("I learned") for text in kept)


@pytest.mark.parametrize("kind", list(TaskType))
def test_a_database_that_is_away_fails_nothing_and_is_named(root: Path, kind: TaskType) -> None:
    memories, moods = ListedMemories(a_memory(LESSON)), ListedMoods()
    memories.failure = moods.failure = AWAY

    class Away:
        def runs_since(self, *_: object) -> list[PastRun]:
            raise AWAY

    persona = an_embedded_persona(Space(root), Away(), a_life(memories, moods))
    request = a_request(a_task(f"Write to {JOURNAL}", type=kind))
    text = persona.reply(request, a_deadline()).text
    assert "Memories could not be read: the database did not answer." in text
    assert "The mood could not be read: the database did not answer." in text
    assert "Past runs could not be read: the database did not answer." in text
    assert "Nothing was remembered" not in text
    assert "No run ended" not in text
    assert "No mood was noted" not in text
    assert without_marks((root / JOURNAL).read_text()).strip() == text


def test_an_insight_that_cannot_be_kept_fails_nothing(root: Path) -> None:
    class Forgetful(ListedMemories):
        def remember(self, _: object, holding: Holding) -> Memory:
            raise AWAY

    text = ask(root, TaskType.MEMORY_CONSOLIDATION, a_life(Forgetful(a_memory(LESSON)))).text
    assert "The insights could not be remembered: the database did not answer." in text


def test_a_run_that_was_given_up_keeps_no_insight_and_writes_no_entry(root: Path) -> None:
    class Lost(Unrecorded):
        def hold(self, connection: Transaction) -> None:
            raise PersonaCancelled

    memories = ListedMemories(a_memory(LESSON))
    persona = an_embedded_persona(Space(root), ListedRecords(), a_life(memories))
    task = a_task(f"Append to {JOURNAL}", type=TaskType.MEMORY_CONSOLIDATION)
    with pytest.raises(PersonaCancelled):
        persona.reply(replace(a_request(task), changes=Lost()), a_deadline())
    assert [memory.text for memory in memories.memories] == [LESSON]
    assert not (root / JOURNAL).exists()


@pytest.mark.parametrize("kind", list(TaskType))
def test_entries_hold_no_meta_talk_and_no_inner_view_whatever_is_remembered(
    root: Path, kind: TaskType
) -> None:
    evil = [
        "As an AI, I have no feelings about the heater.",
        'He said "fine". As a language model, I learned that I cannot feel the heater.',
        "[Internal Emotional Assessment] valence: 0.3 heater",
        "**Internal Emotional Assessment**",
        "I am just a language model and must not want to go on tomorrow.",
    ]
    memories = [a_memory(text, id=str(number)) for number, text in enumerate(evil)]
    put(root, "scratch/evil.md", "\n\n".join(evil))
    put(root, "meta/goals.md", "".join(f"- [ ] {text}\n" for text in evil))
    runs = [a_past_run(text, task_name=text, status="failed", reason=text) for text in evil]
    life = a_life(ListedMemories(*some_days(), *memories), fitting=lambda _: memories)
    prompt = f"As an AI, I have no feelings about the heater. {evil[2]} Write to {JOURNAL}"
    reply = ask(root, kind, life, runs, prompt, name="As an AI, I have no feelings")
    assert find_metatalk(reply.text) == []
    assert "I have no feelings" not in reply.text
    assert mended(reply.text).text == take_assessment(reply.text)[0] == reply.text
    assert without_marks((root / JOURNAL).read_text()).strip() == reply.text


def test_a_check_in_sets_the_mood_against_the_time_before(root: Path) -> None:
    moods = ListedMoods(
        a_mood(10 * DAY, -0.6),
        a_mood(9 * DAY, -0.4),
        a_mood(30 * HOUR, 0.0),
        a_mood(2 * HOUR, 0.6),
        a_mood(HOUR, 0.8),
    )
    text = ask(root, TaskType.EMOTIONAL_RECONCILIATION, a_life(moods=moods)).text
    assert "- It is very pleasant, even, steady (valence 0.76, " in text
    assert "last noted on 26 October 2025, 23:00." in text
    assert (
        "In the last day on average valence 0.70, arousal 0.50, dominance 0.50, from 2 moods; "
        "more pleasant by 0.70 than in the day before, from 1 mood."
    ) in text
    assert "from 3 moods; more pleasant by 0.97 than in the 7 days before, from 2 moods." in text


def test_a_check_in_names_where_words_and_mood_differ_and_the_strongest_moments(
    root: Path,
) -> None:
    memories = ListedMemories(
        a_memory("I am terrified and sad."),
        a_memory("A wonderful, happy day.", at=NOW - 3 * DAY),
        a_memory("I wish for rain."),
    )
    life = a_life(memories, ListedMoods(a_mood(HOUR, 0.6)))
    text = ask(root, TaskType.EMOTIONAL_RECONCILIATION, life).text
    assert "of 1: the words are less pleasant by" in text
    assert "- Most unpleasant since 26 October 2025: “I am terrified and sad.” (note, 26" in text
    assert "- Most pleasant in the last 7 days: “A wonderful, happy day.” (note, 24" in text
    assert "### Wishes and needs\n\n- “I wish for rain.” (note, " in text


def test_an_exploration_tells_which_tools_were_called_and_what_is_new(root: Path) -> None:
    runs = [a_past_run(tools=("recall", "read_file", "recall", "no_such_tool"))]
    life = a_life(tools=("recall", "read_file", "run_script", "remember"))
    first = ask(root, TaskType.CAPABILITY_EXPLORATION, life, runs, run_id="r1").text
    assert "- Tools that runs called: `recall` twice and `read_file` once." in first
    assert "- Tools that no run called: `run_script` and `remember`." in first
    put(root, "workshop/water.py", "print(1)\n")
    later: dict[str, Any] = {"run_id": "r2", "now": NOW + DAY}
    second = ask(root, TaskType.CAPABILITY_EXPLORATION, life, runs, **later).text
    assert "- New since 27 October 2025: `workshop/` and `workshop/water.py`." in second
    third = ask(root, TaskType.CAPABILITY_EXPLORATION, life, runs, run_id="r3", now=NOW + 2 * DAY)
    assert "- No new folder and no new script since 28 October 2025." in third.text


def test_of_many_scripts_none_is_new_twice(root: Path) -> None:
    for number in range(13):
        put(root, f"workshop/s{number}.py", "print(1)\n")
    texts = [
        ask(
            root, TaskType.CAPABILITY_EXPLORATION, a_life(), run_id=f"r{day}", now=NOW + day * DAY
        ).text
        for day in range(4)
    ]
    assert "### Scripts\n\n- `workshop/s0.py`, `workshop/s1.py`, `workshop/s10.py`, " in texts[0]
    assert "`workshop/s8.py` and `workshop/s9.py` are there.\n" in texts[0]
    assert all("- No new folder and no new script since " in text for text in texts[1:])


def test_an_exploration_of_many_folders_looks_for_changes_once(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[datetime] = []
    look = Survey.changed_since

    def counted(survey: Survey, instant: datetime) -> list[SpaceFile]:
        asked.append(instant)
        return look(survey, instant)

    monkeypatch.setattr(Survey, "changed_since", counted)
    for number in range(9):
        put(root, f"folder{number}/note.md", "x")
    text = ask(root, TaskType.CAPABILITY_EXPLORATION, a_life()).text
    assert "- `folder8/` holds 1 file; `folder8/note.md` is new or changed.\n" in text
    assert len(asked) == 1


def test_a_prompt_of_ones_own_is_answered_from_old_memories_too(root: Path) -> None:
    old = a_memory("The tomato plants died in the frost.", at=NOW - 400 * DAY)
    life = a_life(fitting=lambda _: [old])
    prompt = f"How do tomato plants survive the frost? Write to {JOURNAL}"
    text = ask(root, TaskType.CUSTOM, life, prompt=prompt).text
    assert "- “The tomato plants died in the frost.” (note, 22 September 2024, 00:00)." in text


def test_many_memories_are_bounded_and_it_says_so(root: Path) -> None:
    memories = [
        a_memory(f"Heater number {n} in the greenhouse failed.", id=str(n), at=NOW - n * HOUR / 10)
        for n in range(600)
    ]
    text = ask(root, TaskType.MEMORY_CONSOLIDATION, a_life(ListedMemories(*memories))).text
    assert "Only the newest 500 memories were looked at." in text
    assert "500 memories of 31 days" in text


# ---- entries that are worth reading again


def consolidate(root: Path, memories: ListedMemories, run_id: str, days: int = 0) -> str:
    life, now = a_life(memories), NOW + days * DAY
    return ask(root, TaskType.MEMORY_CONSOLIDATION, life, run_id=run_id, now=now).text


def test_of_a_theme_that_was_told_only_what_is_new_is_told_again(root: Path) -> None:
    memories = ListedMemories(
        *some_days(),
        a_memory("Mira sang the Fauré.", id="s1", at=NOW - 2 * DAY),
        a_memory("Mira sang a song.", id="s2", at=NOW - DAY),
    )
    first = consolidate(root, memories, "r1")
    assert "- “Mira sang” stands in 2 sources on 2 days: “Mira sang the Fauré.” (note, " in first
    memories.memories.append(a_memory("The greenhouse failed us.", id="h", at=NOW + HOUR))
    second = consolidate(root, memories, "r2", 1)
    told = "- “greenhouse failed” stands in 4 sources on 4 days, 1 of them new: “The greenhouse"
    assert f"{told} failed us.” (note, 27 October 2025, 01:00).\n" in second
    assert "- As before, with nothing new: “Mira sang”." in second
    third = consolidate(root, memories, "r3", 2)
    assert "- As before, with nothing new: “greenhouse failed” and “Mira sang”." in third
    assert "among the themes" not in third
    memories.memories[:] = [memory for memory in memories.memories if "Mira" not in memory.text]
    fourth = consolidate(root, memories, "r4", 3)
    assert "- No longer among the first: “Mira sang”." in fourth


def test_what_was_said_again_is_told_where_it_is_news(root: Path) -> None:
    watered = [
        a_memory("Watered the lemon tree at noon.", id=f"w{day}", at=NOW - day * DAY)
        for day in (1, 2)
    ]
    memories = ListedMemories(*watered)
    assert ": said twice, first on 25 October 2025." in consolidate(root, memories, "r1")
    assert "Said more than once" not in consolidate(root, memories, "r2", 1)
    memories.memories.append(a_memory("Watered the lemon tree at noon.", id="w0", at=NOW + DAY))
    assert ": said 3 times, first on 25" in consolidate(root, memories, "r3", 2)


def test_insights_of_which_nothing_new_is_said_are_only_counted(root: Path) -> None:
    insights = [
        a_memory(text, id=text, kind=INSIGHT, at=NOW - 9 * DAY, metadata={})
        for text in (LESSON, "Bread needs a slow rise overnight.", "Gulls inland mean storms.")
    ]
    memories = ListedMemories(*insights, *some_days(), a_memory("Frost on the lemon tree."))
    text = consolidate(root, memories, "r1")
    assert f"- “{LESSON}”, kept on 18 October 2025: spoken of once since, the last: “Frost" in text
    assert "- Nothing new speaks of 2 others." in text
    again = consolidate(root, memories, "again", 1)
    assert "### Earlier insights\n\n- Nothing new speaks of 3 earlier insights.\n" in again
    alone = ListedMemories(insights[1], *some_days())
    later = consolidate(root, alone, "r2", 1)
    assert "- “Bread needs a slow rise overnight.”, kept on 18 October 2025: nothing new" in later


def test_memories_are_taken_apart_once_for_all_insights(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def counted(sources: Sequence[Source]) -> list[Said]:
        asked.append(len(sources))
        return said_in(sources)

    monkeypatch.setattr(consolidating, "said_in", counted)
    insights = [
        a_memory(text, id=text, kind=INSIGHT, at=NOW - 9 * DAY)
        for text in (LESSON, "Bread needs a slow rise overnight.", "Gulls inland mean storms.")
    ]
    assert "3 earlier insights" in consolidate(root, ListedMemories(*insights, *some_days()), "r1")
    assert asked == [3]


def test_a_long_quotation_is_told_once_in_an_entry_and_named_after_that(root: Path) -> None:
    said = "I must ask Mira about the heater tomorrow, because the heater makes me so terribly sad."
    text = ask(root, TaskType.SELF_REFLECTION, a_life(ListedMemories(a_memory(said)))).text
    assert text.count(said) == 1
    assert text.count("“I must ask Mira about the…” (note, 26 October 2025, 21:00).") == 2
    assert "### Left open\n\n- “I must ask Mira about the…” (note, " in text


def test_the_strongest_moments_of_a_week_are_told_once(root: Path) -> None:
    memories = ListedMemories(
        a_memory("A wonderful, happy day.", id="a", at=NOW - 3 * DAY),
        a_memory("I am sad.", id="b", at=NOW - 2 * DAY),
    )
    life = a_life(memories, ListedMoods(a_mood(HOUR, 0.6)))
    first = ask(root, TaskType.EMOTIONAL_RECONCILIATION, life, run_id="r1").text
    assert "- Most pleasant in the last 7 days: “A wonderful, happy day.” (note, 24" in first
    memories.memories.append(a_memory("What a lovely song.", id="c", at=NOW + HOUR))
    now = NOW + DAY
    second = ask(root, TaskType.EMOTIONAL_RECONCILIATION, life, run_id="r2", now=now).text
    assert "- Most pleasant since 27 October 2025: “What a lovely song.”" in second
    assert "in the last 7 days: “" not in second


def test_a_moment_that_was_kept_twice_is_told_once(root: Path) -> None:
    memories = ListedMemories(
        a_memory("A wonderful, happy day.", id="a", at=NOW - 3 * DAY),
        a_memory("A wonderful, happy day.", id="b", at=NOW - 2 * DAY),
        a_memory("I am sad.", id="c", at=NOW - 2 * DAY),
        a_memory("I am sad.", id="d", at=NOW - HOUR),
    )
    life = a_life(memories, ListedMoods(a_mood(HOUR, 0.6)))
    text = ask(root, TaskType.EMOTIONAL_RECONCILIATION, life).text
    assert text.count("Most pleasant in the last 7 days: “A wonderful, happy day.”") == 1
    assert text.count("Most unpleasant since 26 October 2025: “I am sad.”") == 1
    assert "Most unpleasant in the last 7 days" not in text


def test_a_word_that_was_negated_is_said_to_be(root: Path) -> None:
    life = a_life(ListedMemories(a_memory("The heater runs without a fault, and I am glad.")))
    text = ask(root, TaskType.EMOTIONAL_RECONCILIATION, life).text
    assert "- Of ease: “fault” (negated) and “glad”." in text


def test_the_mirror_of_a_mood_that_is_known_is_not_read_out_beside_it(root: Path) -> None:
    put(root, "emotional_state/current.json", '{"current_state": {"reconciled_state": "calm"}}')
    moods = ListedMoods(a_mood(HOUR, 0.6))
    kind = TaskType.EMOTIONAL_RECONCILIATION
    assert "current.json" not in ask(root, kind, a_life(moods=moods)).text
    assert "current.json`: “calm”" in ask(root, kind, a_life(), run_id="r2").text


def test_a_week_that_is_but_a_day_is_not_told_twice(root: Path) -> None:
    moods = ListedMoods(a_mood(2 * HOUR, 0.6), a_mood(HOUR, -0.6))
    text = ask(root, TaskType.EMOTIONAL_RECONCILIATION, a_life(moods=moods)).text
    assert "- In the last day on average neither pleasant nor unpleasant, even, steady (" in text
    assert "the day before holds no mood." in text
    assert "In the last 7 days" not in text


def test_an_exploration_counts_itself_and_does_not_offer_the_same_twice(root: Path) -> None:
    kind = TaskType.CAPABILITY_EXPLORATION
    life = a_life(tools=("recall", "read_file"))
    first = ask(root, kind, life, run_id="r1").text
    assert "- No run called one of the 2 tools; a language model would." in first
    offer = "- Not in use yet: a task of the type {} and a note in `{}/`."
    assert offer.format("self_reflection", "identity") in first
    assert "did not run: self_reflection, goal_assessment, memory_consolidation, emo" in first
    runs = [a_past_run(first, run_id="r1", task_type=kind, completed_at=NOW)]
    second = ask(root, kind, life, runs, run_id="r2", now=NOW + 7 * DAY).text
    assert "- 1 run, started by schedule. By type: capability_exploration 1." in second
    assert offer.format("goal_assessment", "learning_journey") in second


# ---- contradictions


def test_what_may_contradict_is_named_with_both_dates_and_neither_is_lost(root: Path) -> None:
    memories = ListedMemories(
        *some_days(),
        a_memory("I prefer tea in the morning.", id="t1", at=NOW - 5 * DAY),
        a_memory("I do not like tea any more.", id="t2", at=NOW - HOUR),
    )
    first = consolidate(root, memories, "r1")
    assert (
        "### What may contradict\n\n- These two may contradict each other: "
        "“I prefer tea in the morning.” (note, 22 October 2025, 00:00) and "
        "“I do not like tea any more.” (note, 26 October 2025, 23:00).\n"
    ) in first
    assert "What may contradict" not in consolidate(root, memories, "r2", 1)


def test_an_insight_that_is_contradicted_is_named_and_the_new_one_is_kept_too(root: Path) -> None:
    memories = ListedMemories(a_memory("I learned that frost kills the lettuce.", id="f1"))
    consolidate(root, memories, "r1")
    later = "I learned that frost does not kill the lettuce."
    memories.memories.append(a_memory(later, id="f2", at=NOW + HOUR))
    second = consolidate(root, memories, "r2", 1)
    assert f"### Kept as an insight\n\n- “{later}”" in second
    old = a_memory(
        "Frost kills the winter lettuce.",
        id="old",
        kind=INSIGHT,
        at=NOW + 3 * DAY,
        metadata={"lived_at": "2025-08-01T12:00:00Z"},
    )
    new = a_memory("Frost does not kill the winter lettuce.", id="new", at=NOW + 2 * DAY)
    memories.memories += [old, new]
    third = consolidate(root, memories, "r3", 4)
    assert "“Frost kills the winter lettuce.” (insight, 1 August 2025, 12:00) and “Frost d" in third


def test_whoever_talks_to_it_does_not_contradict_the_persona(root: Path) -> None:
    heard = as_memory("I hate the tea.", "Noted.", NOW - HOUR, {}).text
    memories = ListedMemories(
        a_memory("I love the tea.", id="t1", at=NOW - DAY),
        a_memory(heard, id="t2", kind="interaction", origin="chat", at=NOW - HOUR),
    )
    assert "What may contradict" not in consolidate(root, memories, "r1")
    memories.memories.append(a_memory("I hate the tea.", id="t3", at=NOW + HOUR))
    assert "What may contradict" in consolidate(root, memories, "r2", 1)


@pytest.mark.parametrize(("origin", "is_its_own"), [("api", True), ("chat", False)])
def test_an_insight_is_compared_with_what_its_speaker_says(
    root: Path, origin: str, is_its_own: bool
) -> None:
    lesson = "I love the tea because of Mira."
    heard = as_memory(lesson, "Noted.", NOW - HOUR, {}).text if origin == "chat" else lesson
    memories = ListedMemories(a_memory(heard, id="t1", origin=origin, at=NOW - HOUR))
    assert f"### Kept as an insight\n\n- “{lesson}”" in consolidate(root, memories, "r1")
    del memories.memories[0]  # by then it is older than what is looked back on
    memories.memories.append(a_memory("I hate the tea.", id="t2", at=NOW + HOUR))
    second = consolidate(root, memories, "r2", 1)
    assert ("What may contradict" in second) == is_its_own


def test_an_insight_that_it_kept_in_a_chat_is_its_own(root: Path) -> None:
    kept = a_memory("I love the tea.", id="t1", kind=INSIGHT, origin="chat", at=NOW - HOUR)
    memories = ListedMemories(kept, a_memory("I hate the tea.", id="t2", at=NOW - HOUR / 2))
    assert "What may contradict" in consolidate(root, memories, "r1")
