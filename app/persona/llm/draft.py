"""A completion while it comes in, bounded, whatever dialect it comes in."""

import json
import re
from typing import Any

from app.persona.errors import PersonaProtocol, PersonaTooLong
from app.persona.llm.chat import Completion, Finish, OnText, Usage
from app.persona.tools.tool import MOST_ARGUMENT_BYTES, Call
from app.persona.words import one_line

MOST_TEXT = 1024 * 1024
MOST_CALLS = 64
_LONGEST_NAME = 200
_THOUGHT = re.compile(r"\s*<(think(?:ing)?)>.*?(?:</\1>|\Z)\s*", re.DOTALL)


class Draft:
    """Gathers text, calls and figures; raises PersonaTooLong where there are too many."""

    def __init__(self, on_text: OnText) -> None:
        self._on_text = on_text
        self._text: list[str] = []
        self._length = 0
        self._calls: list[_Call] = []
        self._usage: Usage | None = None
        self.finish: Finish | None = None
        self.is_begun = False
        self.is_complete = False

    def say(self, text: Any) -> None:
        """Take the next piece of the text; what is no text is not said."""
        if not isinstance(text, str) or not text:
            return
        self._grow(len(text))
        self._text.append(text)
        self._on_text(text)

    def call(self, place: Any, call_id: Any, name: Any) -> None:
        """Begin or go on with the call at this place; one of another id is another call.

        Some servers count wrongly or not at all, and give each piece of a call its name anew.
        """
        last = self._found(place)
        is_other = bool(call_id and last and last.id and call_id != last.id)
        if last is not None and not is_other and not (place is None and name and not call_id):
            last.id = last.id or _name(call_id)
            last.name = last.name or _name(name)
            return
        if len(self._calls) >= MOST_CALLS:
            raise PersonaTooLong(f"the model makes more than {MOST_CALLS} calls at once")
        self._calls.append(_Call(place, _name(call_id), _name(name)))

    def arguments(self, place: Any, piece: Any) -> None:
        """Take the next piece of the arguments of the newest call at this place."""
        call = self._found(place)
        if call is None:
            raise PersonaProtocol("arguments came for a call that was not begun")
        text = piece if isinstance(piece, str) else "" if piece is None else json.dumps(piece)
        self._grow(len(text))
        call.arguments.append(text)

    def count(self, *, prompt: Any = None, completion: Any = None) -> None:
        """Take the newest figures; each stands for the whole answer."""
        known = self._usage or Usage()
        figures = Usage(
            prompt=prompt if _is_count(prompt) else known.prompt,
            completion=completion if _is_count(completion) else known.completion,
        )
        self._usage = figures if figures.total else self._usage

    def completed(self) -> Completion:
        """Return the completion; raise PersonaProtocol where it was cut off."""
        if not self.is_complete:
            raise PersonaProtocol("the stream ended before the answer was complete")
        return self._gathered()

    def so_far(self) -> Completion | None:
        """Return what has come of an answer that fails; None where it has not begun."""
        return self._gathered() if self.is_begun or self._usage is not None else None

    def _gathered(self) -> Completion:
        calls = [
            Call(id=call.id or f"call_{number}", name=call.name, arguments=_whole(call.arguments))
            for number, call in enumerate(self._calls, 1)
        ]
        return Completion(
            text=_without_thought(_whole(self._text)),
            calls=calls,
            usage=self._usage,
            finish=self.finish or (Finish.CALLS if calls else Finish.STOP),
        )

    def _found(self, place: Any) -> "_Call | None":
        at = [call for call in self._calls if place is None or call.place == place]
        return at[-1] if at else None

    def _grow(self, length: int) -> None:
        self._length += length
        if self._length > max(MOST_TEXT, MOST_ARGUMENT_BYTES):
            raise PersonaTooLong(f"the answer has more than {MOST_TEXT} characters")


class _Call:
    def __init__(self, place: Any, call_id: str, name: str) -> None:
        self.place = place
        self.id = call_id
        self.name = name
        self.arguments: list[str] = []


def _whole(pieces: list[str]) -> str:
    """Join them; halves of a character that came apart find each other, others are replaced."""
    text = "".join(pieces)
    return (
        text
        if text.isascii()
        else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    )


def _without_thought(text: str) -> str:
    """Leave out what a model thought aloud before it answered."""
    found = _THOUGHT.match(text)
    return text[found.end() :] if found else text


def _name(value: Any) -> str:
    return one_line(value, _LONGEST_NAME) if isinstance(value, str) else ""


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
