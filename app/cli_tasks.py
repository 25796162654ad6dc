"""The commands that change tasks: add, edit, enable, disable, delete, restore, history."""

from collections.abc import Callable
from typing import Any

import click

from app.api.task_bodies import (
    NewTask,
    TaskChange,
    changes_of,
    checked,
    refuse_unknown_tools,
)
from app.cli_parts import AUTHOR, opened, table, told, when
from app.core import strict_json
from app.core.errors import BadJson

_LONGEST_VALUE = 1024 * 1024
_COMMAND = Callable[..., None]


def _fields(
    _context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]
) -> dict[str, Any]:
    """Return fields by name: each a JSON value where it is one, else the text as it stands."""
    fields = {}
    for each in given:
        name, is_given, text = each.partition("=")
        if not (name and is_given):
            raise click.BadParameter(f"must be FIELD=VALUE, as in timeout=10m, not {each!r}")
        if name == "id":
            raise click.BadParameter("the id of a task is what stands after the command")
        try:
            fields[name] = strict_json.loads(text, most_bytes=_LONGEST_VALUE)
        except BadJson:
            fields[name] = text
    return fields


def _definition(*, required: bool) -> Callable[[_COMMAND], _COMMAND]:
    """Add the options that say what a task is."""

    def options(command: _COMMAND) -> _COMMAND:
        for option in (
            click.option(
                "--set",
                "more",
                metavar="FIELD=VALUE",
                multiple=True,
                callback=_fields,
                help="any other field, as in timeout=10m or overlap=queue; may be repeated",
            ),
            click.option("--timezone", help="IANA zone; by default DEFAULT_TIMEZONE"),
            click.option("--type", help=None if not required else "by default custom"),
            click.option("--prompt", required=required),
            click.option("--schedule", required=required),
            click.option("--name", required=required),
        ):
            command = option(command)
        return command

    return options


@click.command("add")
@click.argument("task_id")
@_definition(required=True)
@told
def add(task_id: str, more: dict[str, Any], **given: str | None) -> None:
    """Add a task."""
    fields = {"id": task_id, "type": "custom", "enabled": True, **_given(given), **more}
    definition = checked(NewTask(), fields)
    with opened() as services:
        refuse_unknown_tools(services.being.toolbox.names, definition)
        services.registry.create(definition, AUTHOR)
        services.desk.sync()
        click.echo(f"added {task_id}")


@click.command("edit")
@click.argument("task_id")
@_definition(required=False)
@told
def edit(task_id: str, more: dict[str, Any], **given: str | None) -> None:
    """Change fields of a task; the others stay. FIELD=null takes one back to its default."""
    fields = {**_given(given), **more}
    if not fields:
        raise click.UsageError("say what to change: --schedule, --prompt, --set FIELD=VALUE ...")
    _update(task_id, changes_of(task_id, checked(TaskChange(), fields)))


@click.command("enable")
@click.argument("task_id")
@told
def enable(task_id: str) -> None:
    """Put the schedule of a task in force."""
    _update(task_id, {"enabled": True})


@click.command("disable")
@click.argument("task_id")
@click.option("--until", help="when it goes on by itself: 3d, or 2030-12-01T09:00 in its zone")
@told
def disable(task_id: str, until: str | None) -> None:
    """Let a task rest; nothing is owed meanwhile."""
    pause = {"enabled": False} if until is None else {"enabled": True, "paused_until": until}
    _update(task_id, pause)


@click.command("delete")
@click.argument("task_id")
@told
def delete(task_id: str) -> None:
    """Delete a task; `restore` brings it back."""
    with opened() as services:
        services.registry.delete(task_id, AUTHOR)
        services.desk.sync()
        click.echo(f"deleted {task_id}; its runs stay readable")


@click.command("restore")
@click.argument("task_id")
@click.option(
    "--revision", type=int, help="by default the newest that differs from what is in force"
)
@told
def restore(task_id: str, revision: int | None) -> None:
    """Put an earlier revision of a task in force again."""
    with opened() as services:
        record = services.registry.restore(task_id, AUTHOR, revision=revision)
        services.desk.sync()
        click.echo(f"restored {task_id}, now at revision {record.revision}")


@click.command("history")
@click.argument("task_id")
@told
def history(task_id: str) -> None:
    """Show who changed a task, and when."""
    with opened() as services:
        table(
            ("revision", "at", "by", "what"),
            [
                (str(r.revision), when(r.at), str(r.author), r.action)
                for r in services.registry.history(task_id)
            ],
        )


def _given(options: dict[str, str | None]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _update(task_id: str, changes: dict[str, Any]) -> None:
    with opened() as services:
        refuse_unknown_tools(services.being.toolbox.names, changes)
        record = services.registry.update(task_id, changes, AUTHOR)
        services.desk.sync()
        next_run = when(services.registry.next_run(record))
        click.echo(f"{task_id} is at revision {record.revision}; next run {next_run or 'never'}")
