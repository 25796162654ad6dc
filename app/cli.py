"""The command line: `persona-tasks ...`, and the same as `flask persona ...`."""

import code
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import wraps
from typing import Any

import click

from app import migrations
from app.config import SettingsSchema, read_settings
from app.core.errors import PersonaTasksError
from app.core.instants import read_instant, write_instant
from app.runs.history import RunFilter
from app.runs.run import Run, Status
from app.tasks.task import Author
from app.wiring import Services, build

_AUTHOR = Author(kind="owner", name="command line")
_WAIT = timedelta(days=1)


@contextmanager
def _opened(*, prepared: bool = True) -> Iterator[Services]:
    settings = read_settings(os.environ)
    services = build(settings)
    try:
        if prepared:
            services.prepare(adopting=False)
            # the zone of the running service counts, not what this shell happens to say
            zone = services.registry.default_timezone()
            services.database.close()
            services = build(replace(settings, default_timezone=zone))
        yield services
    finally:
        services.database.close()


def _told(command: Callable[..., None]) -> Callable[..., None]:
    """Turn an error of the service into one sentence and exit code 1."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except PersonaTasksError as error:
            raise click.ClickException(error.detail) from error

    return run


class _Instant(click.ParamType[datetime]):
    name = "instant"

    def convert(self, value: Any, param: Any, ctx: Any) -> datetime:
        try:
            return read_instant(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.group(name="persona")
def persona() -> None:
    """Scheduled tasks of a persona; settings come from the environment."""


@persona.command("list")
@_told
def list_tasks() -> None:
    """List the tasks and when they run next."""
    with _opened() as services:
        records = services.registry.snapshot().records.values()
        _table(
            ("task", "schedule", "enabled", "next run", "last run", "runs"),
            [
                (
                    record.task.id,
                    record.task.schedule,
                    "yes" if record.task.enabled else "no",
                    _when(services.registry.next_run(record)),
                    _when(record.last_run),
                    str(record.run_count),
                )
                for record in records
            ],
        )
        _warn_if_nothing_ticks(services)


@persona.command("show")
@click.argument("task_id")
@_told
def show(task_id: str) -> None:
    """Show a task, its schedule in words and its next runs."""
    with _opened() as services:
        record = services.registry.get(task_id)
        schedule = services.book.read(record.task.schedule, record.task.timezone)
        for name, value in record.definition.items():
            click.echo(f"{name}: {value}")
        click.echo(f"revision: {record.revision}")
        click.echo(f"fires: {schedule.sentence}")
        if record.task.enabled:
            for slot in services.book.preview(schedule, services.clock.now(), 5):
                click.echo(f"  {write_instant(slot)}")
        _warn_if_nothing_ticks(services)


@persona.command("preview")
@click.argument("schedule")
@click.option("--timezone", help="IANA zone; by default DEFAULT_TIMEZONE")
@click.option("--count", default=5, type=click.IntRange(1, 100), show_default=True)
@_told
def preview(schedule: str, timezone: str | None, count: int) -> None:
    """Say a schedule in words and when it would fire."""
    with _opened(prepared=False) as services:
        now = services.clock.now()
        read = services.book.read(schedule, timezone, now=now)
        services.book.admit(read, now)
        click.echo(read.sentence)
        for slot in services.book.preview(read, now, count):
            click.echo(f"  {write_instant(slot)}")


@persona.command("add")
@click.argument("task_id")
@click.option("--name", required=True)
@click.option("--schedule", required=True)
@click.option("--prompt", required=True)
@click.option("--type", "kind", default="custom", show_default=True)
@click.option("--timezone")
@_told
def add(
    task_id: str, name: str, schedule: str, prompt: str, kind: str, timezone: str | None
) -> None:
    """Add a task."""
    definition = {
        "id": task_id,
        "name": name,
        "type": kind,
        "schedule": schedule,
        "prompt": prompt,
        "enabled": True,
    }
    if timezone is not None:
        definition["timezone"] = timezone
    with _opened() as services:
        services.registry.create(definition, _AUTHOR)
        services.desk.sync()
        click.echo(f"added {task_id}")


@persona.command("enable")
@click.argument("task_id")
@_told
def enable(task_id: str) -> None:
    """Put the schedule of a task in force."""
    _update(task_id, {"enabled": True})


@persona.command("disable")
@click.argument("task_id")
@_told
def disable(task_id: str) -> None:
    """Let a task rest; nothing is owed meanwhile."""
    _update(task_id, {"enabled": False})


@persona.command("delete")
@click.argument("task_id")
@_told
def delete(task_id: str) -> None:
    """Delete a task; `restore` brings it back."""
    with _opened() as services:
        services.registry.delete(task_id, _AUTHOR)
        services.desk.sync()
        click.echo(f"deleted {task_id}; its runs stay readable")


@persona.command("restore")
@click.argument("task_id")
@click.option("--revision", type=int, help="by default the newest that is not in force")
@_told
def restore(task_id: str, revision: int | None) -> None:
    """Put an earlier revision of a task in force again."""
    with _opened() as services:
        record = services.registry.restore(task_id, _AUTHOR, revision=revision)
        services.desk.sync()
        click.echo(f"restored {task_id}, now at revision {record.revision}")


@persona.command("history")
@click.argument("task_id")
@_told
def history(task_id: str) -> None:
    """Show who changed a task, and when."""
    with _opened() as services:
        _table(
            ("revision", "at", "by", "what"),
            [
                (str(r.revision), _when(r.at), str(r.author), r.action)
                for r in services.registry.history(task_id)
            ],
        )


@persona.command("run")
@click.argument("task_id")
@_told
def run(task_id: str) -> None:
    """Run a task now, whatever its schedule, and print the answer."""
    with _working() as services:
        started = services.executions.start(task_id)
        ended = _wait(services, started.id)
        click.echo(ended.response or ended.error or "")
        click.echo(f"{ended.status}, run {ended.id}", err=True)
    if ended.status is not Status.SUCCEEDED:
        sys.exit(1)


@persona.command("execute-due")
@_told
def execute_due() -> None:
    """Run all tasks that are due: what an external cron may call, never firing a slot twice."""
    with _working() as services:
        ended = [_wait(services, run_id) for run_id in services.planner.plan_all_due()]
        click.echo(f"executed {len(ended)}")
        for one in ended:
            click.echo(f"  {one.task_id}: {one.status}")


@persona.command("runs")
@click.option("--task", "task_id")
@click.option("--status", type=click.Choice([str(s) for s in Status]))
@click.option("--limit", default=20, type=click.IntRange(1, 200), show_default=True)
@_told
def runs(task_id: str | None, status: str | None, limit: int) -> None:
    """List runs and slots, newest first."""
    with _opened() as services:
        wanted = RunFilter(task_id=task_id, status=Status(status) if status else None)
        page = services.history.page(wanted, limit=limit)
        _table(
            ("run", "task", "slot", "origin", "outcome", "reason"),
            [
                (
                    one.id,
                    one.task_id,
                    _when(one.scheduled_for),
                    str(one.origin),
                    str(one.status) + (f" x{one.count}" if one.count > 1 else ""),
                    one.reason or "",
                )
                for one in page.runs
            ],
        )


@persona.command("audit")
@click.option("--since", type=_Instant(), help="by default one day before --until")
@click.option("--until", type=_Instant(), help="by default now")
@_told
def audit(since: datetime | None, until: datetime | None) -> None:
    """Compare the slots that were expected with those that are recorded."""
    with _opened() as services:
        found = services.auditor.audit(since, until)
        names = ("expected", "recorded", "missing", "duplicated", "unexpected")
        _table(
            ("task", *names),
            [(one.task_id, *(str(getattr(one, name)) for name in names)) for one in found.tasks],
        )
        click.echo(", ".join(f"{name} {found.total(name)}" for name in names))
    if not found.is_clean:
        sys.exit(1)


@persona.command("desk")
@click.argument("action", type=click.Choice(["show", "confirm", "restore"]), default="show")
@_told
def desk(action: str) -> None:
    """Show what is wrong with tasks.json, or decide about an edit that is held."""
    with _opened() as services:
        if action == "confirm":
            services.desk.confirm(_AUTHOR)
        elif action == "restore":
            services.desk.restore(_AUTHOR)
        status = services.desk.status()
        if status.held is not None:
            click.echo(f"held: {status.held}")
        for error in status.errors:
            click.echo(f"refused: {error}")
        if status.held is None and not status.errors:
            click.echo("tasks.json is in order")


@persona.command("health")
@_told
def health() -> None:
    """Say whether the service does its work, and if not, why."""
    with _opened(prepared=False) as services:
        found = services.health.check()
        for sentence in (*found.reasons, *found.notes):
            click.echo(sentence)
        click.echo("well" if found.is_well else "not well")
    if not found.is_well:
        sys.exit(1)


@persona.command("migrate")
@click.option("--down-to", help="a revision, or base for an empty database")
@_told
def migrate(down_to: str | None) -> None:
    """Bring the database up to date, or back to a revision."""
    with _opened(prepared=False) as services:
        services.settings.state_dir.mkdir(parents=True, exist_ok=True)
        if down_to is None:
            migrations.upgrade(services.database)
        else:
            migrations.downgrade(services.database, down_to)
        click.echo(f"the database is at {migrations.current(services.database) or 'base'}")


@persona.command("serve")
@_told
def serve() -> None:
    """Start the service, from any folder; stop it with Ctrl-C."""
    read_settings(os.environ)
    # -P: what happens to lie in this folder under the name of a package is not meant
    command = [sys.executable, "-P", "-m", "gunicorn", "-c", "python:app.api.gunicorn_config"]
    os.execv(sys.executable, command)  # noqa: S606  it becomes the service, no shell is in between


@persona.command("settings")
@_told
def settings() -> None:
    """List the settings, what they are, and what they do."""
    values = read_settings(os.environ)
    for name, field in SettingsSchema().fields.items():
        value = "***" if "TOKEN" in name or "URL" in name else getattr(values, name.lower(), "")
        click.echo(f"{name}={value}  # {field.metadata['help']}")


@persona.command("shell")
@_told
def shell() -> None:
    """Open a Python shell with the services of this space."""
    with _opened() as services:
        code.interact(banner="the services are in `services`", local={"services": services})


@contextmanager
def _working() -> Iterator[Services]:
    with _opened() as services:
        services.start(ticking=False)
        try:
            yield services
        finally:
            services.stop()


def _wait(services: Services, run_id: str) -> Run:
    return services.engine.wait(run_id, _WAIT)


def _update(task_id: str, changes: dict[str, Any]) -> None:
    with _opened() as services:
        record = services.registry.update(task_id, changes, _AUTHOR)
        services.desk.sync()
        next_run = _when(services.registry.next_run(record))
        click.echo(f"{task_id} is at revision {record.revision}; next run {next_run or 'never'}")


def _warn_if_nothing_ticks(services: Services) -> None:
    if not services.clockwork.liveness().alive:
        click.echo("nothing ticks: no task will fire until the service is started", err=True)


def _when(instant: datetime | None) -> str:
    return write_instant(instant.replace(microsecond=0)) if instant is not None else ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    for row in (head, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def main() -> None:
    """Run the command line as a program of its own."""
    persona(prog_name="persona-tasks")
