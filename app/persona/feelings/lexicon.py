"""A lexicon: which words carry a feeling, and which turn, strengthen or join them. Pure.

It is a CSV file; its form is described in docs/reference/feelings.md. The English one beside this
module is this project's own work.
"""

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TypeVar

from app.persona.feelings.values import Affect

MOST_BYTES = 1024 * 1024
MOST_ROWS = 20_000
_MOST_WORDS = 5
_LONGEST_TERM = 60
_MOST_PROBLEMS = 20
_COLUMNS = ("term", "valence", "arousal", "dominance", "forms", "role", "factor")
HEADER = ",".join(_COLUMNS)
_BUILT_IN = Path(__file__).parent / "lexicon_en.csv"
_APOSTROPHES = str.maketrans(dict.fromkeys("’‘ʼ＇´", "'"))
Term = tuple[str, ...]
T = TypeVar("T")


class Role(StrEnum):
    """What a word does to the feelings beside it."""

    NEGATION = "negation"
    STRENGTH = "strength"
    CONTRAST = "contrast"
    FILLER = "filler"
    NOR = "nor"
    NEVER = "never"
    EVER = "ever"
    BECOMING = "becoming"
    COMPARISON = "comparison"
    AND = "and"
    END = "end"
    SUBJECT = "subject"


_LESS, _MORE = (-1.0, 0.0), (0.1, 2.0)
_RANGES = {
    Role.NEGATION: _LESS,
    Role.NOR: _LESS,
    Role.NEVER: _LESS,
    Role.STRENGTH: _MORE,
    Role.COMPARISON: _MORE,
}
"""Between which numbers the factors of a role are; other roles have none."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What a word does beside a feeling, whether it carries one or not: `factor` multiplies it."""

    role: Role
    factor: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Lexicon:
    """Terms of one to five words, in small letters, hyphens as blanks."""

    feelings: Mapping[Term, Affect]
    turns: Mapping[Term, Turn]
    longest: Mapping[str, int] = field(default_factory=dict)
    """The most words of a term that begins with this word."""

    def over(self, other: "Lexicon") -> "Lexicon":
        """Return the other lexicon with the terms of this one laid over it."""
        return _lexicon({**other.feelings, **self.feelings}, {**other.turns, **self.turns})


@dataclass(frozen=True, kw_only=True)
class ReadLexicon:
    """A lexicon as it was read; `problems` says which rows were left out and why."""

    lexicon: Lexicon
    problems: Sequence[str] = ()


@cache
def english() -> Lexicon:
    """Return the English lexicon of this project."""
    return read_lexicon(_BUILT_IN.read_text(encoding="utf-8")).lexicon


def plain_word(word: str) -> str:
    """Return a word as lexicons have it: in small letters, with straight apostrophes."""
    return straightened(word).lower()


def straightened(text: str) -> str:
    """Return a text with straight apostrophes only."""
    return text.translate(_APOSTROPHES)


def read_lexicon(text: str) -> ReadLexicon:
    """Read a lexicon; rows that are wrong are left out and explained, whatever the text is."""
    feelings: dict[Term, Affect] = {}
    turns: dict[Term, Turn] = {}
    problems = _Problems()
    lines = _lines(text.removeprefix("\ufeff"))
    number, header = next(lines, (0, ""))
    if [name.strip().lower() for name in header.split(",")][:4] != list(_COLUMNS[:4]):
        problems.add(number, f"the first line must be {HEADER}")
        return ReadLexicon(lexicon=_lexicon({}, {}), problems=problems.said())
    for number, line in islice(lines, MOST_ROWS):
        try:
            _take(_row(line), feelings, turns)
        except (ValueError, csv.Error) as error:
            problems.add(number, str(error))
    if (following := next(lines, None)) is not None:
        problems.add(following[0], f"only {MOST_ROWS} rows are read")
    return ReadLexicon(lexicon=_lexicon(feelings, turns), problems=problems.said())


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.startswith("#"):
            yield number, line


def _row(line: str) -> dict[str, str]:
    cells = [cell.strip() for cell in next(csv.reader([line], strict=True))]
    if len(cells) > len(_COLUMNS):
        raise ValueError(f"it has {len(cells)} columns, at most {len(_COLUMNS)} are known")
    return dict(zip(_COLUMNS, cells + [""] * (len(_COLUMNS) - len(cells)), strict=True))


def _take(row: Mapping[str, str], feelings: dict[Term, Affect], turns: dict[Term, Turn]) -> None:
    terms = [_term(text) for text in (row["term"], *filter(None, row["forms"].split("|")))]
    if row["role"]:
        _put(turns, terms, _turn(row))
    else:
        valence, arousal, dominance = (_number(row[name], name) for name in _COLUMNS[1:4])
        _put(feelings, terms, Affect(valence=valence, arousal=arousal, dominance=dominance))


def _put(table: dict[Term, T], terms: Sequence[Term], value: T) -> None:
    taken = [" ".join(term) for term in terms if term in table]
    for term in terms:
        table.setdefault(term, value)
    if taken:
        raise ValueError(f"{', '.join(taken)} stood in an earlier row already, which counts")


def _term(text: str) -> Term:
    words = tuple(plain_word(text).replace("-", " ").split()) if not _is_face(text) else (text,)
    if not words or len(words) > _MOST_WORDS or len(text) > _LONGEST_TERM:
        raise ValueError(f"{text[:_LONGEST_TERM]!r} is not a term of one to {_MOST_WORDS} words")
    return words


def _is_face(text: str) -> bool:
    return text[:1] in {":", ";", "="}


def _turn(row: Mapping[str, str]) -> Turn:
    if row["role"] not in list(Role):
        raise ValueError(f"{row['role'][:40]!r} is not a role; there are {', '.join(Role)}")
    role = Role(row["role"])
    if role not in _RANGES:
        return Turn(role=role)
    factor = _number(row["factor"], "factor")
    least, most = _RANGES[role]
    if not least <= factor <= most:
        raise ValueError(f"the factor of a {role} is {least:g} to {most:g}, not {factor:g}")
    return Turn(role=role, factor=factor)


def _number(text: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{name} {text[:40]!r} is not a number") from None
    if not math.isfinite(value):
        raise ValueError(f"{name} {text[:40]!r} is not a number")
    return value


def _lexicon(feelings: Mapping[Term, Affect], turns: Mapping[Term, Turn]) -> Lexicon:
    longest: dict[str, int] = {}
    for term in (*feelings, *turns):
        longest[term[0]] = max(longest.get(term[0], 0), len(term))
    return Lexicon(feelings=feelings, turns=turns, longest=longest)


class _Problems:
    """What was wrong, the first twenty in full."""

    def __init__(self) -> None:
        self._said: list[str] = []
        self._count = 0

    def add(self, number: int, text: str) -> None:
        self._count += 1
        if self._count <= _MOST_PROBLEMS:
            self._said.append(f"line {number}: {text}")

    def said(self) -> list[str]:
        more = self._count - len(self._said)
        return [*self._said, *([f"and {more} more lines"] if more else [])]
