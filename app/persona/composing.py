"""The six compositions: findings -> blocks of Markdown, every sentence from data. Pure."""

from app.persona.checking_in import check_in
from app.persona.consolidating import consolidate
from app.persona.exploring import explore
from app.persona.findings import Findings, source_of_memory
from app.persona.goals import assess_goals
from app.persona.reflecting import reflect
from app.persona.sections import (
    MOST_ITEMS,
    Composition,
    capped,
    cited,
    names_in,
    new_names,
    section,
    stands,
    told_once,
    what_changed,
    what_happened,
)
from app.persona.themes import best_sentences, keywords, said_in
from app.persona.words import quoted
from app.tasks.task import TaskType

_COMPOSITIONS = {
    TaskType.SELF_REFLECTION: reflect,
    TaskType.MEMORY_CONSOLIDATION: consolidate,
    TaskType.GOAL_ASSESSMENT: assess_goals,
    TaskType.CAPABILITY_EXPLORATION: explore,
    TaskType.EMOTIONAL_RECONCILIATION: check_in,
}


def compose(findings: Findings) -> Composition:
    """Return the entry for the task's type, without heading and marks."""
    return _COMPOSITIONS.get(findings.task.type, _custom)(findings)


def _custom(f: Findings) -> Composition:
    wanted = keywords(f.task.prompt) - keywords(f.target or "")
    fitting = [source_of_memory(memory) for memory in f.lived.fitting]
    sources = list({source.text: source for source in [*f.sources, *fitting]}.values())
    found = best_sentences(said_in(sources), wanted, 2 * MOST_ITEMS)
    quotes = [quote for quote in found if stands(quote.sentence)][:MOST_ITEMS]
    asked = [
        _asked(f),
        "No language model answers it; what follows was found by its words.",
    ]
    lines = [f"{cited(quote, f.zone)}." for quote in quotes]
    none = "Nothing: no sentence of them shares two words with it."
    blocks = [
        *section("What was asked", asked),
        *section("What memories and files say on it", lines or [none]),
        *section("What happened", what_happened(f)),
        *section("What changed in the space", what_changed(f)),
    ]
    if not f.own:
        return Composition(blocks=told_once(blocks))
    before = f"the entry of {f.on(f.own[-1].at)}"
    new = capped([f"New: {name}" for name in new_names(f, names_in(blocks))])
    nothing = [f"Nothing is new: what is named here was named in {before} already."]
    blocks += section(f"Since {before}", new or nothing)
    return Composition(blocks=told_once(blocks))


def _asked(f: Findings) -> str:
    asked = quoted(f.task.prompt, 300)
    before = next((entry for entry in f.own if asked in entry.text), None)
    if before is None:
        return f"The prompt asks: {asked}"
    return f"The prompt is still that of {f.on(before.at)}."
