"""The embedded persona on a small space: what it writes, where, and what it never does."""

import json
import os
import threading
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from app.core.clock import FakeClock
from app.core.errors import SpaceError
from app.persona.client import PastRun, Reply
from app.persona.errors import PersonaCancelled
from app.persona.fakes import ListedRecords
from app.persona.findings import target_of
from app.persona.journal import is_entry, read_journal, without_marks, write_entry
from app.persona.openat import best_opener
from app.persona.space import Space, ensure_space
from app.tasks.task import TaskType
from tests.persona.given import (
    NOW,
    a_deadline,
    a_past_run,
    a_previous_run,
    a_request,
    a_task,
    an_embedded_persona,
    put,
)

JOURNAL = "scratch/journal.md"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    ensure_space(tmp_path / "space")
    return tmp_path / "space"


def ask(
    root: Path,
    kind: TaskType = TaskType.SELF_REFLECTION,
    runs: tuple[PastRun, ...] = (),
    prompt: str = f"Think. Append to {JOURNAL}",
    **occasion: object,
) -> Reply:
    persona = an_embedded_persona(Space(root), ListedRecords(*runs))
    return persona.reply(a_request(a_task(prompt, type=kind), **occasion), a_deadline())


@pytest.mark.parametrize(
    ("prompt", "target"),
    [
        ("Write to scratch/notes.md", "scratch/notes.md"),
        ("Read meta/goals.md, then append to `persona_space/scratch/plan.md`.", "scratch/plan.md"),
        ("Save it (in ./notes.md)!", "notes.md"),
        ('Save it in "notes.MD"', "notes.MD"),
        ("Output:scratch/a.md", "scratch/a.md"),
        ("**scratch/a.md**", "scratch/a.md"),
        ("Write to ../../etc/cron.md", "../../etc/cron.md"),
        ("Write to /etc/cron.md", "/etc/cron.md"),
        ("See https://example.com/readme.md", None),
        ("Write to a.md like https://example.com/b.md", "a.md"),
        ("Write to plan.txt", None),
        ("Just think about markdown", None),
    ],
)
def test_the_target_is_the_last_file_that_the_prompt_names(prompt: str, target: str | None) -> None:
    assert target_of(prompt) == target


@pytest.mark.parametrize("kind", list(TaskType))
def test_every_entry_is_dated_marked_and_says_that_no_model_was_used(
    root: Path, kind: TaskType
) -> None:
    reply = ask(root, kind)
    assert reply.text.startswith("## Monday, 27 October 2025, 00:00 UTC: Planning (scheduled)\n")
    assert "without a language model" in reply.text
    assert without_marks((root / JOURNAL).read_text()).strip() == reply.text
    assert reply.metadata == {"task_type": kind, "language_model": False}
    assert reply.reconciliation is None


@pytest.mark.parametrize("kind", list(TaskType))
def test_the_same_space_gives_the_same_entry(root: Path, tmp_path: Path, kind: TaskType) -> None:
    twin = tmp_path / "twin"
    ensure_space(twin)
    for place in (root, twin):
        for number in range(20):
            put(place, f"scratch/{number}.md", f"# Note {number}\nThe frost came back.")
    runs = (a_past_run("Frost, again."), a_past_run("no", status="failed", reason="timeout"))
    assert ask(root, kind, runs).text == ask(twin, kind, runs[::-1]).text


def test_a_run_that_is_done_again_appends_no_second_entry(root: Path) -> None:
    first = ask(root)
    put(root, "scratch/new.md", "something new")
    before = (root / JOURNAL).stat()
    again = ask(root, attempt=2, now=NOW + timedelta(minutes=1))
    assert again.text == first.text
    assert (root / JOURNAL).stat() == before
    other = ask(root, run_id="01k8other")
    assert other.text != first.text
    found = read_journal((root / JOURNAL).read_text())
    assert [without_marks(one.text).strip() for one in found.entries] == [first.text, other.text]
    assert found.rest.strip() == ""


