"""Meta-talk: a persona's talk about being a machine; how it is found and mended."""

from app.persona.metatalk.finding import Finding, find_metatalk
from app.persona.metatalk.mending import (
    Done,
    Mended,
    after_rewriting,
    corrective_prompt,
    mended,
    note,
    without,
)

__all__ = [
    "Done",
    "Finding",
    "Mended",
    "after_rewriting",
    "corrective_prompt",
    "find_metatalk",
    "mended",
    "note",
    "without",
]
