"""A small house for tests: registry, schedule, ledger and engine on a real database, no threads.

Time stands still until a test moves it. `step` does what the threads of a service would do.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

from sqlalchemy import Connection, select

from app.core.clock import FakeClock
from app.core.errors import LedgerUnavailable
from app.core.ids import RandomIds
from app.database import Database
from app.persona.fakes import ScriptedPersona
from app.persona.feelings.series import MoodSeries
from app.persona.history.files import SpaceFiles
from app.persona.history.snapshots import Snapshots
from app.persona.history.store import Store
from app.persona.memory.store import Memories
from app.runs.cancelling import Cancelling
from app.runs.engine import Engine
from app.runs.executions import Executions
from app.runs.history import History, RunFilter
from app.runs.keys import Keys
from app.runs.ledger import Ledger
from app.runs.processes import Place, Processes
from app.runs.recording import Space, SpaceRecorder
from app.runs.recovery import Recovery
from app.runs.remembering import Remembering
from app.runs.results import ResultFolder
from app.runs.run import Claim, Outcome, Run, Status
from app.runs.runner import Runner
from app.runs.space_history import SpaceHistory
from app.runs.tables import runs
from app.runs.taking_back import TakingBack
from app.runs.trail import Trail
from app.schedule.audit import Auditor
from app.schedule.book import ScheduleBook
from app.schedule.planner import Planner
from app.schedule.settling import Settling
from app.schedule.timetable import TaskTimetable
from app.tasks.authored import AuthoredTasks
from app.tasks.registry import Registry
from app.tasks.task import Author, Expected, Task
from app.wiring_between import files_meant_by

OWNER = Author(kind="owner")
MIDNIGHT = datetime(2026, 11, 24, tzinfo=UTC)


def definition(task_id: str = "daily_reflection", **fields: Any) -> dict[str, Any]:
    """Return the definition of a task that reflects daily."""
    return {
        "id": task_id,
        "name": task_id.replace("_", " ").title(),
        "type": "self_reflection",
        "schedule": "daily",
        "prompt": "Reflect on today.",
        "enabled": True,
        **fields,
    }


class AwayDatabase(Database):
    """A database that does not answer while it is `away`."""

    away = False

    @contextmanager
    def write(self) -> Iterator[Connection]:
        self._check()
        with super().write() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        self._check()
        with super().read() as connection:
            yield connection

    def glance(self, statement: str) -> Any:
        self._check()
        return super().glance(statement)

    def _check(self) -> None:
        if self.away:
            raise LedgerUnavailable("it is away")


class AtOnce(Executor):
    """An executor that does the work right where it is asked to, so that nothing is concurrent."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class Later(Executor):
    """An executor whose work is done when the test says so."""

    def __init__(self) -> None:
        self.work: list[Callable[[], Any]] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.work.append(lambda: fn(*args, **kwargs))
        return Future()

    def go_on(self) -> None:
        work, self.work = self.work, []
        for each in work:
            each()


def run_to_its_end(runner: Runner, claim: Claim) -> Outcome:
    ((_, outcome),) = runner.close([runner.ask(claim, Event())], Event())
    return outcome