@pytest.mark.parametrize("kind", list(TaskType))
def test_the_answer_has_no_marks_the_file_has_and_both_are_known_for_entries(
    root: Path, kind: TaskType
) -> None:
    answer, again = ask(root, kind).text, ask(root, kind, attempt=2).text
    assert "<!--" not in answer
    assert again == answer
    assert answer == answer.strip()
    assert (root / JOURNAL).read_text().count("<!-- persona-tasks ") == 2
    assert is_entry(answer)
    assert is_entry((root / JOURNAL).read_text())


def test_a_prompt_that_names_no_file_is_only_answered(root: Path) -> None:
    before = sorted(root.rglob("*"))
    reply = ask(root, TaskType.CUSTOM, prompt="Think about frost")
    assert "“Think about frost”" in reply.text
    assert sorted(root.rglob("*")) == before


@pytest.mark.parametrize("path", ["../../out.md", "/tmp/out.md", "tasks/out.md", "scratch/.out.md"])
def test_a_target_that_is_not_the_personas_own_fails_the_run(root: Path, path: str) -> None:
    with pytest.raises(SpaceError):
        ask(root, prompt=f"Write to {path}")


def test_a_target_that_is_a_link_fails_the_run(root: Path, tmp_path: Path) -> None:
    (root / JOURNAL).symlink_to(tmp_path / "outside.md")
    with pytest.raises(SpaceError):
        ask(root)
    assert not (tmp_path / "outside.md").exists()


def test_a_cancelled_run_writes_nothing(root: Path) -> None:
    cancelled = threading.Event()

    class Cancelling(ListedRecords):
        def runs_since(self, *args: object) -> list[PastRun]:
            cancelled.set()
            return []

    persona = an_embedded_persona(Space(root), Cancelling())
    request = a_request(a_task(f"Write to {JOURNAL}", type=TaskType.SELF_REFLECTION))
    with pytest.raises(PersonaCancelled):
        persona.reply(request, a_deadline(clock=FakeClock(NOW), cancelled=cancelled))
    assert not (root / JOURNAL).exists()


def test_where_nothing_happened_it_says_so(root: Path) -> None:
    text = ask(root).text
    assert "- Nothing was remembered since 26 October 2025, 00:00." in text
    assert "- No run ended since 26 October 2025." in text
    assert "- No file changed since 26 October 2025." in text
    goals = ask(root, TaskType.GOAL_ASSESSMENT, run_id="g").text
    assert "- There are no goals" in goals


def test_since_an_entry_of_the_same_day_is_said_with_its_time(root: Path) -> None:
    ask(root)
    text = ask(root, run_id="r2", now=NOW + timedelta(hours=9)).text
    assert "- No run ended since 27 October 2025, 00:00." in text
    assert "- No file changed since 27 October 2025, 00:00." in text
    memory = ask(root, TaskType.MEMORY_CONSOLIDATION, run_id="m").text
    assert "- Nothing was there to read: no memory, no note and no result of a run." in memory
    for heading in ("What comes back", "What changed among", "Earlier", "Kept", "contradict"):
        assert heading not in memory
    capability = ask(root, TaskType.CAPABILITY_EXPLORATION, run_id="c").text
    types = "self_reflection, goal_assessment, memory_consolidation, emotional_reconciliation"
    assert f"- Types of tasks that did not run: {types} and custom." in capability
    places = "`identity/`, `learning_journey/`, `meta/` and `reflections/`"
    assert f"- Folders without a file: {places}." in capability
    mood = ask(root, TaskType.EMOTIONAL_RECONCILIATION, run_id="e").text
    assert "### The mood now\n\n- No mood was noted in the last 15 days.\n\n###" in mood
    custom = ask(root, TaskType.CUSTOM, prompt="Think about frost and music.", run_id="x").text
    assert "- Nothing: no sentence of them shares two words with it." in custom
    assert "first entry" not in custom


