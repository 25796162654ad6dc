"""Text as the words by which it is found: the same on every database. Pure.

The databases are given these words, never the text itself, so that nothing a user writes is read as
the syntax of a query, and one search finds the same on each of them.
"""

import re
import unicodedata
from collections.abc import Iterator

MOST_WORDS = 32
LONGEST_WORD = 64
_LOOKED_AT = 8192
_RUN = re.compile(r"[^\W_]+")
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+")
_EMPTY = """
a about after all also am an and any are as at be because been before being but by can could did do
does doing done each for from get got had has have having he her here hers him his how i if in into
is it its just last like me more most my no not now of off on once only or other our out over own
past same she should since so some such than that the their them then there these they this those
through to today too until up very was we week were what when where which while who whom why will
with would yesterday you your day days d don ll re s t ve
"""
_EMPTY_WORDS = frozenset(_EMPTY.split())


def words_of(text: str) -> Iterator[str]:
    """Yield the words of a text in their order: folded, without accents, at most 64 characters.

    Scripts that put no blanks between words give pairs of characters.
    """
    for match in _RUN.finditer(_folded(text)):
        run, end = match.group(), 0
        for unspaced in _UNSPACED.finditer(run):
            if unspaced.start() > end:
                yield run[end : unspaced.start()][:LONGEST_WORD]
            yield from _pairs(unspaced.group())
            end = unspaced.end()
        if end < len(run):
            yield run[end:][:LONGEST_WORD]


def query_words(text: str) -> list[str]:
    """Return the different words of a query, at most 32; those that say nothing only where there
    are no others."""
    found = list(dict.fromkeys(words_of(text[:_LOOKED_AT])))
    telling = [word for word in found if word not in _EMPTY_WORDS]
    return (telling or found)[:MOST_WORDS]


def _pairs(run: str) -> Iterator[str]:
    if len(run) == 1:
        yield run
    for place in range(len(run) - 1):
        yield run[place : place + 2]


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(c for c in apart if not unicodedata.combining(c))
    return unicodedata.normalize("NFC", bare).casefold()
