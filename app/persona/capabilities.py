"""What a persona can do, in words that people read."""

from collections.abc import Callable, Collection

from app.persona.confinement import Availability
from app.persona.tools.tool import Tool, Toolbox

_EMBEDDED = """\
The persona works without a language model. It carries out scheduled tasks: from its files and
the records of past runs it composes dated entries and appends them to its journals. In a
conversation it tells which of its memories and which sentences of its files fit what is said. Its
answers move its mood. `tasks/` belongs to the service."""

_MODEL = """\
The persona is a language model. It carries out scheduled tasks and holds conversations; both are
remembered and move its mood. `tasks/` belongs to the service. A task may allow only some of these
tools; those with a * may also be used in a conversation:
"""

_SERVICE = """\
The persona lives in another service, which answers scheduled tasks and knows what it can do. This
one keeps the tasks and what came of them."""


def capabilities(
    persona: str,
    toolbox: Toolbox,
    *,
    in_talk: Collection[str],
    scripts: Callable[[], Availability],
) -> str:
    """Return what a persona of this name can do; a model's tools one a line, as they are now."""
    if persona == "service":
        return _SERVICE
    if persona != "llm":
        return _EMBEDDED
    lines = [
        f"- `{tool.name}`{' *' if tool.name in in_talk else ''}: {_said(tool, scripts)}"
        for tool in toolbox.allowed(toolbox.names)
    ]
    return _MODEL + "\n".join(lines)


def _said(tool: Tool, scripts: Callable[[], Availability]) -> str:
    said = tool.description.partition(". ")[0].rstrip(".")
    if tool.by_name_only:
        said += " (only in tasks that name it)"
    if tool.name == "run_script" and not scripts().available:
        said += f" (off: {scripts().reason})"
    return f"{said}."
