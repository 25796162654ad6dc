"""The exploration of capabilities: what was used lately, what never, what is new. Pure."""

from collections import Counter
from collections.abc import Sequence

from app.persona.findings import Findings
from app.persona.reflecting import kinds_of
from app.persona.sections import Block, capped, entry_before, new_names, section
from app.persona.space import skeleton_folders
from app.persona.words import as_path, count, day, listed, plain, started_by
from app.tasks.task import TaskType

_SCRIPTS = (".py", ".sh", ".pl", ".rb", ".js")


def explore(f: Findings) -> list[Block]:
    """Return the blocks of an exploration."""
    types = Counter(run.task_type for run in f.runs)
    tools = Counter(tool for run in f.runs for tool in run.tools)
    files = Counter(_top(file.path) for file in f.survey.files)
    kept = {name for name in skeleton_folders() if name and not name.startswith("tasks")}
    folders = sorted(kept | {name for name in files if name})
    scripts = sorted(file.path for file in f.survey.files if file.path.endswith(_SCRIPTS))
    unused_types = [str(kind) for kind in TaskType if not types[kind]]
    unused_tools = [tool for tool in f.tools if not tools[tool]]
    unused_folders = [name for name in folders if not files[name]]
    used = [*_used_runs(f, types), *_used_tools(tools), *_used_places(f, folders, files)]
    none = "Nothing: no run, no memory and no file."
    unused = _unused(unused_types if f.are_runs_known else [], unused_tools, unused_folders)
    there = [*(as_path(f"{name}/") for name in folders), *(as_path(path) for path in scripts)]
    return [
        *section(f"Used since {day(f.since, f.zone)}", used or [none]),
        *section("Scripts", capped([f"{as_path(path)} is there." for path in scripts])),
        *section("Not used", unused or ["Nothing: all is in use."]),
        *section("New", [entry_before(f), *_new(f, there)]),
        *section("To try next", [_to_try(unused_tools, unused_types, unused_folders)]),
    ]


def _used_runs(f: Findings, types: Counter[str]) -> list[str]:
    lines = [f"{count(n, 'run')} of the type {plain(kind)}." for kind, n in sorted(types.items())]
    origins = Counter(run.origin for run in f.runs)
    if origins:
        began = [f"{n} by {started_by(kind)}" for kind, n in sorted(origins.items())]
        lines.append(f"Started: {listed(began)}.")
    return lines


def _used_tools(tools: Counter[str]) -> list[str]:
    if not tools:
        return []
    ranked = sorted(tools.items(), key=lambda tool: (-tool[1], tool[0]))
    called = [f"{as_path(name)} {count(times, 'time')}" for name, times in ranked]
    return [f"Tools that runs called: {listed(called)}."]


def _used_places(f: Findings, folders: Sequence[str], files: Counter[str]) -> list[str]:
    lines = [
        f"{as_path(name + '/')} holds {count(files[name], 'file')}{_changed_in(f, name)}."
        for name in folders
        if files[name]
    ]
    memories = f.memories
    if memories:
        all_of_them = count(len(memories), "memory", "memories")
        lines.append(f"{all_of_them} of the last 31 days: {kinds_of(memories)}.")
    return lines


def _changed_in(f: Findings, folder: str) -> str:
    changed = [file for file in f.changed if _top(file.path) == folder]
    if not changed:
        return ", none changed since"
    return f", {len(changed)} changed since, the last {as_path(changed[0].path)}"


def _unused(types: Sequence[str], tools: Sequence[str], folders: Sequence[str]) -> list[str]:
    places = [as_path(f"{name}/") for name in folders]
    return [
        f"{what}: {listed(list(names))}."
        for what, names in (
            ("Tools that no run called", [as_path(tool) for tool in tools]),
            ("Types of tasks that did not run", types),
            ("Folders without a file", places),
        )
        if names
    ]


def _new(f: Findings, there: Sequence[str]) -> list[str]:
    if not f.own:
        return []
    before = f.own[-1].text
    new = [name for name in new_names(f, there) if name not in before]
    return [f"New since then: {listed(new)}."] if new else ["No new folder and no new script."]


def _to_try(tools: Sequence[str], types: Sequence[str], folders: Sequence[str]) -> str:
    tries = [f"the tool {as_path(tool)}" for tool in tools[:1]]
    tries += [f"a task of the type {kind}" for kind in types[:1]]
    tries += [f"a note in {as_path(name + '/')}" for name in folders[:1]]
    if not tries:
        return "Nothing is left over to try."
    return f"The first that is not in use: {listed(tries)}."


def _top(path: str) -> str:
    return path.rpartition("/")[0].partition("/")[0]
