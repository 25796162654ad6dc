"""The lines of an inner view: `valence: 0.3`, `What is present: a quiet curiosity`. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.persona.feelings.lexicon import straightened
from app.persona.feelings.values import DIMENSIONS

_LABELS = {
    "present": (
        "what is present",
        "what's present",
        "what is here",
        "present",
        "present emotion",
        "present emotions",
        "emotion",
        "emotions",
        "primary emotion",
        "feeling",
        "feelings",
        "what i feel",
        "what i am feeling",
    ),
    "strength": ("strength", "intensity", "how strong", "how strong is it", "how strong it is"),
    "source": ("source", "sources", "cause", "trigger", "where it comes from", "likely source"),
    "desires": (
        "emerging desires",
        "emerging desire",
        "desires",
        "desire",
        "what i want",
        "what wants to emerge",
    ),
}
_KEY_OF = {label: key for key, labels in _LABELS.items() for label in labels}
_WORDS = {
    "very low": 0.1,
    "very weak": 0.1,
    "low": 0.25,
    "weak": 0.25,
    "mild": 0.3,
    "slight": 0.2,
    "faint": 0.15,
    "moderate": 0.5,
    "medium": 0.5,
    "high": 0.75,
    "strong": 0.75,
    "very high": 0.9,
    "very strong": 0.9,
    "intense": 0.9,
    "overwhelming": 1.0,
}
_SIGNED = {
    "very negative": -0.8,
    "negative": -0.5,
    "slightly negative": -0.2,
    "neutral": 0.0,
    "slightly positive": 0.2,
    "positive": 0.5,
    "very positive": 0.8,
}
_LEAD = r"[ \t>{]{0,20}(?:[-*+•·–|]|\d{1,2}[.)])?[ \t]{0,8}[*_~`\"“”]{0,6}[ \t]{0,4}"
_SEPARATOR = r"[ \t]{0,4}[*_~`\"“”]{0,6}[ \t]{0,4}(?:[:=|]|[-–—][ \t])[ \t*_~`]{0,12}"
_LABELLED = re.compile(
    rf"{_LEAD}(?P<label>[A-Za-z][A-Za-z' ]{{0,40}})(?:\([^()\n]{{0,60}}\))?{_SEPARATOR}"
)
_VALUE = (
    r"(?P<value>[+\-−–]?\d{0,4}(?:[.,]\d{1,8}|\d))[ \t]{0,2}"
    r"(?:(?:/|out of)[ \t]{0,2}(?P<of>\d{1,3})|(?P<percent>%))?"
)
_PLAIN = re.compile(_VALUE)
_NAMED = re.compile(
    r"\b(?P<name>valence|arousal|dominance)\b[ \t*_~`\"'“”]{0,8}"
    r"(?:\([^()\n]{0,60}\))?[ \t*_~`\"]{0,8}"
    r"(?:[:=|]|is\b|[-–—](?=[ \t]))?[ \t*_~`\"]{0,8}"
    rf"(?:{_VALUE}(?!\w|[.,]\d)|(?P<word>[a-z]{{3,12}}(?: [a-z]{{3,12}})?))",
    re.IGNORECASE,
)
_FIRST = re.compile(
    rf"{_LEAD}(?:valence|arousal|dominance|vad|pad|affect|numbers?)\b", re.IGNORECASE
)
_LONGEST = 2_000


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of an inner view, with what it says by key; a line without keys carries on."""

    text: str
    numbers: Mapping[str, float | None] = field(default_factory=dict)
    key: str | None = None
    value: str = ""

    @property
    def keys(self) -> set[str]:
        """What the line names."""
        return {*self.numbers, *([self.key] if self.key else [])}


def read_line(text: str) -> Line:
    """Return what a line says; of a long one the first 2,000 characters are looked at."""
    straight = straightened(text[:_LONGEST])
    if _FIRST.match(straight):
        numbers = {match["name"].lower(): _number(match) for match in _NAMED.finditer(straight)}
        if numbers:
            return Line(text=text, numbers=numbers)
    match = _LABELLED.match(straight)
    key = _KEY_OF.get(" ".join(match["label"].lower().split())) if match else None
    if match is None or key is None:
        return Line(text=text)
    return Line(text=text, key=key, value=text[match.end() :].strip().strip("*_|").strip())


def strength_of(text: str) -> float | None:
    """Return a strength, 0 to 1, from `0.4`, `7/10`, `70 %` or `moderate`; None where it is none.

    A bare number above 1 is out of ten.
    """
    plain = text.strip().lower()
    match = _PLAIN.match(plain)
    if match is not None:
        value = _scaled(match)
        if value is not None and match["of"] is None and 1 < value <= 10:
            value /= 10
        return value if value is not None and 0 <= value <= 1 else None
    found = [word for word in _WORDS if re.match(rf"{word}\b", plain)]
    return _WORDS[max(found, key=len)] if found else None


def in_range(name: str, value: float | None) -> float | None:
    """Return the value where the dimension can have it, else None."""
    least = -1.0 if name == DIMENSIONS[0] else 0.0
    return value if value is not None and least <= value <= 1 else None


def _number(match: re.Match[str]) -> float | None:
    name = match["name"].lower()
    if match["word"] is None:
        return in_range(name, _scaled(match))
    words = _SIGNED if name == DIMENSIONS[0] else _WORDS
    said = match["word"].lower()
    return words.get(said, words.get(said.split()[0]))


def _scaled(match: re.Match[str]) -> float | None:
    value = float(match["value"].translate({0x2212: "-", 0x2013: "-", 0x2C: "."}))
    if match["percent"]:
        return value / 100
    if match["of"]:
        return value / int(match["of"]) if int(match["of"]) else None
    return value
