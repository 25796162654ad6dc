"""The inner view that a persona gives in its answer: found, read, and taken out. Pure.

It stands under the marker `[Internal Emotional Assessment]`, or in a fence called `assessment`.
What is not surely part of it stays in the answer. Linear in the text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from app.core import strict_json
from app.core.errors import BadJson
from app.persona.feelings.blocks import Block, blocks_of, is_rule
from app.persona.feelings.labels import Line, in_range, read_line, strength_of
from app.persona.feelings.values import DIMENSIONS

_MOST_TEXT = 4_000
_MOST_JSON = 64 * 1024
_JSON_KEYS = {
    "present": ("present", "what_is_present", "emotion", "emotions", "feeling"),
    "strength": ("strength", "intensity"),
    "source": ("source",),
    "desires": ("desires", "emerging_desires"),
}


@dataclass(frozen=True, kw_only=True)
class Inner:
    """What a persona says of its own state, at most 4,000 characters of it.

    Numbers that it did not give, or gave out of range, are None. `prose` has what it said by
    `present`, `strength`, `source` and `desires`.
    """

    text: str
    valence: float | None = None
    arousal: float | None = None
    dominance: float | None = None
    strength: float | None = None
    prose: Mapping[str, str] = field(default_factory=dict)


def take_assessment(text: str) -> tuple[str, Inner | None]:
    """Return the text without its inner views, and the last of them that says something.

    Text that holds none is returned as it is.
    """
    lines = text.split("\n")
    blocks = blocks_of(lines)
    if not blocks:
        return text, None
    said = [inner for block in blocks if (inner := _inner(block)) is not None]
    visible = _without(lines, blocks)
    if not visible.strip() and not any(block.is_labelled for block in blocks):
        # an answer that is nothing but prose under the marker is an answer all the same
        visible = "\n".join(line for block in blocks for line in block.content).strip()
    return visible, said[-1] if said else None


def _inner(block: Block) -> Inner | None:
    text = "\n".join(block.content).strip()
    if not text:
        return None
    document = _document(text)
    if document is not None:
        return _from_json(document, text)
    return _from_lines([read_line(line) for line in block.content], text)


def _document(text: str) -> Mapping[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        document = strict_json.loads(text, most_bytes=_MOST_JSON)
    except BadJson:
        return None
    return document if isinstance(document, dict) else None


def _from_json(document: Mapping[str, Any], text: str) -> Inner:
    given = {str(key).strip().lower().replace(" ", "_"): value for key, value in document.items()}
    prose = {
        key: _sentence(given[name])
        for key, names in _JSON_KEYS.items()
        for name in reversed(names)
        if name in given
    }
    numbers = {name: in_range(name, _float(given.get(name))) for name in DIMENSIONS}
    return _made(text, numbers, prose)


def _from_lines(lines: Sequence[Line], text: str) -> Inner:
    numbers: dict[str, float | None] = {}
    prose: dict[str, str] = {}
    key: str | None = None
    for line in lines:
        numbers |= {name: value for name, value in line.numbers.items() if name not in numbers}
        if line.keys:
            key = line.key
        said = line.value if line.key else line.text.strip()
        if key is not None and said:
            prose[key] = f"{prose[key]} {said}" if prose.get(key) else said
    return _made(text, numbers, prose)


def _made(text: str, numbers: Mapping[str, float | None], prose: Mapping[str, str]) -> Inner:
    return Inner(
        text=text[:_MOST_TEXT],
        valence=numbers.get("valence"),
        arousal=numbers.get("arousal"),
        dominance=numbers.get("dominance"),
        strength=strength_of(prose.get("strength", "")),
        prose={key: said[:_MOST_TEXT] for key, said in prose.items() if said},
    )


def _float(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else None


def _sentence(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(part) for part in value if isinstance(part, str | int | float))
    return str(value) if isinstance(value, str | int | float) else ""


def _without(lines: Sequence[str], blocks: Sequence[Block]) -> str:
    """Return what is outside of the blocks, with one empty line where a block was."""
    starts = [0, *(block.end for block in blocks)]
    ends = [*(block.start for block in blocks), len(lines)]
    befores = [*(block.before for block in blocks), ""]
    pieces = [
        [*lines[start:end], *([before] if before else [])]
        for start, end, before in zip(starts, ends, befores, strict=True)
    ]
    for number, piece in enumerate(pieces):
        if number > 0:
            _strip_blank(piece, 0)
        if number < len(pieces) - 1:
            _strip_blank(piece, -1)
    return "\n\n".join("\n".join(piece) for piece in _without_rules(pieces))


def _without_rules(pieces: Sequence[list[str]]) -> list[list[str]]:
    """Return the pieces that hold something, without the rules that set a block apart."""
    for piece in (pieces[0], pieces[-1]):
        if len(piece) == 1:
            _strip_rule(piece, 0)
    if not pieces[-1]:
        _strip_rule(next((piece for piece in reversed(pieces) if piece), []), -1)
    if not pieces[0]:
        _strip_rule(next((piece for piece in pieces if piece), []), 0)
    kept = [piece for piece in pieces if piece]
    for piece, following in pairwise(kept):
        if following and is_rule(following[0]):
            _strip_rule(piece, -1)
    return [piece for piece in kept if piece]


def _strip_rule(piece: list[str], end: int) -> None:
    if piece and is_rule(piece[end]):
        piece.pop(end)
        _strip_blank(piece, end)


def _strip_blank(piece: list[str], end: int) -> None:
    """Take empty lines off the beginning (0) or the end (-1)."""
    while piece and not piece[end].strip():
        piece.pop(end)
    if piece and end == -1:
        piece[-1] = piece[-1].rstrip("\r")
