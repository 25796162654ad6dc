"""What the API answers, described; answers are encoded directly, see shapes."""

from marshmallow import RAISE, fields, validate

from app.api.schema_fields import Shown, choice, many, moment, number, text
from app.tasks.schema import ExpectedSchema
from app.tasks.task import TaskType


class FieldProblem(Shown):
    """One field that failed validation."""

    field = text("its name, dotted where it is nested")
    message = text("what to do about it")


class Problem(Shown):
    """What went wrong (RFC 9457), with whatever else is known beside."""

    type = text("/problems/ and a stable name")
    title = text("the kind of problem")
    status = number("the HTTP status")
    detail = text("this problem, in a sentence")
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
    processes = number("how many tick")
    ticked_at = moment("when one of them last looked at the clock", null=True)


class Faulty(Shown):
    """An entry of tasks.json that was refused and stands there as it was written."""

    index = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "its place, from 0; null for the file as a whole"},
    )
    id = text("its id, if one can be read", allow_none=True)
    field = fields.String(metadata={"description": "the field that is to blame"})
    message = text("what is wrong")


class TaskShown(Shown):
    """A task as a list shows it; policies appear where they are set."""

    id = text()
    name = text()
    type = choice(TaskType)
    schedule = text("as it is stored")
    enabled = fields.Boolean(required=True)
    last_run = moment("when its last run began", null=True)
    next_run = moment("its first slot that has no run yet; in the past it is due", null=True)
    run_count = number()
    prompt = text()
    timezone = text("the IANA zone that its schedule is read in")
    revision = number()
    sentence = text("the schedule in words")
    missed = fields.String()
    missed_window = fields.String()
    overlap = fields.String()
    timeout = fields.String()
    on_interrupt = fields.String()
    expects = fields.List(fields.Nested(lambda: ExpectedSchema(unknown=RAISE)))
    model = fields.String()
    temperature = fields.Float()
    max_tokens = fields.Integer()
    tools = fields.List(fields.String())
    max_rounds = fields.Integer()
    parameters = fields.Dict()
    paused_until = fields.String(
        metadata={
            "format": "date-time",
            "description": "until then it has no slots; one that has passed means nothing any more",
        }
    )


class TaskInFull(TaskShown):
    """A task as it is shown alone."""

    metadata = fields.Dict(required=True, metadata={"description": "its owner's own data"})
    clock = fields.Nested(Clock, required=True)


class TaskList(Shown):
    """All tasks, in the order of their creation."""

    tasks = many(TaskShown)
    total = number()
    clock = fields.Nested(Clock, required=True)
    quarantined = many(Faulty, "entries of tasks.json that are not in force")


class DueTask(Shown):
    """A task that is due."""

    id = text()
    name = text()
    type = choice(TaskType)
    schedule = text()
    next_run = moment()


class DueList(Shown):
    """The tasks that are due."""

    tasks = many(DueTask)
    count = number()
    clock = fields.Nested(Clock, required=True)


class Changed(Shown):
    """A change that was made."""

    success = fields.Boolean(required=True)
    task_id = text()
    message = text()


class ChangedTask(Changed):
    """A change after which the task is in force at this revision."""

    revision = number()


class Fire(Shown):
    """One firing."""

    utc = moment()
    local = moment("on the clock of the schedule's zone")


class Preview(Shown):
    """When a schedule fires."""

    next = many(Fire)
    sentence = text("the schedule in words")
    warnings = fields.List(
        fields.String(), required=True, metadata={"description": "what may surprise"}
    )
    schedule = text("as it would be stored")
    timezone = text()
    clock = fields.Nested(Clock, required=True)


class TaskPreview(Preview):
    """When a task fires, if it is enabled."""

    task_id = text()
    enabled = fields.Boolean(required=True)
    paused_until = moment("its pause ends then, or has ended", null=True)


class RevisionShown(Shown):
    """One revision of a task."""

    revision = number()
    at = moment()
    author = text("owner, token, persona, file or service")
    action = text("created, updated, deleted, restored or taken_back")
    effective_from = moment("its slots are those after this instant")
    definition = fields.Dict(
        required=True, allow_none=True, metadata={"description": "null for a deletion"}
    )
    changes = fields.Dict(
        keys=fields.String(),
        required=True,
        metadata={"description": "field -> {from, to}, against the revision before"},
    )
    reason = text("why, where its author said so", allow_none=True)


class Revisions(Shown):
    """The revisions of a task, newest first; a deleted task has them still."""

    task_id = text()
    revisions = many(RevisionShown)
    count = number("shown here")
    total = number()


class Held(Shown):
    """Removals that wait for a confirmation."""

    reason = text()
    message = text()
    task_ids = fields.List(fields.String(), required=True)
    since = moment()


class DeskState(Shown):
    """What is wrong with tasks.json, and which removals are held."""

    file = text()
    errors = many(Faulty)
    held = fields.Nested(Held, required=True, allow_none=True)
    since = moment("since when it is so", null=True)


class DeskDecision(Shown):
    """What was decided about held removals, and the state after it."""

    success = fields.Boolean(required=True)
    message = text()
    desk = fields.Nested(DeskState, required=True)


class ScriptsShown(Shown):
    """Whether the tool run_script works."""

    available = fields.Boolean(required=True)
    reason = text("why it does not", allow_none=True)


class HealthShown(Shown):
    """Whether the service does its work, and if not, why."""

    status = text(validate=validate.OneOf(["ok", "failing"]))
    reasons = fields.List(fields.String(), required=True)
    notes = fields.List(fields.String(), required=True)
    tick_age_seconds = fields.Float(required=True, allow_none=True)
    oldest_overdue_slot = moment(null=True)
    processes = number("how many tick")
    scripts = fields.Nested(ScriptsShown, required=True)
    version = text()


class Alive(Shown):
    """A sign of life."""

    status = text(validate=validate.OneOf(["alive"]))
