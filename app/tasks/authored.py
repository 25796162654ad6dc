"""What an author made of the tasks, and taking it back where nobody has changed them since."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Connection, select

from app.core.clock import Clock
from app.core.errors import ScheduleError
from app.database import Database
from app.tasks.changes import Change, Put, Remove
from app.tasks.record import TaskRecord
from app.tasks.registry import Registry
from app.tasks.revising import as_stored
from app.tasks.tables import task_revisions
from app.tasks.task import TAKEN_BACK, Author
from app.tasks.timetable import Timetable

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Found:
    """A task as an author found it; without a definition there was none."""

    task_id: str
    definition: Mapping[str, Any] | None

    def again(self, reason: str) -> Change:
        """Return the change that lets it be so again."""
        if self.definition is None:
            return Remove(task_id=self.task_id, reason=reason)
        return Put(task_id=self.task_id, definition=self.definition, reason=reason)


class AuthoredTasks:
    """Takes back what an author made of tasks. Safe to repeat, kill and do at once.

    A task that somebody else has changed since stays as it is. What is taken back is a revision by
    the service, under the name of that author, so the history shows both.
    """

    def __init__(
        self, registry: Registry, database: Database, timetable: Timetable, clock: Clock
    ) -> None:
        self._registry = registry
        self._database = database
        self._timetable = timetable
        self._clock = clock

    def is_any(self, connection: Connection, author: Author) -> bool:
        """Say whether there is anything of an author to be taken back."""
        return bool(self._task_ids(connection, author))

    def take_back(self, author: Author, reason: str) -> Sequence[str]:
        """Let tasks be as the author found them; return the ids of those that had been changed.

        Raises LedgerUnavailable: then it is to be done again.
        """
        with self._database.read() as connection:
            task_ids = self._task_ids(connection, author)
        for task_id in task_ids:
            self._take_back(task_id, author, reason)
        return task_ids

    def _take_back(self, task_id: str, author: Author, reason: str) -> None:
        found: _Found | None = None

        def look_again(connection: Connection) -> None:
            # the task is locked by now: nobody can be quicker any more
            nonlocal found
            found = self._found(connection, task_id, author)

        def decide(_: Mapping[str, TaskRecord]) -> list[Change]:
            return [found.again(reason)] if found is not None else []

        by = Author(kind="service", name=author.name)
        self._registry.change([task_id], decide, by, action=TAKEN_BACK, first=look_again)

    def _task_ids(self, connection: Connection, author: Author) -> list[str]:
        of_author = select(task_revisions.c.task_id).where(task_revisions.c.author == str(author))
        task_ids = connection.execute(of_author.distinct()).scalars().all()
        return [each for each in task_ids if self._found(connection, each, author) is not None]

    def _found(self, connection: Connection, task_id: str, author: Author) -> _Found | None:
        """Return what the author found, None where somebody else has made a revision since."""
        of_task = (
            select(task_revisions)
            .where(task_revisions.c.task_id == task_id)
            .order_by(task_revisions.c.revision.desc())
            .limit(1)
        )
        if connection.execute(of_task).one().author != str(author):
            return None
        others = of_task.where(task_revisions.c.author != str(author))
        before = connection.execute(others).one_or_none()
        found = _Found(task_id=task_id, definition=before.definition if before else None)
        return found if self._is_readable(found) else None

    def _is_readable(self, found: _Found) -> bool:
        """Say whether it can be in force here: its zone may be one that only another machine has.

        What cannot be is left, or its run would wait for it for ever.
        """
        try:
            if found.definition is not None:
                as_stored(found.definition, self._timetable, self._clock.now())
        except ScheduleError as error:
            log.error("task.not_taken_back", task_id=found.task_id, error=error.detail)
            return False
        return True
