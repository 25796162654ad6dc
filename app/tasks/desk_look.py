"""What stands on the desk when one looks, and whether it has stood there for a while."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from app.core.clock import Clock
from app.core.errors import BadJson, SpaceError
from app.core.strict_json import as_text
from app.tasks.desk_text import MOST_BYTES, NoTasks, Sheet
from app.tasks.merge import Hold
from app.tasks.space_file import SpaceFile

GRACE = timedelta(seconds=2)
LONGEST_GRACE = timedelta(seconds=10)


@dataclass(frozen=True, kw_only=True)
class Look:
    """What stands on the desk: a sheet, nothing (`gone` says how), or something unusable."""

    data: bytes | None = None
    sheet: Sheet | None = None
    gone: Hold | None = None
    trouble: str | None = None


class Looking:
    """Looks at the file, and knows since when it has been unfit."""

    def __init__(self, file: SpaceFile, scan: Callable[[str], Sheet], clock: Clock) -> None:
        self._file = file
        self._scan = scan
        self._clock = clock
        self._unfit: tuple[Look, float, float] | None = None

    def look(self) -> Look:
        """Return what stands there now."""
        try:
            data = self._file.read()
        except SpaceError as error:
            return Look(trouble=error.detail)
        if data is None:
            return Look(gone=Hold.MISSING)
        if not data.strip():
            return Look(data=data, gone=Hold.EMPTIED)
        try:
            return Look(data=data, sheet=self.sheet_of(data))
        except NoTasks as error:
            return Look(data=data, trouble=f"{self._file.path.name} cannot be used: {error.detail}")
        except BadJson as error:
            return Look(data=data, trouble=f"{self._file.path.name} is not JSON: {error.detail}")

    def sheet_of(self, data: bytes) -> Sheet:
        """Return the sheet that these bytes are; raise BadJson."""
        return self._scan(as_text(data, most_bytes=MOST_BYTES))

    def note_fit(self) -> None:
        """Note that the file was fit to be read."""
        self._unfit = None

    def has_stayed(self, look: Look) -> bool:
        """Say whether the file has been unfit so long that its editor will not be at it still."""
        now = self._clock.monotonic()
        known, since, first = self._unfit or (look, now, now)
        if known != look:
            since = now
        self._unfit = (look, since, first)
        return now - since >= GRACE.total_seconds() or now - first >= LONGEST_GRACE.total_seconds()