class House:
    """One process of a service, taken apart; several of them may share a database."""

    def __init__(
        self,
        database: Database,
        folder: Path,
        *,
        clock: FakeClock | None = None,
        persona: ScriptedPersona | None = None,
        pid: int = 1,
        places: int = 8,
        pace: timedelta = timedelta(seconds=1),
        min_interval: timedelta = timedelta(seconds=1),
        default_timezone: str = "UTC",
        defaults: Mapping[str, Sequence[Expected]] | None = None,
    ) -> None:
        self.held: set[str] = set()
        self.clock = clock or FakeClock(MIDNIGHT - timedelta(hours=1))
        self.database = database
        self.persona = persona or ScriptedPersona()
        ids, keys = RandomIds(), Keys()
        self.book = ScheduleBook(min_interval, default_timezone)
        self.memories, self.moods = Memories(database, self.clock, ids), MoodSeries(database, ids)
        also = Remembering(self.memories) if self.persona.has_hands else None
        self.ledger, self.history = Ledger(database, also=also), History(database)
        self.settling = Settling(self.ledger, self.book, ids, pace=pace)
        self.registry = Registry(database, self.clock, TaskTimetable(self.book), self.settling)
        self.results = ResultFolder(folder / "results")
        self.processes = Processes(
            database, self.clock, ids, Place(host="here", pid=pid, pid_started="")
        )
        files, store = (
            SpaceFiles(folder / "space"),
            Store(folder / "state" / "history.git", self.clock),
        )
        files.root.mkdir(parents=True, exist_ok=True)
        self.space = Space(
            database=database,
            trail=Trail(database, store.identity),
            files=files,
            store=store,
            snapshots=Snapshots(files, store, folder / "state" / "cache", self.clock),
            clock=self.clock,
        )
        lived = [self.memories.unlive, self.moods.unlive]
        authored = AuthoredTasks(self.registry, database, TaskTimetable(self.book), self.clock)
        self.taking_back = TakingBack(self.space, self.history, lived, authored)
        self.space_history = SpaceHistory(self.space, self.history)
        self.runner = Runner(
            self.persona,
            self,
            self.clock,
            longest=timedelta(minutes=15),
            recorder=SpaceRecorder(
                self.space,
                files_meant_by(self.task_at, defaults or {}),
                lambda: self.engine.begun(),  # noqa: PLW0108  it is built below
            ),
            defaults=defaults,
        )
        self.engine = Engine(
            database,
            self.ledger,
            self.history,
            self.runner,
            self.results,
            self.clock,
            owner=self.processes.id,
            places=places,
            sharing=lambda: self.processes.sharing,
            pool=AtOnce(),
            closers=AtOnce(),
            filers=AtOnce(),
        )
        self.cancelling = Cancelling(
            database, self.history, self.engine, self.clock, owner=self.processes.id
        )
        self.planner = Planner(database, self.registry, self.settling, self.clock)
        self.recovery = Recovery(
            database,
            self.ledger,
            self.processes,
            self.registry,
            self.results,
            self.clock,
            held_here=lambda: self.held,
            taking_back=self.taking_back,
        )
        self.executions = Executions(
            database, self.ledger, self.history, self.engine, keys, self.clock, ids
        )
        self.auditor = Auditor(self.registry, self.history, self.book, self.clock)

    # ---- what the runner asks

    def task_at(self, task_id: str, revision: int) -> Task:
        return self.registry.task_at(task_id, revision)

    def refused(self) -> list[str]:
        return []

    # ---- what tests do

    def add(self, task_id: str = "daily_reflection", **fields: Any) -> None:
        self.registry.create(definition(task_id, **fields), OWNER)

    def pass_time(self, **span: float) -> datetime:
        return self.clock.advance(timedelta(**span))

    def plan(self) -> list[str]:
        return self.planner.plan_all_due()

    def claim(self, places: int = 8) -> list[Any]:
        """Claim as the engine would, but run nothing: a process that dies right after."""
        with self.database.write() as connection:
            running, _ = self.ledger.count_running(connection, self.processes.id)
            return self.ledger.claim(
                connection,
                owner=self.processes.id,
                now=self.clock.now(),
                places=min(places, 8 - running),
            )

    def run(self, claim: Claim) -> Outcome:
        """Have a claim run from its question to its outcome, which nobody stores."""
        return run_to_its_end(self.runner, claim)

    def release(self, reason: str = "process_died") -> int:
        """End every attempt that is going on, as recovery does with those of a dead process."""
        holders = {}
        for run in self.runs(status=Status.RUNNING):
            with self.database.read() as connection:
                query = select(runs.c.attempt, runs.c.owner).where(runs.c.id == run.id)
                holders[run.id] = tuple(connection.execute(query).one())
        return self.recovery.release(holders, reason=reason)

    def settle(self) -> None:
        """Run all that is queued and due, to the end, result files included."""
        while self.engine.step():
            pass

    def runs(self, **wanted: Any) -> list[Run]:
        """Return the runs, oldest slot first."""
        page = self.history.page(RunFilter(**wanted), limit=200)
        return sorted(page.runs, key=lambda run: run.scheduled_for or run.recorded_at)

    def outcomes(self, **wanted: Any) -> list[tuple[str, str | None]]:
        return [(str(run.status), run.reason) for run in self.runs(**wanted)]

    def close(self) -> None:
        self.engine.drain(timedelta(0))


def two_at_midnight(database: Database, folder: Path, tasks: int = 0) -> tuple[House, House]:
    """Return two processes to whom a task is due, or so many named `task_00` and so on."""
    here, there = House(database, folder), House(database, folder, pid=2)
    for number in range(tasks):
        here.add(f"task_{number:02}")
    if not tasks:
        here.add()
    for house in (here, there):
        house.clock.step_to(MIDNIGHT)
    return here, there
