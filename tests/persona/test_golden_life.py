"""The five default tasks on 200 memories of ten days, word by word: two nights, one after another.

`python -m tests.persona.test_golden_life` writes the golden files anew; read the difference.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core.clock import FakeClock
from app.core.ids import RandomIds
from app.core.instants import read_instant
from app.database import Database
from app.migrations import upgrade
from app.persona.client import PastRun, Request
from app.persona.embedded import EmbeddedPersona
from app.persona.fakes import ListedRecords
from app.persona.feelings.affect import read_affect
from app.persona.feelings.assessment import take_assessment
from app.persona.feelings.lexicon import english
from app.persona.feelings.mood import pull
from app.persona.feelings.series import MoodSeries
from app.persona.life import Life
from app.persona.memory.memory import INSIGHT, Draft, Within
from app.persona.memory.recall import Recall
from app.persona.memory.store import Memories
from app.persona.metatalk import find_metatalk
from app.persona.space import Space, ensure_space
from app.runs.contract import Changed, unmet
from app.tasks.task import Change, Expected, Task, TaskType
from tests.persona.given import a_deadline, a_past_run, a_request, a_task, hands_on

GOLDEN = Path(__file__).parent / "golden"
DEFAULTS = Path(__file__).parents[2] / "app" / "tasks" / "templates" / "defaults.json"
MONDAY = datetime(2026, 11, 23, 0, 0, 2, tzinfo=UTC)
NIGHTS = {"daily": MONDAY - timedelta(days=1), "weekly": MONDAY - timedelta(days=7)}
TOOLS = ("read_file", "write_file", "append_file", "search_files", "remember", "recall")
GOALS = """# Goals

- [ ] Learn to read a weather map
- [ ] Bring the lemon tree and the lettuce through the frost
- [ ] Help Mira to finish the letter to Aunt Ruth
- [ ] Understand how the pendulum clock loses its minutes
- [ ] Write a story about the ferry
- [ ] Find a cure for the moss on the north steps
- [x] Sort the seed tin
"""
IDENTITY = "# Who I am\n\nI live with Mira in the house with the greenhouse.\n"
WEATHER = """# Words on the weather map

