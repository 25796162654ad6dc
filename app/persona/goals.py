"""The goal assessment: which goals are open, done, new, spoken of, or standing still. Pure."""

from collections.abc import Sequence

from app.persona.findings import GOALS, Box, Findings
from app.persona.journal import Entry
from app.persona.sections import Block, capped, section
from app.persona.themes import Source, best_sentences, keywords
from app.persona.words import as_path, count, day, listed, quoted

_MOST_GOALS = 30


def assess_goals(f: Findings) -> list[Block]:
    """Return the blocks of a goal assessment."""
    where = listed([as_path(path) for path in dict.fromkeys([GOALS, f.target or GOALS])])
    if not f.goals:
        line = f"There are no goals: no line in {where} is such as `- \\[ \\] a goal`."
        return section("Goals", [line])
    open_goals = [goal for goal in f.goals if not goal.done][:_MOST_GOALS]
    done = [goal for goal in f.goals if goal.done]
    spoken_of = {goal.text: _spoken_of(f, goal) for goal in open_goals}
    return [
        *section("Goals", [f"{len(f.goals) - len(done)} open, {len(done)} done in {where}."]),
        *section("Finished", capped(_finished(f, done))),
        *section("Open", [_open_line(f, goal, spoken_of[goal.text]) for goal in open_goals]),
        *section("Next", [_next(open_goals, [g for g in open_goals if not spoken_of[g.text]])]),
    ]


def _spoken_of(f: Findings, goal: Box) -> list[Source]:
    wanted = keywords(goal.text)
    lists = {as_path(GOALS), as_path(f.target or GOALS)}
    elsewhere = [source for source in f.recent_sources if source.label not in lists]
    return [quote.source for quote in best_sentences(elsewhere, wanted, 1)]


def _finished(f: Findings, done: Sequence[Box]) -> list[str]:
    before = f.own[-1].statements if f.own else []
    return [
        f"Done since {day(f.own[-1].at, f.zone)}: {quoted(goal.text)}"
        for goal in done
        if any(line.startswith(_opening(goal)) for line in before)
    ]


def _open_line(f: Findings, goal: Box, spoken_of: Sequence[Source]) -> str:
    if spoken_of:
        source = spoken_of[0]
        progress = f"last spoken of in {source.label}, {day(source.at, f.zone)}"
    else:
        progress = f"nothing since {day(f.since, f.zone)} speaks of it"
    times = _times_open(f.own, goal)
    before = f", open in {count(times, 'entry', 'entries')} before this" if f.own else ""
    return f"{_opening(goal)}{before}: {progress}."


def _times_open(own: Sequence[Entry], goal: Box) -> int:
    times = 0
    for entry in reversed(own):
        if not any(line.startswith(_opening(goal)) for line in entry.statements):
            break
        times += 1
    return times


def _opening(goal: Box) -> str:
    return f"Open: {quoted(goal.text)}"


def _next(open_goals: Sequence[Box], still: Sequence[Box]) -> str:
    if not open_goals:
        return "No goal is open; a new one can be set."
    if still:
        return f"{quoted(still[0].text)}, the first open goal that nothing speaks of."
    return f"{quoted(open_goals[0].text)}, the first open goal."
