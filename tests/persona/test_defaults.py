import json
from pathlib import Path

from app.persona.findings import target_of
from app.tasks.schema import check_definition

DEFAULTS = Path(__file__).parents[2] / "app" / "tasks" / "templates" / "defaults.json"


def test_the_five_default_tasks_are_those_of_the_documentation() -> None:
    found = json.loads(DEFAULTS.read_text(encoding="utf-8"))
    for definition in found:
        check_definition(definition)
        assert definition["enabled"] is True
    rows = [(d["id"], d["name"], d["type"], d["schedule"], target_of(d["prompt"])) for d in found]
    assert rows == [
        (
            "daily_reflection",
            "Daily Self-Reflection",
            "self_reflection",
            "daily",
            "scratch/daily_reflections.md",
        ),
        (
            "weekly_goal_assessment",
            "Weekly Goal Assessment",
            "goal_assessment",
            "weekly",
            "meta/goals.md",
        ),
        (
            "memory_consolidation",
            "Memory Consolidation",
            "memory_consolidation",
            "daily",
            "scratch/memory_insights.md",
        ),
        (
            "capability_exploration",
            "Capability Exploration",
            "capability_exploration",
            "weekly",
            "meta/capabilities.md",
        ),
        (
            "emotional_check_in",
            "Emotional Check-In",
            "emotional_reconciliation",
            "daily",
            "scratch/emotional_journal.md",
        ),
    ]
