"""An editor that takes no lock against the API, both as fast as they can."""

import json
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

from app.core.clock import SystemClock
from app.database import Database
from app.tasks.desk import Desk
from app.tasks.space_file import SpaceFile
from tests.conftest import on_sqlite
from tests.house import OWNER, House, definition

EDITS = 1000
TASKS = 12

# Reads the file as it is, marks one task, writes it back; in three ways, and without any lock.
EDITOR = """
import json, os, random, sys, time
path, edits, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
chance = random.Random(seed)

def marked(text, number):
    content = json.loads(text)
    chance.choice(content["tasks"])[f"edit_{number}"] = True
    return json.dumps(content, indent=2) + "\\n"

def by_rename(number):
    with open(path) as file:
        text = marked(file.read(), number)
    with open(path + ".editor", "w") as file:
        file.write(text)
    os.replace(path + ".editor", path)

def by_truncating(number):
    with open(path) as file:
        text = marked(file.read(), number)
    with open(path, "w") as file:
        file.write(text[:len(text) // 2])
        file.flush()
        file.write(text[len(text) // 2:])

def within_the_open_file(number):
    with open(path, "r+") as file:
        text = marked(file.read(), number)
        time.sleep(chance.random() / 25)
        file.seek(0)
        file.write(text)
        file.truncate()

for number in range(edits):
    chance.choice([by_rename, by_truncating, within_the_open_file])(number)
    time.sleep(chance.random() / 25)
"""


@on_sqlite
def test_no_edit_is_lost_between_an_editor_without_locks_and_the_api(
    database: Database, tmp_path: Path
) -> None:
    house = House(database, tmp_path)
    for number in range(TASKS):
        house.registry.create(definition(f"task_{number}"), OWNER)
    file = SpaceFile(tmp_path / "tasks")
    desk = Desk(database, house.registry, file, SystemClock(), lock_path=tmp_path / "lock")
    desk.sync()
    seed = random.randrange(10**6)
    print("seed", seed)
    stop = threading.Event()
    syncing = threading.Thread(target=lambda: [desk.sync() for _ in iter(stop.is_set, True)])
    syncing.start()
    editor = subprocess.Popen([sys.executable, "-c", EDITOR, str(file.path), str(EDITS), str(seed)])
    chance = random.Random(seed)
    try:
        for number in range(EDITS):
            task_id = f"task_{chance.randrange(TASKS)}"
            house.registry.update(task_id, {f"patch_{number}": True}, OWNER)
            time.sleep(chance.random() / 25)
        assert editor.wait(120) == 0
    finally:
        editor.kill()
        editor.wait()
        stop.set()
        syncing.join()
    settle(desk)

    in_force = [record.definition for record in house.registry.snapshot().records.values()]
    shown = json.loads(file.path.read_text())["tasks"]
    wanted = {f"{who}_{number}" for who in ("edit", "patch") for number in range(EDITS)}
    for entries in (in_force, shown):
        assert wanted - {key for entry in entries for key in entry} == set()
    assert desk.status().errors == ()
    assert list(file.path.parent.glob(".*")) == []


def settle(desk: Desk) -> None:
    while (report := desk.sync()).again is not None:
        time.sleep(report.again.total_seconds())
