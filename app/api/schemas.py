"""What the API answers, described; answers are encoded directly, see app.api.shapes."""

from typing import Any

from marshmallow import EXCLUDE, Schema, fields, validate

from app.runs.run import REASONS, Origin, Status
from app.tasks.task import TaskType

_EXAMPLE_INSTANT = "2026-12-01T00:00:00Z"


class Shown(Schema):
    """An object of an answer; later versions may add keys."""

    class Meta:
        unknown = EXCLUDE


def _text(description: str = "", **kwargs: Any) -> fields.String:
    metadata = {"description": description} if description else {}
    return fields.String(required=True, metadata=metadata, **kwargs)


def _count(description: str = "") -> fields.Integer:
    metadata = {"description": description} if description else {}
    return fields.Integer(required=True, metadata=metadata)


def _instant(description: str = "", *, null: bool = False) -> fields.String:
    metadata = {"format": "date-time", "example": _EXAMPLE_INSTANT}
    if description:
        metadata["description"] = description
    return fields.String(required=True, allow_none=null, metadata=metadata)


def _one_of(choices: type, description: str = "", *, null: bool = False) -> fields.String:
    values = [str(choice) for choice in choices]  # type: ignore[attr-defined]
    return _text(description, validate=validate.OneOf(values), allow_none=null)


def _many(schema: type[Schema], description: str = "") -> fields.List[Any]:
    metadata = {"description": description} if description else {}
    return fields.List(fields.Nested(schema), required=True, metadata=metadata)


def _reason() -> fields.String:
    text = "; ".join(f"{name}: {meaning}" for name, meaning in REASONS.items())
    return _text(f"why, where it is not plain success ({text})", allow_none=True)


class FieldProblem(Shown):
    """One field that failed validation."""

    field = _text("its name, dotted where it is nested")
    message = _text("what to do about it")


class Problem(Shown):
    """What went wrong (RFC 9457), with whatever else is known beside."""

    type = _text("/problems/ and a stable name")
    title = _text("the kind of problem")
    status = _count("the HTTP status")
    detail = _text("this problem, in a sentence")
    errors = fields.List(fields.Nested(FieldProblem), metadata={"description": "each wrong field"})
    task_id = fields.String()
    run_id = fields.String(metadata={"description": "the run that is in the way"})
    revision = fields.Integer(metadata={"description": "the revision in force"})
    request_id = fields.String(metadata={"description": "under which the log has the details"})


class Clock(Shown):
    """Whether anything will fire."""

    alive = fields.Boolean(
        required=True, metadata={"description": "whether a process ticks; if not, nothing fires"}
    )
    processes = _count("how many tick")
    ticked_at = _instant("when one of them last looked at the clock", null=True)


class Faulty(Shown):
    """An entry of tasks.json that was refused and stands there as it was written."""

    index = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "its place, from 0; null for the file as a whole"},
    )
    id = _text("its id, if one can be read", allow_none=True)
    field = fields.String(metadata={"description": "the field that is to blame"})
    message = _text("what is wrong")


class TaskShown(Shown):
    """A task as a list shows it; policies appear where they are set."""

    id = _text()
    name = _text()
    type = _one_of(TaskType)
    schedule = _text("as it is stored")
    enabled = fields.Boolean(required=True)
    last_run = _instant("when its last run began", null=True)
    next_run = _instant("its first slot that has no run yet; in the past it is due", null=True)
    run_count = _count()
    prompt = _text()
    timezone = _text("the IANA zone that its schedule is read in")
    revision = _count()
    sentence = _text("the schedule in words")
    missed = fields.String()
    missed_window = fields.String()
    overlap = fields.String()
    timeout = fields.String()
    on_interrupt = fields.String()


class TaskInFull(TaskShown):
    """A task as it is shown alone."""

    metadata = fields.Dict(required=True, metadata={"description": "its owner's own data"})
    clock = fields.Nested(Clock, required=True)


class TaskList(Shown):
    """All tasks, in the order of their creation."""

    tasks = _many(TaskShown)
    total = _count()
    clock = fields.Nested(Clock, required=True)
    quarantined = _many(Faulty, "entries of tasks.json that are not in force")


class DueTask(Shown):
    """A task that is due."""

    id = _text()
    name = _text()
    type = _one_of(TaskType)
    schedule = _text()
    next_run = _instant()


class DueList(Shown):
    """The tasks that are due."""

    tasks = _many(DueTask)
    count = _count()
    clock = fields.Nested(Clock, required=True)


class Changed(Shown):
    """A change that was made."""

    success = fields.Boolean(required=True)
    task_id = _text()
    message = _text()


class ChangedTask(Changed):
    """A change after which the task is in force at this revision."""

    revision = _count()


class Execution(Shown):
    """How a run went."""

    task_id = _text()
    task_name = _text()
    success = fields.Boolean(required=True)
    started_at = _instant(null=True)
    completed_at = _instant(null=True)
    response = _text(allow_none=True)
    error = _text(allow_none=True)
    run_id = _text()
    status = _one_of(Status)
    reason = _reason()


class ExecutionInShort(Shown):
    """How one of several runs went."""

    task_id = _text()
    task_name = _text()
    success = fields.Boolean(required=True)
    error = _text(allow_none=True)
    run_id = _text()
    status = _one_of(Status)


class Executions(Shown):
    """The runs that were due."""

    executed = _count("how many, failures included")
    results = _many(ExecutionInShort)


