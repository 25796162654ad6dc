"""What the last call of a persona says about it."""

import structlog

from app.core.clock import Clock
from app.core.instants import write_instant
from app.persona.errors import (
    EmptyAnswer,
    PersonaCancelled,
    PersonaError,
    PersonaRefused,
    PersonaTooLong,
)
from app.persona.words import one_line

log = structlog.get_logger(__name__)

_IT_WORKS = (PersonaRefused, PersonaTooLong, EmptyAnswer)
"""Errors that concern one prompt: the persona itself works."""


class Standing:
    """Remembers how the last call of this process went."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._problem: str | None = None

    @property
    def problem(self) -> str | None:
        """How the last call failed; None where it went well or none was."""
        return self._problem

    def note(self, error: PersonaError | None) -> None:
        """Take in how a call ended; a cancelled one says nothing."""
        if isinstance(error, PersonaCancelled):
            return
        before, self._problem = self._problem, None
        if error is not None and not isinstance(error, _IT_WORKS):
            at = write_instant(self._clock.now())
            self._problem = f"the last call, at {at}, failed: {one_line(error.detail, 200)}"
        if (before is None) != (self._problem is None):
            said = "persona.mended" if self._problem is None else "persona.broke"
            log.info(said, problem=self._problem)