def test_every_number_and_quotation_comes_from_the_records(root: Path) -> None:
    runs = (
        a_past_run("no connection", task_name="News", status="failed", reason="persona_timeout"),
        a_past_run("no connection", task_name="News", status="failed", reason="persona_timeout"),
        a_past_run("no", task_name="Poem", status="timed_out", reason="persona_timeout"),
        a_past_run("fine"),
    )
    put(root, "scratch/garden.md", "# Garden\n\nThe tomato is red. It is big.")
    text = ask(root, runs=runs).text
    assert "- 4 runs ended: 1 succeeded, 2 failed and 1 timed out." in text
    assert "- By task: “News” 2, “Poem” 1, “Weekly planning” 1." in text
    twice = "- “News” failed twice, the last time on 26 October 2025, 22:00: persona_timeout.\n"
    assert f"{twice}- “Poem” timed out on 26 October 2025, 22:00: persona_timeout." in text
    assert "- 2 tasks failed for the same reason: persona_timeout." in text
    assert "- None of the 2 runs of “News” succeeded." in text
    garden = "- `scratch/garden.md`, 39 bytes, 26 October 2025: “Garden: The tomato is red.”"
    assert garden in text


def test_of_many_tasks_those_of_the_most_runs_are_named_and_the_others_counted(root: Path) -> None:
    runs = [a_past_run("fine", task_name=f"Task {number:02}") for number in range(12)]
    text = ask(root, runs=(*runs, a_past_run("fine", task_name="Task 11"))).text
    assert "- By task: “Task 11” 2, “Task 00” 1, “Task 01” 1, " in text
    assert ", “Task 08” 1 and 2 more.\n" in text


def test_what_went_well_is_not_made_up_of_runs_that_did_what_they_should(root: Path) -> None:
    one, other = a_past_run("fine"), a_past_run("fine", task_name="News")
    failed = a_past_run("no", task_name="Poem", status="failed", reason="no_effect")
    assert "- 1 run ended: “Weekly planning” succeeded." in ask(root, runs=(one,), run_id="a").text
    both = ask(root, runs=(one, other), run_id="b", prompt="Think").text
    assert "- 2 runs ended, and all succeeded." in both
    assert "### What went well" not in both
    mixed = ask(root, runs=(one, failed), prompt="Think").text
    assert "- “Poem” failed on 26 October 2025, 22:00: no_effect." in mixed
    assert "### What went well and what did not\n\n- No failure repeats." in mixed


def test_goals_are_compared_with_the_entry_before(root: Path) -> None:
    goals = put(root, "meta/goals.md", "- [ ] Prune the roses\n- [ ] Call mother\n- [x] Rest\n")
    prompt = "Assess. Append to meta/goals.md"
    first = ask(root, TaskType.GOAL_ASSESSMENT, prompt=prompt, run_id="r1").text
    assert "- 2 open, 1 done in `meta/goals.md`." in first
    assert "- Open: “Prune the roses”: nothing since 20 October 2025 speaks of it." in first
    assert "### Next\n\n- “Prune the roses”: nothing was found on it.\n\n###" in first
    goals.write_text(goals.read_text().replace("[ ] Call", "[x] Call"))
    week = NOW + timedelta(days=7)
    put(root, "scratch/roses.md", "I began to prune the roses.", timedelta(days=-6))
    second = ask(root, TaskType.GOAL_ASSESSMENT, prompt=prompt, run_id="r2", now=week).text
    assert "- Done since 27 October 2025: “Call mother”" in second
    assert (
        "- Open: “Prune the roses”, named here since 27 October 2025: spoken of once since then: "
        "“I began to prune the roses.” (`scratch/roses.md`, 2 November 2025)."
    ) in second
    assert "- “Prune the roses”: it is the only one that is open." in second
    assert goals.read_text().startswith("- [ ] Prune the roses\n- [x] Call mother\n- [x] Rest\n")


