"""Settings -> services: the only place where the parts are put together."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event

import orjson
import structlog

from app import migrations
from app.config import Settings, make_state_dir
from app.core.clock import Clock, SystemClock
from app.core.errors import LedgerUnavailable
from app.core.garbage import search_rarely
from app.core.ids import Ids, RandomIds
from app.database import Database
from app.health import HealthCheck
from app.persona.chatting import Chatting
from app.persona.client import Persona
from app.persona.history.files import SpaceFiles
from app.persona.history.snapshots import Snapshots
from app.persona.history.store import Store
from app.persona.kept_answers import KeptAnswers
from app.persona.memory.meaning import Meaning
from app.persona.memory.store import Memories
from app.persona.space import ensure_space, restore_readme
from app.persona.tools.lending import Lending
from app.persona.tools.tasks import task_tools
from app.persona.window import Window
from app.runs.cancelling import Cancelling
from app.runs.crew import Crew
from app.runs.engine import Engine
from app.runs.executions import Executions
from app.runs.forgetting import Forgetting
from app.runs.history import History
from app.runs.keys import Keys
from app.runs.ledger import Ledger
from app.runs.preview import PromptPreviews
from app.runs.processes import Processes, this_place
from app.runs.recording import Space as RecordedSpace
from app.runs.recording import SpaceRecorder
from app.runs.recovery import Recovery
from app.runs.remembering import Remembering
from app.runs.results import ResultFolder
from app.runs.retention import Limits, Retention
from app.runs.runner import Runner
from app.runs.space_history import SpaceHistory
from app.runs.standing import Standing
from app.runs.taking_back import TakingBack
from app.runs.trail import Trail
from app.schedule.audit import Auditor
from app.schedule.book import ScheduleBook
from app.schedule.clockwork import Clockwork
from app.schedule.jobstore import RegistryJobStore
from app.schedule.planner import Planner, PlanningThread
from app.schedule.settling import Settling
from app.schedule.timetable import TaskTimetable, outlook_of_persona
from app.settings_schema import Backend
from app.tasks.authored import AuthoredTasks
from app.tasks.changes import Put
from app.tasks.desk import Desk
from app.tasks.registry import Registry
from app.tasks.schema import expected_of
from app.tasks.space_file import SpaceFile
from app.tasks.task import Author, Expected
from app.tasks.watcher import Watcher
from app.wiring_between import (
    Book,
    Later,
    Upkeep,
    capabilities_of,
    feeling_of,
    files_meant_by,
)
from app.wiring_persona import Being, build_being, lives_here, meaning_of

log = structlog.get_logger(__name__)

_DEFAULT_TASKS = Path(__file__).parent / "tasks" / "templates" / "defaults.json"
_FILERS = 4


@dataclass(frozen=True, kw_only=True)
class Services:
    """The parts of one process, put together but not started."""

    settings: Settings
    clock: Clock
    ids: Ids
    database: Database
    book: ScheduleBook
    registry: Registry
    desk: Desk
    watcher: Watcher
    being: Being
    chatting: Chatting
    meaning: Meaning | None
    window: Window
    history: History
    keys: Keys
    engine: Engine
    executions: Executions
    cancelling: Cancelling
    planner: Planner
    processes: Processes
    clockwork: Clockwork
    auditor: Auditor
    recovery: Recovery
    retention: Retention
    space_history: SpaceHistory
    taking_back: TakingBack
    health: HealthCheck
    results: ResultFolder
    previews: PromptPreviews

    def prepare(self, *, adopting: bool = True) -> None:
        """Make database and space ready: migrate, make the folders, read tasks.json, and put the
        five default tasks into a space that is new. Safe to repeat.

        With `adopting`, as the service does, the default zone of the settings becomes that of all
        tasks that name none. Without, a database of another revision is left alone: NotMigrated.
        """
        make_state_dir(self.settings)
        if adopting:
            migrations.upgrade(self.database)
        else:
            migrations.begin(self.database)
        ensure_space(self.settings.persona_space)
        if adopting:
            self.registry.adopt_default_timezone(self.settings.default_timezone)
        is_new = self.desk.is_new()
        self.desk.sync()
        if is_new and not self.registry.snapshot().records:
            self.registry.apply(default_tasks(), Author(kind="service", name="default tasks"))
            self.desk.sync()
        self.results.sweep(self.clock.now() - timedelta(minutes=1))

    def start(self, *, ticking: bool = True) -> None:
        """Begin to tick, run and watch; once, in a process that will not fork any more.

        Without `ticking` it only works off what is queued.
        """
        search_rarely()
        self.being.confinement.availability()
        self.clockwork.start(ticking=ticking)
        self.engine.start()
        if ticking:
            self.watcher.start()

    def restore_desk(self, author: Author) -> None:
        """Write tasks.json again as `Desk.restore` does, and the README.md beside it if it is gone.

        Raises what `Desk.restore` raises.
        """
        self.desk.restore(author)
        restore_readme(self.settings.persona_space, "tasks")

    def begin_drain(self) -> None:
        """Start nothing new from now on; safe to call in a signal handler."""
        self.engine.begin_drain()

    def stop(self, on_wait: Callable[[], None] = lambda: None) -> None:
        """Let running runs finish as long as the settings allow, give back the rest, and stop."""
        self.watcher.stop()
        self.clockwork.stop_ringing()
        self.chatting.stop()
        try:
            left = self.engine.drain(self.settings.drain_timeout, on_wait)
            holders = {claim.run_id: (claim.attempt, claim.owner) for claim in left}
            self.recovery.release(holders, reason="drained")
            self.clockwork.stop()
        except LedgerUnavailable as error:
            # the others find this process dead and release what it held
            log.error("service.stopped_without_ledger", error=error.detail)
        finally:
            self.database.close()


def default_tasks() -> list[Put]:
    """Return the five tasks of a new space."""
    definitions = orjson.loads(_DEFAULT_TASKS.read_bytes())
    return [Put(task_id=definition["id"], definition=definition) for definition in definitions]


def _defaults() -> dict[str, Sequence[Expected]]:
    """Return which files the default tasks promise to change."""
    tasks = {put.task_id: put.definition or {} for put in default_tasks()}
    return {task_id: expected_of(definition) for task_id, definition in tasks.items()}


def build(
    settings: Settings,
    *,
    clock: Clock | None = None,
    ids: Ids | None = None,
    persona: Persona | None = None,
) -> Services:
    """Put the parts together; nothing is opened, started or written yet."""
    clock, ids = clock or SystemClock(), ids or RandomIds()
    database = Database(settings.database_url)
    book = ScheduleBook(settings.min_interval, settings.default_timezone)
    meaning = meaning_of(settings, database, clock)
    memories = Memories(database, clock, ids, meaning)
    also = Remembering(memories) if lives_here(settings, persona) else None
    ledger, history, keys = Ledger(database, also=also), History(database), Keys()
    settling = Settling(ledger, book, ids, pace=settings.catch_up_pace)
    registry = Registry(database, clock, TaskTimetable(book), settling)
    space_file = SpaceFile(settings.persona_space / "tasks")
    desk = Desk(database, registry, space_file, clock, lock_path=settings.state_dir / "desk.lock")
    being = build_being(
        settings,
        database=database,
        clock=clock,
        ids=ids,
        records=history,
        memories=memories,
        task_tools=task_tools(
            registry,
            outlook_of_persona(settings.min_interval, settings.default_timezone),
            Later(lambda: executions),
            clock,
            per_day=settings.persona_tasks_per_day,
            lending=Lending(lambda: being.toolbox, settings.journals),
        ),
        persona=persona,
    )
    results = ResultFolder(settings.persona_space / "tasks" / "results")
    space = _recorded(settings, database, clock)
    taking_back = TakingBack(
        space,
        history,
        [memories.unlive, being.moods.unlive],
        AuthoredTasks(registry, database, TaskTimetable(book), clock),
    )
    task_book, defaults = Book(registry, desk, clock), _defaults()
    runner = Runner(
        being.persona,
        task_book,
        clock,
        longest=settings.persona_timeout,
        recorder=SpaceRecorder(
            space,
            files_meant_by(task_book.task_at, defaults),
            lambda: engine.begun(),  # noqa: PLW0108  it is built below
        ),
        defaults=defaults,
        inner_life=being.inner_life,
    )
    processes = Processes(database, clock, ids, this_place())
    chatting = Chatting(
        being.persona,
        being.inner_life,
        memories,
        being.lexicons,
        KeptAnswers(database, holder=processes.id, is_alive=processes.is_alive),
        database,
        clock,
        ids,
        zone=registry.default_timezone,
        longest=settings.persona_timeout,
        at_once=settings.chat_concurrency,
    )
    engine = Engine(
        database,
        ledger,
        history,
        runner,
        results,
        clock,
        owner=processes.id,
        places=settings.run_concurrency,
        sharing=lambda: processes.sharing,
        is_known=lambda: processes.is_known,
        pool=Crew(settings.run_concurrency, name="run"),
        closers=ThreadPoolExecutor(settings.run_concurrency, thread_name_prefix="close"),
        filers=ThreadPoolExecutor(_FILERS, thread_name_prefix="file"),
    )
    executions = Executions(database, ledger, history, engine, keys, clock, ids)
    cancelling = Cancelling(database, history, engine, clock, owner=processes.id)
    planner = Planner(database, registry, settling, clock)
    planning = PlanningThread(planner, clock, on_queued=engine.wake)
    recovery = Recovery(
        database,
        ledger,
        processes,
        registry,
        results,
        clock,
        held_here=engine.held_here,
        taking_back=taking_back,
    )
    limits = Limits(
        max_age=settings.results_max_age,
        max_count=settings.results_max_count,
        max_bytes=settings.results_max_bytes,
    )
    retention = Retention(database, results, keys, clock, limits)
    forgetting = Forgetting(space, clock, settings.history_max_age)

    def moods_forgotten() -> bool:
        being.moods.forget(clock.now() - settings.results_max_age)
        return False

    clockwork = Clockwork(
        RegistryJobStore(registry, clock),
        planner,
        planning,
        processes,
        recovery,
        clock,
        cancelling=cancelling.step,
        upkeep=Upkeep([retention.step, forgetting.step, moods_forgotten], clock),
    )
    return Services(
        settings=settings,
        clock=clock,
        ids=ids,
        database=database,
        book=book,
        registry=registry,
        desk=desk,
        watcher=Watcher(space_file, desk, clock, Event()),
        being=being,
        chatting=chatting,
        meaning=meaning,
        window=Window(
            being.space, capabilities=capabilities_of(being), mood=feeling_of(being, clock)
        ),
        history=history,
        keys=keys,
        engine=engine,
        executions=executions,
        cancelling=cancelling,
        planner=planner,
        processes=processes,
        clockwork=clockwork,
        auditor=Auditor(registry, history, book, clock),
        recovery=recovery,
        retention=retention,
        space_history=SpaceHistory(space, history),
        taking_back=taking_back,
        health=HealthCheck(
            registry,
            desk,
            being.persona,
            history,
            clock,
            is_ledger_in_place=database.is_in_place,
            silence=lambda: processes.silence,
            standing=_standing(settings, database),
            liveness=clockwork.liveness,
            scripts=being.confinement.availability,
        ),
        results=results,
        previews=PromptPreviews(registry, runner, clock, ids),
    )


def _standing(settings: Settings, database: Database) -> Callable[[], str | None]:
    if settings.persona_backend is Backend.EMBEDDED:
        # it is part of this service; what is known may be of the persona that was there before
        return lambda: None
    return Standing(database).problem


def _recorded(settings: Settings, database: Database, clock: Clock) -> RecordedSpace:
    files = SpaceFiles(settings.persona_space)
    store = Store(settings.state_dir / "history.git", clock)
    return RecordedSpace(
        database=database,
        trail=Trail(database, store.identity),
        files=files,
        store=store,
        snapshots=Snapshots(files, store, settings.state_dir / "history.cache", clock),
        clock=clock,
    )


def next_firing(services: Services) -> tuple[str, datetime] | None:
    """Return which task fires next, and when."""
    registry = services.registry
    firings = [
        (slot, task_id)
        for task_id, record in registry.snapshot().records.items()
        if (slot := registry.next_run(record)) is not None
    ]
    if not firings:
        return None
    slot, task_id = min(firings)
    return task_id, slot