class Accepted(Shown):
    """A run that was started; ask for it at its URL."""

    task_id = _text()
    task_name = _text()
    run_id = _text()
    status = _one_of(Status)
    url = _text("where the run is found")


class Result(Shown):
    """A finished run."""

    task_name = _text()
    started_at = _instant()
    completed_at = _instant()
    success = fields.Boolean(required=True)
    response = _text(allow_none=True)
    error = _text(allow_none=True)
    run_id = _text()
    status = _one_of(Status)
    reason = _reason()
    origin = _one_of(Origin)
    scheduled_for = _instant("the slot's own time; null for a run by hand", null=True)


class RecentResult(Result):
    """A finished run among those of all tasks; its response is cut to 200 characters."""

    task_id = _text()


class Results(Shown):
    """The finished runs of a task, newest first."""

    task_id = _text()
    results = _many(Result)
    count = _count()


class RecentResults(Shown):
    """The finished runs of all tasks, newest first."""

    results = _many(RecentResult)
    count = _count()


class RunShown(Shown):
    """A run, or a slot that did not run."""

    id = _text()
    task_id = _text()
    task_name = _text()
    origin = _one_of(Origin, "why it exists")
    status = _one_of(Status)
    reason = _reason()
    scheduled_for = _instant("the slot's own time; null for a run by hand", null=True)
    started_at = _instant(null=True)
    completed_at = _instant(null=True)
    success = fields.Boolean(
        required=True,
        allow_none=True,
        metadata={"description": "null while it is open, and for a slot that did not run"},
    )
    response = _text(allow_none=True)
    error = _text(allow_none=True)
    attempt = _count("the number of the last attempt; 0 if none was made")
    metadata = fields.Dict(required=True)
    recorded_at = _instant()
    revision = _count("of the task")
    count = _count("above 1 for a row that stands for that many missed slots")
    covers_from = _instant("the oldest of them", null=True)


class Attempt(Shown):
    """One attempt of a run."""

    attempt = _count()
    started_at = _instant(null=True)
    ended_at = _instant(null=True)
    status = _one_of(Status)
    reason = _reason()


class RunInFull(RunShown):
    """A run with its attempts, oldest first."""

    attempts = _many(Attempt)


class RunList(Shown):
    """Runs, newest first."""

    runs = _many(RunShown)
    count = _count("on this page")
    next_cursor = _text("what to send for the next page; null on the last", allow_none=True)


class Fire(Shown):
    """One firing."""

    utc = _instant()
    local = _instant("on the clock of the schedule's zone")


class Preview(Shown):
    """When a schedule fires."""

    next = _many(Fire)
    sentence = _text("the schedule in words")
    warnings = fields.List(
        fields.String(), required=True, metadata={"description": "what may surprise"}
    )
    schedule = _text("as it would be stored")
    timezone = _text()
    clock = fields.Nested(Clock, required=True)


class TaskPreview(Preview):
    """When a task fires, if it is enabled."""

    task_id = _text()
    enabled = fields.Boolean(required=True)


class RevisionShown(Shown):
    """One revision of a task."""

    revision = _count()
    at = _instant()
    author = _text("owner, token, persona, file or service")
    action = _text("created, updated, deleted or restored")
    effective_from = _instant("its slots are those after this instant")
    definition = fields.Dict(
        required=True, allow_none=True, metadata={"description": "null for a deletion"}
    )
    changes = fields.Dict(
        keys=fields.String(),
        required=True,
        metadata={"description": "field -> {from, to}, against the revision before"},
    )


class Revisions(Shown):
    """The revisions of a task, newest first; a deleted task has them still."""

    task_id = _text()
    revisions = _many(RevisionShown)
    count = _count("shown here")
    total = _count()


class TaskAudit(Shown):
    """The slots of one task, expected against recorded."""

    task_id = _text()
    expected = _count()
    recorded = _count()
    missing = _count()
    duplicated = _count()
    unexpected = _count("recorded, though no definition of the time called for them")


class SlotAudit(Shown):
    """All slots of a window, expected against recorded."""

    since = _instant()
    until = _instant()
    expected = _count()
    recorded = _count()
    missing = _count()
    duplicated = _count()
    unexpected = _count()
    tasks = _many(TaskAudit)


class Held(Shown):
    """Removals that wait for a confirmation."""

    reason = _text()
    message = _text()
    task_ids = fields.List(fields.String(), required=True)
    since = _instant()


class DeskState(Shown):
    """What is wrong with tasks.json, and which removals are held."""

    file = _text()
    errors = _many(Faulty)
    held = fields.Nested(Held, required=True, allow_none=True)
    since = _instant("since when it is so", null=True)


class DeskDecision(Shown):
    """What was decided about held removals, and the state after it."""

    success = fields.Boolean(required=True)
    message = _text()
    desk = fields.Nested(DeskState, required=True)


class HealthShown(Shown):
    """Whether the service does its work, and if not, why."""

    status = _text(validate=validate.OneOf(["ok", "failing"]))
    reasons = fields.List(fields.String(), required=True)
    notes = fields.List(fields.String(), required=True)
    tick_age_seconds = fields.Float(required=True, allow_none=True)
    oldest_overdue_slot = _instant(null=True)
    processes = _count("how many tick")
    version = _text()


class Alive(Shown):
    """A sign of life."""

    status = _text(validate=validate.OneOf(["alive"]))
