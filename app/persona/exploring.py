"""The exploration of capabilities: what was used lately, what never, what is new. Pure."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from app.persona.feelings.mirror import MIRRORS
from app.persona.findings import Findings
from app.persona.reflecting import kinds_of
from app.persona.sections import Composition, section
from app.persona.space import SpaceFile, skeleton_folders
from app.persona.words import as_path, count, day, listed, plain, started_by, times
from app.tasks.task import TaskType

_NOT_FOR_NOTES = ("tasks", "emotional_state", "logs")
_TRY = "Not in use yet: "
_SCRIPTS = (".py", ".sh", ".pl", ".rb", ".js")


def explore(f: Findings) -> Composition:
    """Return an exploration."""
    types = Counter([str(f.task.type), *(run.task_type for run in f.runs)])
    tools = Counter(tool for run in f.runs for tool in run.tools if tool in f.tools)
    files = Counter(_top(file.path) for file in f.survey.files if file.path not in MIRRORS)
    kept = {name for name in skeleton_folders() if name and not name.startswith(_NOT_FOR_NOTES)}
    folders = sorted(kept | {name for name in files if name})
    paths = sorted(file.path for file in f.survey.files if file.path.endswith(_SCRIPTS))
    scripts = [as_path(path) for path in paths]
    unused_types = [str(kind) for kind in TaskType if not types[kind]]
    unused_tools = [tool for tool in f.tools if not tools[tool]] if tools else []
    unused_folders = [name for name in folders if not files[name]]
    used = [*_used_runs(f), *_used_tools(f, tools), *_used_places(f, folders, files)]
    none = "Nothing: no run, no memory and no file."
    unused = _unused(unused_types if f.are_runs_known else [], unused_tools, unused_folders)
    there = [*(as_path(f"{name}/") for name in folders), *scripts]
    blocks = [
        *section(f"Used since {day(f.since, f.zone)}", used or [none]),
        *section("Scripts", _there(scripts)),
        *section("Not used", unused or ["Nothing: all is in use."]),
        *section("New", _new(f, there)),
        *section("To try next", [_to_try(f, unused_tools, unused_types, unused_folders)]),
    ]
    return Composition(blocks=blocks)


def _used_runs(f: Findings) -> list[str]:
    if not f.runs:
        return []
    types = Counter(run.task_type for run in f.runs).most_common()
    origins = Counter(run.origin for run in f.runs).most_common()
    began = [f"{number} by {started_by(kind)}" for kind, number in origins]
    how = listed(began) if len(began) > 1 else f"started by {started_by(origins[0][0])}"
    of_types = ", ".join(f"{plain(kind)} {number}" for kind, number in types)
    return [f"{count(len(f.runs), 'run')}, {how}. By type: {of_types}."]


def _used_tools(f: Findings, tools: Counter[str]) -> list[str]:
    if not tools:
        there = count(len(f.tools), "tool")
        return [f"No run called one of the {there}; a language model would."] if f.tools else []
    ranked = sorted(tools.items(), key=lambda tool: (-tool[1], tool[0]))
    called = [f"{as_path(name)} {times(number)}" for name, number in ranked]
    return [f"Tools that runs called: {listed(called)}."]


def _used_places(f: Findings, folders: Sequence[str], files: Counter[str]) -> list[str]:
    changed: dict[str, list[SpaceFile]] = defaultdict(list)
    for file in f.changed:
        changed[_top(file.path)].append(file)
    lines = [
        f"{as_path(name + '/')} holds {count(files[name], 'file')}; {_changed(changed[name])}."
        for name in folders
        if files[name]
    ]
    memories = f.memories
    if memories:
        all_of_them = count(len(memories), "memory", "memories")
        lines.append(f"{all_of_them} of the last 31 days: {kinds_of(memories)}.")
    return lines


def _changed(changed: Sequence[SpaceFile]) -> str:
    if not changed:
        return "nothing is new or changed"
    last = as_path(changed[0].path)
    if len(changed) == 1:
        return f"{last} is new or changed"
    return f"{len(changed)} are new or changed, the last {last}"


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


def _there(scripts: list[str]) -> list[str]:
    """Name all of them: what an entry leaves out would be new to the next one."""
    are = "is" if len(scripts) == 1 else "are"
    return [f"{listed(scripts)} {are} there."] if scripts else []


def _new(f: Findings, there: Sequence[str]) -> list[str]:
    if not f.own:
        return []
    before = f.own[-1].text
    new = [name for name in there if name not in before]
    since = f.on(f.own[-1].at)
    if not new:
        return [f"No new folder and no new script since {since}."]
    return [f"New since {since}: {listed(new)}."]


def _to_try(f: Findings, tools: Sequence[str], types: Sequence[str], folders: Sequence[str]) -> str:
    """Name one of each kind that is not in use: the first that the entry before did not name."""
    kinds = (
        [f"the tool {as_path(tool)}" for tool in tools],
        [f"a task of the type {kind}" for kind in types],
        [f"a note in {as_path(name + '/')}" for name in folders],
    )
    before = next((s for s in f.own[-1].statements if s.startswith(_TRY)), "") if f.own else ""
    tries = [next((one for one in kind if one not in before), kind[0]) for kind in kinds if kind]
    return f"{_TRY}{listed(tries)}." if tries else "Nothing is left over to try."


def _top(path: str) -> str:
    return path.rpartition("/")[0].partition("/")[0]
