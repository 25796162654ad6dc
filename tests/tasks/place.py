"""A desk in a folder of its own, and what its owner, an editor and the API do to it."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from app.database import Database
from app.tasks.desk import Desk
from app.tasks.desk_report import SyncReport
from app.tasks.merge import Hold
from app.tasks.registry import Registry
from app.tasks.space_file import SpaceFile
from tests.house import OWNER, House, definition


class Place:
    """A desk in a folder of its own, and what an owner and an editor do."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.house = House(database, folder)
        self.registry, self.clock = self.house.registry, self.house.clock
        self.file = SpaceFile(folder / "tasks")
        self.path = self.file.path
        self.lock_path = folder / "desk.lock"
        self.desk = self.another_process()

    def another_process(
        self, file: SpaceFile | None = None, registry: Registry | None = None
    ) -> Desk:
        return Desk(
            self.database,
            registry or self.registry,
            file or self.file,
            self.clock,
            lock_path=self.lock_path,
        )

    def begin(self, *task_ids: str) -> None:
        """Have these tasks in force, and a file that shows them."""
        for task_id in task_ids:
            self.registry.create(definition(task_id), OWNER)
        self.desk.sync()

    def patch(self, task_id: str, **fields: Any) -> None:
        self.registry.update(task_id, fields, OWNER)

    def run(self, task_id: str) -> None:
        """Let the task run once, by hand."""
        self.house.executions.start(task_id)
        self.house.settle()

    def definition(self, task_id: str) -> dict[str, Any]:
        return dict(self.registry.get(task_id).definition)

    def in_force(self) -> list[str]:
        return list(self.registry.snapshot().records)

    # ---- the editor

    def text(self) -> str:
        return self.path.read_text()

    def content(self) -> Any:
        return json.loads(self.text())

    def entry(self, task_id: str) -> dict[str, Any]:
        entries: list[dict[str, Any]] = self.content()["tasks"]
        (found,) = [entry for entry in entries if entry["id"] == task_id]
        return found

    def edit(
        self, change: Callable[[list[dict[str, Any]]], object], text: str | None = None
    ) -> None:
        """Save what an editor made of the text, by default of the present one."""
        content = json.loads(self.text() if text is None else text)
        change(content["tasks"])
        self.path.write_text(json.dumps(content, indent=2) + "\n")

    def put(self, task_id: str, text: str | None = None, **fields: Any) -> None:
        """Change fields of an entry in the file."""
        self.edit(
            lambda tasks: next(e for e in tasks if e["id"] == task_id).update(fields),
            text,
        )

    def take_away(self, *task_ids: str) -> None:
        def change(tasks: list[dict[str, Any]]) -> None:
            tasks[:] = [entry for entry in tasks if entry["id"] not in task_ids]

        self.edit(change)

    def put_at(self, index: int, **fields: Any) -> None:
        self.edit(lambda tasks: tasks[index].update(fields))

    def entry_names(self) -> list[str]:
        names = []
        for piece in self.text().split('"name": "')[1:]:
            names.append(piece.split('"')[0])
        return names

    def held(self) -> Hold | None:
        held = self.desk.status().held
        return held.reason if held is not None else None

    def wait(self) -> SyncReport:
        """Let the grace for unfinished files pass."""
        self.desk.sync()
        self.clock.advance(timedelta(seconds=2))
        return self.desk.sync()

    def later(self) -> SyncReport:
        """Look a while later, when nothing is put off any more."""
        self.clock.advance(timedelta(seconds=1))
        return self.desk.sync()

    def told(self) -> dict[str, Any] | None:
        path = self.path.with_name("tasks.errors.json")
        return json.loads(path.read_text()) if path.exists() else None