- Ridge: high pressure drawn out to a tongue. Dry.
- Trough: low pressure drawn out to a tongue. Rain.
- Occluded front: a cold front has caught up with a warm one.
- Gulls inland mean a storm at sea.
"""
FERRY = "# The ferry\n\nAt noon the river belonged to him.\n"
OPENINGS = ("Goals: ", "The ferry: ", "Words on the weather map: ")
SCRIPT = "print('four minutes a day')\n"


def default_tasks() -> dict[str, Task]:
    return {
        found["id"]: a_task(
            found["prompt"],
            id=found["id"],
            name=found["name"],
            type=TaskType(found["type"]),
            schedule=found["schedule"],
            expects=[
                Expected(path=one["path"], change=Change(one["change"])) for one in found["expects"]
            ],
        )
        for found in json.loads(DEFAULTS.read_text(encoding="utf-8"))
    }


def life_on(database: Database) -> tuple[Memories, MoodSeries]:
    """Keep the 200 memories, and the mood as it would have moved with them."""
    ids = RandomIds()
    memories, moods = Memories(database, FakeClock(MONDAY), ids), MoodSeries(database, ids)
    lines = (GOLDEN / "memories.jsonl").read_text(encoding="utf-8").splitlines()
    drafts = [_draft(json.loads(line)) for line in lines]
    assert len({draft.text for draft in drafts}) > 190
    memories.remember_all(drafts)
    for draft in drafts:
        reading = read_affect(draft.text, english())
        if reading.count and draft.kind != "result":
            moods.note(
                reading.affect,
                weight=pull(reading.count),
                at=draft.at,
                run_id=None,
                source="reply",
                origin=draft.origin,
            )
    return memories, moods


def _draft(line: Mapping[str, Any]) -> Draft:
    return Draft(**{**line, "at": read_instant(line["at"])})


def write(root: Path, path: str, text: str, at: datetime) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    os.utime(file, (at.timestamp(), at.timestamp()))


def first_days(root: Path) -> None:
    ensure_space(root)
    write(root, "identity/who_i_am.md", IDENTITY, MONDAY - timedelta(days=40))
    write(root, "meta/goals.md", GOALS, MONDAY - timedelta(days=10))
    write(root, "learning_journey/weather.md", WEATHER[:90], MONDAY - timedelta(days=9))


def last_days(root: Path) -> None:
    goals = (root / "meta/goals.md").read_text(encoding="utf-8")
    done = goals.replace("[ ] Help Mira", "[x] Help Mira", 1)
    write(root, "meta/goals.md", done, MONDAY - timedelta(hours=9))
    write(root, "learning_journey/weather.md", WEATHER, MONDAY - timedelta(hours=15))
    write(root, "scratch/ferry.md", FERRY, MONDAY - timedelta(hours=5))
    write(root, "scratch/clock/loss.py", SCRIPT, MONDAY - timedelta(days=5))


def past_runs() -> list[PastRun]:
    """The daily summary of each evening, a failure twice, and two runs by hand."""
    summaries = [
        a_past_run(
            "Summary.",
            task_id="daily_summary",
            task_name="Daily summary",
            completed_at=MONDAY - timedelta(days=days, hours=2),
            tools=("recall", "append_file"),
        )
        for days in range(1, 10)
    ]
    news = {"task_id": "news", "task_name": "News", "status": "failed", "reason": "persona_timeout"}
    return [
        *summaries,
        *(a_past_run("", completed_at=MONDAY - timedelta(hours=h), **news) for h in (6, 18)),
        a_past_run(
            "The recipe needs six plums.",
            task_id="recipe",
            task_name="Recipe for Jonas",
            origin="manual",
            completed_at=MONDAY - timedelta(days=6, hours=8),
            tools=("search_files", "read_file", "read_file"),
        ),
    ]


class House:
    """The space, the life and the persona of the fixture."""

    def __init__(self, root: Path, database: Database) -> None:
        self.root = root
        self.memories, moods = life_on(database)
        first_days(root)
        self.records = ListedRecords()
        self.ran: list[PastRun] = []
        recall = Recall(self.memories)
        life = Life(
            memories=self.memories,
            moods=moods,
            fitting=lambda request: [
                one.memory for one in recall.for_run(request.task, request.occasion).relevant
            ],
            lexicon=english,
            tools=TOOLS,
        )
        space = Space(root)
        self.persona = EmbeddedPersona(space, hands_on(space), self.records, life)

    def request(self, task: Task, now: datetime) -> Request:
        run_id = f"01{task.id[:12]}{now:%d}".replace("_", "")
        return a_request(task, run_id=run_id, now=now, scheduled_for=now - timedelta(seconds=2))

    def run(self, task: Task, now: datetime) -> str:
        target = self.root / task.expects[0].path
        before = target.read_bytes() if target.exists() else None
        known = [*past_runs(), *self.ran]
        self.records.runs = [run for run in known if run.completed_at <= now]
        text = self.persona.reply(self.request(task, now), a_deadline(60)).text
        after = target.read_bytes()
        os.utime(target, (now.timestamp(), now.timestamp()))
        self.ran.append(
            a_past_run(
                text,
                run_id=self.request(task, now).occasion.run_id,
                task_id=task.id,
                task_name=task.name,
                task_type=task.type,
                completed_at=now + timedelta(seconds=1),
            )
        )
        changed = Changed(path=task.expects[0].path, change="updated", steps=[(before, after)])
        assert unmet(task.expects, [changed]) == []
        assert after.startswith(before or b"")
        return text


def two_nights(root: Path, database: Database) -> dict[str, str]:
    house = House(root, database)
    tasks = default_tasks()
    for task in sorted(tasks.values(), key=lambda task: NIGHTS[task.schedule]):
        house.run(task, NIGHTS[task.schedule])
    last_days(root)
    for task in tasks.values():
        house.run(task, MONDAY)
    return {
        task.id: (root / task.expects[0].path).read_text(encoding="utf-8")
        for task in tasks.values()
    }


def test_the_entries_on_ten_days_of_life_are_as_they_were_agreed(
    tmp_path: Path, database: Database
) -> None:
    for task_id, text in two_nights(tmp_path / "space", database).items():
        assert text == (GOLDEN / f"life_{task_id}.md").read_text(encoding="utf-8")


def test_a_consolidation_that_is_done_again_keeps_no_second_insight(
    tmp_path: Path, database: Database
) -> None:
    house, task = House(tmp_path / "space", database), default_tasks()["memory_consolidation"]
    first = house.run(task, MONDAY)
    kept = house.memories.page(Within(kind=INSIGHT), limit=10).memories
    assert 0 < len(kept) <= 2
    assert all(f"“{memory.text}”" in first for memory in kept)
    assert all(memory.origin == "schedule" and memory.task_id == task.id for memory in kept)
    (house.root / task.expects[0].path).unlink()
    again = house.run(task, MONDAY)
    assert again == first
    assert house.memories.page(Within(kind=INSIGHT), limit=10).memories == kept


@pytest.mark.parametrize("task_id", sorted(default_tasks()))
def test_every_quotation_stands_in_a_memory_a_file_or_a_record(task_id: str) -> None:
    lines = (GOLDEN / "memories.jsonl").read_text(encoding="utf-8").splitlines()
    said = [json.loads(line)["text"] for line in lines]
    said += [GOALS, IDENTITY, WEATHER, FERRY, *(run.task_name for run in past_runs())]
    said += [task.name for task in default_tasks().values()]
    everything = "\n".join(said).casefold()
    entry = (GOLDEN / f"life_{task_id}.md").read_text(encoding="utf-8")
    quotations = [part.partition("”")[0] for part in entry.split("“")[1:]]
    assert quotations or task_id == "capability_exploration"
    for quotation in quotations:
        # the opening of a note is its heading and its first sentence
        parts = quotation.split(": ", 1) if quotation.startswith(OPENINGS) else [quotation]
        # what was quoted before in the entry is cut to its first words
        said = [part.casefold().removesuffix("…") for part in parts]
        assert all(part in everything for part in said), quotation


@pytest.mark.parametrize("task_id", sorted(default_tasks()))
def test_entries_come_out_of_the_inner_life_as_they_went_in(task_id: str) -> None:
    entry = (GOLDEN / f"life_{task_id}.md").read_text(encoding="utf-8")
    assert find_metatalk(entry) == []
    assert take_assessment(entry) == (entry, None)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        own = Database(f"sqlite:///{folder}/ledger.sqlite3")
        upgrade(own)
        for name, written in two_nights(Path(folder) / "space", own).items():
            (GOLDEN / f"life_{name}.md").write_text(written, encoding="utf-8")
        own.close()
