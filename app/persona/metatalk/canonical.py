"""One sentence in one form: long forms, straight quotes, no marks, no filling words. Pure."""

import re
import unicodedata
from functools import lru_cache

QUOTED = "\ufffc"
"""Stands for what somebody else said, and for code."""

_FEWEST_QUOTED_WORDS = 3
_CODE = re.compile(r"`[^`]+`")
_DOUBLE = re.compile(r'"[^"]+"|“[^“”]+”|„[^„“”]+[“”]|«[^«»]+»')
_SINGLE = re.compile(r"(?<!\w)['‘](?=\w)(?:[^'‘’]|(?<=\w)['’](?=\w))+(?<!\s)['’](?!\w)")
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*|[^\w\s*~#>\"“”«»„`]")
_HYPHEN = re.compile(r"(?<=\w)[-‐‑](?=\w)")
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad"))
_APOSTROPHES = str.maketrans("’‘ʼ´`", "'''''")

_LONG_FORMS = {
    "i'm": "i am", "im": "i am", "i've": "i have", "ive": "i have", "i'd": "i would",
    "i'll": "i will", "it's": "it is", "that's": "that is", "there's": "there is",
    "here's": "here is", "cannot": "can not", "can't": "can not", "cant": "can not",
    "won't": "will not", "dont": "do not", "ain't": "am not",
}  # fmt: skip
_FILLERS = frozenset(
    re.findall(
        r"\w+",
        """really actually truly genuinely honestly simply merely only just even also still
        currently quite fully literally technically necessarily inherently fundamentally essentially
        basically personally strictly certainly obviously ultimately therefore clearly solely""",
    )
)
_LONGEST_KNOWN = 20
"""Longer words have no other form; none of them is to be remembered."""

_STOPS = frozenset(".!?;:…")
_ASIDE = re.compile(
    " , (?:after all|of course|in the end|at the end of the day|however|admittedly|frankly|though) "
    ",(?= )"
)


def unquoted(text: str) -> str:
    """Return a text of the same length in which quoted speech and code are blanked out.

    Quotation marks around one or two words are emphasis, and those around all of it are nobody's.
    """
    whole = len(text.strip())

    def blank_speech(match: re.Match[str]) -> str:
        speech = match.group()
        is_speech = len(speech.split(None, _FEWEST_QUOTED_WORDS)) >= _FEWEST_QUOTED_WORDS
        return QUOTED * len(speech) if is_speech and len(speech) < whole else speech

    text = _CODE.sub(lambda match: QUOTED * len(match.group()), text)
    return _SINGLE.sub(blank_speech, _DOUBLE.sub(blank_speech, text))


def canonical(sentence: str) -> str:
    """Return the words and punctuation of a sentence, each between blanks, the end marked."""
    words = [
        form
        for word in _WORD.findall(_plain(sentence))
        if (form := _long_form(word) if len(word) <= _LONGEST_KNOWN else word)
    ]
    if words and words[-1] not in _STOPS:
        words.append(".")
    return _ASIDE.sub("", f" {' '.join(words)} ")


def _plain(sentence: str) -> str:
    if sentence.isascii():
        # of what is done to others only this can concern it
        plain, may_be_joined = sentence.replace("`", "'"), "-" in sentence
    else:
        plain, may_be_joined = unicodedata.normalize("NFKC", sentence), True
        plain = plain.translate(_INVISIBLE).translate(_APOSTROPHES)
    return (_HYPHEN.sub(" ", plain) if may_be_joined else plain).casefold()


@lru_cache(maxsize=4096)
def _long_form(word: str) -> str:
    """Return what stands for a word, `""` for one that only fills."""
    if word in _FILLERS:
        return ""
    return _LONG_FORMS.get(word) or (f"{word[:-3]} not" if word.endswith("n't") else word)
