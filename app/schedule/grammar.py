"""The text of a schedule -> what it means.

Every text is split at blanks and looked at word by word; nothing here backtracks.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import lru_cache
from types import MappingProxyType
from zoneinfo import ZoneInfo, available_timezones

from app.core.errors import ScheduleError, TimezoneUnknown
from app.core.instants import write_instant
from app.core.spans import read_span
from app.schedule.sentences import cautions, describe
from app.schedule.spoken import told
from app.schedule.triggers import Cron, Every, Manual, Once, Trigger, first_reading

LONGEST = 200
EARLIEST, LATEST = 1970, 9000
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  what a clock on the wall reads has no zone
# A Monday, so that `every 7d` comes on Mondays.
_ANCHOR = "2001-01-01T00:00"
_OFFSET = re.compile(
    r"(?:UTC|GMT|Z)?\s?(?P<sign>[+-])(?P<hours>\d{1,2})(?::?(?P<minutes>\d{2}))?", re.IGNORECASE
)
_FORMS = (
    "write hourly, daily, weekly, monthly or manual; five-field cron such as `0 9 * * MON-FRI`;"
    " `every 15m`; `in 30m`; or `at 2030-12-01T09:00`"
)
_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "hourly": "0 * * * *",
        "daily": "0 0 * * *",
        "weekly": "0 0 * * 1",
        "monthly": "0 0 1 * *",
        "@hourly": "0 * * * *",
        "@daily": "0 0 * * *",
        "@midnight": "0 0 * * *",
        "@weekly": "0 0 * * 0",
        "@monthly": "0 0 1 * *",
        "@yearly": "0 0 1 1 *",
        "@annually": "0 0 1 1 *",
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """A schedule that was understood.

    `text` is the form to store: reading it again gives the same schedule. `sentence` says it in
    plain English.
    """

    text: str
    timezone: str
    trigger: Trigger
    sentence: str


def read_schedule(text: str, timezone: str, *, now: datetime | None = None) -> Schedule:
    """Read a schedule in a zone given by its IANA name.

    `now` is what `in 30m` counts from; without it that form is refused. Raises ScheduleError with
    a sentence that says what is wrong and how to write it.
    """
    if len(text) > LONGEST:
        raise ScheduleError(f"a schedule has at most {LONGEST} characters, this one {len(text)}")
    try:
        return _read_written(text, timezone, now)
    except TimezoneUnknown:
        raise
    except ScheduleError:
        if (hint := told(text)) is None:
            raise
        raise ScheduleError(hint) from None


def _read_written(text: str, timezone: str, now: datetime | None) -> Schedule:
    if not text.isascii():
        raise ScheduleError("a schedule is written in plain ASCII letters, digits and signs")
    words = text.split()
    if words and words[0].lower() == "in":
        words = ["at", _delayed(" ".join(words[1:]), now)]
    return _read(" ".join(words), timezone)


def read_moment(text: str, timezone: str, now: datetime) -> datetime:
    """Return the instant that `2030-12-01T09:00`, one with an offset, or a span such as `3d` means.

    A time without an offset is one of the zone, a span (`in 3d` is the same) counts from now on.
    Raises ScheduleError.
    """
    words = text.split()
    rest = " ".join(words[1:] if words and words[0].lower() == "in" else words)
    if _is_span(rest):
        rest = _delayed(rest, now)
    return _instant(rest, timezone, "a span such as 3d, or a time")[1]


def warnings(schedule: Schedule, after: datetime) -> list[str]:
    """Say what an owner may not expect of the schedule in the year after the instant."""
    found = cautions(schedule.trigger, schedule.timezone, after)
    if schedule.text == "@weekly":
        found.insert(0, "`@weekly` is Sunday at 00:00, as in Debian; `weekly` is Monday at 00:00")
    if isinstance(schedule.trigger, Once):
        found += _about_once(schedule.text, schedule.trigger.at, schedule.timezone)
    return found


def check_timezone(name: str) -> None:
    """Raise ScheduleError, with a near match, unless the tz database has a zone of this name."""
    # Only known names may reach ZoneInfo, which looks for them in the file system.
    zones, shown = _zones(), name[:64]
    if zones.get(name.lower()) == name:
        return
    if (offset := _OFFSET.fullmatch(shown.strip())) is not None:
        raise TimezoneUnknown(f"the timezone {shown!r} is not known; {_named(offset)}")
    near = get_close_matches(shown.lower(), zones, n=1)
    hint = f"did you mean {zones[near[0]]}?" if near else "write one such as UTC or Europe/Berlin"
    raise TimezoneUnknown(f"the timezone {shown!r} is not known; {hint}")


def _named(offset: re.Match[str]) -> str:
    """Say how `UTC+2` is written: the sign of the tz database is the other way round."""
    sign, hours, minutes = offset["sign"], int(offset["hours"]), int(offset["minutes"] or 0)
    name = f"Etc/GMT{'-' if sign == '+' else '+'}{hours}"
    fixed = (
        f"; the fixed offset {sign}{hours} is {name}"
        if not minutes and name in _zones().values()
        else ""
    )
    return f"write a name such as Europe/Berlin{fixed}"


@lru_cache(maxsize=1)
def _zones() -> Mapping[str, str]:
    names = available_timezones() - {"localtime"}  # which means another zone on every machine
    return {name.lower(): name for name in names}


@lru_cache(maxsize=16_384)
def _read(text: str, zone: str) -> Schedule:
    check_timezone(zone)
    canonical, trigger = _understand(text, zone)
    return Schedule(
        text=canonical, timezone=zone, trigger=trigger, sentence=describe(trigger, zone)
    )


def _understand(text: str, zone: str) -> tuple[str, Trigger]:
    """Return the form to store and the trigger."""
    head, _, rest = text.partition(" ")
    head = head.lower()
    if text.lower() == "manual":
        return "manual", Manual()
    if text.lower() in _WORDS:
        return text.lower(), Cron(expression=_WORDS[text.lower()], zone=zone)
    if head == "at":
        written, instant = _instant(rest, zone)
        return f"at {written}", Once(at=instant)
    if head == "every":
        written, trigger = _interval(rest, zone)
        return f"every {written}", trigger
    if head[:1] == "p" and _is_span(head):
        return _interval(text, zone)
    if head[:1] in ("*", "?") or head[:1].isdigit():
        return _cron(text.upper(), zone)
    raise ScheduleError(_refusal(text, head))


def _cron(text: str, zone: str) -> tuple[str, Trigger]:
    if _is_span(text):
        span = text.lower().replace(" ", "")
        raise ScheduleError(
            f"{span!r} could mean either: write `every {span}` for again and again, or"
            f" `in {span}` for once"
        )
    return text, Cron(expression=text, zone=zone)


def _interval(text: str, zone: str) -> tuple[str, Trigger]:
    words = text.split()
    lowered = [word.lower() for word in words]
    place = lowered.index("from") if "from" in lowered else len(words)
    span_text = "".join(lowered[:place])
    if span_text.startswith("p"):
        span_text = span_text.upper()
    span = _span(" ".join(words[:place]))
    if place == len(words):
        return span_text, Every(span=span, anchor=_instant(_ANCHOR, zone)[1])
    written, anchor = _instant(" ".join(words[place + 1 :]), zone)
    return f"{span_text} from {written}", Every(span=span, anchor=anchor)


def _delayed(span_text: str, now: datetime | None) -> str:
    """Return the instant that lies a span after now, as text; never earlier than asked for."""
    span = _span(span_text)
    if now is None:
        raise ScheduleError(
            f"`in {span_text}` has nothing to count from here; write the time itself, such as"
            " `at 2030-12-01T09:00`"
        )
    instant = now + span
    if instant.microsecond:
        instant = instant.replace(microsecond=0) + timedelta(seconds=1)
    return write_instant(instant)


def _instant(text: str, zone: str, what: str = "a time") -> tuple[str, datetime]:
    """Return a time in its stored form and its instant; without an offset it is in the zone."""
    bare = text.upper().replace(" ", "T")
    try:
        moment = datetime.fromisoformat(bare)
    except ValueError:
        moment = None
    if moment is None or "T" not in bare or moment.microsecond:
        examples = "2030-12-01T09:00 or 2030-12-01T09:00Z"
        raise ScheduleError(f"{text!r} is not {what} such as {examples}")
    if not EARLIEST <= moment.year <= LATEST:
        raise ScheduleError(f"{text!r} is not between the years {EARLIEST} and {LATEST}")
    written = moment.isoformat(timespec="auto" if moment.second else "minutes")
    if moment.tzinfo is not None:
        return written.replace("+00:00", "Z"), moment.astimezone(UTC)
    return written, first_reading(zone, (moment - _EPOCH) // timedelta(seconds=1))


def _about_once(text: str, at: datetime, zone: str) -> list[str]:
    written = text.removeprefix("at ")
    local = at.astimezone(ZoneInfo(zone))
    moment = datetime.fromisoformat(written)
    if moment.tzinfo is not None:
        return []
    if local.replace(tzinfo=None) != moment:
        return [f"the clock of {zone} never reads {written}: this fires at {local:%Y-%m-%d %H:%M}"]
    if local.replace(fold=1).utcoffset() != local.utcoffset():
        return [f"the clock of {zone} reads {written} twice: this fires the first time only"]
    return []


def _span(text: str) -> timedelta:
    try:
        return read_span(text)
    except ValueError as error:
        raise ScheduleError(str(error)) from error


def _is_span(text: str) -> bool:
    try:
        read_span(text)
    except ValueError:
        return False
    return True


def _refusal(text: str, head: str) -> str:
    if not text:
        return f"the schedule is empty; {_FORMS}"
    if head == "@reboot":
        return "`@reboot` is refused: a restart is not a time, and nothing would be owed or missed"
    near = get_close_matches(head, ("manual", *_WORDS), n=1)
    hint = f"did you mean `{near[0]}`? Else " if near else ""
    return f"{text!r} is not a schedule; {hint}{_FORMS}"
