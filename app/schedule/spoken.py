"""Schedules as people say them -> how they are written here; a hint, nothing is guessed. Pure."""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from unicodedata import normalize

_LONGEST_NUMBER = 6
_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "minute": "every 1m",
        "hour": "hourly",
        "day": "daily",
        "night": "daily",
        "week": "weekly",
        "month": "monthly",
        "year": "@yearly",
    }
)
_SAID: Mapping[str, str] = MappingProxyType(
    {
        **{word: word for word in ("hourly", "daily", "weekly", "monthly")},
        "weekday": "0 0 * * MON-FRI",
        "weekend": "0 0 * * SAT,SUN",
        "biweekly": "every 2w",
        "fortnightly": "every 2w",
        "nightly": "daily",
        "quarterly": "0 0 1 */3 *",
        "yearly": "@yearly",
        "annually": "@yearly",
    }
)
_UNITS: Mapping[str, str] = MappingProxyType(
    {
        "sec": "s",
        "second": "s",
        "min": "m",
        "minute": "m",
        "hr": "h",
        "hour": "h",
        "day": "d",
        "week": "w",
    }
)
_WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAYS: Mapping[str, str] = MappingProxyType(
    {
        "day": "*",
        "weekday": "MON-FRI",
        "workday": "MON-FRI",
        "weekend": "SAT,SUN",
        **{name: name[:3].upper() for name in _WEEK},
    }
)
_CLOCKS: Mapping[str, str] = MappingProxyType({"noon": "12:00", "midnight": "0:00"})
_GERMAN: Mapping[str, str] = MappingProxyType(
    {
        "stündlich": "hourly",
        "täglich": "daily",
        "wöchentlich": "weekly",
        "monatlich": "monthly",
        "jährlich": "yearly",
        "werktags": "weekdays",
        **dict.fromkeys(("jede", "jeden", "jeder", "jedes", "alle"), "every"),
        **dict.fromkeys(("zweite", "zweiten", "zweites"), "second"),
        "um": "at",
        "sekunden": "second",
        "minuten": "minute",
        **dict.fromkeys(("stunde", "stunden"), "hour"),
        **dict.fromkeys(("tag", "tage", "tagen"), "day"),
        **dict.fromkeys(("woche", "wochen"), "week"),
        **dict.fromkeys(("monat", "monate"), "month"),
        **dict.fromkeys(("jahr", "jahre"), "year"),
        "werktag": "weekday",
        **dict(
            zip(
                ("montag", "dienstag", "mittwoch", "donnerstag", "freitag", "samstag", "sonntag"),
                _WEEK,
                strict=True,
            )
        ),
    }
)
_RUN_TOGETHER = re.compile(r"(\d{1,6})([a-z]{2,})")


def told(text: str) -> str | None:
    """Say how `every monday`, `in 2 hours` or `täglich um 9` is written, in a sentence.

    None for what is said otherwise. Only for what could not be read.
    """
    words = _said(text)
    if (written := _written(words)) is not None:
        return f"{text!r} is not how it is written here: write `{written}`"
    match words:
        case ["every", number, "day" | "week" as unit, "at", *rest] if _is_count(number):
            if (clock := _clock(rest)) is not None:
                return (
                    f"there is no schedule for {text!r}; nearest is `every {number}{unit[0]}"
                    f" from 2001-01-01T{clock[0]:02}:{clock[1]:02}`"
                )
        case ["every", "second", name] if name in _WEEK:
            return (
                f"{text!r} could mean either: write `0 0 * * {_DAYS[name]}#2` for the second one of"
                f" each month, or `{_fortnightly(name)}` for every other one"
            )
        case [*at, time] if at in ([], ["at"]) and (":" in time or time.isalnum()):
            clock = _clock([time]) if at or not _is_number(time) else None
            if clock is not None:
                return f"{text!r} names no day: for every day write `{_cron(clock, '*')}`"
    return None


def _said(text: str) -> list[str]:
    """Return the words in English, small and singular, `5minutes` as two and `9 am` as one."""
    spaced = _RUN_TOGETHER.sub(_apart, normalize("NFC", text.lower()))
    words: list[str] = []
    for each in spaced.split():
        word = _GERMAN.get(each, each)
        if word in ("am", "pm") and words and words[-1][:1].isdigit():
            words[-1] += word
        elif word != "uhr":
            words.append(word if word in _SAID else _one(word))
    if words[:2] == ["daily", "at"]:
        words[:1] = ["every", "day"]
    return words


def _apart(match: re.Match[str]) -> str:
    return f"{match[1]} {match[2]}" if _one(match[2]) in _UNITS else match[0]


def _one(word: str) -> str:
    singular = word.removesuffix("s")
    return singular if singular in {*_WORDS, *_UNITS, *_DAYS} else word


def _written(words: Sequence[str]) -> str | None:
    match words:
        case [word]:
            return _SAID.get(word)
        case ["in", number, unit] if _is_count(number) and unit in _UNITS:
            return f"in {number}{_UNITS[unit]}"
        case ["weekday" | "weekend", "at", *_]:
            return _again(words)
        case ["every" | "@every" as head, *rest] if rest:
            return _again(rest) or (f"every {' '.join(rest)}" if head == "@every" else None)
    return None


def _again(words: Sequence[str]) -> str | None:
    match words:
        case [word]:
            return _WORDS.get(word) or (f"0 0 * * {_DAYS[word]}" if word in _DAYS else None)
        case ["other" | "second", unit] if unit in _UNITS:
            return f"every 2{_UNITS[unit]}"
        case ["other", name] if name in _WEEK:
            return _fortnightly(name)
        case [number, unit] if _is_count(number) and unit in _UNITS:
            return f"every {number}{_UNITS[unit]}"
        case [name, "at", *rest] if name in _DAYS and (clock := _clock(rest)) is not None:
            return _cron(clock, _DAYS[name])
    return None


def _fortnightly(name: str) -> str:
    # 2001-01-01 was a Monday
    return f"every 2w from 2001-01-{_WEEK.index(name) + 1:02}T00:00"


def _cron(clock: tuple[int, int], days: str) -> str:
    return f"{clock[1]} {clock[0]} * * {days}"


def _clock(words: Sequence[str]) -> tuple[int, int] | None:
    """Return hour and minute of `9`, `9:30`, `9:30pm` or `noon`."""
    if len(words) != 1:
        return None
    text = _CLOCKS.get(words[0], words[0])
    bare = text.removesuffix("am").removesuffix("pm")
    hour, _, minute = bare.partition(":")
    minute = minute or "0"
    if not (_is_number(hour) and _is_number(minute) and int(hour) < 24 and int(minute) < 60):
        return None
    if bare == text:
        return int(hour), int(minute)
    if not 1 <= int(hour) <= 12:
        return None
    return int(hour) % 12 + (12 if text.endswith("pm") else 0), int(minute)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER


def _is_count(text: str) -> bool:
    return _is_number(text) and int(text) > 0
