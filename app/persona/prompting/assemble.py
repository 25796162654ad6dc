"""From parts to messages, by priority within a budget of tokens. Pure.

The rules, the clock, the parameters and the task always stand in a prompt. What else there is gets
its share of the rest in the order of `_sections`, and what does not fit is named.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from app.persona.llm.chat import Message, Role
from app.persona.prompt import clock_lines, now_line, parameter_lines
from app.persona.prompting import rules
from app.persona.prompting.fence import Fence
from app.persona.prompting.parts import Excerpt, Parts
from app.persona.prompting.tokens import estimate, head, tail
from app.persona.words import day_and_time, one_line

_LONGEST_MEMORY = 1_000
_LONGEST_REFUSAL = 300
_LONGEST_SAID = 4_000
_MOST_REFUSED = 20
_WORTH_CUTTING = 60
"""Tokens below which the beginning of a text is not worth a place."""

_ROOM_TO_SAY_SO = 150
"""Tokens that are kept for naming what was left out."""


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """What is sent first, what was left out of it, and what it may cost in tokens.

    `unknown_tools` are those that the task lists and nobody has.
    """

    messages: Sequence[Message]
    left_out: Sequence[str]
    tokens: int
    unknown_tools: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class _Section:
    """A kind of data. `share` of the budget is the most that it gets; `role` where it stands.

    Items of a section with a `source` are lines of one fence and are left out one by one; the
    others have a fence each and are cut, at the end unless `keeps_end`.
    """

    title: str
    items: Sequence[Excerpt]
    share: float
    role: Role = Role.USER
    source: str = ""
    keeps_end: bool = False


def assemble(parts: Parts, *, fence: Fence, budget: int) -> Prompt:
    """Return the system message and the user message of a run, of at most `budget` tokens.

    Only a task that alone is larger goes beyond it: the text of a task is never cut.
    """
    about = rules.standing(parts.tools, parts.unknown_tools, fence, talks=parts.talk is not None)
    clock = "\n".join(["# The clock", *_clock(parts)])
    heading = rules.TASK if parts.talk is None else rules.MESSAGE
    asked = "\n\n".join([*_parameters(parts, fence), f"# {heading}\n{parts.task.prompt}"])
    left = budget - sum(estimate(text) for text in (about, clock, asked)) - _ROOM_TO_SAY_SO
    blocks: dict[Role, list[str]] = {Role.SYSTEM: [about], Role.USER: [clock]}
    left_out: list[str] = []
    for section in _sections(parts):
        if section.items:
            allowance = min(left, int(budget * section.share))
            block, missing = _filled(section, fence, allowance)
            if missing:
                left_out.append(f"{missing} under “{section.title}”")
            if block:
                blocks[section.role].append(block)
                left -= estimate(block) + 1
    if left_out:
        blocks[Role.USER].append(rules.LEFT_OUT + "; ".join(left_out) + ".")
    blocks[Role.USER].append(asked)
    messages = [Message(role=role, content="\n\n".join(blocks[role])) for role in blocks]
    return Prompt(
        unknown_tools=parts.unknown_tools,
        messages=messages,
        left_out=left_out,
        tokens=sum(estimate(message.content) for message in messages),
    )


def _clock(parts: Parts) -> list[str]:
    if parts.talk is None:
        return clock_lines(parts.task, parts.occasion)
    return [now_line(parts.occasion, parts.task.timezone)]


def _sections(parts: Parts) -> list[_Section]:
    """Return what is data in the order in which it gets its place."""
    zone = parts.task.timezone
    memories = [
        Excerpt(
            path=f"memory of {day_and_time(memory.at, zone)}",
            text=f"- {day_and_time(memory.at, zone)}, {one_line(memory.kind, 40)}: "
            f"{one_line(memory.text, _LONGEST_MEMORY)}",
        )
        for memory in parts.memories
    ]
    refused = [
        Excerpt(path="a refused edit", text=f"- {one_line(text, _LONGEST_REFUSAL)}")
        for text in parts.refused[:_MOST_REFUSED]
    ]
    said = [
        Excerpt(
            path="what was said",
            text=f"- {one_line(one.role, 20)}: {one_line(one.content, _LONGEST_SAID)}",
        )
        for one in reversed(parts.talk.history if parts.talk is not None else ())
    ]
    mood = [Excerpt(path="mood", text=parts.mood)] if parts.mood else []
    return [
        _Section(title=rules.MOOD, items=mood, share=0.05, role=Role.SYSTEM),
        _Section(title=rules.BASE, items=_given(parts.base_prompt), share=0.2, role=Role.SYSTEM),
        _Section(
            title=rules.OWN, items=_given(parts.self_instructions), share=0.15, role=Role.SYSTEM
        ),
        _Section(title=rules.IDENTITY, items=parts.identity, share=0.2, role=Role.SYSTEM),
        _Section(title=rules.REFUSED, items=refused, share=0.1, source="tasks.json"),
        _Section(title=rules.TARGET, items=_given(parts.target), share=0.25, keeps_end=True),
        _Section(title=rules.SAID, items=said, share=0.4, source="the conversation"),
        _Section(title=rules.MEMORIES, items=memories, share=1.0, source="memory"),
    ]


def _given(excerpt: Excerpt | None) -> list[Excerpt]:
    return [excerpt] if excerpt is not None and excerpt.text.strip() else []


def _parameters(parts: Parts, fence: Fence) -> list[str]:
    lines = parameter_lines(parts.task)
    if not lines:
        return []
    return [f"# {rules.PARAMETERS}\n" + fence.enclose("the task", "\n".join(lines))]


def _filled(section: _Section, fence: Fence, allowance: int) -> tuple[str, str]:
    """Return as much of a section as the allowance holds, and in words how much is missing."""
    heading = f"# {section.title}\n"
    left = allowance - estimate(heading)
    taken = _lines(section, fence, left) if section.source else _blocks(section, fence, left)
    missing, all_of_them = len(section.items) - len(taken), len(section.items)
    words = f"{missing} of {all_of_them}" if missing else ""
    if any(rules.CUT in text for text in taken):
        words = f"{words} and part of one" if words else "part of one"
    if not taken:
        return "", words
    body = "\n".join(taken)
    return heading + (fence.enclose(section.source, body) if section.source else body), words


def _lines(section: _Section, fence: Fence, left: int) -> list[str]:
    left -= estimate(fence.enclose(section.source, ""))
    taken: list[str] = []
    for item in section.items:
        cost = estimate(item.text) + 1
        if cost <= left:
            taken.append(item.text)
            left -= cost
    return taken


def _blocks(section: _Section, fence: Fence, left: int) -> list[str]:
    taken: list[str] = []
    for item in section.items:
        block = _fitted(item, fence, left, keeps_end=section.keeps_end)
        if block is not None:
            taken.append(block)
            left -= estimate(block) + 1
    return taken


def _fitted(item: Excerpt, fence: Fence, left: int, *, keeps_end: bool) -> str | None:
    block = fence.enclose(item.path, item.text)
    if estimate(block) <= left:
        return block
    room = left - estimate(fence.enclose(item.path, rules.CUT))
    if room < _WORTH_CUTTING:
        return None
    if keeps_end:
        return fence.enclose(item.path, f"{rules.CUT}\n{tail(item.text, room)}")
    return fence.enclose(item.path, f"{head(item.text, room)}\n{rules.CUT}")
