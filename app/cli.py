"""The command line: `persona-tasks ...`, and the same as `flask persona ...`."""

import code
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from app import __version__, migrations
from app.cli_memories import memories
from app.cli_parts import AUTHOR, opened, table, told, visible, visible_lines, when
from app.cli_runs import audit, cancel, diff, execute_due, revert, run, runs
from app.cli_tasks import add, delete, disable, edit, enable, history, restore
from app.config import make_state_dir, read_settings
from app.core.instants import write_instant
from app.schedule.grammar import warnings
from app.settings_schema import SettingsSchema
from app.settings_text import write_settings
from app.tasks.desk_errors import sentences
from app.tasks.task import Task
from app.wiring import Services


@click.group(name="persona")
@click.version_option(__version__, prog_name="persona-tasks")
def persona() -> None:
    """Scheduled tasks of a persona; settings come from the environment."""


_OF_TASKS = (add, edit, enable, disable, delete, restore, history)
_OF_RUNS = (run, execute_due, runs, diff, revert, cancel, audit)
for each in (*_OF_TASKS, *_OF_RUNS, memories):
    persona.add_command(each)


@persona.command("list")
@told
def list_tasks() -> None:
    """List the tasks and when they run next."""
    with opened() as services:
        records = services.registry.snapshot().records.values()
        now = services.clock.now()
        table(
            ("task", "schedule", "zone", "enabled", "next run", "last run", "runs"),
            [
                (
                    record.id,
                    record.schedule,
                    record.timezone,
                    _enabled(record.task, now),
                    when(services.registry.next_run(record)),
                    when(record.last_run),
                    str(record.run_count),
                )
                for record in records
            ],
        )
        _warn_if_nothing_ticks(services)


@persona.command("show")
@click.argument("task_id")
@told
def show(task_id: str) -> None:
    """Show a task, its schedule in words and its next runs."""
    with opened() as services:
        record = services.registry.get(task_id)
        schedule = services.book.read(record.schedule, record.timezone)
        for name, value in record.definition.items():
            click.echo(f"{name}: {_shown(name, value)}")
        click.echo(f"revision: {record.revision}")
        click.echo(f"fires: {schedule.sentence}")
        if record.enabled:
            ahead = services.book.schedule_of(record)
            for slot in services.book.preview(ahead, services.clock.now(), 5):
                click.echo(f"  {write_instant(slot)}")
        _warn_if_nothing_ticks(services)


@persona.command("preview")
@click.argument("schedule")
@click.option("--timezone", help="IANA zone; by default DEFAULT_TIMEZONE")
@click.option("--count", default=5, type=click.IntRange(1, 100), show_default=True)
@told
def preview(schedule: str, timezone: str | None, count: int) -> None:
    """Say a schedule in words and when it would fire, in UTC and in its zone."""
    with opened(prepared=False, existing=False) as services:
        now = services.clock.now()
        read = services.book.read(schedule, timezone, now=now)
        services.book.admit(read, now)
        click.echo(read.sentence)
        zone = ZoneInfo(read.timezone)
        for slot in services.book.preview(read, now, count):
            local = "" if read.timezone == "UTC" else f"  {slot.astimezone(zone).isoformat()}"
            click.echo(f"  {write_instant(slot)}{local}")
        for warning in warnings(read, now):
            click.echo(f"mind: {warning}")


@persona.command("desk")
@click.argument("action", type=click.Choice(["show", "confirm", "restore"]), default="show")
@told
def desk(action: str) -> None:
    """Show what is wrong with tasks.json, or decide about an edit that is held."""
    with opened() as services:
        if action == "confirm":
            services.desk.confirm(AUTHOR)
        elif action == "restore":
            services.restore_desk(AUTHOR)
        status = services.desk.status()
        for sentence in sentences(status.errors, status.held, status.path.name):
            click.echo(visible(sentence))
        if status.held is not None:
            click.echo("`desk confirm` removes them, `desk restore` puts them back into the file")
        elif not status.errors:
            click.echo("tasks.json is in order")


@persona.command("health")
@told
def health() -> None:
    """Say whether the service does its work, and if not, why."""
    with opened(prepared=False, as_service=True) as services:
        found = services.health.check()
        for sentence in (*found.reasons, *found.notes):
            click.echo(sentence)
        click.echo("well" if found.is_well else "not well")
    if not found.is_well:
        sys.exit(1)


@persona.command("migrate")
@click.option("--down-to", help="a revision, or base for an empty database")
@click.option("--yes", is_flag=True, help="go back without a question")
@told
def migrate(down_to: str | None, yes: bool) -> None:
    """Bring the database up to date, or back to a revision."""
    with opened(prepared=False, existing=False) as services:
        _refuse_under_a_service(services, down_to or "head")
        if down_to is None:
            make_state_dir(services.settings)
            migrations.upgrade(services.database)
        else:
            if not yes:
                _ask_before_going_back(services, down_to)
            migrations.downgrade(services.database, down_to)
        at = migrations.current(services.database) or "base"
        click.echo(f"the database {_where(services)} is at {at}")


@persona.command("serve")
@told
def serve() -> None:
    """Start the service, from any folder; stop it with Ctrl-C."""
    read_settings(os.environ)
    # -P: what happens to lie in this folder under the name of a package is not meant
    command = [sys.executable, "-P", "-m", "gunicorn", "-c", "python:app.api.gunicorn_config"]
    os.execv(sys.executable, command)  # noqa: S606  it becomes the service, no shell is in between


@persona.command("settings")
@told
def settings() -> None:
    """List the settings as the environment would give them, and what they do."""
    written = write_settings(os.environ)
    for name, field in SettingsSchema().fields.items():
        click.echo(f"{name}={written[name]}  # {field.metadata['help']}")


@persona.command("shell")
@told
def shell() -> None:
    """Open a Python shell with the services of this space."""
    with opened() as services:
        code.interact(banner="the services are in `services`", local={"services": services})


def _where(services: Services) -> str:
    return services.database.url.render_as_string()  # without the password


def _refuse_under_a_service(services: Services, revision: str) -> None:
    at = migrations.current(services.database) if _is_there(services) else None
    if at in {None, revision if revision != "head" else migrations.newest()}:
        return
    if services.clockwork.liveness().alive:
        raise click.ClickException(f"a service works with {_where(services)}: stop it first")


def _is_there(services: Services) -> bool:
    # of SQLite nothing is to be made by looking
    file = services.database.url.database
    return not services.database.is_sqlite or (file is not None and Path(file).exists())


def _ask_before_going_back(services: Services, revision: str) -> None:
    where = _where(services)
    lost = "every task, run and memory in it" if revision == "base" else "what newer tables hold"
    if not _is_at_a_terminal():
        raise click.ClickException(f"{lost} would be lost ({where}): say --yes if that is meant")
    click.confirm(f"Take {where} back to {revision}? This removes {lost}.", abort=True)


def _is_at_a_terminal() -> bool:
    return sys.stdin.isatty()


def _shown(name: str, value: Any) -> str:
    # a prompt has lines of its own; in any other field a line end would pass for another field
    return visible_lines(value) if name == "prompt" else visible(str(value))


def _enabled(task: Task, now: datetime) -> str:
    if task.enabled and task.is_paused(now):
        return f"from {when(task.paused_until)}"
    return "yes" if task.enabled else "no"


def _warn_if_nothing_ticks(services: Services) -> None:
    if not services.clockwork.liveness().alive:
        click.echo("nothing ticks: no task will fire until the service is started", err=True)


def main() -> None:
    """Run the command line as a program of its own."""
    persona(prog_name="persona-tasks")
