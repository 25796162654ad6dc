"""The six compositions: findings -> blocks of Markdown, every sentence from data. Pure."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from app.persona.client import PastRun
from app.persona.findings import MOOD, Findings
from app.persona.goals import assess_goals
from app.persona.sections import (
    MOST_ITEMS,
    Block,
    cited,
    section,
    what_changed,
    what_happened,
)
from app.persona.space import skeleton_folders
from app.persona.themes import best_sentences, find_themes, keywords
from app.persona.tone import Tone, tone_of
from app.persona.words import as_path, count, day, listed, plain, quoted, started_by
from app.tasks.task import TaskType

_MOST_THEMES = 5
_MOST_QUOTES = 3


def compose(findings: Findings) -> list[Block]:
    """Return the blocks of an entry for the task's type, without heading and marks."""
    return _COMPOSITIONS[findings.task.type](findings)


def _self_reflection(f: Findings) -> list[Block]:
    return [
        *section("What happened", what_happened(f)),
        *section("What changed in the space", what_changed(f)),
        *section("Patterns", _patterns(f)),
    ]


def _patterns(f: Findings) -> list[str]:
    lines = []
    reasons = Counter(run.reason for run in f.runs if run.status != "succeeded" and run.reason)
    for reason, times in sorted(reasons.items()):
        if times > 1:
            lines.append(f"{times} runs ended for the same reason: {plain(reason)}.")
    for name, runs in _by_task(f.runs).items():
        if len(runs) > 1 and all(run.status != "succeeded" for run in runs):
            lines.append(f"None of the {len(runs)} runs of {quoted(name)} succeeded.")
    folders = Counter(_folder(file.path) for file in f.changed)
    for folder, files in folders.most_common(1):
        if files > 1 and files * 2 > len(f.changed):
            where = as_path(folder + "/") if folder else "the space itself"
            lines.append(f"Most changes are in {where}: {files} of {len(f.changed)} files.")
    return lines or ["No failure repeats, and no folder holds most of the changes."]


def _memory_consolidation(f: Findings) -> list[Block]:
    sources = f.sources
    read = f"{count(len(sources), 'source')} read: notes, and results since {day(f.since, f.zone)}."
    themes = find_themes(sources, _MOST_THEMES)
    lines = []
    for theme in themes:
        quotes = theme.quotes[:_MOST_QUOTES]
        lines.append(
            f"{quoted(theme.term)} stands in {count(len(theme.quotes), 'source')}: "
            + "; ".join(cited(quote, f.zone) for quote in quotes)
            + "."
        )
    none = "No theme: no word that says something stands in two sources."
    return [
        *section("What was read", [read]),
        *section("What comes back", lines or [none]),
        *section("What changed since then", what_changed(f)),
    ]


def _capability_exploration(f: Findings) -> list[Block]:
    types = Counter(run.task_type for run in f.runs)
    files = Counter(_folder(file.path).partition("/")[0] for file in f.survey.files)
    folders = [name for name in skeleton_folders() if name and not name.startswith("tasks")]
    used = [f"{count(n, 'run')} of the type {plain(kind)}." for kind, n in sorted(types.items())]
    origins = Counter(run.origin for run in f.runs)
    if origins:
        began = [f"{n} by {started_by(kind)}" for kind, n in sorted(origins.items())]
        used.append(f"Started: {listed(began)}.")
    used += [
        f"{as_path(name + '/')} holds {count(files[name], 'file')}."
        for name in folders
        if files[name]
    ]
    idle_types = [kind for kind in TaskType if not types[kind]]
    idle_folders = [name for name in folders if not files[name]]
    unused = [f"No run of the type {kind}." for kind in idle_types]
    unused += [f"{as_path(name + '/')} holds no file." for name in idle_folders]
    return [
        *section(f"Used since {day(f.since, f.zone)}", used or ["Nothing: no run and no file."]),
        *section("Not used", unused or ["Nothing: every type has run and every folder is in use."]),
        *section("To try next", [_to_try(idle_types, idle_folders)]),
    ]


