"""The consolidation: what comes back on several days, what was said again, what to keep. Pure."""

import re
from collections import Counter
from collections.abc import Sequence

from app.persona.contradictions import contradictions
from app.persona.findings import GOALS, RESULT_OF, Findings
from app.persona.memory.memory import Memory
from app.persona.reflecting import kinds_of
from app.persona.repeats import Repeat, merged, turns_of
from app.persona.sections import (
    Composition,
    cited,
    days_of,
    section,
    stands,
    what_changed,
    whole,
)
from app.persona.textrank import MOST_SENTENCES, rank, share, weights_among
from app.persona.themes import (
    LONGEST_QUOTE,
    Quote,
    Said,
    Source,
    Theme,
    find_themes,
    keywords,
    passages,
    said_in,
)
from app.persona.words import as_path, count, day, day_and_time, listed, quoted, times

_MOST_THEMES = 6
_MOST_REPEATS = 5
_MOST_KEPT = 2
_MOST_CONTRADICTIONS = 3
_MOST_INSIGHTS = 5
_ALIKE = 0.4
_TOLD_OFTEN = 0.15
_TOLD_OFTEN_AT_LEAST = 3
_LESSON = re.compile(
    r"\b(?:learn(?:ed|t|s)?|teach(?:es)?|taught|means? (?:that|a|the)|should not|the secret|"
    r"what makes|understood|understand|reali[sz]ed?|turns? out|surprised me|never again|"
    r"from now on|worth|because of)\b",
    re.IGNORECASE,
)
_THEME = re.compile(r"(“[^”\n]+”) stands in ")
_QUOTED = re.compile(r"“[^”\n]+”")
_QUIET = "As before, with nothing new: "


def consolidate(f: Findings) -> Composition:
    """Return a consolidation and what to remember of it."""
    echo = {run.text for run in f.runs if run.origin == "schedule"}
    sources = [s for s in f.sources if s.text not in echo and s.label != as_path(GOALS)]
    single, repeats = merged(sources)
    themes = find_themes(single, _MOST_THEMES, f.zone)
    insights = _worth_keeping(f)
    blocks = [
        *section("What was read", _what_was_read(f, sources)),
        *section("What comes back", _what_comes_back(f, sources, themes)),
        *section("What changed among the themes", _since_before(f, themes)),
        *section("Said more than once", _said_again(f, repeats)),
        *section("What may contradict", _may_contradict(f)),
        *section("Earlier insights", _looked_at_again(f)),
        *section("Kept as an insight", _kept(f, insights)),
        *section("What changed in the space", what_changed(f)),
    ]
    return Composition(blocks=blocks, insights=insights)


def _what_was_read(f: Findings, sources: Sequence[Source]) -> list[str]:
    memories = f.memories
    if not sources:
        return ["Nothing was there to read: no memory, no note and no result of a run."]
    results = sum(source.label.startswith(RESULT_OF) for source in sources)
    files = len(sources) - len(memories) - results
    parts = [count(files, "file")] if files else []
    if results:
        parts.append(count(results, "result"))
    if memories:
        held = count(len(memories), "memory", "memories")
        parts.append(f"{held} of 31 days ({kinds_of(memories)})")
    lines = [f"{count(len(sources), 'source')} read: {listed(parts)}."]
    if memories:
        fresh = count(len(f.recent_memories), "memory", "memories")
        lines.append(f"New since {day_and_time(f.since, f.zone)}: {fresh}.")
    if f.lived.echo:
        echo = count(f.lived.echo, "memory", "memories")
        lines.append(f"Left out: {echo} that scheduled runs brought forth.")
    return lines


def _what_comes_back(f: Findings, sources: Sequence[Source], themes: Sequence[Theme]) -> list[str]:
    """Tell a theme that is new in full, of one that was told before only what is new in it."""
    if not themes:
        return ["No theme: no word that says something stands in two sources."] if sources else []
    before = _themes_before(f)
    quiet: list[str] = []
    lines: list[str] = []
    for theme in themes:
        fit = [quote for quote in theme.quotes if stands(quote.sentence)]
        fresh = [quote for quote in fit if quote.source.at >= f.since]
        if quoted(theme.term) not in before:
            lines.append(_theme(f, theme, fit))
        elif fresh:
            new = f", {len(fresh)} of them new: {cited(fresh[0], f.zone)}"
            lines.append(f"{_where(f, theme)}{new}.")
        else:
            quiet.append(quoted(theme.term))
    return [*lines, *([f"{_QUIET}{listed(quiet)}."] if quiet else [])]