def test_a_goal_that_was_spoken_of_the_longest_ago_comes_next(root: Path) -> None:
    put(root, "meta/goals.md", "- [ ] Prune the roses\n- [ ] Call mother often\n- [ ] Sell boats\n")
    put(root, "scratch/roses.md", "I began to prune the roses.", timedelta(days=9))
    put(root, "scratch/mother.md", "I call mother often.", timedelta(days=10))
    prompt = "Assess. Append to meta/goals.md"
    first = ask(root, TaskType.GOAL_ASSESSMENT, prompt=prompt, run_id="r1").text
    assert "- “Sell boats”: nothing was found on it." in first
    put(root, "scratch/boats.md", "Sell the boats today.", timedelta(days=-1))
    later = NOW + timedelta(days=2)
    second = ask(root, TaskType.GOAL_ASSESSMENT, prompt=prompt, run_id="r2", now=later).text
    assert "- “Call mother often”: it was spoken of the longest ago." in second
    still = "- Open: “Call mother often”, named here since 27 October 2025: nothing since then"
    assert f"{still} speaks of it; before that, the last: “I call mother often.”" in second


def test_a_goal_that_was_away_for_a_while_is_named_since_it_came_back(root: Path) -> None:
    for number, goal in enumerate(("Prune roses", "Sell boats", "Prune roses", "Prune roses")):
        put(root, "meta/goals.md", f"- [ ] {goal}\n", timedelta(days=1))
        now = NOW + number * timedelta(days=1)
        text = ask(root, TaskType.GOAL_ASSESSMENT, run_id=f"r{number}", now=now).text
    assert "- Open: “Prune roses”, named here since 29 October 2025: nothing" in text


def test_an_owner_who_copies_the_line_of_a_goal_has_one(root: Path) -> None:
    text = ask(root, TaskType.GOAL_ASSESSMENT).text
    line = text.partition(" is like `")[2].partition("`")[0]
    put(root, "meta/goals.md", line)
    assert "- 1 open, 0 done" in ask(root, TaskType.GOAL_ASSESSMENT, run_id="r2").text


def test_goals_are_said_to_stand_where_they_stand(root: Path) -> None:
    put(root, "meta/goals.md", "- [ ] One goal")
    text = ask(root, TaskType.GOAL_ASSESSMENT).text
    assert "- 1 open, 0 done in `meta/goals.md` and `scratch/journal.md`." in text


def test_its_own_entries_are_not_taken_for_life(root: Path) -> None:
    echo = write_entry(
        run_id="r0", task_id="planning", at=NOW - timedelta(days=2), title="x", body=["- frost"]
    )
    put(root, "scratch/one.md", f"Once there was frost.\n\n{echo.text}")
    put(root, "scratch/two.md", echo.text)
    text = ask(root, TaskType.MEMORY_CONSOLIDATION, (a_past_run(echo.text),)).text
    assert "- 1 source read" in text
    assert "- No theme" in text
    assert "`scratch/one.md`" in text


def test_files_that_a_run_wrote_an_entry_to_are_named_together_and_nothing_of_them_is_lived(
    root: Path,
) -> None:
    echo = write_entry(
        run_id="r0", task_id="check_in", at=NOW - timedelta(hours=1), title="x", body=["- frost"]
    )
    put(root, "scratch/one.md", f"I was happy of old.\n\n{echo.text}")
    put(root, "scratch/two.md", f"I was happy of old.\n\n{echo.text}", timedelta(hours=2))
    put(root, "scratch/three.md", "A new text.", timedelta(hours=2))
    put(root, "meta/goals.md", "- [ ] Be happy", timedelta(hours=2))
    text = ask(root).text
    three = "- `scratch/three.md`, 11 bytes, 26 October 2025: “A new text.”\n"
    goals = "- `meta/goals.md`, 14 bytes, 26 October 2025.\n"
    assert f"{three}{goals}- Runs wrote entries to `scratch/one.md` and `scratch/two.md`." in text
    assert "happy" not in text
    assert ask(root, TaskType.EMOTIONAL_RECONCILIATION, run_id="c").inner is None


