"""tasks.json as a desk: anyone may write on it, and what is in force is laid out on it.

The registry is the truth. A look at the desk goes one way round: read the file; merge what an
editor changed into the registry, in one transaction with the text as `seen`; write the file anew
where it does not show what is in force; note that text as seen. A process may die between any two
of these steps:

- before the transaction nothing has happened, and the file still holds the edit;
- after it the edit is in force and its text is the one seen, so it is not merged again;
- after the write the file bears the stamp of the registry version that it shows, so the next look
  compares it with just that version and finds no edit in it.

The processes of a machine take turns by a lock file. Editors take no lock: see space_file for what
happens when one of them is quicker.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import structlog
from filelock import FileLock, Timeout

from app.core.clock import Clock
from app.core.errors import BadJson, DeskBusy, NothingHeld, SpaceError
from app.database import Database
from app.tasks import desk_row
from app.tasks.changes import Remove
from app.tasks.desk_errors import ErrorsFile, sentences
from app.tasks.desk_layout import compare, render
from app.tasks.desk_look import Looking
from app.tasks.desk_report import DeskStatus, SyncReport
from app.tasks.desk_row import DeskRow, Held
from app.tasks.desk_text import FRESH, Sheet
from app.tasks.intake import Intake
from app.tasks.merge import Fault, Hold
from app.tasks.read_out import ReadOut
from app.tasks.registry import Registry
from app.tasks.space_file import Displaced, SpaceFile
from app.tasks.task import Author

log = structlog.get_logger(__name__)

READ_OUT_EVERY = timedelta(seconds=1)
READ_OUT_REST = 20
"""How many times longer than a rewrite took the next one that only shows run state waits."""
READ_OUT_WAITS = timedelta(minutes=1)
"""How long run state that does not stand still keeps the file waiting."""
KEEP_DISPLACED = timedelta(seconds=3)
LOOK_AT_DISPLACED = timedelta(milliseconds=500)
NEVER = -1
SOON = timedelta(milliseconds=200)
LATER = timedelta(seconds=2)
_MOST_ROUNDS = 8


class Desk:
    """Keeps tasks.json and the registry together."""

    def __init__(
        self,
        database: Database,
        registry: Registry,
        file: SpaceFile,
        clock: Clock,
        *,
        lock_path: Path,
        lock_timeout: timedelta = timedelta(seconds=10),
    ) -> None:
        self._database = database
        self._registry = registry
        self._file = file
        self._clock = clock
        self._lock_path, self._lock_timeout = lock_path, lock_timeout
        self._path = str(file.path.absolute())
        self._intake = Intake(registry, clock)
        self._looking = Looking(file, self._intake.scan, clock)
        self._read_out = ReadOut(registry)
        self._errors_file = ErrorsFile(file.path)
        self._row = DeskRow(path=self._path)
        self._slipped_in: bytes | None = None
        self._displaced: dict[str, tuple[bytes, float]] = {}
        self._next_read_out = 0.0
        self._wanted = (NEVER, NEVER)
        self._is_moving = False
        self._stood_still = clock.monotonic()

    # ---- what others ask

    def is_new(self) -> bool:
        """Say whether no file was ever read or written at this place."""
        return self._load().is_new

    def wanted(self) -> tuple[int, int | None]:
        """Return what the file should show: the newest definitions, and now and then run state.

        Run state moves with every run; it counts only when it is time to show it again, and once
        it stands still: while a crowd of runs ends, the file waits, though not for long.
        """
        version = self._registry.version()
        now = self._clock.monotonic()
        is_still = self._wanted[0] in {version, NEVER}
        if is_still:
            self._stood_still = now
        if self._wanted[0] != version:
            self._wanted = (version, self._registry.defined())
        waited = now - self._stood_still
        self._is_moving = not is_still and waited < READ_OUT_WAITS.total_seconds()
        is_time = not self._is_moving and now >= self._next_read_out
        return self._wanted[1], version if is_time else None

    def status(self) -> DeskStatus:
        """Return what is wrong, as the last look of any process found it."""
        row = self._load()
        return DeskStatus(
            path=self._file.path, errors=row.errors, held=row.held, errors_at=row.errors_at
        )

    def refused(self) -> list[str]:
        """Return what is wrong in sentences, for the next prompt to the persona."""
        row = self._load()
        return sentences(row.errors, row.held, self._file.path.name)

    # ---- what others do

    def sync(self) -> SyncReport:
        """Look at the desk once: take in what was edited, lay out what is in force.

        Raises DeskBusy where another process holds the desk too long, LedgerUnavailable.
        """
        with self._locked():
            return self._sync()

    def confirm(self, author: Author) -> SyncReport:
        """Make the removals that are held; raise NothingHeld."""
        with self._locked():
            self._sync()
            held = self._row.held
            if held is None:
                raise NothingHeld
            changes = [Remove(task_id=task_id) for task_id in held.task_ids]
            self._row = self._without_hold()
            self._registry.apply(
                changes, author, also=lambda connection: desk_row.store(connection, self._row)
            )
            log.info("desk.confirmed", by=str(author), removed=len(changes))
            return self._sync()

    def restore(self, author: Author) -> SyncReport:
        """Write the file again as it was last seen, with what is in force.

        Raises NothingHeld where neither removals are held nor the file is unreadable, SpaceError
        where it cannot be written.
        """
        with self._locked():
            self._sync()
            if self._row.held is None and self._row.trouble is None:
                raise NothingHeld
            look = self._looking.look()
            if look.trouble is not None and look.data is None:
                raise SpaceError(look.trouble)
            sheet = self._intake.scan(self._row.seen or FRESH)
            self._row = self._without_hold()
            if not self._lay_out(sheet, look.data, SyncReport(), always=True):
                raise DeskBusy
            log.info("desk.restored", by=str(author))
            return self._sync()

    # ---- one look

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            with FileLock(self._lock_path, timeout=self._lock_timeout.total_seconds()):
                self._row = self._load()
                yield
        except Timeout as error:
            raise DeskBusy from error

    def _sync(self) -> SyncReport:
        report = SyncReport()
        try:
            if not any(self._round(report, raced=number > 0) for number in range(_MOST_ROUNDS)):
                report.look_again(SOON)
        except SpaceError as error:
            report.trouble = error.detail
            report.look_again(LATER)
        if (report.trouble, report.unread) != (self._row.trouble, self._row.unread):
            self._log_turn(report.trouble)
            self._store(replace(self._row, trouble=report.trouble, unread=report.unread))
        self._errors_file.show(self._row)
        return report

    def _log_turn(self, trouble: str | None) -> None:
        if trouble is not None and trouble != self._row.trouble:
            log.warning("desk.trouble", trouble=trouble)
        if trouble is None and self._row.trouble is not None:
            log.info("desk.mended", trouble_was=self._row.trouble)

    def _round(self, report: SyncReport, *, raced: bool) -> bool:
        """Go once round; return False where an editor was quicker and it has to be done again."""
        self._take_in_slipped_in(report)
        self._take_in_displaced(report)
        look = self._looking.look()
        if look.sheet is not None:
            self._looking.note_fit()
            self._take_in(look.sheet, report, raced)
        elif look.gone is not Hold.MISSING or not self._row.is_new:
            if not self._looking.has_stayed(look):
                report.look_again(SOON)
                report.trouble, report.unread = self._row.trouble, self._row.unread
                return True
            if look.gone is None:
                report.trouble, report.unread = look.trouble, True
                return True
            self._hold(look.gone)
        if self._row.held is not None:
            return True
        return self._lay_out(look.sheet or self._intake.scan(FRESH), look.data, report)

    def _take_in(self, sheet: Sheet, report: SyncReport, raced: bool) -> None:
        if sheet.text == self._row.seen and self._row.held is None:
            return
        taken = self._intake.take_in(sheet, self._row, raced=raced)
        report.changes += taken.changes
        report.notes += taken.notes
        if sheet.text != self._row.seen:
            log.info(
                "desk.merged",
                changed=len(taken.changes),
                refused=len(taken.row.faults),
                held=len(taken.row.held.task_ids) if taken.row.held is not None else 0,
                notes=taken.notes[:10],
            )
        self._row = taken.row

    def _take_in_slipped_in(self, report: SyncReport) -> None:
        """Merge what an editor wrote just before our last write, wherever it is by now."""
        data, self._slipped_in = self._slipped_in, None
        if data is not None:
            with suppress(BadJson):  # half-written: its editor goes on writing into the file
                self._take_in(self._looking.sheet_of(data), report, raced=True)

    def _take_in_displaced(self, report: SyncReport) -> None:
        """Merge what editors wrote into files that were swapped out under their hands."""
        now = self._clock.monotonic()
        known, self._displaced = self._displaced, {}
        for found in self._file.displaced():
            left = self._merge_displaced(found, report) if found.edited else found
            data, since = known.get(left.name, (left.data, now))
            if data != left.data:
                since = now
            if now - since < KEEP_DISPLACED.total_seconds():
                self._displaced[left.name] = (left.data, since)
                report.look_again(LOOK_AT_DISPLACED)
                continue
            if left.edited:
                log.warning("desk.unfinished_edit_dropped", bytes=len(left.data))
            self._file.drop(left)

    def _merge_displaced(self, left: Displaced, report: SyncReport) -> Displaced:
        if self._row.is_new:
            return left
        try:
            sheet = self._looking.sheet_of(left.data)
        except BadJson:
            return left
        taken = self._intake.take_in(sheet, self._row, swapped_out=True)
        report.changes += taken.changes
        log.info("desk.merged_displaced", changed=len(taken.changes))
        return self._file.mark(left)

    def _hold(self, reason: Hold) -> None:
        """Hold the removal of all that a file showed which is gone or empty now."""
        base = self._intake.base_of_seen(self._row)
        current = self._registry.snapshot().records
        task_ids = tuple(task_id for task_id in base if task_id in current)
        if not task_ids:
            self._row = replace(self._without_hold(), faults=())
            return
        since = self._row.held.since if self._row.held is not None else self._clock.now()
        held = Held(reason=reason, task_ids=task_ids, since=since)
        if held != self._row.held:
            log.warning("desk.held", reason=str(reason), tasks=len(task_ids))
            self._store(replace(self._row, held=held))

    def _without_hold(self) -> DeskRow:
        waiting = self._row.held.task_ids if self._row.held is not None else ()
        bases = {key: base for key, base in self._row.bases.items() if key not in waiting}
        return replace(self._row, held=None, bases=bases).dated(self._row, self._clock.now())

    # ---- laying out

    def _lay_out(
        self, sheet: Sheet, data: bytes | None, report: SyncReport, *, always: bool = False
    ) -> bool:
        """Write the file where it does not show what is in force; return False if overtaken."""
        snapshot = self._registry.snapshot()
        bad = {fault.index for fault in self._row.faults if fault.index is not None}
        changes = compare(sheet, self._read_out.entries(snapshot), untouched=bad)
        is_current = not changes and (sheet.bare or sheet.stamp == snapshot.version)
        if is_current and data is not None and not always:
            return True
        left = self._next_read_out - self._clock.monotonic()
        may_wait = data is not None and not (always or changes.definitions or report.changes)
        if may_wait and left > 0:
            report.look_again(timedelta(seconds=left))
            return True
        if may_wait and self._is_moving:
            # the watcher comes when it stands still
            return True
        began = self._clock.monotonic()
        text = render(sheet, changes, stamp=snapshot.version)
        swap = self._file.write(text.encode(), expected=data)
        if not swap.done:
            self._slipped_in = swap.found
            return False
        ended = self._clock.monotonic()
        rest = max(READ_OUT_EVERY.total_seconds(), READ_OUT_REST * (ended - began))
        self._next_read_out = ended + rest
        self._store(
            replace(self._row, seen=text, faults=_moved_up(self._row.faults, changes.removed))
        )
        report.written = True
        report.look_again(LOOK_AT_DISPLACED)
        log.info("desk.written", version=snapshot.version, bytes=len(text))
        return True

    # ---- memory

    def _load(self) -> DeskRow:
        with self._database.read() as connection:
            return desk_row.load(connection, self._path)

    def _store(self, row: DeskRow) -> None:
        self._row = row.dated(self._row, self._clock.now())
        with self._database.write() as connection:
            desk_row.store(connection, self._row)


def _moved_up(faults: Sequence[Fault], removed: frozenset[int]) -> tuple[Fault, ...]:
    """Return the faults with the indexes that their entries have without the removed ones."""
    return tuple(
        replace(fault, index=fault.index - sum(index < fault.index for index in removed))
        for fault in faults
        if fault.index is not None
    )
