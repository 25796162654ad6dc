"""The emotional check-in: the mood in numbers, against before, and against the words. Pure."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from app.core.instants import read_instant
from app.persona.feelings.affect import Reading, read_affect
from app.persona.feelings.assessment import Inner
from app.persona.feelings.mirror import MOOD_FILE
from app.persona.feelings.mood import Mood
from app.persona.feelings.values import DIMENSIONS, Affect, blend, differences, distance
from app.persona.findings import Findings
from app.persona.sections import Composition, cited, section, stands, told_once, whole
from app.persona.themes import LONGEST_QUOTE, Quote, Source, passages
from app.persona.words import as_path, count, day_and_time, listed, plain, quoted

_WEEK = timedelta(days=7)
_DAY = timedelta(days=1)
_MOVED = 0.05
_FAR = 0.1
_MOST_MOMENTS = 2
_MOST_WISHES = 3
_LEAST_FELT = 0.1
_MORE = {
    "valence": ("more pleasant", "less pleasant"),
    "arousal": ("more stirred", "calmer"),
    "dominance": ("more in control", "less in control"),
}
_WISH = re.compile(
    r"\b(?:wish|wishes|hope|hopes|long for|miss|need|needs|would like|should like|want to|"
    r"wants to|afraid|fears?)\b",
    re.IGNORECASE,
)


def check_in(f: Findings) -> Composition:
    """Return a check-in; its inner view is how what was lived since the last one reads, which so
    moves the mood once."""
    reading = read_affect("\n\n".join(one.text for one in f.recently_lived), f.lexicon)
    blocks = [
        *section("The mood now", [*_now(f), *_on_file(f)]),
        *section("Against the time before", _against(f)),
        *section("How the words read", _words(f, reading)),
        *section("The strongest moments", _moments(f)),
        *section("Wishes and needs", _wishes(f)),
    ]
    return Composition(blocks=told_once(blocks), inner=_inner_view(f, reading))


def _inner_view(f: Findings, reading: Reading) -> Inner | None:
    if not reading.count:
        return None
    affect, since = reading.affect, day_and_time(f.since, f.zone)
    lived = f"What was lived since {since} reads {affect.in_words()}"
    return Inner(
        text=f"{lived} ({affect.in_numbers()}).",
        valence=affect.valence,
        arousal=affect.arousal,
        dominance=affect.dominance,
    )


def _now(f: Findings) -> list[str]:
    mood = f.lived.mood
    if mood is None:
        return []
    if not f.lived.moods:
        return ["No mood was noted in the last 15 days."]
    last = f.lived.moods[-1]
    said = f"It is {mood.affect.in_words()} ({mood.affect.in_numbers()})"
    return [f"{said}; last noted on {day_and_time(last.at, f.zone)}."]


def _on_file(f: Findings) -> list[str]:
    """Tell what the file says where it is damaged, or all that is known: else it is a mirror."""
    if f.mood.problem:
        return [f.mood.problem]
    if not f.mood.state or f.lived.moods:
        return []
    since = f", of {_moment_on_file(f)}" if f.mood.updated else ""
    return [f"{as_path(MOOD_FILE)}{since}: {quoted(f.mood.state, 300)}"]


def _moment_on_file(f: Findings) -> str:
    try:
        return day_and_time(read_instant(f.mood.updated), f.zone)
    except ValueError:
        return plain(f.mood.updated)


def _against(f: Findings) -> list[str]:
    now = f.occasion.now
    spans = [
        ("the last day", now - _DAY, now),
        ("the day before", now - 2 * _DAY, now - _DAY),
        ("the last 7 days", now - _WEEK, now),
        ("the 7 days before", now - 2 * _WEEK, now - _WEEK),
    ]
    means = [_mean(f.lived.moods, since, until) for _, since, until in spans]
    said = f.lived.mood.affect.in_words() if f.lived.mood is not None else ""
    lines: list[str] = []
    for place in (0, 2):
        (name, *_), (older, *_) = spans[place : place + 2]
        here, there = means[place : place + 2]
        if here is None or (place and there is None and means[0] and here[1] == means[0][1]):
            continue  # no mood, or the same ones again
        held = f"In {name} on average {_unlike(here[0], said)}"
        lines.append(f"{held}, from {count(here[1], 'mood')}; {_than(here[0], there, older)}.")
    return lines


def _unlike(affect: Affect, said: str) -> str:
    """Return an affect in numbers, and in words where those were not said already."""
    words = affect.in_words()
    return affect.in_numbers() if words == said else f"{words} ({affect.in_numbers()})"


def _mean(moods: Sequence[Mood], since: datetime, until: datetime) -> tuple[Affect, int] | None:
    found = [(mood.affect, 1.0) for mood in moods if since < mood.at <= until]
    return (blend(found), len(found)) if found else None


def _than(here: Affect, there: tuple[Affect, int] | None, older: str) -> str:
    if there is None:
        return f"{older} holds no mood" if older.startswith("the day") else f"{older} hold no mood"
    from_moods = f"{older}, from {count(there[1], 'mood')}"
    gaps = _compared(here, there[0])
    return f"{gaps} than in {from_moods}" if gaps else f"nearly the same as in {from_moods}"


def _compared(here: Affect, there: Affect) -> str:
    """Return in what they differ, to be read before `than`; `""` for hardly anything."""
    gaps = differences(here, there)
    parts = [
        f"{_MORE[name][gaps[name] < 0]} by {abs(gaps[name]):.2f}"
        for name in DIMENSIONS
        if abs(gaps[name]) >= _MOVED
    ]
    return listed(parts) if parts else ""


def _words(f: Findings, reading: Reading) -> list[str]:
    since = day_and_time(f.since, f.zone)
    if not reading.count:
        return [f"No word of feeling stands in what was lived since {since}."]
    mood = f.lived.mood.affect.in_words() if f.lived.mood is not None and f.lived.moods else ""
    told_before = reading.affect.in_words() == mood
    read = f"as {reading.affect.in_numbers()}" if told_before else _unlike(reading.affect, mood)
    told = count(reading.count, "word of feeling", "words of feeling")
    lines = [f"What was lived since {since} reads {read}, from {told} in {reading.total}."]
    light = [_counted(f, word, valence) for word, valence in reading.words if valence > 0][:8]
    heavy = [_counted(f, word, valence) for word, valence in reading.words if valence < 0][:8]
    lines += [f"Of ease: {listed(light)}."] if light else []
    lines += [f"Of strain: {listed(heavy)}."] if heavy else []
    return [*lines, *_words_against_mood(f, reading)]


def _counted(f: Findings, word: str, valence: float) -> str:
    """Return a word of feeling as it was counted: "fault", where it was "without a fault"."""
    feeling = f.lexicon.feelings.get(tuple(word.split()))
    is_negated = feeling is not None and feeling.valence * valence < 0
    return f"{quoted(word)} (negated)" if is_negated else quoted(word)


def _words_against_mood(f: Findings, reading: Reading) -> list[str]:
    if f.lived.mood is None or not f.lived.moods:
        return []
    mood = f.lived.mood.affect
    apart = distance(reading.affect, mood)
    if apart < _FAR:
        return [f"Words and mood agree: they are {apart:.2f} apart, of 1."]
    how = _compared(reading.affect, mood)
    return [f"Words and mood are {apart:.2f} apart, of 1: the words are {how} than the mood."]


def _moments(f: Findings) -> list[str]:
    week = [source for source in f.memories if source.at > f.occasion.now - _WEEK]
    felt = [(_strength(f, source), number, source) for number, source in enumerate(week)]
    felt.sort(key=lambda entry: (entry[0], entry[1]))
    said = [(source, value) for value, _, source in felt if stands(source.text)]
    good = [one for one in said[::-1] if one[1] >= _LEAST_FELT]
    bad = [one for one in said if one[1] <= -_LEAST_FELT]
    told = "".join(entry.text for entry in f.own if entry.at > f.occasion.now - _WEEK)
    lines = []
    for name, moments in (("pleasant", good), ("unpleasant", bad)):
        fresh = [one for one in moments if one[0].at >= f.since][:1]
        shown = {one[0].text for one in fresh}
        others = {one[0].text: one for one in moments if one[0].text not in shown}
        rest = list(others.values())[:_MOST_MOMENTS]
        rest = [one for one in rest if quoted(one[0].text) not in told]
        lines += [f"Most {name} since {f.on(f.since)}: {_moment(f, one)}." for one in fresh]
        lines += [f"Most {name} in the last 7 days: {_moment(f, one)}." for one in rest]
    return lines


def _strength(f: Findings, source: Source) -> float:
    return round(read_affect(source.text, f.lexicon).affect.valence, 3)


def _moment(f: Findings, moment: tuple[Source, float]) -> str:
    return f"{cited(whole(moment[0]), f.zone)}, valence {moment[1]:.2f}"


def _wishes(f: Findings) -> list[str]:
    found = [
        Quote(source=source, sentence=sentence)
        for source in sorted(f.recent_sources, key=lambda source: source.at)
        for sentence in passages(source)
        if _WISH.search(sentence) and len(sentence) <= LONGEST_QUOTE and stands(sentence)
    ]
    return [f"{cited(quote, f.zone)}." for quote in found[-_MOST_WISHES:]]
