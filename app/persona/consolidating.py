"""The consolidation: what comes back on several days, what was said again, what to keep. Pure."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from app.persona.findings import GOALS, RESULT_OF, Findings
from app.persona.memory.memory import Memory
from app.persona.reflecting import kinds_of
from app.persona.repeats import Repeat, merged
from app.persona.sections import (
    Block,
    cited,
    days_of,
    entry_before,
    section,
    stands,
    what_changed,
    whole,
)
from app.persona.textrank import MOST_SENTENCES, rank, share, weights_among
from app.persona.themes import LONGEST_QUOTE, Quote, Source, Theme, find_themes, keywords, passages
from app.persona.words import as_path, count, day, day_and_time, listed, quoted

_MOST_THEMES = 6
_MOST_REPEATS = 5
_MOST_KEPT = 2
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
_THEME = re.compile(r"“([^”\n]+)” stands in ")


@dataclass(frozen=True, kw_only=True)
class Consolidation:
    """An entry's blocks, and the sentences that are worth keeping as insights."""

    blocks: Sequence[Block]
    insights: Sequence[Quote]


def consolidate(f: Findings) -> Consolidation:
    """Return the blocks of a consolidation and what to remember of it."""
    echo = {run.text for run in f.runs if run.origin == "schedule"}
    sources = [s for s in f.sources if s.text not in echo and s.label != as_path(GOALS)]
    single, repeats = merged(sources)
    themes = find_themes(single, _MOST_THEMES, f.zone)
    insights = _worth_keeping(f)
    kept = [f"{cited(quote, f.zone)}." for quote in insights]
    again = [_repeat(f, repeat) for repeat in repeats[:_MOST_REPEATS]]
    often = _said_often(f.memories)
    judged = [_judged(f, one, often) for one in f.lived.insights[-_MOST_INSIGHTS:]]
    none = "No theme: no word that says something stands in two sources."
    blocks = [
        *section("What was read", _what_was_read(f, sources)),
        *section("What comes back", [_theme(f, theme) for theme in themes] or [none]),
        *section("What changed among the themes", _since_before(f, themes)),
        *section("Said more than once", again),
        *section("Earlier insights", judged),
        *section("Kept as an insight", kept or ["Nothing new was found that is worth keeping."]),
        *section("What changed in the space", what_changed(f)),
    ]
    return Consolidation(blocks=blocks, insights=insights)


def _what_was_read(f: Findings, sources: Sequence[Source]) -> list[str]:
    memories = f.memories
    results = sum(source.label.startswith(RESULT_OF) for source in sources)
    parts = [count(len(sources) - len(memories) - results, "file")]
    if results:
        parts.append(count(results, "result"))
    if memories:
        held = count(len(memories), "memory", "memories")
        parts.append(f"{held} of 31 days ({kinds_of(memories)})")
    lines = [f"{count(len(sources), 'source')} read: {listed(parts)}.", entry_before(f)]
    if memories:
        fresh = count(len(f.recent_memories), "memory", "memories")
        lines.append(f"New since {day_and_time(f.since, f.zone)}: {fresh}.")
    if f.lived.echo:
        echo = count(f.lived.echo, "memory", "memories")
        lines.append(f"Left out: {echo} that scheduled runs brought forth.")
    return lines


def _theme(f: Findings, theme: Theme) -> str:
    quotes = theme.quotes
    days = days_of((quote.source for quote in quotes), f.zone)
    where = f"in {count(len(quotes), 'source')} on {count(len(days), 'day')}"
    fit = [quote for quote in quotes if stands(quote.sentence)]
    places = sorted({0, len(fit) // 2, len(fit) - 1}, reverse=True) if fit else []
    said = "; ".join(cited(fit[place], f.zone) for place in places)
    return f"{quoted(theme.term)} stands {where}{': ' if said else ''}{said}."


def _since_before(f: Findings, themes: Sequence[Theme]) -> list[str]:
    if not f.own:
        return []
    before = [found[1] for line in f.own[-1].statements if (found := _THEME.match(line))]
    now = [theme.term for theme in themes]
    new = [quoted(term) for term in now if term not in before]
    gone = [quoted(term) for term in before if term not in now]
    lines = [f"New: {listed(new)}."] if new else []
    lines += [f"No longer among the first: {listed(gone)}."] if gone else []
    return lines or [f"The same as on {day(f.own[-1].at, f.zone)}."]


def _repeat(f: Findings, repeat: Repeat) -> str:
    first, last = repeat.said[0], repeat.said[-1]
    times = f"said {len(repeat.said)} times"
    return f"{cited(whole(last), f.zone)}: {times}, first on {day(first.at, f.zone)}."


def _judged(f: Findings, insight: Memory, often: set[str]) -> str:
    said = f"{quoted(insight.text)}, kept on {day(insight.at, f.zone)}"
    wanted = keywords(insight.text) - often
    least = max(2, round(_ALIKE * len(wanted)))
    again = [
        Quote(source=source, sentence=passage)
        for source in f.memories
        if source.at > insight.at
        for passage in passages(source)
        if len(keywords(passage) & wanted) >= least and stands(passage)
    ]
    if not again:
        return f"{said}: nothing since then speaks of the same."
    return f"{said}: spoken of {count(len(again), 'time')}, last: {cited(again[-1], f.zone)}."


def _said_often(memories: Sequence[Source]) -> set[str]:
    """Return the words that so many memories hold, such as a name, that they say little."""
    times = Counter(word for memory in memories for word in keywords(memory.text))
    most = max(_TOLD_OFTEN * len(memories), _TOLD_OFTEN_AT_LEAST)
    return {word for word, held in times.items() if held > most}


def _worth_keeping(f: Findings) -> list[Quote]:
    """Choose lessons from the new memories, those first that others speak of, too; quotes only."""
    known = [keywords(insight.text) for insight in f.lived.insights]
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
        if not _LESSON.search(said) or any(share(words[number], one) >= _ALIKE for one in known):
            continue
        if len(kept) < _MOST_KEPT and stands(said):
            kept.append(new[number])
            known.append(words[number])
    return sorted(kept, key=lambda quote: quote.source.at)
