"""What the API answers about runs, described; answers are encoded directly, see shapes."""

from marshmallow import fields

from app.api.schema_fields import Shown, choice, many, moment, number, text
from app.runs.run import REASONS, Origin, Status


def _why() -> fields.String:
    meanings = "; ".join(f"{name}: {meaning}" for name, meaning in REASONS.items())
    return text(f"why, where it is not plain success ({meanings})", allow_none=True)


class Execution(Shown):
    """How a run went."""

    task_id = text()
    task_name = text()
    success = fields.Boolean(required=True)
    started_at = moment(null=True)
    completed_at = moment(null=True)
    response = text(allow_none=True)
    error = text(allow_none=True)
    run_id = text()
    status = choice(Status)
    reason = _why()


class ExecutionInShort(Shown):
    """How one of several runs went."""

    task_id = text()
    task_name = text()
    success = fields.Boolean(required=True)
    error = text(allow_none=True)
    run_id = text()
    status = choice(Status)


class Executions(Shown):
    """The runs that were due."""

    executed = number("how many, failures included")
    results = many(ExecutionInShort)


class Accepted(Shown):
    """A run that was started; ask for it at its URL."""

    task_id = text()
    task_name = text()
    run_id = text()
    status = choice(Status)
    url = text("where the run is found")


class Result(Shown):
    """A finished run."""

    task_name = text()
    started_at = moment()
    completed_at = moment()
    success = fields.Boolean(required=True)
    response = text(allow_none=True)
    error = text(allow_none=True)
    run_id = text()
    status = choice(Status)
    reason = _why()
    origin = choice(Origin)
    scheduled_for = moment("the slot's own time; null for a run by hand", null=True)


class RecentResult(Result):
    """A finished run among those of all tasks; its response is cut to 200 characters."""

    task_id = text()


class Results(Shown):
    """The finished runs of a task, newest first."""

    task_id = text()
    results = many(Result)
    count = number()


class RecentResults(Shown):
    """The finished runs of all tasks, newest first."""

    results = many(RecentResult)
    count = number()


class RunShown(Shown):
    """A run, or a slot that did not run."""

    id = text()
    task_id = text()
    task_name = text()
    origin = choice(Origin, "why it exists")
    status = choice(Status)
    reason = _why()
    scheduled_for = moment("the slot's own time; null for a run by hand", null=True)
    started_at = moment(null=True)
    completed_at = moment(null=True)
    success = fields.Boolean(
        required=True,
        allow_none=True,
        metadata={"description": "null while it is open, and for a slot that did not run"},
    )
    response = text(allow_none=True)
    error = text(allow_none=True)
    attempt = number("the number of the last attempt; 0 if none was made")
    metadata = fields.Dict(required=True)
    recorded_at = moment()
    revision = number("of the task")
    count = number("above 1 for a row that stands for that many missed slots")
    covers_from = moment("the oldest of them", null=True)


class Attempt(Shown):
    """One attempt of a run."""

    attempt = number()
    started_at = moment(null=True)
    ended_at = moment(null=True)
    status = choice(Status)
    reason = _why()


class RunInFull(RunShown):
    """A run with its attempts, oldest first."""

    attempts = many(Attempt)


class RunList(Shown):
    """Runs, newest first."""

    runs = many(RunShown)
    count = number("on this page")
    next_cursor = text("what to send for the next page; null on the last", allow_none=True)


class FileDiffShown(Shown):
    """What a run did to a file."""

    path = text()
    change = text("created, updated or deleted")
    diff = text("in unified form; binary files, and what is not kept, are said to be so")
    shared = fields.Boolean(
        required=True,
        metadata={"description": "another run worked unannounced meanwhile: it may have been that"},
    )
    reverted = fields.Boolean(required=True, metadata={"description": "taken back by the owner"})


class RunDiff(Shown):
    """What a run changed in the space."""

    run_id = text()
    files = many(FileDiffShown)
    complete = fields.Boolean(
        required=True, metadata={"description": "false where it is too much to be shown"}
    )


class Reverted(Shown):
    """What was taken back."""

    reverted = fields.List(fields.String(), required=True)
    conflicts = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "left as they are: somebody changed the same lines since"},
    )


class FileEntry(Shown):
    """One change of a file."""

    author = text("run, owner (reverted it), service (rolled it back), or outside: nobody said so")
    run_id = text("null for a change from outside", allow_none=True)
    task_id = text(allow_none=True)
    at = moment("the latest it can have been, for a change from outside")
    change = text("created, updated or deleted")
    lines_added = number("null where what it held is not known any more", null=True)
    lines_removed = number(null=True)
    shared = fields.Boolean(required=True)
    undone = fields.Boolean(required=True, metadata={"description": "taken back since"})


class FileLines(Shown):
    """Lines that were written by the same, counted from 1."""

    first = number()
    last = number()
    author = text("null: they are older than what is known", allow_none=True)
    run_id = text(allow_none=True)
    task_id = text(allow_none=True)
    at = moment(null=True)


class FileHistoryShown(Shown):
    """The changes of a file, newest first, and who wrote the lines that it holds now."""

    path = text()
    entries = many(FileEntry)
    count = number()
    lines = many(FileLines)


class TaskAudit(Shown):
    """The slots of one task, expected against recorded."""

    task_id = text()
    expected = number()
    recorded = number()
    missing = number()
    duplicated = number()
    unexpected = number("recorded, though no definition of the time called for them")


class SlotAudit(Shown):
    """All slots of a window, expected against recorded."""

    since = moment()
    until = moment()
    expected = number()
    recorded = number()
    missing = number()
    duplicated = number()
    unexpected = number()
    tasks = many(TaskAudit)