def _theme(f: Findings, theme: Theme, fit: Sequence[Quote]) -> str:
    places = sorted({0, len(fit) // 2, len(fit) - 1}, reverse=True) if fit else []
    said = "; ".join(cited(fit[place], f.zone) for place in places)
    return f"{_where(f, theme)}{': ' if said else ''}{said}."


def _where(f: Findings, theme: Theme) -> str:
    days = days_of((quote.source for quote in theme.quotes), f.zone)
    sources = count(len(theme.quotes), "source")
    return f"{quoted(theme.term)} stands in {sources} on {count(len(days), 'day')}"


def _themes_before(f: Findings) -> list[str]:
    """Return the themes of the entry before, as they are quoted."""
    found: list[str] = []
    for line in f.own[-1].statements if f.own else ():
        if (told := _THEME.match(line)) is not None:
            found.append(told[1])
        elif line.startswith(_QUIET):
            found += _QUOTED.findall(line)
    return found


def _since_before(f: Findings, themes: Sequence[Theme]) -> list[str]:
    before, now = _themes_before(f), [quoted(theme.term) for theme in themes]
    new = [term for term in now if term not in before] if before else []
    gone = [term for term in before if term not in now]
    lines = [f"New: {listed(new)}."] if new else []
    return lines + ([f"No longer among the first: {listed(gone)}."] if gone else [])


def _said_again(f: Findings, repeats: Sequence[Repeat]) -> list[str]:
    """Tell what was said more than once; in a later entry, what was said once more since."""
    news = [one for one in repeats if not f.own or one.said[-1].at >= f.since]
    return [
        f"{cited(whole(one.said[-1]), f.zone)}: said {times(len(one.said))}, "
        f"first on {day(one.said[0].at, f.zone)}."
        for one in news[:_MOST_REPEATS]
    ]


def _may_contradict(f: Findings) -> list[str]:
    found = contradictions(f.speakers, f.since)
    return [
        f"These two may contradict each other: {cited(pair.earlier, f.zone)} and "
        f"{cited(pair.later, f.zone)}."
        for pair in found[:_MOST_CONTRADICTIONS]
    ]


def _looked_at_again(f: Findings) -> list[str]:
    memories = f.memories
    said, often = said_in(memories), _said_often(memories)
    lines: list[str] = []
    quiet: list[Memory] = []
    for insight in f.lived.insights[-_MOST_INSIGHTS:]:
        again = _spoken_of(said, insight, often)
        if again and again[-1].source.at >= f.since:
            last = f"the last: {cited(again[-1], f.zone)}"
            lines.append(f"{_insight(f, insight)}: spoken of {times(len(again))} since, {last}.")
        else:
            quiet.append(insight)
    if len(quiet) == 1:
        return [*lines, f"{_insight(f, quiet[0])}: nothing new speaks of it."]
    which = "others" if lines else "earlier insights"
    return [*lines, *([f"Nothing new speaks of {len(quiet)} {which}."] if quiet else [])]


def _insight(f: Findings, insight: Memory) -> str:
    return f"{quoted(insight.text)}, kept on {day(insight.at, f.zone)}"


def _kept(f: Findings, insights: Sequence[Quote]) -> list[str]:
    if insights or not f.recent_memories:
        return [f"{cited(quote, f.zone)}." for quote in insights]
    return ["Nothing new was found that is worth keeping."]


def _spoken_of(said: Sequence[Said], insight: Memory, often: set[str]) -> list[Quote]:
    wanted = keywords(insight.text) - often
    least = max(2, round(_ALIKE * len(wanted)))
    return [
        one.quote
        for one in said
        if one.quote.source.at > insight.at
        and len(one.words & wanted) >= least
        and stands(one.quote.sentence)
    ]


def _said_often(memories: Sequence[Source]) -> set[str]:
    """Return the words that so many memories hold, such as a name, that they say little."""
    held = Counter(word for memory in memories for word in keywords(memory.text))
    most = max(_TOLD_OFTEN * len(memories), _TOLD_OFTEN_AT_LEAST)
    return {word for word, number in held.items() if number > most}


def _worth_keeping(f: Findings) -> list[Quote]:
    """Choose lessons from the new memories, those first that others speak of, too; quotes only."""
    known = [(keywords(one.text), turns_of(one.text)) for one in f.lived.insights]
    new = [
        Quote(source=source, sentence=passage)
        for source in f.recent_memories
        for passage in passages(source)
        if len(passage) <= LONGEST_QUOTE
    ][-MOST_SENTENCES:]
    words = [keywords(quote.sentence) for quote in new]
    ranks = rank(words, weights_among(f.memories))
    kept: list[Quote] = []
    for number in sorted(range(len(new)), key=lambda number: (-ranks[number], number)):
        said = new[number].sentence
        turns = turns_of(said)
        is_known = any(
            turns == others and share(words[number], one) >= _ALIKE for one, others in known
        )
        if _LESSON.search(said) and not is_known and len(kept) < _MOST_KEPT and stands(said):
            kept.append(new[number])
            known.append((words[number], turns))
    return sorted(kept, key=lambda quote: quote.source.at)
