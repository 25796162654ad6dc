"""What is done about meta-talk: removed or written anew, and how that is noted. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.persona.metatalk.finding import Finding, find_metatalk
from app.persona.metatalk.sentences import Block, blocks

MOST_NOTED = 20
MOST_SHOWN = 300
_EMPHASIS = ("**", "__", "*", "_")
_HEADING = re.compile(r"[ \t]*#")
_WORD = re.compile(r"\w")


class Done(StrEnum):
    """What became of meta-talk; `kept` where removing it would have left nothing."""

    NONE = "none"
    REWRITTEN = "rewritten"
    REMOVED = "removed"
    KEPT = "kept"


@dataclass(frozen=True, kw_only=True)
class Mended:
    """A text after mending, what was found in it before, and what was done."""

    text: str
    findings: Sequence[Finding]
    done: Done

    def note(self) -> Mapping[str, Any]:
        """Return what a run's metadata says under `meta_talk`."""
        return note(self.findings, self.done)


def note(findings: Sequence[Finding], done: Done) -> Mapping[str, Any]:
    """Return what a run's metadata says under `meta_talk`: at most 20 sentences, each cut to 300
    characters."""
    return {
        "found": [
            {"rule": found.rule, "sentence": found.sentence[:MOST_SHOWN]}
            for found in findings[:MOST_NOTED]
        ],
        "done": str(done),
    }


def mended(text: str) -> Mended:
    """Return the text without its meta-talk; as it was where nothing else would be left."""
    findings = find_metatalk(text)
    if not findings:
        return Mended(text=text, findings=(), done=Done.NONE)
    rest = without(text, findings)
    if not rest:
        return Mended(text=text, findings=findings, done=Done.KEPT)
    return Mended(text=rest, findings=findings, done=Done.REMOVED)


def after_rewriting(before: Sequence[Finding], rewritten: str) -> Mended:
    """Return what stands after a corrective round; what it left of meta-talk is removed.

    `before` is what was found at first. Done is `rewritten` where the new text needed nothing more.
    """
    again = mended(rewritten)
    done = Done.REWRITTEN if again.done is Done.NONE else again.done
    return Mended(text=again.text, findings=before, done=done)


def corrective_prompt(findings: Sequence[Finding]) -> str:
    """Return what asks a model to write its answer anew; the answer itself stands before it."""
    sentences = "\n".join(
        f"- {' '.join(found.sentence[:MOST_SHOWN].split())}" for found in findings[:MOST_NOTED]
    )
    return (
        "Write your last answer again. These sentences in it talk about being a machine instead of "
        f"speaking for yourself:\n{sentences}\n\n"
        "Keep everything else that it says: facts, names, dates, headings, lists, and its length. "
        "Write in the first person. No disclaimers about what you are, how you were made or what "
        "you cannot feel, remember or do; leave out what has no other content. Invent nothing. "
        "Answer with the new text only."
    )


def without(text: str, findings: Sequence[Finding]) -> str:
    """Return the text without these sentences; `""` only where nothing else is said in it.

    A list item or paragraph that becomes empty goes as a whole, headings and code stay, emphasis
    that goes beyond a sentence stays closed. A text without findings comes back as it is.
    """
    if not findings:
        return text
    pieces, at = [], 0
    for start, end in _joined(text, _cuts(text, findings)):
        pieces.append(text[at:start])
        at = end
    rest = "".join([*pieces, text[at:]]).strip("\n")
    says_more = any(not _HEADING.match(line) and _WORD.search(line) for line in rest.split("\n"))
    return rest if says_more else ""


def _joined(text: str, cuts: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Join cuts that touch; a paragraph takes one of the two gaps around it along."""
    joined: list[tuple[int, int]] = []
    for start, end in cuts:
        if joined and joined[-1][1] == start:
            start = joined.pop()[0]  # noqa: PLW2901  the cut before begins it
        joined.append((start, end))
    for start, end in joined:
        is_first = start == 0 or text.startswith("\n\n", start - 2)
        yield start, end + (is_first and text.startswith("\n", end))


def _cuts(text: str, findings: Sequence[Finding]) -> Iterator[tuple[int, int]]:
    """Give the spans to cut out, in order and apart from one another."""
    gone = {found.start for found in findings}
    for block in blocks(text):
        runs = list(_runs(block.sentences, gone))
        if not runs:
            continue
        if runs == [(0, len(block.sentences))] and not block.is_row:
            yield block.start, min(block.end + 1, len(text))
            continue
        for first, behind in runs:
            yield _cut(text, block, first, behind)


def _runs(sentences: Sequence[tuple[int, int]], gone: set[int]) -> Iterator[tuple[int, int]]:
    """Give neighbouring sentences that go, as (first, behind the last)."""
    first = None
    for number, (start, _) in enumerate(sentences):
        if start in gone:
            first = number if first is None else first
        elif first is not None:
            yield first, number
            first = None
    if first is not None:
        yield first, len(sentences)


def _cut(text: str, block: Block, first: int, behind: int) -> tuple[int, int]:
    """Return what to cut so that the sentences around it stay as far apart as they were."""
    sentences = block.sentences
    last = sentences[behind - 1][1]
    start, end = _balanced(text, sentences[first][0], last)
    if block.is_row:
        return start, end
    if end == last and behind < len(sentences):
        return start, sentences[behind][0]
    if start == sentences[first][0] and first:
        return sentences[first - 1][1], end
    return start, end


def _balanced(text: str, start: int, end: int) -> tuple[int, int]:
    """Leave a mark of emphasis where its other half is outside of the span."""
    for mark in _EMPHASIS:
        inside = text[start:end]
        if len(mark) == 1:
            inside = inside.replace(mark * 2, "")
        if inside.count(mark) % 2 == 0:
            continue
        if text.startswith(mark, start):
            start += len(mark)
        elif text.endswith(mark, start, end):
            end -= len(mark)
    return start, end
