"""What the space and the records hold at one moment: all that an entry may speak of."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from app.core import strict_json
from app.core.errors import BadJson, LedgerUnavailable, SpaceError
from app.core.instants import read_instant
from app.persona.appending import LARGEST_FILE
from app.persona.chat_memory import ORIGIN as CHAT
from app.persona.client import Deadline, Occasion, PastRun, Records, Request
from app.persona.errors import NoSuchFile
from app.persona.feelings.lexicon import Lexicon
from app.persona.feelings.mirror import MIRRORS, MOOD_FILE
from app.persona.journal import Entry, is_entry, read_journal
from app.persona.life import Life, Lived, look_back
from app.persona.memory.memory import Memory
from app.persona.notes import Note, read_notes
from app.persona.space import Space, SpaceFile, Survey
from app.persona.themes import Source
from app.persona.words import as_path, day, day_and_time, one_line, plain, quoted
from app.tasks.task import Task, TaskType

GOALS = "meta/goals.md"
RESULT_OF = "result of "
_MOST_RUNS = 200
_RESULT_LENGTH = 4096
_MEMORY_LENGTH = 1000
_MOOD_BYTES = 64 * 1024
_LONGEST_LOOK = timedelta(days=92)
_GOALS_TYPE = TaskType.GOAL_ASSESSMENT
_FIRST_LOOK = {
    TaskType.SELF_REFLECTION: timedelta(days=1),
    TaskType.EMOTIONAL_RECONCILIATION: timedelta(days=1),
    TaskType.CAPABILITY_EXPLORATION: timedelta(days=28),
}
_BOX = re.compile(r"\s{0,20}[-*+] \[([ xX])\] (.{1,1000})")
_URL = re.compile(r"\S{1,40}://\S+")
_WORD = re.compile(r"[^\s\"'`“”‘’()\[\]<>{},;:|]+")


@dataclass(frozen=True, kw_only=True)
class Box:
    """An item of a list with a box before it."""

    text: str
    done: bool


@dataclass(frozen=True, kw_only=True)
class MoodFile:
    """What emotional_state/current.json says, or why it says nothing."""

    state: str = ""
    updated: str = ""
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """All that an entry may speak of; sequences are newest first, `own` oldest first.

    `since` is the last entry, the last good run, or a first look back; `runs` ended after it.
    `left_out` are sentences on what was not looked at. `own` are earlier entries of this task.
    """

    task: Task
    occasion: Occasion
    target: str | None
    since: datetime
    runs: Sequence[PastRun]
    survey: Survey
    notes: Sequence[Note]
    own: Sequence[Entry]
    goals: Sequence[Box]
    mood: MoodFile
    lived: Lived
    lexicon: Lexicon
    tools: Sequence[str]
    left_out: Sequence[str]
    are_runs_known: bool = True

    @property
    def zone(self) -> str:
        return self.task.timezone

    def on(self, moment: datetime) -> str:
        """Return the date, of a moment of this very day with the time."""
        written = day(moment, self.zone)
        is_today = written == day(self.occasion.now, self.zone)
        return day_and_time(moment, self.zone) if is_today else written

    @property
    def memories(self) -> list[Source]:
        """Return what was lived in the last 31 days, oldest first."""
        return [source_of_memory(memory) for memory in self.lived.memories]

    @property
    def speakers(self) -> list[list[Source]]:
        """Return memories and earlier insights, apart by who speaks in them: whoever talked to the
        persona, and it itself."""
        known = {memory.text for memory in self.lived.memories}
        insights = [_as_lived(one) for one in self.lived.insights if one.text not in known]
        said = [source_of_memory(memory) for memory in (*self.lived.memories, *insights)]
        heard = [source for source in said if source.origin == CHAT]
        return [heard, [source for source in said if source.origin != CHAT]]

    @property
    def recent_memories(self) -> list[Source]:
        """Return what was lived since, oldest first."""
        return [source for source in self.memories if source.at >= self.since]

    @property
    def changed(self) -> list[SpaceFile]:
        """Return the files written since; neither the one that this task itself writes to, nor what
        the service writes after every answer."""
        left_out = MIRRORS | {self.target}
        found = self.survey.changed_since(self.since)
        return [file for file in found if file.path not in left_out]

    @property
    def results(self) -> list[Source]:
        """Return what runs since then answered, without what this persona composed."""
        return [
            Source(
                label=f"{RESULT_OF}{quoted(run.task_name)}",
                at=run.completed_at,
                text=run.text[:_RESULT_LENGTH],
            )
            for run in self.runs
            if run.status == "succeeded" and run.text and not is_entry(run.text)
        ]

    @property
    def sources(self) -> list[Source]:
        """Return notes, memories and results as texts to quote from."""
        notes = [source_of(note) for note in self.notes if note.text.strip()]
        return [*notes, *self.memories, *self._not_remembered]

    @property
    def recently_lived(self) -> list[Source]:
        """Return what was lived since, each text with its own date: of any other file nobody can
        tell which lines are new."""
        zone = ZoneInfo(self.zone)
        last, today = (at.astimezone(zone).date() for at in (self.since, self.occasion.now))
        diary = [
            source_of(note)
            for note in self.notes
            if note.day is not None
            and last < note.day <= today
            and note.text.strip()
            and not note.has_entry_since(self.since)
        ]
        return [*diary, *self.recent_memories, *self._not_remembered]

    @property
    def recent_sources(self) -> list[Source]:
        """Return the texts of this time only: no list of goals, and no file that only a run wrote
        to."""
        found = [
            source_of(note)
            for note in self.notes
            if note.modified > self.since
            and note.text.strip()
            and note.path != GOALS
            and not note.has_entry_since(self.since)
        ]
        return [*found, *self.recent_memories, *self._not_remembered]

    @property
    def _not_remembered(self) -> list[Source]:
        remembered = {source.text for source in self.memories}
        return [result for result in self.results if result.text not in remembered]


def source_of(note: Note) -> Source:
    """Return a note as a text to quote from."""
    return Source(label=as_path(note.path), at=note.modified, text=note.text)


def source_of_memory(memory: Memory) -> Source:
    """Return a memory as a text to quote from."""
    text = memory.text[:_MEMORY_LENGTH]
    return Source(
        label=plain(memory.kind), at=memory.at, text=text, is_memory=True, origin=memory.origin
    )


def _as_lived(insight: Memory) -> Memory:
    """Return an insight of the origin and instant of that which it is taken from.

    One that tells of neither is the persona's own, wherever it kept it.
    """
    insight = replace(insight, origin=str(insight.metadata.get("lived_origin", "")))
    try:
        return replace(insight, at=read_instant(str(insight.metadata.get("lived_at"))))
    except ValueError:
        return insight


def target_of(prompt: str) -> str | None:
    """Return the file that a prompt asks to write to: the last `.md` path in it, or None.

    A path is taken as it stands, `persona_space/` before it aside; whether it stays within the
    space is for the space to say.
    """
    words = _WORD.findall(_URL.sub(" ", prompt))
    bare = [word.lstrip("*").rstrip(".!?*_").removeprefix("./") for word in words]
    paths = [word.removeprefix("persona_space/") for word in bare if word.lower().endswith(".md")]
    return paths[-1] if paths else None


def gather(
    space: Space, records: Records, life: Life, request: Request, deadline: Deadline
) -> Findings:
    """Read all that may matter for one entry; what cannot be read is left out and counted."""
    task, occasion = request.task, request.occasion
    target = target_of(task.prompt)
    journal = read_journal(_text_or_nothing(space, target) if target else "")
    own = [e for e in journal.entries if e.task_id == task.id and e.at <= occasion.now]
    since = _since(task, occasion, own)
    deadline.check()
    runs = _runs(records, since)
    deadline.check()
    lived = look_back(life, request)
    deadline.check()
    survey = space.survey()
    notes, left_out = read_notes(space, survey, deadline)
    if runs is None:
        left_out.append("Past runs could not be read: the database did not answer.")
    left_out += [*lived.missing, *_limits(runs or (), survey)]
    return Findings(
        task=task,
        occasion=occasion,
        target=target,
        since=since,
        runs=_without_last((runs or ())[:_MOST_RUNS], own, since),
        are_runs_known=runs is not None,
        survey=survey,
        notes=notes,
        own=own,
        goals=_goals(space, journal.rest, target) if task.type is _GOALS_TYPE else [],
        mood=_mood(space),
        lived=lived,
        lexicon=life.lexicon(),
        tools=life.tools,
        left_out=left_out,
    )


def _runs(records: Records, since: datetime) -> Sequence[PastRun] | None:
    try:
        return records.runs_since(since, _MOST_RUNS + 1)
    except LedgerUnavailable:
        return None


def _limits(runs: Sequence[PastRun], survey: Survey) -> Iterator[str]:
    if len(runs) > _MOST_RUNS:
        yield f"Only the newest {_MOST_RUNS} runs were looked at."
    if any(len(run.text) > _RESULT_LENGTH for run in runs):
        yield f"Of long answers the first {_RESULT_LENGTH} characters were read."
    if not survey.complete:
        yield "The space holds more files than are looked at."


def _since(task: Task, occasion: Occasion, own: Sequence[Entry]) -> datetime:
    now, previous = occasion.now, occasion.previous
    earliest = now - _LONGEST_LOOK
    if task.type is TaskType.CAPABILITY_EXPLORATION:
        return now - _FIRST_LOOK[task.type]  # what is unused shows only over a longer time
    if own:
        return max(own[-1].at, earliest)
    if previous is not None and previous.status == "succeeded":
        return max(min(previous.completed_at, now), earliest)
    return now - _FIRST_LOOK.get(task.type, timedelta(days=7))


def _without_last(runs: Sequence[PastRun], own: Sequence[Entry], since: datetime) -> list[PastRun]:
    """Leave out the run that wrote the last entry, where that is not among what is looked back on:
    it ended after the instant of its entry."""
    return [run for run in runs if not own or own[-1].at > since or run.run_id != own[-1].run_id]


def _text_or_nothing(space: Space, path: str) -> str:
    try:
        return space.read_text(path, LARGEST_FILE)
    except NoSuchFile:
        return ""


def _goals(space: Space, target_text: str, target: str | None) -> list[Box]:
    text = target_text
    if target != GOALS:
        text += "\n" + read_journal(_text_or_nothing(space, GOALS)).rest
    found = (_BOX.match(line) for line in text.splitlines())
    boxes = [Box(text=m[2].strip(), done=m[1] != " ") for m in found if m is not None]
    return list({box.text: box for box in boxes}.values())


def _mood(space: Space) -> MoodFile:
    try:
        document = strict_json.loads(
            space.read_text(MOOD_FILE, _MOOD_BYTES), most_bytes=_MOOD_BYTES
        )
    except NoSuchFile:
        return MoodFile()
    except (BadJson, SpaceError) as error:
        return MoodFile(problem=f"{as_path(MOOD_FILE)} cannot be read: {plain(error.detail)}.")
    current = document.get("current_state") if isinstance(document, dict) else None
    state = current.get("reconciled_state") if isinstance(current, dict) else None
    if not isinstance(current, dict) or not isinstance(state, str) or not state.strip():
        return MoodFile(problem=f"{as_path(MOOD_FILE)} names no `reconciled_state`.")
    return MoodFile(state=state, updated=one_line(str(current.get("last_updated") or ""), 40))
