"""How a chat is remembered: what was said to the persona and what it answered. Pure."""

from datetime import datetime
from typing import Any

from app.persona.memory.memory import INTERACTION, Draft
from app.persona.prompt import asked_in

ORIGIN = "chat"
_HEARD = "Said to me: "
_ANSWERED = "\n\nI answered: "
_MOST_OF_EACH = 8_000


def as_memory(message: str, answer: str, at: datetime, metadata: dict[str, Any]) -> Draft:
    """Return the interaction as it is to be remembered; long texts are cut."""
    heard = asked_in(message)[:_MOST_OF_EACH].strip()
    text = f"{_HEARD}{heard}{_ANSWERED}{answer[:_MOST_OF_EACH].strip()}"
    return Draft(text=text, at=at, origin=ORIGIN, kind=INTERACTION, metadata=metadata)


def what_was_heard(text: str) -> str:
    """Return what was said to the persona, of the memory of a chat; any other text as it is."""
    if not text.startswith(_HEARD):
        return text
    return text.removeprefix(_HEARD).partition(_ANSWERED)[0]
