"""The goal assessment: which goals are open, done, new, spoken of, or standing still. Pure."""

from collections.abc import Mapping, Sequence

from app.persona.findings import GOALS, Box, Findings
from app.persona.journal import Entry
from app.persona.sections import (
    Composition,
    capped,
    cited,
    days_of,
    section,
    stands,
    what_happened,
)
from app.persona.themes import Quote, Said, best_sentences, keywords, said_in
from app.persona.words import as_path, count, day, listed, quoted, times

_MOST_GOALS = 30
_MOST_EVIDENCE = 50


def assess_goals(f: Findings) -> Composition:
    """Return a goal assessment."""
    where = listed([as_path(path) for path in dict.fromkeys([GOALS, f.target or GOALS])])
    if not f.goals:
        none = f"There are no goals: no line in {where} is like `- [ ] a goal`."
        return Composition(blocks=section("Goals", [none]))
    open_goals = [goal for goal in f.goals if not goal.done][:_MOST_GOALS]
    done = [goal for goal in f.goals if goal.done]
    said = _said_elsewhere(f)
    evidence = {goal.text: _evidence(said, goal) for goal in open_goals}
    moved = [goal for goal in open_goals if _new_since(f, evidence[goal.text])]
    still = [goal for goal in open_goals if goal not in moved]
    counted = f"{len(f.goals) - len(done)} open, {len(done)} done in {where}."
    blocks = [
        *section("Goals", [counted]),
        *section("Finished", capped(_finished(f, done))),
        *section("Open", [_open_line(f, goal, evidence[goal.text]) for goal in moved]),
        *section("Standing still", [_still_line(f, goal, evidence[goal.text]) for goal in still]),
        *section("Next", _next(open_goals, still, evidence)),
        *section("Runs since then", what_happened(f)),
    ]
    return Composition(blocks=blocks)


def _said_elsewhere(f: Findings) -> list[Said]:
    """Return what was said, the lists of goals themselves aside."""
    lists = {as_path(GOALS), as_path(f.target or GOALS)}
    return said_in([source for source in f.sources if source.label not in lists])


def _evidence(said: Sequence[Said], goal: Box) -> list[Quote]:
    """Return what speaks of a goal, newest first."""
    found = best_sentences(said, keywords(goal.text), _MOST_EVIDENCE)
    found.sort(key=lambda quote: quote.source.at, reverse=True)
    return [quote for quote in found if stands(quote.sentence)]


def _new_since(f: Findings, evidence: Sequence[Quote]) -> list[Quote]:
    return [quote for quote in evidence if quote.source.at >= f.since]


def _finished(f: Findings, done: Sequence[Box]) -> list[str]:
    if not f.own:
        return [f"Done: {quoted(goal.text)}" for goal in done]
    before = f.own[-1].statements
    return [
        f"Done since {f.on(f.own[-1].at)}: {quoted(goal.text)}"
        for goal in done
        if any(line.startswith(_opening(goal)) for line in before)
    ]


def _open_line(f: Findings, goal: Box, evidence: Sequence[Quote]) -> str:
    new = _new_since(f, evidence)
    days = days_of((quote.source for quote in new), f.zone)
    since = _since(f, goal)
    if len(new) == 1:
        progress = f"spoken of once {since}: {cited(new[0], f.zone)}"
    else:
        often = f"{times(len(new))} on {count(len(days), 'day')} {since}"
        progress = f"spoken of {often}, the last: {cited(new[0], f.zone)}"
    if len(new) > 2:
        progress += f"; the first: {cited(new[-1], f.zone)}"
    return f"{_opening(goal)}{_before(f, goal)}: {progress}."


def _still_line(f: Findings, goal: Box, evidence: Sequence[Quote]) -> str:
    nothing = f"nothing {_since(f, goal)} speaks of it"
    last = f"; before that, the last: {cited(evidence[0], f.zone)}" if evidence else ""
    return f"{_opening(goal)}{_before(f, goal)}: {nothing}{last}."


def _since(f: Findings, goal: Box) -> str:
    """Return `since then` where the day was named just before."""
    first = _first_open(f.own, goal)
    is_named = first and day(first.at, f.zone) == day(f.since, f.zone)
    return "since then" if is_named else f"since {f.on(f.since)}"


def _before(f: Findings, goal: Box) -> str:
    if not f.own:
        return ""
    first = _first_open(f.own, goal)
    return f", named here since {day(first.at, f.zone)}" if first else ", new"


def _first_open(own: Sequence[Entry], goal: Box) -> Entry | None:
    """Return the oldest of the entries that all named the goal as open, one after another."""
    first = None
    for entry in reversed(own):
        if not any(line.startswith(_opening(goal)) for line in entry.statements):
            break
        first = entry
    return first


def _opening(goal: Box) -> str:
    return f"Open: {quoted(goal.text)}"


def _next(
    open_goals: Sequence[Box], still: Sequence[Box], evidence: Mapping[str, Sequence[Quote]]
) -> list[str]:
    if not open_goals:
        return ["No goal is open; a new one can be set."]
    if len(open_goals) == 1:
        return [f"{quoted(open_goals[0].text)}: it is the only one that is open."]
    silent = [goal for goal in still if not evidence[goal.text]]
    oldest = silent[:1] or [min(open_goals, key=lambda one: evidence[one.text][0].source.at)]
    why = "nothing was found on it" if silent else "it was spoken of the longest ago"
    return [f"{quoted(oldest[0].text)}: {why}."]