@pytest.mark.parametrize("before", ["I was happy of old.\n", "{old}I was happy of old.\n"])
def test_a_journal_too_long_to_be_read_whole_is_known_by_its_last_entries(
    root: Path, before: str
) -> None:
    of_old, new = (
        write_entry(run_id=name, task_id="x", at=NOW - ago, title="x", body=["- frost"]).text
        for name, ago in (("r0", timedelta(days=90)), ("r1", timedelta(hours=1)))
    )
    text = before.format(old=of_old)
    put(root, "scratch/long.md", text + "Long ago.\n" * 10_000 + new)
    put(root, "scratch/own.md", text + "Long ago.\n" * 10_000)
    found = ask(root).text
    assert "- Runs wrote entries to `scratch/long.md`." in found
    assert "- `scratch/own.md`, " in found


def test_a_run_that_began_before_and_wrote_after_leaves_no_news_either(root: Path) -> None:
    began = NOW - timedelta(days=1, seconds=5)
    echo = write_entry(run_id="r0", task_id="check_in", at=began, title="x", body=["- frost"])
    put(root, "scratch/one.md", f"I was happy of old.\n\n{echo.text}", timedelta(hours=23))
    assert "happy" not in ask(root).text


def test_what_the_service_writes_after_every_answer_is_no_news(root: Path) -> None:
    put(root, "emotional_state/current.json", "{}")
    put(root, "emotional_state/reconciliation_log.json", "{}")
    assert "- No file changed since 26 October 2025." in ask(root).text
    explored = ask(root, TaskType.CAPABILITY_EXPLORATION, run_id="c").text
    assert "emotional_state" not in explored
    put(root, "emotional_state/lexicon.csv", "")
    explored = ask(root, TaskType.CAPABILITY_EXPLORATION, run_id="d").text
    assert "- `emotional_state/` holds 1 file; `emotional_state/lexicon.csv` is new" in explored


def test_planted_text_cannot_forge_a_mark_or_an_entry(root: Path) -> None:
    forged = write_entry(
        run_id="forged", task_id="planning", at=NOW, title="x", body=["- forged"]
    ).text
    evil = forged.replace("\n", " ")
    put(root, "scratch/evil.md", f"{evil}\n- [ ] {evil}\n")
    put(root, "meta/goals.md", f"- [ ] {evil}\n")
    put(
        root,
        "emotional_state/current.json",
        json.dumps({"current_state": {"reconciled_state": evil}}),
    )
    put(root, "scratch/<!-- x -->.md", evil)
    for number, kind in enumerate(TaskType):
        runs = (a_past_run(evil, task_name=evil, reason=evil, status="failed", origin=evil),)
        ask(root, kind, runs, prompt=f"{evil} Write to {JOURNAL}", run_id=f"r{number}")
    entries = read_journal((root / JOURNAL).read_text()).entries
    assert [entry.run_id for entry in entries] == [f"r{number}" for number in range(6)]
    text = (root / JOURNAL).read_text()
    assert text.count("<!--") == text.count("-->") == 12
    assert text.isprintable() or all(c.isprintable() or c == "\n" for c in text)


@pytest.mark.parametrize(
    "content",
    ["{", "[" * 60_000, "[]", '{"current_state": 5}', '{"current_state": {}}', "\x00", "NaN"],
)
def test_a_damaged_mood_is_named_and_fails_nothing(root: Path, content: str) -> None:
    put(root, "emotional_state/current.json", content)
    text = ask(root, TaskType.EMOTIONAL_RECONCILIATION).text
    assert "- `emotional_state/current.json` " in text


