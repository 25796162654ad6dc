"""The six compositions, word by word: two entries a week apart on one small space.

`python -m tests.persona.test_golden` writes the golden files anew; read the difference.
"""

import tempfile
from datetime import timedelta
from pathlib import Path

import pytest

from app.persona.fakes import ListedRecords
from app.persona.space import Space, ensure_space
from app.tasks.task import TaskType
from tests.persona.given import (
    NOW,
    a_deadline,
    a_past_run,
    a_request,
    a_task,
    an_embedded_persona,
    put,
)

GOLDEN = Path(__file__).parent / "golden"
TARGETS = {
    TaskType.SELF_REFLECTION: "scratch/daily_reflections.md",
    TaskType.GOAL_ASSESSMENT: "meta/goals.md",
    TaskType.MEMORY_CONSOLIDATION: "scratch/memory_insights.md",
    TaskType.CAPABILITY_EXPLORATION: "meta/capabilities.md",
    TaskType.EMOTIONAL_RECONCILIATION: "scratch/emotional_journal.md",
    TaskType.CUSTOM: "scratch/frost_plan.md",
}
PROMPT = "Plan how to keep the tomato plants from the frost. Append to {target}"
WEEK = timedelta(days=7)
GOALS = """# Goals

- [ ] Keep the tomato plants alive until November
- [ ] Learn to read a weather map
- [x] Build a trellis
"""
MOOD = '{"current_state": {"reconciled_state": "%s", "last_updated": "2025-10-26T20:00:00Z"}}'


def first_week(root: Path) -> ListedRecords:
    put(root, "meta/goals.md", GOALS, timedelta(days=3))
    put(
        root,
        "scratch/garden.md",
        "# Garden\n\nThe tomato plants look happy. A frost is coming, and I am worried.\n",
        timedelta(hours=5),
    )
    put(root, "reflections/patience.md", "Patience with plants is patience with me.\n")
    put(root, "emotional_state/current.json", MOOD % "calm, with some worry about the frost")
    return ListedRecords(
        a_past_run("Cover the tomato plants before the frost. Call the nursery."),
        a_past_run("no connection", task_name="News", status="failed", reason="persona_timeout"),
        a_past_run(
            "no connection",
            task_name="News",
            status="failed",
            reason="persona_timeout",
            origin="manual",
            completed_at=NOW - timedelta(hours=3),
        ),
        a_past_run("A quiet day.", task_name="Daily", task_type="self_reflection", origin="manual"),
    )


def second_week(root: Path, records: ListedRecords, target: str) -> None:
    # what only looks at times of files must not see when this test ran
    put(root, target, (root / target).read_text(), timedelta(seconds=-1))
    goals = (root / "meta/goals.md").read_text()
    put(root, "meta/goals.md", goals.replace("[ ] Learn", "[x] Learn"), -timedelta(days=2))
    put(
        root,
        "scratch/frost.md",
        "The frost came, and the tomato plants are still alive. I am glad and relieved.\n",
        -timedelta(days=5),
    )
    put(root, "emotional_state/current.json", MOOD % "relieved", -timedelta(days=5))
    records.runs.append(
        a_past_run("The frost is over.", completed_at=NOW + timedelta(days=6), task_name="Weather")
    )


def two_entries(kind: TaskType, root: Path) -> str:
    ensure_space(root)
    target = TARGETS[kind]
    task = a_task(
        PROMPT.format(target=target),
        id=kind,
        name=kind.replace("_", " ").title(),
        type=kind,
        timezone="Europe/Berlin",
    )
    records = first_week(root)
    persona = an_embedded_persona(Space(root), records)
    persona.reply(a_request(task, run_id="01k8first"), a_deadline())
    second_week(root, records, target)
    later = {"now": NOW + WEEK, "scheduled_for": NOW + WEEK, "origin": "manual"}
    persona.reply(a_request(task, run_id="01k8second", **later), a_deadline())
    return (root / target).read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", list(TaskType))
def test_the_entries_are_as_they_were_agreed(kind: TaskType, tmp_path: Path) -> None:
    golden = (GOLDEN / f"{kind}.md").read_text(encoding="utf-8")
    assert two_entries(kind, tmp_path / "space") == golden


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for each in TaskType:
        with tempfile.TemporaryDirectory() as folder:
            text = two_entries(each, Path(folder) / "space")
        (GOLDEN / f"{each}.md").write_text(text, encoding="utf-8")
