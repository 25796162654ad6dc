"""What the feelings of a persona are asked for after each of its answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from app.core.clock import Clock
from app.core.errors import LedgerUnavailable, SpaceError, UnfitFile
from app.core.plain_files import read_plain
from app.persona.client import Holding, anyway
from app.persona.errors import NoSuchFile
from app.persona.feelings.affect import MOST_CHARACTERS, read_affect
from app.persona.feelings.assessment import Inner
from app.persona.feelings.lexicon import (
    HEADER,
    MOST_BYTES,
    Lexicon,
    ReadLexicon,
    english,
    read_lexicon,
)
from app.persona.feelings.mirror import MoodFiles, show_mood
from app.persona.feelings.mood import moved, pull, recent_pattern
from app.persona.feelings.quotations import without_quotations
from app.persona.feelings.reconciliation import inner_view, outer_view, reconcile
from app.persona.feelings.reconciliation_log import Noted, keep_reconciliation
from app.persona.feelings.series import MoodSeries
from app.persona.feelings.values import NEUTRAL, Affect
from app.persona.space import Space

log = structlog.get_logger(__name__)

LEXICON_FILE = "emotional_state/lexicon.csv"
_PATTERN_OF = 10


@dataclass(frozen=True, kw_only=True)
class Felt:
    """What came of one answer.

    `reconciliation` is None where neither view names a feeling. `before` and `after` are the mood;
    they are the same where nothing was noted.
    """

    reconciliation: Mapping[str, Any] | None
    affect: Affect
    before: Affect = NEUTRAL
    after: Affect = NEUTRAL
    warnings: Sequence[str] = ()

    def metadata(self) -> dict[str, Any]:
        """Return what is kept with the run beside the reconciliation."""
        return {
            "affect": self.affect.as_dict(),
            "mood": {"before": self.before.as_dict(), "after": self.after.as_dict()},
            **({"mood_warnings": list(self.warnings)} if self.warnings else {}),
        }


def why_no_lexicon(path: Path) -> str | None:
    """Say why no row of a file can be used as a lexicon; None where one can."""
    try:
        read = _read_file(path)
    except UnfitFile as error:
        return error.detail
    if read.lexicon.feelings or read.lexicon.turns:
        return None
    why = next(iter(read.problems), f"there is no row below the line {HEADER}")
    return f"is no lexicon (CSV, see docs/reference/feelings.md): {why}"


def _read_file(path: Path) -> ReadLexicon:
    return read_lexicon(read_plain(path, most_bytes=MOST_BYTES).decode("utf-8", "replace"))


class Lexicons:
    """The lexicon in force: that of the setting or the English one, and over it that of the space.

    The space's own file, `emotional_state/lexicon.csv`, is in force as soon as it is changed.
    """

    def __init__(self, path: Path | None, space: Space) -> None:
        self._path = path
        self._space = space
        self._kept: tuple[str, ReadLexicon] | None = None

    def current(self) -> ReadLexicon:
        """Return the lexicon, and what is wrong with the files it was read from. Never raises."""
        text, problem = self._text_in_space()
        kept = self._kept
        if kept is None or kept[0] != text:
            kept = self._kept = (text, self._read(text))
        read = kept[1]
        return ReadLexicon(lexicon=read.lexicon, problems=[*read.problems, *problem])

    def _text_in_space(self) -> tuple[str, list[str]]:
        try:
            return self._space.read_text(LEXICON_FILE, MOST_BYTES), []
        except NoSuchFile:
            return "", []
        except SpaceError as error:
            return "", [error.detail]

    def _read(self, text: str) -> ReadLexicon:
        lexicon, problems = self._base()
        if text:
            own = read_lexicon(text)
            lexicon = own.lexicon.over(lexicon)
            problems += [f"{LEXICON_FILE}, {problem}" for problem in own.problems]
        for problem in problems:
            log.warning("lexicon.problem", problem=problem)
        return ReadLexicon(lexicon=lexicon, problems=problems)

    def _base(self) -> tuple[Lexicon, list[str]]:
        if self._path is None:
            return english(), []
        try:
            read = _read_file(self._path)
        except UnfitFile as error:
            return english(), [f"AFFECT_LEXICON {error.detail}"]
        return read.lexicon, [f"AFFECT_LEXICON, {problem}" for problem in read.problems]


class Feelings:
    """Reads answers and moves the mood."""

    def __init__(self, moods: MoodSeries, lexicons: Lexicons, clock: Clock) -> None:
        self._moods = moods
        self._lexicons = lexicons
        self._clock = clock

    def weigh(
        self,
        visible: str,
        inner: Inner | None,
        *,
        run_id: str | None,
        origin: str,
        source: str = "reply",
        told: str | None = None,
        files: MoodFiles | None = None,
        holding: Holding = anyway,
    ) -> Felt:
        """Reconcile the inner view with the outer one, that of the visible answer; move the mood.

        What the answer quotes is no part of the outer view. `told` is what a model says of the
        answer when it is asked how it looks from outside; with `files` mood and reconciliation are
        mirrored into the space. Never fails for what an answer or a file holds, nor where the
        database is away; raises only a PersonaError of `files`, and what `holding` raises, with the
        mood unmoved.
        """
        lexicon = self._lexicons.current().lexicon
        felt = inner_view(inner, lexicon) if inner is not None else None
        own = without_quotations(visible[:MOST_CHARACTERS])
        seen = outer_view(read_affect(own, lexicon), told, lexicon)
        now = self._clock.now()
        before = self._before(now)
        found = reconcile(felt, seen, now, before) if felt or seen.affect else None
        result = Felt(
            reconciliation=found.as_dict() if found else None,
            affect=found.reconciled if found else NEUTRAL,
            before=before,
            after=before,
        )
        evidence = seen.evidence + (felt.evidence if felt else 0)
        if found is None or not evidence:
            return result
        result = self._noted(result, pull(evidence), now, run_id, source, origin, holding)
        if files is None:
            return result
        entry = {**found.as_dict(), "run_id": run_id, "source": source, "origin": origin}
        warnings = (
            show_mood(files, found.reconciled_state, result.after, self._pattern(), now),
            keep_reconciliation(files, entry, self._gone),
        )
        return replace(result, warnings=[*result.warnings, *filter(None, warnings)])

    def _before(self, now: datetime) -> Affect:
        try:
            return self._moods.current(now).affect
        except LedgerUnavailable as error:
            log.warning("mood.unknown", problem=error.detail)
            return NEUTRAL

    def _noted(
        self,
        felt: Felt,
        weight: float,
        now: datetime,
        run_id: str | None,
        source: str,
        origin: str,
        holding: Holding,
    ) -> Felt:
        try:
            before, mood = self._moods.note(
                felt.affect,
                weight=weight,
                at=now,
                run_id=run_id,
                source=source,
                origin=origin,
                holding=holding,
            )
        except LedgerUnavailable as error:
            log.warning("mood.not_noted", problem=error.detail)
            after = moved(felt.before, felt.affect, weight)
            return replace(felt, after=after, warnings=[f"the mood was not kept: {error.detail}"])
        return replace(felt, before=before, after=mood.affect)

    def _gone(self, noted: Sequence[Noted]) -> set[str]:
        try:
            return self._moods.gone(noted)
        except LedgerUnavailable:
            return set()

    def _pattern(self) -> str:
        try:
            moods = self._moods.series(limit=_PATTERN_OF)
        except LedgerUnavailable:
            moods = []
        return recent_pattern([mood.affect for mood in moods])
