"""Words of ease and of strain, counted. Pure.

Counted, not understood: `not happy` counts as happy, so an entry shows the words it found.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_WORD = re.compile(r"[a-z]{3,20}")
_LIGHT_WORDS = """
calm content curious delighted ease enjoy enjoyed excited fun glad good grateful great happy hope
hopeful interested joy light love loved lucky peaceful playful pleased proud relieved satisfied
serene thank thankful thanks warm wonderful
"""
_HEAVY_WORDS = """
afraid alone angry annoyed anxious ashamed bad bitter blocked bored confused disappointed doubt
exhausted fail failed fear frustrated guilty heavy hopeless hurt irritated lonely lost overwhelmed
pain regret sad sorry stressed stuck tense tired uneasy upset worried worry
"""
_LIGHT = frozenset(_LIGHT_WORDS.split())
_HEAVY = frozenset(_HEAVY_WORDS.split())


@dataclass(frozen=True, kw_only=True)
class Tone:
    """How often which words were found."""

    light: Counter[str]
    heavy: Counter[str]


def tone_of(texts: Sequence[str]) -> Tone:
    """Count the words of ease and of strain in these texts."""
    words = Counter(word for text in texts for word in _WORD.findall(text.lower()))
    return Tone(
        light=Counter({word: words[word] for word in _LIGHT if words[word]}),
        heavy=Counter({word: words[word] for word in _HEAVY if words[word]}),
    )
