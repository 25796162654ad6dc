"""The daily reflection: what was lived, what stood out, what is new and what goes on. Pure."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from app.persona.client import PastRun
from app.persona.feelings.affect import read_affect
from app.persona.findings import Findings
from app.persona.sections import (
    Composition,
    cited,
    days_of,
    section,
    stands,
    told_once,
    what_changed,
    what_happened,
)
from app.persona.textrank import key_sentences
from app.persona.themes import (
    LONGEST_QUOTE,
    Quote,
    Source,
    find_themes,
    keywords,
    passages,
    surface_of,
)
from app.persona.words import count, day, day_and_time, listed, plain, quoted

_DAY = timedelta(days=1)
_MOST_KEY = 6
_MOST_NEW = 3
_MOST_GONE = 5
_MOST_THREADS = 4
_MOST_OPEN = 4
_FELT = 0.15
_OPEN = re.compile(
    r"\b(?:tomorrow|(?:need|needs|want|wants|have|has|ought|plan|plans) to|should|must|reminder|"
    r"may be how|do(?:es)? not know|cannot tell)\b|\?[\"”’]?$",
    re.IGNORECASE,
)


def reflect(f: Findings) -> Composition:
    """Return a daily reflection."""
    blocks = [
        *section("What happened", [*_counted(f), *what_happened(f)]),
        *section("What stood out", _stood_out(f)),
        *section("What went well and what did not", [*_felt(f), *_patterns(f)]),
        *section("What is new", _new(f)),
        *section("What goes on", _threads(f)),
        *section("Left open", _left_open(f)),
        *section("What changed in the space", what_changed(f)),
    ]
    return Composition(blocks=told_once(blocks))


def kinds_of(sources: Sequence[Source]) -> str:
    """Return how many texts there are of each kind: `8 interactions and 1 note`."""
    kinds = Counter(source.label for source in sources)
    return listed([count(n, kind) for kind, n in sorted(kinds.items(), key=lambda k: (-k[1], k))])


def _counted(f: Findings) -> list[str]:
    if not f.lived.are_memories_known:
        return []
    now, since = f.recent_memories, day_and_time(f.since, f.zone)
    if not now:
        return [f"Nothing was remembered since {since}."]
    before = [source for source in f.memories if f.since - _DAY <= source.at < f.since]
    than = f"; {count(len(before), 'memory', 'memories')} in the day before that"
    return [f"{count(len(now), 'memory', 'memories')} since {since}: {kinds_of(now)}{than}."]


def _lately(f: Findings) -> list[Source]:
    """Return what was lived in this time; where that is nothing, what was written."""
    echo = {run.text for run in f.runs if run.origin == "schedule"}
    written = [source for source in f.recent_sources if source.text not in echo]
    return f.recent_memories or sorted(written, key=lambda source: source.at)


def _stood_out(f: Findings) -> list[str]:
    found = key_sentences(_lately(f), _MOST_KEY, stands, f.sources)
    return [f"{cited(quote, f.zone)}." for quote in found]


def _felt(f: Findings) -> list[str]:
    felt = [
        (round(read_affect(sentence, f.lexicon).affect.valence, 3), number, quote)
        for number, quote in enumerate(_all_passages(_lately(f)))
        if (sentence := quote.sentence) and len(sentence) <= LONGEST_QUOTE
    ]
    felt.sort(key=lambda entry: entry[:2])
    bad = [quote for valence, _, quote in felt[:2] if valence <= -_FELT]
    good = [quote for valence, _, quote in felt[:-3:-1] if valence >= _FELT]
    named = [("Of ease", quote) for quote in good] + [("Of strain", quote) for quote in bad]
    return [f"{what}: {cited(quote, f.zone)}." for what, quote in named]


def _all_passages(sources: Sequence[Source]) -> Iterator[Quote]:
    for source in sources:
        for sentence in passages(source):
            yield Quote(source=source, sentence=sentence)


def _new(f: Findings) -> list[str]:
    now = f.recent_memories
    before = [source for source in f.memories if source.at < f.since]
    if not now or not before:
        return []
    known = {word for source in before for word in keywords(source.text)}
    first: dict[str, Source] = {}
    times: Counter[str] = Counter()
    for source in now:
        for word in keywords(source.text) - known:
            first.setdefault(word, source)
            times[word] += 1
    new = sorted((w for w in times if times[w] > 1), key=lambda w: (-times[w], first[w].at, w))
    lines: list[str] = []
    told: set[str] = set()
    for word in new:
        quote = next(q for q in _all_passages([first[word]]) if word in keywords(q.sentence))
        if quote.sentence not in told and len(lines) < _MOST_NEW:
            told.add(quote.sentence)
            shown = surface_of(word, quote.sentence)
            where = f"stands in {count(times[word], 'memory', 'memories')} and in none before"
            lines.append(f"{quoted(shown)} {where}: {cited(quote, f.zone)}.")
    return [*(lines or ["No word comes up twice that was not there before."]), *_gone(f, now)]


def _gone(f: Findings, now: Sequence[Source]) -> list[str]:
    """Name what the day before spoke of twice at least, and this time does not."""
    before = [source for source in f.memories if f.since - _DAY <= source.at < f.since]
    here = {word for source in now for word in keywords(source.text)}
    themes = find_themes(before, _MOST_GONE * 2, f.zone)
    gone = [quoted(theme.term) for theme in themes if not set(theme.stem.split()) & here]
    if not gone:
        return []
    return [f"Spoken of twice or more the day before, and not since: {listed(gone[:_MOST_GONE])}."]


def _threads(f: Findings) -> list[str]:
    lines: list[str] = []
    told: set[str] = set()
    for theme in find_themes(f.memories, 3 * _MOST_THREADS, f.zone):
        days = days_of((quote.source for quote in theme.quotes), f.zone)
        now = [q for q in theme.quotes if q.source.at >= f.since and q.sentence not in told]
        now = [quote for quote in now if stands(quote.sentence)]
        if now and len(days) > 1 and len(lines) < _MOST_THREADS:
            told.add(now[0].sentence)
            started = day(theme.quotes[-1].source.at, f.zone)
            on = f"on {count(len(days), 'day')} since {started}"
            lines.append(f"{quoted(theme.term)}, {on}, now: {cited(now[0], f.zone)}.")
    return lines


def _left_open(f: Findings) -> list[str]:
    found = [quote for quote in _all_passages(_lately(f)) if _OPEN.search(quote.sentence)]
    kept = [
        quote for quote in found if stands(quote.sentence) and len(quote.sentence) <= LONGEST_QUOTE
    ]
    return [f"{cited(quote, f.zone)}." for quote in kept[-_MOST_OPEN:]]


def _patterns(f: Findings) -> list[str]:
    failed = [run for run in f.runs if run.status != "succeeded"]
    lines: list[str] = []
    tasks = {(run.reason, run.task_name) for run in failed if run.reason}
    for reason, number in sorted(Counter(reason for reason, _ in tasks).items()):
        if number > 1:
            lines.append(f"{number} tasks failed for the same reason: {plain(reason or '')}.")
    for name, runs in _by_task(f.runs).items():
        if len(runs) > 1 and all(run.status != "succeeded" for run in runs):
            lines.append(f"None of the {len(runs)} runs of {quoted(name)} succeeded.")
    return lines or ["No failure repeats."] if failed else lines


def _by_task(runs: Sequence[PastRun]) -> Mapping[str, list[PastRun]]:
    found: dict[str, list[PastRun]] = {}
    for run in runs:
        found.setdefault(run.task_name, []).append(run)
    return found
