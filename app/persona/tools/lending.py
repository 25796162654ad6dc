"""What a run lends to other tasks: never a tool, or a journal, that it may not use itself.

A task acts by its words with its own tools. So whoever made a task with more tools, or reworded,
moved or started one that has more, would act with hands that nobody gave to it. So it is with a
journal that the other may rewrite, and the run only append to.
"""

from collections.abc import Callable, Collection, Sequence

from app.persona.errors import ToolRefused
from app.persona.tools.journals import rewritten_by
from app.persona.tools.tool import Toolbox
from app.tasks.task import Task

_MOST_NAMED = 5


class Lending:
    """Compares what the task of a run may use with what another one may."""

    def __init__(self, toolbox: Callable[[], Toolbox], journals: Sequence[str]) -> None:
        """`toolbox` is asked for late, because the tools that lend are in it.

        `journals` are patterns of files that are only appended to.
        """
        self._toolbox = toolbox
        self._journals = journals

    def handed_on(self, task: Task, wanted: Collection[str] | None) -> list[str]:
        """Return the tools of a task that a run of `task` makes: those `wanted`, or all it may.

        That is what the run may use itself, but for what a task may only, or may more, where it
        is named: that is for the owner to give. An empty wish counts as none, as everywhere in
        arguments.
        """
        lent = self._toolbox().allowed(task.tools)
        able = [tool.name for tool in lent if not (tool.by_name_only or tool.more_by_name)]
        if not wanted:
            return able
        beyond = [name for name in wanted if name not in able]
        if beyond:
            raise ToolRefused(
                f"{_named(beyond)} cannot be handed on from here; `tools` may name"
                f" {', '.join(able) or 'none'}, which it has if you leave them out. If it needs"
                " more, say in your answer what for, so that the owner can give it"
            )
        return [name for name in able if name in wanted]

    def refuse_stronger(self, what: str, other: Task, task: Task) -> None:
        """Refuse what a run of `task` would do to a task that may use more than the run may."""
        toolbox = self._toolbox()
        more = set(toolbox.lent(other.tools)) - set(toolbox.lent(task.tools))
        if more:
            raise ToolRefused(
                f"`{other.id}` is not {what} from here, because it may use {_named(sorted(more))}"
                " and this run may not; say in your answer what you would do and why, so that the"
                " owner can do it or give this task those tools"
            )
        journals = rewritten_by(other, self._journals) - rewritten_by(task, self._journals)
        if journals:
            paths = sorted("/".join(parts) for parts in journals)
            raise ToolRefused(
                f"`{other.id}` is not {what} from here, because it may rewrite {_named(paths)}, to"
                " which this run may only append; say in your answer what you would do and why, so"
                " that the owner can do it"
            )


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(name[:64] for name in names[:_MOST_NAMED])
    left = len(names) - _MOST_NAMED
    return f"{shown} and {left} more" if left > 0 else shown
