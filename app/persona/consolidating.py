"""The consolidation: what comes back on several days, what was said again, what to keep. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.persona.findings import Findings, source_of_memory
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
from app.persona.textrank import rank, share
from app.persona.themes import Quote, Source, Theme, find_themes, keywords, sentences
from app.persona.words import count, day, day_and_time, listed, quoted

_MOST_THEMES = 6
_MOST_REPEATS = 5
_MOST_KEPT = 2
_MOST_INSIGHTS = 5
_ALIKE = 0.4
_TELLING = 2.0
_LONGEST = 200
_LESSON = re.compile(
    r"\b(?:learn\w{0,4}|teach\w{0,4}|taught|means?|because|should not|the secret|what makes|"
    r"understood|realised|realized|turns out|is where|it took|was wrong|was right|thanks to)\b",
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
    sources = [source for source in f.sources if source.text not in _echo(f)]
    single, repeats = merged(sources)
    themes = find_themes(single, _MOST_THEMES, f.zone)
    insights = _worth_keeping(f)
    kept = [f"{cited(quote, f.zone)}." for quote in insights]
    none = "No theme: no word that says something stands in two sources."
    blocks = [
        *section("What was read", _what_was_read(f, sources)),
        *section("What comes back", [_theme(f, theme) for theme in themes] or [none]),
        *section("What changed among the themes", _since_before(f, themes)),
        *section("Said more than once", [_repeat(f, repeat) for repeat in repeats[:_MOST_REPEATS]]),
        *section("Earlier insights", [_judged(f, one) for one in f.lived.insights[-5:]]),
        *section("Kept as an insight", kept or ["Nothing new was found that is worth keeping."]),
        *section("What changed in the space", what_changed(f)),
    ]
    return Consolidation(blocks=blocks, insights=insights)


def _echo(f: Findings) -> set[str]:
    """Return what scheduled runs answered, as it stands among the results."""
    return {run.text for run in f.runs if run.origin == "schedule"}


def _what_was_read(f: Findings, sources: Sequence[Source]) -> list[str]:
    notes = sum(bool(note.text.strip()) for note in f.notes)
    read = f"{count(len(sources), 'source')} read"
    memories = f.memories
    of = [f"{count(len(memories), 'memory', 'memories')} of 31 days ({kinds_of(memories)})"]
    parts = [count(notes, "file"), *(of if memories else [])]
    lines = [f"{read}: {listed(parts)}.", entry_before(f)]
    fresh = len(f.recent_memories)
    if memories:
        since = day_and_time(f.since, f.zone)
        lines.append(f"{count(fresh, 'memory', 'memories')} since {since}.")
    if f.lived.echo:
        echo = count(f.lived.echo, "memory", "memories")
        lines.append(f"{echo} left out: scheduled runs brought them forth.")
    return lines


def _theme(f: Findings, theme: Theme) -> str:
    quotes = theme.quotes
    days = days_of((quote.source for quote in quotes), f.zone)
    where = f"in {count(len(quotes), 'source')} on {count(len(days), 'day')}"
    places = sorted({0, len(quotes) // 2, len(quotes) - 1}, reverse=True)
    said = [quotes[place] for place in places]
    return f"{quoted(theme.term)} stands {where}: {'; '.join(cited(q, f.zone) for q in said)}."


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
    return f"{times}, first {day(first.at, f.zone)}, last: {cited(whole(last), f.zone)}."


def _judged(f: Findings, insight: Memory) -> str:
    said = f"{quoted(insight.text)}, kept on {day(insight.at, f.zone)}"
    wanted = keywords(insight.text)
    least = max(2, round(_ALIKE * len(wanted)))
    again = [
        Quote(source=source, sentence=sentence)
        for source in f.memories
        if source.at > insight.at
        for sentence in sentences(source.text)
        if len(keywords(sentence) & wanted) >= least and stands(sentence)
    ]
    if not again:
        return f"{said}: nothing since then says it again."
    return f"{said}: comes back {count(len(again), 'time')}, the last: {cited(again[-1], f.zone)}."


def _worth_keeping(f: Findings) -> list[Quote]:
    """Choose what the new memories say that others speak of too, lessons first; quotes only."""
    known = [keywords(insight.text) for insight in f.lived.insights]
    found = [
        (Quote(source=source, sentence=sentence), keywords(sentence))
        for source in map(source_of_memory, f.lived.memories)
        if source.at >= f.since
        for sentence in sentences(source.text)
        if len(sentence) <= _LONGEST and not sentence.endswith("?")
    ]
    lessons = [one for one in found if len(one[1]) >= 3][-300:]
    ranks = rank([words for _, words in lessons])
    scores = [
        value * (_TELLING if _LESSON.search(quote.sentence) else 1.0)
        for value, (quote, _) in zip(ranks, lessons, strict=True)
    ]
    kept: list[Quote] = []
    for number in sorted(range(len(lessons)), key=lambda number: (-scores[number], number)):
        quote, words = lessons[number]
        is_lesson = _LESSON.search(quote.sentence) is not None
        is_known = any(share(words, other) >= _ALIKE for other in known)
        if is_lesson and not is_known and len(kept) < _MOST_KEPT and stands(quote.sentence):
            kept.append(quote)
            known.append(words)
    return kept
