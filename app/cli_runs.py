"""The commands about runs: run, execute-due, runs, diff, revert, cancel, audit."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import Event

import click

from app.cli_parts import (
    InstantParameter,
    ending,
    opened,
    table,
    told,
    visible,
    visible_lines,
    when,
)
from app.runs.history import RunFilter
from app.runs.run import Run, Status
from app.wiring import Services

_WAIT = timedelta(days=1)
_ENDS_WITHIN = timedelta(seconds=10)
_LOOK_EVERY = timedelta(milliseconds=200)


@click.command("run")
@click.argument("task_id")
@told
def run(task_id: str) -> None:
    """Run a task now, whatever its schedule, and print the answer."""
    with _working() as services:
        started = services.executions.start(task_id)
        ended = _wait(services, started.id)
        if ended.response:
            click.echo(visible_lines(ended.response))
    # after the services have stopped, so that it stands below all that they log
    click.echo(ending(ended), err=True)
    if ended.status is not Status.SUCCEEDED:
        sys.exit(1)


@click.command("execute-due")
@told
def execute_due() -> None:
    """Run all tasks that are due: what an external cron may call, never firing a slot twice."""
    with _working() as services:
        ended = [_wait(services, run_id) for run_id in services.planner.plan_all_due()]
        click.echo(f"executed {len(ended)}")
        for one in ended:
            how = one.status if one.status is Status.SUCCEEDED else ending(one)
            click.echo(f"  {one.task_id}: {how}")


@click.command("runs")
@click.option("--task", "task_id")
@click.option("--status", type=click.Choice([str(s) for s in Status]))
@click.option("--limit", default=20, type=click.IntRange(1, 200), show_default=True)
@told
def runs(task_id: str | None, status: str | None, limit: int) -> None:
    """List runs and slots, newest first."""
    with opened() as services:
        wanted = RunFilter(task_id=task_id, status=Status(status) if status else None)
        page = services.history.page(wanted, limit=limit)
        if task_id is not None and not page.runs:
            services.registry.history(task_id)  # knows deleted tasks too, whose runs stay
        table(
            ("run", "task", "slot", "at", "origin", "outcome", "reason"),
            [
                (
                    one.id,
                    one.task_id,
                    when(one.scheduled_for),
                    when(one.started_at or one.recorded_at),
                    str(one.origin),
                    str(one.status) + (f" x{one.count}" if one.count > 1 else ""),
                    one.reason or "",
                )
                for one in page.runs
            ],
        )


@click.command("diff")
@click.argument("run_id")
@told
def diff(run_id: str) -> None:
    """Show what a run changed in the space."""
    with opened() as services:
        found = services.space_history.diff(run_id)
        for file in found.files:
            notes = [file.change, *(["shared"] if file.shared else [])]
            notes += ["reverted"] if file.reverted else []
            click.echo(f"{visible(file.path)} ({', '.join(notes)})")
            click.echo(visible_lines(file.diff))
        if not found.complete:
            click.echo("the run changed more than is shown here", err=True)


@click.command("revert")
@click.argument("run_id")
@told
def revert(run_id: str) -> None:
    """Take back what a run changed; what others changed since stays."""
    with opened() as services:
        taken = services.taking_back.revert(run_id)
        for path in taken.reverted:
            click.echo(f"reverted {path}")
        for path in taken.conflicts:
            click.echo(f"left {path}: somebody changed the same lines since", err=True)
    if taken.conflicts:
        sys.exit(1)


@click.command("cancel")
@click.argument("run_id")
@told
def cancel(run_id: str) -> None:
    """Cancel a run: one that waits never begins, one that goes on is told to end."""
    with opened() as services:
        run = services.cancelling.cancel(run_id)
        end = services.clock.monotonic() + _ENDS_WITHIN.total_seconds()
        while run.status.is_open and services.clock.monotonic() < end:
            services.clock.wait(Event(), _LOOK_EVERY)
            run = services.history.run(run_id)
    if run.status.is_open:
        click.echo("told to end; `runs` shows when it has")
    else:
        click.echo(ending(run))


@click.command("audit")
@click.option("--since", type=InstantParameter(), help="by default one day before --until")
@click.option("--until", type=InstantParameter(), help="by default ten seconds ago")
@told
def audit(since: datetime | None, until: datetime | None) -> None:
    """Compare the slots that were expected with those that are recorded."""
    with opened() as services:
        found = services.auditor.audit(since, until)
        names = ("expected", "recorded", "missing", "duplicated", "unexpected")
        table(
            ("task", *names),
            [(one.task_id, *(str(getattr(one, name)) for name in names)) for one in found.tasks],
        )
        click.echo(", ".join(f"{name} {found.total(name)}" for name in names))
    if not found.is_clean:
        sys.exit(1)


@contextmanager
def _working() -> Iterator[Services]:
    with opened(as_service=True) as services:
        services.start(ticking=False)
        try:
            yield services
        finally:
            services.stop()


def _wait(services: Services, run_id: str) -> Run:
    return services.engine.wait(run_id, _WAIT)
