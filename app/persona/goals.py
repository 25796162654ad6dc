"""The goal assessment: which goals are open, done, new, spoken of, or standing still. Pure."""

from collections.abc import Mapping, Sequence

from app.persona.findings import GOALS, Box, Findings
from app.persona.journal import Entry
from app.persona.sections import (
    Block,
    capped,
    cited,
    days_of,
    entry_before,
    section,
    stands,
    what_happened,
)
from app.persona.themes import Quote, Said, best_sentences, keywords, said_in
from app.persona.words import as_path, count, day, listed, quoted

_MOST_GOALS = 30
_MOST_EVIDENCE = 50
_MOST_NEXT = 3


def assess_goals(f: Findings) -> list[Block]:
    """Return the blocks of a goal assessment."""
    where = listed([as_path(path) for path in dict.fromkeys([GOALS, f.target or GOALS])])
    if not f.goals:
        line = f"There are no goals: no line in {where} is such as `- \\[ \\] a goal`."
        return section("Goals", [line, entry_before(f)])
    open_goals = [goal for goal in f.goals if not goal.done][:_MOST_GOALS]
    done = [goal for goal in f.goals if goal.done]
    said = _said_elsewhere(f)
    evidence = {goal.text: _evidence(said, goal) for goal in open_goals}
    moved = [goal for goal in open_goals if _newest_first(f, evidence[goal.text])]
    still = [goal for goal in open_goals if goal not in moved]
    counted = f"{len(f.goals) - len(done)} open, {len(done)} done in {where}."
    return [
        *section("Goals", [counted, entry_before(f)]),
        *section("Finished", capped(_finished(f, done))),
        *section("Open", [_open_line(f, goal, evidence[goal.text]) for goal in moved]),
        *section("Standing still", [_still_line(f, goal, evidence[goal.text]) for goal in still]),
        *section("Next", _next(open_goals, still, evidence, f)),
        *section("Runs since then", what_happened(f)),
    ]


def _said_elsewhere(f: Findings) -> list[Said]:
    """Return what was said, the lists of goals themselves aside."""
    lists = {as_path(GOALS), as_path(f.target or GOALS)}
    return said_in([source for source in f.sources if source.label not in lists])


def _evidence(said: Sequence[Said], goal: Box) -> list[Quote]:
    """Return what speaks of a goal, newest first."""
    found = best_sentences(said, keywords(goal.text), _MOST_EVIDENCE)
    found.sort(key=lambda quote: quote.source.at, reverse=True)
    return [quote for quote in found if stands(quote.sentence)]


def _newest_first(f: Findings, evidence: Sequence[Quote]) -> list[Quote]:
    return [quote for quote in evidence if quote.source.at >= f.since]


def _finished(f: Findings, done: Sequence[Box]) -> list[str]:
    if not f.own:
        return [f"Done: {quoted(goal.text)}" for goal in done]
    before = f.own[-1].statements
    return [
        f"Done since {day(f.own[-1].at, f.zone)}: {quoted(goal.text)}"
        for goal in done
        if any(line.startswith(_opening(goal)) for line in before)
    ]


def _open_line(f: Findings, goal: Box, evidence: Sequence[Quote]) -> str:
    new = _newest_first(f, evidence)
    days = days_of((quote.source for quote in new), f.zone)
    times = f"{count(len(new), 'time')} on {count(len(days), 'day')}"
    progress = f"spoken of {times} since {day(f.since, f.zone)}, the last: "
    said = [cited(new[0], f.zone)]
    if len(new) > 2:
        said.append(f"the first: {cited(new[-1], f.zone)}")
    return f"{_opening(goal)}{_before(f, goal)}: {progress}{'; '.join(said)}."


def _still_line(f: Findings, goal: Box, evidence: Sequence[Quote]) -> str:
    nothing = f"nothing since {day(f.since, f.zone)} speaks of it"
    last = f"; before that, the last: {cited(evidence[0], f.zone)}" if evidence else ""
    return f"{_opening(goal)}{_before(f, goal)}: {nothing}{last}."


def _before(f: Findings, goal: Box) -> str:
    if not f.own:
        return ""
    times = _times_open(f.own, goal)
    return f", open in {count(times, 'entry', 'entries')} before this" if times else ", new"


def _times_open(own: Sequence[Entry], goal: Box) -> int:
    times = 0
    for entry in reversed(own):
        if not any(line.startswith(_opening(goal)) for line in entry.statements):
            break
        times += 1
    return times


def _opening(goal: Box) -> str:
    return f"Open: {quoted(goal.text)}"


def _next(
    open_goals: Sequence[Box],
    still: Sequence[Box],
    evidence: Mapping[str, Sequence[Quote]],
    f: Findings,
) -> list[str]:
    if not open_goals:
        return ["No goal is open; a new one can be set."]
    if not still:
        oldest = min(open_goals, key=lambda goal: evidence[goal.text][0].source.at)
        return [f"{quoted(oldest.text)}, which was spoken of the longest ago."]
    since = day(f.since, f.zone)
    return [
        f"{quoted(goal.text)}, of which nothing speaks since {since}."
        for goal in still[:_MOST_NEXT]
    ]
