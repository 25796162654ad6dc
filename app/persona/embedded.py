"""The default persona: entries composed of memories, files, records and mood; no model."""

from collections.abc import Sequence

import structlog

from app.core.errors import LedgerUnavailable
from app.core.instants import write_instant
from app.persona.appending import LARGEST_FILE
from app.persona.client import Deadline, Records, Reply, Request, Sent, as_one_message
from app.persona.composing import compose
from app.persona.embedded_talk import talk_of
from app.persona.feelings.assessment import Inner
from app.persona.findings import Findings, gather, source_of, target_of
from app.persona.journal import (
    COMPOSED,
    Entry,
    read_journal,
    start_mark,
    without_marks,
    write_entry,
)
from app.persona.life import Life
from app.persona.memory.memory import INSIGHT, Draft
from app.persona.notes import read_notes
from app.persona.prompting.sources import Recall, no_memories
from app.persona.sections import Block, stands
from app.persona.space import Space
from app.persona.themes import Quote
from app.persona.words import day_and_time, plain, started_by, weekday_and_time
from app.persona.writing import Hands

log = structlog.get_logger(__name__)

_NO_VOICE = ""
"""Its own words are headings, counts and what it found: they say nothing of how anybody feels."""


class EmbeddedPersona:
    """Composes a dated entry from what is really there, and appends it where the prompt says.

    The same life, files and records give the same entry. A run that is done again finds its own
    entry and writes no second one. A prompt that names no `.md` file is answered and nothing is
    written. A consolidation remembers a few sentences as insights; a check-in feels what was lived
    since the last one. What the database does not tell is named in the entry and fails nothing. In
    a conversation it tells which memories and which sentences of its files fit the message.
    """

    name = "embedded"
    has_hands = True

    def __init__(
        self,
        space: Space,
        hands: Hands,
        records: Records,
        life: Life,
        recall: Recall = no_memories,
    ) -> None:
        """`recall` finds what fits a message of a conversation."""
        self._space = space
        self._hands = hands
        self._records = records
        self._life = life
        self._recall = recall

    def reply(self, request: Request, deadline: Deadline) -> Reply:
        """Return the entry as it stands in its file, without the marks that tell it from other text
        there; raise SpaceError where the file is unusable."""
        deadline.check()
        if request.talk is not None:
            return self._talk(request, deadline)
        target = target_of(request.task.prompt)
        entry, inner = self._compose(request, deadline)
        if target and not self._append(target, entry, request, deadline):
            entry = self._written(target, entry.run_id) or entry
        return Reply(
            text=without_marks(entry.text).strip(),
            metadata={
                "task_type": str(request.task.type),
                "language_model": False,
            },
            voice=_NO_VOICE,
            inner=inner,
        )

    def would_send(self, request: Request, deadline: Deadline) -> Sequence[Sent]:
        """Return the rendered prompt as one message."""
        return as_one_message(request)

    def problem(self) -> str | None:
        """Say why the space cannot be used; None where it can."""
        return self._space.problem()

    def _talk(self, request: Request, deadline: Deadline) -> Reply:
        notes, _ = read_notes(self._space, self._space.survey(), deadline)
        sources = [source_of(note) for note in notes if note.text.strip()]
        text = talk_of(request, self._recall(request, deadline), sources)
        deadline.check()
        return Reply(text=text, metadata={"language_model": False}, voice=_NO_VOICE)

    def _compose(self, request: Request, deadline: Deadline) -> tuple[Entry, Inner | None]:
        findings = gather(self._space, self._records, self._life, request, deadline)
        deadline.check()
        composed = compose(findings)
        deadline.check()
        left_out = self._remember(composed.insights, request)
        entry = write_entry(
            run_id=request.occasion.run_id,
            task_id=request.task.id,
            at=request.occasion.now,
            title=_title(request),
            body=[_preface(findings, left_out), *composed.blocks],
        )
        return entry, composed.inner

    def _remember(self, insights: Sequence[Quote], request: Request) -> list[str]:
        """Keep sentences as insights, each once however often it is tried; say if that failed.

        Before the entry is appended, because the entry says so, too.
        """
        try:
            for quote in insights:
                self._life.memories.remember(_insight(quote, request), request.changes.hold)
        except LedgerUnavailable as error:
            log.warning("embedded.insight_not_kept", error=error.detail)
            return ["The insights could not be remembered: the database did not answer."]
        return []

    def _append(self, target: str, entry: Entry, request: Request, deadline: Deadline) -> bool:
        mark = start_mark(entry.run_id)
        return self._hands.append_text(target, entry.text, deadline, request.changes, unless=mark)

    def _written(self, target: str, run_id: str) -> Entry | None:
        entries = read_journal(self._space.read_text(target, LARGEST_FILE)).entries
        return next((entry for entry in entries if entry.run_id == run_id), None)


def _insight(quote: Quote, request: Request) -> Draft:
    """Return the sentence as a memory; it is the text alone that says whether it is known."""
    occasion = request.occasion
    return Draft(
        text=quote.sentence,
        kind=INSIGHT,
        at=occasion.now,
        undated=True,
        origin=occasion.origin,
        run_id=occasion.run_id,
        task_id=request.task.id,
        metadata={
            "of": quote.source.label,
            "lived_at": write_instant(quote.source.at),
            "lived_origin": quote.source.origin,
        },
    )


def _title(request: Request) -> str:
    occasion, task = request.occasion, request.task
    origin = "scheduled" if occasion.origin == "schedule" else f"by {started_by(occasion.origin)}"
    name = plain(task.name)
    if not stands(f"## {name}"):
        name = task.id
    return f"{weekday_and_time(occasion.now, task.timezone)}: {name} ({origin})"


def _preface(findings: Findings, left_out: Sequence[str]) -> Block:
    since = day_and_time(findings.since, findings.zone)
    is_first = findings.target is not None and not findings.own
    return " ".join(
        [
            f"{COMPOSED} from memories, files and records since {since}.*",
            *(["This is the first entry of this task here."] if is_first else []),
            *findings.left_out,
            *left_out,
        ]
    )
