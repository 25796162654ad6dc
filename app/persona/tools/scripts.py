"""The tool that runs programs: confined to the space, without network, bounded in everything."""

import os
import stat
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from app.core.clock import Clock
from app.persona.appending import LARGEST_FILE
from app.persona.confinement import MOST_MEMORY, MOST_PROCESSES, Confinement
from app.persona.errors import ToolRefused
from app.persona.openat import FOLDER, held, is_plain_file
from app.persona.quota import Quota, walk
from app.persona.scripting import Bounds, Outcome, run_confined
from app.persona.space import Space
from app.persona.tools.tool import Tool, Use, as_data

LONGEST = 300
_USUAL = 60
_KEPT = (12 * 1024, 5 * 1024)
_MOST_ARGUMENTS = 100
_LONGEST_ARGUMENT = 100_000
_SPECIAL_RIGHTS = stat.S_ISUID | stat.S_ISGID
_NAMED = 10
_LONGEST_NAME = 100


def _check_argument(text: str) -> None:
    if "\0" in text or len(text.encode("utf-8", "replace")) > _LONGEST_ARGUMENT:
        raise ValidationError("an argument holds no NUL and at most 100,000 bytes")


class _RunScript(Schema):
    argv = fields.List(
        fields.String(validate=_check_argument),
        required=True,
        validate=validate.Length(1, _MOST_ARGUMENTS),
        metadata={
            "description": "the program and its arguments, one each; no shell reads them. "
            'For one: ["sh", "-c", "..."]'
        },
    )
    timeout = fields.Integer(
        load_default=_USUAL,
        validate=validate.Range(1, LONGEST),
        metadata={"description": "seconds after which it is ended"},
    )


class ScriptTool:
    """What `run_script` does."""

    def __init__(self, space: Space, confinement: Confinement, quota: Quota, clock: Clock) -> None:
        self._space = space
        self._confinement = confinement
        self._quota = quota
        self._clock = clock

    def tool(self) -> Tool:
        """Return the tool."""
        return Tool(
            name="run_script",
            description="Run a program of this machine in the space, which it finds at /space, "
            "and tell its exit status and output. It has no network, no environment and a "
            "temporary /tmp of its own; the rest of the system is read-only.",
            arguments=_RunScript,
            act=self.run,
            limits=f"At most {LONGEST} s (usually {_USUAL}), {MOST_PROCESSES} processes, "
            f"{MOST_MEMORY // 1024**2} MiB of memory, {LARGEST_FILE // 1024**2} MiB a file. What "
            "it leaves running is ended. Of long output the beginning and the end are shown. "
            "`tasks/` is only read.",
        )

    def run(self, arguments: Mapping[str, Any], use: Use) -> str:
        """Run the program to its end and say what came of it."""
        argv, longest = arguments["argv"], timedelta(seconds=arguments["timeout"])

        availability = self._confinement.availability()
        if not availability.available:
            raise ToolRefused(f"scripts cannot be run here: {availability.reason}")
        use.request.changes.announce_all()
        since = self._clock.now()
        room = self._quota.room()

        def command(info: int) -> AbstractContextManager[tuple[Sequence[str], int]]:
            return self._confinement.command(
                argv,
                cpu=longest,
                info=info,
                # where the space holds too much already a script may remove, but not write
                largest=LARGEST_FILE if room.may_write else 0,
                may_create=room.may_create,
            )

        bounds = Bounds(longest=longest, excess=room.excess, kept=_KEPT)
        try:
            outcome = run_confined(command, bounds, use.deadline, self._clock, use.on_output)
        except OSError as error:
            raise ToolRefused(f"the script could not be started: {error.strerror}") from error
        finally:
            remarks = tidy(self._space, since)
        if (too_much := room.excess()) is not None:
            remarks.append(f"the space is beyond its bounds: {too_much}; delete something")
        return _told(outcome, remarks)


def tidy(space: Space, since: datetime) -> list[str]:
    """Take special rights from files, and say what was made since then that no tool can use.

    A file with special rights would give those of this service to whoever starts it.
    """
    robbed, useless = [], []
    for parts, status in walk(space):
        if status is None:
            continue
        path = "/".join(parts)
        if stat.S_ISREG(status.st_mode) and status.st_mode & _SPECIAL_RIGHTS:
            _rob(space, parts)
            robbed.append(path)
        is_new = status.st_ctime >= since.timestamp() - 1
        if is_new and not stat.S_ISDIR(status.st_mode) and not is_plain_file(status):
            useless.append(path)
    remarks = []
    if robbed:
        remarks.append(f"special rights were taken from: {_listed(robbed)}")
    if useless:
        remarks.append(f"links, pipes and devices cannot be used by your tools: {_listed(useless)}")
    return remarks


def _rob(space: Space, parts: Sequence[str]) -> None:
    with (
        suppress(OSError),
        space.opened(parts[:-1], FOLDER) as folder,
        held(os.open(parts[-1], os.O_PATH | os.O_NOFOLLOW, dir_fd=folder)) as file,
    ):
        status = os.fstat(file)
        if stat.S_ISREG(status.st_mode):
            # a descriptor of this kind takes no fchmod, and it opens what may not be read
            Path(f"/proc/self/fd/{file}").chmod(stat.S_IMODE(status.st_mode) & ~_SPECIAL_RIGHTS)


def _listed(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(ascii(path[:_LONGEST_NAME]) for path in paths[:_NAMED]) + more


def _told(outcome: Outcome, remarks: Sequence[str]) -> str:
    took = f"{outcome.took.total_seconds():.1f} s"
    if outcome.stopped is not None:
        ending = f"ended after {took}, because {outcome.stopped}"
    else:
        ending = f"exit status {outcome.status} after {took}"
    streams = [("standard output", outcome.output), ("standard error", outcome.errors)]
    shown = [as_data(name, stream.text()) for name, stream in streams if stream.length]
    return "\n".join([ending, *shown, *(f"[{remark}]" for remark in remarks)])