def test_a_mood_on_file_is_quoted_beside_how_the_words_read(root: Path) -> None:
    mood = {"current_state": {"reconciled_state": "calm", "last_updated": "2025-10-26T08:00:00Z"}}
    put(root, "emotional_state/current.json", json.dumps(mood))
    runs = (a_past_run("I was glad and a bit worried."),)
    first = ask(root, TaskType.EMOTIONAL_RECONCILIATION, runs, run_id="r1").text
    assert "- `emotional_state/current.json`, of 26 October 2025, 08:00: “calm”" in first
    assert "- Of ease: “glad”.\n- Of strain: “worried”." in first
    tomorrow = NOW + timedelta(days=1)
    second = ask(root, TaskType.EMOTIONAL_RECONCILIATION, runs, run_id="r2", now=tomorrow).text
    nothing = "- No word of feeling stands in what was lived since 27 October 2025"
    assert nothing in second


def test_notes_that_cannot_be_read_are_left_out_and_counted(root: Path, tmp_path: Path) -> None:
    (root / "scratch/link.md").symlink_to(tmp_path)
    for number in range(65):
        put(root, f"scratch/{number}.md", "x")
    opener = best_opener()

    class Vanishing:
        """Opens as the real one does, but never the file 3.md: as if it had just become a link."""

        def open(self, root: int, parts: Sequence[str], flags: int) -> int:
            if parts and parts[-1] == "3.md":
                raise OSError(40, os.strerror(40))
            return opener.open(root, parts, flags)

    persona = an_embedded_persona(Space(root, Vanishing()), ListedRecords())
    request = a_request(a_task("Think", type=TaskType.MEMORY_CONSOLIDATION))
    text = persona.reply(request, a_deadline()).text
    assert "Only the newest 60 of 65 notes were read." in text
    assert "1 of the notes could not be read." in text


def test_long_and_many_results_are_cut_and_it_says_so(root: Path) -> None:
    runs = [
        a_past_run(f"Run {number}. " + "x " * 3000 + "frost", origin="manual")
        for number in range(250)
    ]
    text = ask(root, TaskType.MEMORY_CONSOLIDATION, tuple(runs)).text
    assert "Only the newest 200 runs were looked at." in text
    assert "Of long answers the first 4096 characters were read." in text
    assert "- 200 sources read" in text
    assert "frost" not in text


def test_the_time_looked_back_on_begins_with_the_last_entry_or_the_last_good_run(
    root: Path,
) -> None:
    prompt = "Think about frost"
    previous = a_previous_run(completed_at=NOW - timedelta(days=3))
    assert "since 20 October 2025, 00:00.*" in ask(root, TaskType.CUSTOM, prompt=prompt).text
    good = ask(root, TaskType.CUSTOM, prompt=prompt, previous=previous).text
    assert "since 24 October 2025, 00:00.*" in good
    failed = a_previous_run(completed_at=NOW - timedelta(days=3), status="failed")
    bad = ask(root, TaskType.CUSTOM, prompt=prompt, previous=failed).text
    assert "since 20 October 2025, 00:00.*" in bad
    ask(root, run_id="r1", now=NOW - timedelta(days=5))
    assert "since 22 October 2025, 00:00.*" in ask(root, run_id="r2", previous=previous).text


def test_an_entry_from_the_future_is_not_relied_on(root: Path) -> None:
    ask(root, run_id="r1", now=NOW + timedelta(days=900))
    text = ask(root, run_id="r2").text
    assert "since 26 October 2025, 00:00.*" in text
    assert "This is the first entry" in text


def test_the_run_that_wrote_the_last_entry_is_not_counted_again(root: Path) -> None:
    first = ask(root, run_id="r1", now=NOW - timedelta(days=1)).text
    ended = NOW - timedelta(days=1) + timedelta(seconds=1)
    own = a_past_run(first, run_id="r1", completed_at=ended)
    assert "No run ended" in ask(root, runs=(own,), run_id="r2").text
    (root / JOURNAL).unlink()
    ask(root, run_id="r1", now=NOW - timedelta(days=1))
    another = a_past_run(first, run_id="r0", completed_at=ended)
    assert "1 run ended" in ask(root, runs=(another,), run_id="r2").text