def _to_try(idle_types: Sequence[TaskType], idle_folders: Sequence[str]) -> str:
    tries = [f"a task of the type {kind}" for kind in idle_types[:1]]
    tries += [f"a note in {as_path(name + '/')}" for name in idle_folders[:1]]
    if not tries:
        return "Nothing is left over to try."
    return f"The first that is not in use: {listed(tries)}."


def _emotional_reconciliation(f: Findings) -> list[Block]:
    good = sum(run.status == "succeeded" for run in f.runs)
    tone = tone_of([source.text for source in f.recent_sources])
    lines = [_tone_line(tone), *_tone_words(tone)]
    if f.runs:
        lines.append(f"{good} of {count(len(f.runs), 'run')} succeeded.")
    return [
        *section("The state on file", [_state(f)]),
        *section("Tone of the records", lines),
        *section("Compared with the entry before", [_compared_tone(f, tone)]),
    ]


def _state(f: Findings) -> str:
    if f.mood.problem:
        return f.mood.problem
    if not f.mood.state:
        return f"There is no {as_path(MOOD)}."
    since = f", of {plain(f.mood.updated)}" if f.mood.updated else ""
    return f"{as_path(MOOD)}{since}: {quoted(f.mood.state, 300)}"


def _tone_line(tone: Tone) -> str:
    light, heavy = tone.light.total(), tone.heavy.total()
    return f"Words of ease: {light}, words of strain: {heavy}; they were counted, not understood."


def _tone_words(tone: Tone) -> list[str]:
    return [
        f"{kind}: {listed([f'{word} ({times})' for word, times in _most(words)])}."
        for kind, words in (("Ease", tone.light), ("Strain", tone.heavy))
        if words
    ]


def _most(words: Counter[str]) -> list[tuple[str, int]]:
    return sorted(words.items(), key=lambda item: (-item[1], item[0]))[:MOST_ITEMS]


def _compared_tone(f: Findings, tone: Tone) -> str:
    if not f.own:
        return "There is no earlier entry to compare with."
    before = f.own[-1]
    counted = [line for line in before.statements if line.startswith("Words of ease:")]
    if not counted:
        return f"The entry of {day(before.at, f.zone)} holds no such numbers."
    if counted[0] == _tone_line(tone):
        return f"The same numbers of words as on {day(before.at, f.zone)}."
    return f"On {day(before.at, f.zone)} it was: {plain(counted[0].partition(';')[0])}."


def _custom(f: Findings) -> list[Block]:
    wanted = keywords(f.task.prompt) - keywords(f.target or "")
    quotes = best_sentences(f.sources, wanted, MOST_ITEMS)
    asked = [
        f"The prompt asks: {quoted(f.task.prompt, 300)}",
        "No language model answers it; what follows was found by its words.",
    ]
    lines = [f"{cited(quote, f.zone)}." for quote in quotes]
    return [
        *section("What was asked", asked),
        *section("What the space says on it", lines or ["No sentence shares two of its words."]),
        *section("What happened", what_happened(f)),
        *section("What changed in the space", what_changed(f)),
    ]


def _by_task(runs: Sequence[PastRun]) -> Mapping[str, list[PastRun]]:
    found: dict[str, list[PastRun]] = {}
    for run in runs:
        found.setdefault(run.task_name, []).append(run)
    return found


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


_COMPOSITIONS: Mapping[TaskType, Callable[[Findings], list[Block]]] = {
    TaskType.SELF_REFLECTION: _self_reflection,
    TaskType.GOAL_ASSESSMENT: assess_goals,
    TaskType.MEMORY_CONSOLIDATION: _memory_consolidation,
    TaskType.CAPABILITY_EXPLORATION: _capability_exploration,
    TaskType.EMOTIONAL_RECONCILIATION: _emotional_reconciliation,
    TaskType.CUSTOM: _custom,
}
