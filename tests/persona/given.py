"""What tests of personas start from: a task, an occasion, a request, a deadline, a past run."""

import os
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from app.core.clock import Clock, FakeClock, SystemClock
from app.persona.client import Deadline, Occasion, PastRun, PreviousRun, Records, Request
from app.persona.embedded import EmbeddedPersona
from app.persona.fakes import ListedMemories, ListedMoods
from app.persona.feelings.assessment import take_assessment
from app.persona.feelings.feelings import Feelings, Felt
from app.persona.feelings.lexicon import english
from app.persona.life import KeepsMemories, KeepsMoods, Life
from app.persona.memory.memory import Memory
from app.persona.prompt import render_prompt
from app.persona.quota import Quota
from app.persona.space import Space
from app.persona.writing import Hands
from app.tasks.task import Task, TaskType

NOW = datetime(2025, 10, 27, 0, 0, 2, tzinfo=UTC)
"""A Monday, two seconds after midnight in UTC, one hour after it in Berlin."""


def a_task(prompt: str = "Think. Write to scratch/notes.md", **changes: Any) -> Task:
    fields = {
        "id": "planning",
        "name": "Planning",
        "type": TaskType.CUSTOM,
        "schedule": "daily",
        "timezone": "UTC",
    }
    return Task(prompt=prompt, **{**fields, **changes})


def an_occasion(**changes: Any) -> Occasion:
    fields = {
        "run_id": "01k8hq0000000000000000000a",
        "attempt": 1,
        "origin": "schedule",
        "number": 1,
        "now": NOW,
        "scheduled_for": NOW - timedelta(seconds=2),
        "lateness": timedelta(seconds=2),
        "previous": None,
    }
    return Occasion(**{**fields, **changes})


def a_request(task: Task | None = None, **changes: Any) -> Request:
    task, occasion = task or a_task(), an_occasion(**changes)
    return Request(task=task, occasion=occasion, prompt=render_prompt(task, occasion, []))


def a_deadline(
    seconds: float = 10.0, clock: Clock | None = None, cancelled: threading.Event | None = None
) -> Deadline:
    clock = clock or FakeClock(NOW)
    return Deadline(clock, timedelta(seconds=seconds), cancelled or threading.Event())


def a_real_deadline(seconds: float, cancelled: threading.Event | None = None) -> Deadline:
    return a_deadline(seconds, SystemClock(), cancelled)


def a_past_run(text: str = "It went well.", **changes: Any) -> PastRun:
    fields = {
        "run_id": "01k8past",
        "task_id": "weekly_planning",
        "task_name": "Weekly planning",
        "task_type": "custom",
        "status": "succeeded",
        "reason": None,
        "origin": "schedule",
        "scheduled_for": None,
        "completed_at": NOW - timedelta(hours=2),
    }
    return PastRun(text=text, **{**fields, **changes})


def a_previous_run(**changes: Any) -> PreviousRun:
    fields = {"status": "succeeded", "reason": None, "completed_at": NOW - timedelta(days=1)}
    return PreviousRun(**{**fields, **changes})


def a_memory(text: str = "We planted tomatoes.", **changes: Any) -> Memory:
    fields = {
        "id": f"m-{text}",
        "kind": "note",
        "at": NOW - timedelta(hours=3),
        "origin": "api",
        "run_id": None,
        "task_id": None,
        "metadata": {},
        "created_at": NOW,
    }
    return Memory(text=text, **{**fields, **changes})


def a_life(
    memories: KeepsMemories | None = None,
    moods: KeepsMoods | None = None,
    fitting: Callable[[Request], Sequence[Memory]] = lambda _: (),
    tools: Sequence[str] = (),
) -> Life:
    return Life(
        memories=memories or ListedMemories(),
        moods=moods or ListedMoods(),
        fitting=fitting,
        lexicon=english,
        tools=tools,
    )


def an_embedded_persona(
    space: Space, records: Records, life: Life | None = None
) -> EmbeddedPersona:
    return EmbeddedPersona(space, hands_on(space), records, life or a_life())


def after(feelings: Feelings, answer: str, **given: Any) -> Felt:
    """Let an answer be felt, its inner view taken out before."""
    visible, inner = take_assessment(answer)
    return feelings.weigh(visible, inner, **given)


def hands_on(space: Space, clock: Clock | None = None, **bounds: int) -> Hands:
    return Hands(space, Quota(space, clock or FakeClock(NOW), **bounds))


def put(root: Path, path: str, text: str, ago: timedelta = timedelta(hours=1)) -> Path:
    """Write a file that was last changed so long before NOW."""
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    at = (NOW - ago).timestamp()
    os.utime(file, (at, at))
    return file
