"""A schedule in plain English, and what its owner may not expect of it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim
from cronsim.explain import explain

from app.schedule.cron_fields import CronDays, CronFields
from app.schedule.triggers import Cron, Every, Once, Stretch, Trigger, clock_changes

_WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
# fmt: off
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)
# fmt: on
_SHORTEST = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_ORDINALS = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", CronSim.LAST: "last"}
_EVERY_MONTH = "every month"
_EVERY_DAY = "every day"
_DAY = timedelta(days=1)
_YEAR = timedelta(days=366)
_LAST = datetime(9999, 12, 28, tzinfo=UTC)


def describe(trigger: Trigger, zone: str) -> str:
    """Say a schedule in one sentence without a full stop, its times in the zone."""
    if isinstance(trigger, Once):
        return f"once, at {_moment(trigger.at, zone)}"
    if isinstance(trigger, Every):
        span = "24 hours" if trigger.span == _DAY else _span(trigger.span)
        return f"every {span}, counted from {_moment(trigger.anchor, zone)}"
    if isinstance(trigger, Cron):
        return f"{_cron(trigger.fields)} ({zone})"
    return "only by hand"


def _a_year_after(instant: datetime) -> datetime:
    try:
        return instant + _YEAR
    except OverflowError:  # after the year 9999
        return max(instant, _LAST)


def cautions(trigger: Trigger, zone: str, after: datetime) -> list[str]:
    """Say what is easily misread in the trigger, and what the clocks of the next year do to it."""
    changes = list(clock_changes(zone, after, _a_year_after(after)))
    if isinstance(trigger, Every) and changes and not trigger.span % _DAY:
        hours = trigger.span // timedelta(hours=1)
        return [
            f"this follows elapsed time, {hours} hours from one to the next: when the clock of"
            f" {zone} changes, its time of day changes too; `daily` and cron follow the clock"
        ]
    if not isinstance(trigger, Cron):
        return []
    found = [*_about_days(trigger, after), *_about_steps(trigger.fields)]
    if not trigger.fields.every_hour:
        found += [said for change in changes if (said := _about_change(trigger, change))]
    return found


def _cron(fields: CronFields) -> str:
    times, days = _times(fields), _days(fields.calendar)
    if times is None or days is None:
        said = explain(fields.expression)
        return said[0].lower() + said[1:]
    if times.startswith("at "):
        return f"{days} {times}"
    return times if days == _EVERY_DAY else f"{times}, {days}"


def _times(fields: CronFields) -> str | None:
    minute, hour = fields.expression.split()[:2]
    if fields.fixed and len(fields.times) <= 4:
        return "at " + _listed([_clock(time) for time in fields.times])
    first, last = _clock(fields.times[0]), _clock(fields.times[-1])
    is_part = not hour.startswith("*") and _is_run(sorted(fields.hours))
    if step := _even_step(minute, 60):
        often = "every minute" if step == 1 else f"every {step} minutes"
        if is_part:
            return f"{often} from {first} to {max(fields.hours):02d}:59"
        return often if fields.every_hour else None
    if len(fields.minutes) == 1 and is_part:
        return f"every hour from {first} to {last}"
    return _hours(hour, min(fields.minutes)) if len(fields.minutes) == 1 else None


def _hours(hour: str, minute: int) -> str | None:
    step = _even_step(hour, 24)
    if step is None:
        return None
    often = "every hour" if step == 1 else f"every {step} hours"
    return often + (f" at minute {minute}" if minute else ", on the hour")


def _days(calendar: CronDays) -> str | None:
    all_dates, all_weekdays = len(calendar.days) == 31, len(calendar.weekdays) == 7
    months = _named(sorted(calendar.months), lambda month: _MONTHS[month - 1])
    if len(calendar.months) == 12:
        months = _EVERY_MONTH
    if months is None:
        return None
    if (all_dates and all_weekdays) or (calendar.either and (all_dates or all_weekdays)):
        return _EVERY_DAY if months == _EVERY_MONTH else f"every day in {months}"
    if all_weekdays:
        return _dates(calendar, months)
    if all_dates:
        return _weekdays(calendar, months)
    dates, weekdays = _dates(calendar, months), _weekdays(calendar, months)
    return f"{dates} and {weekdays}" if calendar.either and dates and weekdays else None


def _dates(calendar: CronDays, months: str) -> str | None:
    if calendar.days == {CronSim.LAST}:
        return f"on the last day of {months}"
    if calendar.days == {CronSim.LAST_WEEKDAY}:
        return f"on the last weekday of {months}"
    if min(calendar.days) < 1:
        return None
    if len(calendar.days) == 1 and months != _EVERY_MONTH:
        return f"on {min(calendar.days)} {months}"
    days = _named(sorted(calendar.days), _nth)
    return f"on the {days} of {months}" if days else None


def _weekdays(calendar: CronDays, months: str) -> str | None:
    plain = [day for day in (1, 2, 3, 4, 5, 6, 0) if day in calendar.weekdays]
    numbered = sorted(day for day in calendar.weekdays if not isinstance(day, int))
    if plain and numbered:
        return None
    if numbered:
        days = _listed([f"{_ORDINALS[number]} {_WEEKDAYS[day]}" for day, number in numbered])
        return f"on the {days} of {months}"
    days = _listed([_WEEKDAYS[day] for day in plain])
    if plain == [1, 2, 3, 4, 5]:
        days = "day from Monday to Friday"
    return f"every {days}" if months == _EVERY_MONTH else f"every {days} in {months}"


def _about_days(trigger: Cron, after: datetime) -> Iterator[str]:
    calendar = trigger.fields.calendar
    _, _, dates, _, weekdays = trigger.expression.split()
    if calendar.either:
        yield (
            f"day-of-month {dates} OR day-of-week {weekdays}: cron fires on every day that matches"
            " one of the two, not only where both meet"
        )
        return
    if dates != "*" and weekdays != "*":
        yield (
            f"day-of-month {dates} AND day-of-week {weekdays}: both must match, because one of the"
            " two begins with a star"
        )
    if calendar.days == {29} and calendar.months == {2}:
        fire = trigger.next_after(after)
        yield "29 February comes in leap years only" + (f", next in {fire.year}" if fire else "")
    elif min(calendar.days) > min(_SHORTEST[month - 1] for month in calendar.months):
        yield f"months without a day {dates} are left out; L is the last day of every month"


def _about_steps(fields: CronFields) -> Iterator[str]:
    minute, hour = fields.expression.split()[:2]
    for text, size, whole in ((minute, 60, "hour"), (hour, 24, "day")):
        if text.startswith("*/") and text[2:].isdigit() and not _even_step(text, size):
            yield f"{text} starts anew with every {whole}, so its steps are not all of one length"


def _about_change(trigger: Cron, change: Stretch) -> str | None:
    """Say what a change of the clock does to the times it leaves out or repeats."""
    fields, zone = trigger.fields, trigger.zone
    old, new = change.start + change.before, change.start + change.offset
    low, high = min(old, new), max(old, new)
    first = fields.first_from(low)
    if first is None or first >= high:
        return None
    more = fields.count(low, high) - 1
    times = f"{_clock(first)} and {more} more" if more else _clock(first)
    if new > old:
        fate = f"left out and {f'run at {_clock(new)}, once' if fields.fixed else 'not run'}"
    else:
        fate = f"read twice and run {'the first time only' if fields.fixed else 'both times'}"
    verb = "are" if more else "is"
    return (
        f"the clock of {zone} goes from {_reading(old)} to {_reading(new)}: {times} {verb} {fate}"
    )


def _moment(instant: datetime, zone: str) -> str:
    local = instant.astimezone(ZoneInfo(zone))
    seconds = f":{local:%S}" if local.second else ""
    return f"{local:%Y-%m-%d %H:%M}{seconds} ({zone})"


def _span(span: timedelta) -> str:
    """Write a span in words; one unit once needs no number, as in "every hour"."""
    left = span // timedelta(seconds=1)
    parts: list[tuple[int, str]] = []
    for name, size in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append((count, name))
    if len(parts) == 1 and parts[0][0] == 1:
        return parts[0][1]
    return " ".join(f"{count} {name}{'s' if count > 1 else ''}" for count, name in parts)


def _even_step(text: str, size: int) -> int | None:
    """Return n of `*/n` (1 of `*`) where n divides the size, so that every step is as long."""
    step = "1" if text == "*" else text.removeprefix("*/")
    if (text != "*" and step == text) or not step.isdigit() or size % int(step):
        return None
    return int(step)


def _named(numbers: Sequence[int], name: Callable[[int], str]) -> str | None:
    """Name up to four numbers, or the ends of a run; None for anything longer."""
    if len(numbers) > 2 and _is_run(numbers):
        return f"{name(numbers[0])} to {name(numbers[-1])}"
    return _listed([name(number) for number in numbers]) if len(numbers) <= 4 else None


def _is_run(numbers: Sequence[int]) -> bool:
    return numbers[-1] - numbers[0] == len(numbers) - 1


def _listed(names: Iterable[str]) -> str:
    *head, last = names
    return f"{', '.join(head)} and {last}" if head else last


def _nth(number: int) -> str:
    ending = "th" if 10 < number < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _clock(wall: int) -> str:
    return f"{wall // 3600 % 24:02d}:{wall // 60 % 60:02d}"


def _reading(wall: int) -> str:
    return f"{datetime.fromtimestamp(wall, UTC):%Y-%m-%d %H:%M}"