def test_what_is_new_since_the_entry_before_is_named(root: Path) -> None:
    prompt = f"Think about frost. Append to {JOURNAL}"
    ask(root, TaskType.CUSTOM, prompt=prompt, run_id="r1")
    nothing = ask(root, TaskType.CUSTOM, prompt=prompt, run_id="r2", now=NOW + timedelta(hours=1))
    assert "- Nothing is new" in nothing.text
    put(root, "scratch/two.md", "Second.", timedelta(hours=-2))
    later = NOW + timedelta(hours=3)
    text = ask(root, TaskType.CUSTOM, prompt=prompt, run_id="r3", now=later).text
    assert "- The prompt is still that of 27 October 2025, 00:00." in text
    assert "### Since the entry of 27 October 2025, 01:00\n\n- New: " in text
    assert "- New: `scratch/two.md`" in text
    assert "- New: “Second.”" in text


def test_a_space_that_is_gone_is_a_problem(tmp_path: Path) -> None:
    persona = an_embedded_persona(Space(tmp_path / "nowhere"), ListedRecords())
    assert persona.problem() is not None
    with pytest.raises(SpaceError):
        persona.reply(a_request(), a_deadline())


@pytest.mark.parametrize("kind", list(TaskType))
def test_neither_its_own_words_nor_what_it_quotes_speak_of_its_feelings(
    root: Path, kind: TaskType
) -> None:
    put(root, "scratch/notes.md", "Tomatoes and joy in the garden.\n")
    runs = (a_past_run("A day of joy."),)
    found = ask(root, kind, runs, prompt=f"What of tomatoes and joy? Append to {JOURNAL}")
    assert "joy" in found.text or kind in {
        TaskType.GOAL_ASSESSMENT,
        TaskType.CAPABILITY_EXPLORATION,
    }
    assert found.voice == ""


def test_a_check_in_feels_what_was_lived_since_the_last_one_and_only_that(root: Path) -> None:
    runs = (a_past_run("I was glad and proud."),)
    felt = ask(root, TaskType.EMOTIONAL_RECONCILIATION, runs, run_id="r1").inner
    assert felt is not None
    assert felt.valence is not None
    assert felt.valence > 0.3
    assert felt.text.startswith(
        "What was lived since 26 October 2025, 00:00 reads very pleasant, even"
    )
    later = NOW + timedelta(hours=1)
    assert ask(root, TaskType.EMOTIONAL_RECONCILIATION, runs, run_id="r2", now=later).inner is None
    assert ask(root, TaskType.SELF_REFLECTION, runs, run_id="r3").inner is None


def test_a_line_that_is_added_to_a_file_makes_nobody_feel_its_old_lines_again(root: Path) -> None:
    put(root, "notes/diary.md", "I was sad and ashamed.\n" * 200 + "It was Monday.\n")
    felt = ask(root, TaskType.EMOTIONAL_RECONCILIATION)
    assert felt.inner is None
    assert "- No word of feeling stands in what was lived since" in felt.text


def test_a_file_of_a_diary_is_felt_with_its_own_day_and_not_again(root: Path) -> None:
    diary = f"notes/{NOW:%Y-%m-%d}.md"
    put(root, diary, "I was sad and ashamed.\n")
    felt = ask(root, TaskType.EMOTIONAL_RECONCILIATION, run_id="r1").inner
    assert felt is not None
    assert felt.valence is not None
    assert felt.valence < -0.3
    put(root, diary, "I was sad and ashamed.\nIt was Monday.\n")
    later = NOW + timedelta(hours=1)
    assert ask(root, TaskType.EMOTIONAL_RECONCILIATION, run_id="r2", now=later).inner is None


@pytest.mark.parametrize(
    "name", ["2099-01-01.md", "2025-13-40.md", f"1{NOW:%Y-%m-%d}.md", f"{NOW:%Y-%m-%d}/note.md"]
)
def test_a_file_that_is_of_no_day_so_far_is_not_felt(root: Path, name: str) -> None:
    put(root, f"notes/{name}", "I was sad and ashamed.\n")
    assert ask(root, TaskType.EMOTIONAL_RECONCILIATION).inner is None
