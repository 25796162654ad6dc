"""Many tasks at the start of the clock, and one edit among them."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

from app.schedule.jobstore import RegistryJobStore
from tests.bench import peers
from tests.bench.apart import apart
from tests.bench.ours import built, filled, opened, scattered
from tests.bench.report import Line, compared, shown
from tests.bench.scale import Scale


def lines(scale: Scale, folder: Path) -> Iterator[Line]:
    """Measure."""
    count = scale.many
    place = folder / "loading"
    apart(filled, place, scattered(count))
    armed, added = [], []
    for _ in range(scale.repeats):
        armed.append(apart(arm, place))
        added.append(apart(add, count))
    yield compared(
        f"{count:,} tasks from the database to the clock; against add_job()",
        armed,
        added,
        "s",
        at_most=1 / 8,
    )
    imported = apart(take_in, folder / "imported", count)
    yield Line(
        case=f"a new service takes in a file of {count:,} tasks", ours=shown([imported], "s")
    )
    synced, again = apart(edit, place, scale.repeats), apart(sync_again, count)
    yield compared(
        f"one edit in a file of {count:,} tasks; against syncing APScheduler anew",
        [sum(synced) / len(synced)],
        [again],
        "s",
        at_most=1 / 20,
    )
    noticed = apart(edit_watched, place, scale.repeats)
    yield Line(
        case=f"from an edit of that file to its being in force, worst of {scale.repeats}",
        ours=shown([max(noticed)], "s"),
        goal="<= 1 s",
        met=max(noticed) <= 1,
    )


def arm(folder: Path) -> float:
    """Return how long the clock takes to know the tasks of a database, and when to ring next."""
    services = built(folder)
    store = RegistryJobStore(services.registry, services.clock)
    began = time.perf_counter()
    store.refresh()
    store.get_next_run_time()
    return time.perf_counter() - began


def add(count: int) -> float:
    """Return how long APScheduler takes to be told the same tasks."""
    with peers.scheduler() as made:
        began = time.perf_counter()
        peers.add_jobs(made, count)
        return time.perf_counter() - began


def take_in(folder: Path, count: int) -> float:
    """Return how long a new service takes to have the tasks of a file in force."""
    path = folder / "space" / "tasks" / "tasks.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"tasks": scattered(count)}, indent=2))
    began = time.perf_counter()
    services = opened(folder)
    took = time.perf_counter() - began
    assert len(services.registry.snapshot().records) == count
    return took


def edit(folder: Path, times: int) -> list[float]:
    """Return how long the desk takes to put each of some edits in force."""
    services = opened(folder)
    path = services.settings.persona_space / "tasks" / "tasks.json"
    took = []
    for number in range(times + 1):
        _edit(path, number)
        began = time.perf_counter()
        services.desk.sync()
        took.append(time.perf_counter() - began)
        assert services.registry.get("task-1").task.prompt == _prompt(number)
    services.stop()
    return took[1:]


def edit_watched(folder: Path, times: int) -> list[float]:
    """Return how long after each of some edits a running service has it in force."""
    services = opened(folder)
    path = services.settings.persona_space / "tasks" / "tasks.json"
    services.start()
    took = []
    for number in range(times):
        time.sleep(1.5)
        _edit(path, -1 - number)
        began = time.perf_counter()
        while services.registry.get("task-1").task.prompt != _prompt(-1 - number):
            time.sleep(0.005)
        took.append(time.perf_counter() - began)
    services.stop()
    return took


def sync_again(count: int) -> float:
    """Return how long it takes to read the tasks from JSON and tell all of them to APScheduler."""
    text = json.dumps({"tasks": scattered(count)}, indent=2)
    with peers.scheduler() as made:
        peers.add_jobs(made, count)
        began = time.perf_counter()
        json.loads(text)
        made.remove_all_jobs()
        peers.add_jobs(made, count)
        return time.perf_counter() - began


def _edit(path: Path, number: int) -> None:
    """Change one prompt, as an editor does: a new file in the place of the old one."""
    document = json.loads(path.read_text())
    task = next(task for task in document["tasks"] if task["id"] == "task-1")
    task["prompt"] = _prompt(number)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(document, indent=2) + "\n")
    fresh.replace(path)


def _prompt(number: int) -> str:
    return f"Reflect once more, for the {number}th time."
