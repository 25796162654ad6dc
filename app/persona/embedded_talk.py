"""What the embedded persona says in a conversation: what it remembers and finds written, no more.

Pure but for the notes that it is given.
"""

from collections.abc import Sequence

from app.persona.chat_memory import what_was_heard
from app.persona.client import Request
from app.persona.prompt import asked_in
from app.persona.prompting.parts import Remembered
from app.persona.themes import Quote, Source, best_sentences, keywords, said_in
from app.persona.words import count, day_and_time, plain, quoted

_MOST_QUOTES = 5
_LONGEST = 300
_HOW = "*Put together from memories and files; no language model was used.*"
_NOTHING = "I find nothing about this in my memories or files."


def talk_of(request: Request, remembered: Sequence[Remembered], sources: Sequence[Source]) -> str:
    """Return an answer made of dated memories and of sentences of files that fit the message.

    What stands in them twice is told once.
    """
    zone = request.task.timezone
    wanted = keywords(asked_in(request.task.prompt))
    found = best_sentences(said_in(sources), wanted, 2 * _MOST_QUOTES)
    quotes = list({quote.sentence: quote for quote in reversed(found)}.values())[::-1]
    told = [one for one in remembered if not _asked_the_same(one.text, wanted)]
    blocks = [*_memories(told, zone), *_files(quotes[:_MOST_QUOTES], zone)]
    return "\n\n".join([_HOW, *(blocks or [_NOTHING])])


def _asked_the_same(text: str, wanted: set[str]) -> bool:
    """Say whether a memory is of this very question, asked before: that answers nothing."""
    heard = what_was_heard(text)
    return heard != text and keywords(heard) == wanted


def _memories(remembered: Sequence[Remembered], zone: str) -> list[str]:
    if not remembered:
        return []
    lines = [
        f"- {day_and_time(one.at, zone)} ({plain(one.kind, 40)}): "
        f"{quoted(what_was_heard(one.text), _LONGEST)}"
        for one in remembered
    ]
    found = count(len(remembered), "memory", "memories")
    return ["\n".join([f"I remember {found} that may matter:", *lines])]


def _files(quotes: Sequence[Quote], zone: str) -> list[str]:
    if not quotes:
        return []
    lines = [
        f"- {quote.source.label}, last changed {day_and_time(quote.source.at, zone)}: "
        f"{quoted(quote.sentence, _LONGEST)}"
        for quote in quotes
    ]
    return ["\n".join(["My files say:", *lines])]
