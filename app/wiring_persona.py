"""Settings -> the persona, with its space, memory, hands and feelings."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from app.config import Settings
from app.core.clock import Clock
from app.core.ids import Ids
from app.database import Database
from app.persona.client import Deadline, Persona, Records, Request, Talk
from app.persona.confinement import Confinement
from app.persona.embedded import EmbeddedPersona
from app.persona.feelings.feelings import Feelings, Lexicons
from app.persona.feelings.series import MoodSeries
from app.persona.inner_life import InnerLife
from app.persona.life import Life
from app.persona.llm.anthropic import Anthropic
from app.persona.llm.chat import ChatModel
from app.persona.llm.dialect import Dialect
from app.persona.llm.openai import OpenAi
from app.persona.llm.patience import PatientModel
from app.persona.llm.wire import HttpModel
from app.persona.llm_persona import LlmPersona, Means
from app.persona.memory.embedding import HttpEmbedder
from app.persona.memory.meaning import Meaning
from app.persona.memory.memory import Memory
from app.persona.memory.recall import Recall
from app.persona.memory.store import Memories
from app.persona.prompt import asked_in
from app.persona.prompting.parts import Remembered
from app.persona.prompting.sources import MoodNow, Sources
from app.persona.prompting.sources import Recall as RecallForPrompt
from app.persona.quota import Quota
from app.persona.service import ServicePersona
from app.persona.space import Space
from app.persona.tools.files import FileTools
from app.persona.tools.memories import MemoryTools
from app.persona.tools.scripts import ScriptTool
from app.persona.tools.tool import Tool, Toolbox
from app.persona.writing import Hands
from app.settings_schema import Backend, SpokenDialect

_DIALECTS: Mapping[SpokenDialect, Dialect] = {
    SpokenDialect.OPENAI: OpenAi(),
    SpokenDialect.ANTHROPIC: Anthropic(),
}


@dataclass(frozen=True, kw_only=True)
class Being:
    """A persona and all that it has."""

    persona: Persona
    inner_life: InnerLife
    space: Space
    hands: Hands
    confinement: Confinement
    toolbox: Toolbox
    memories: Memories
    recall: Recall
    moods: MoodSeries
    lexicons: Lexicons
    feelings: Feelings


def build_being(
    settings: Settings,
    *,
    database: Database,
    clock: Clock,
    ids: Ids,
    records: Records,
    memories: Memories,
    task_tools: Sequence[Tool],
    persona: Persona | None = None,
) -> Being:
    """Put the persona together; nothing is opened yet. `persona` takes the place of its own."""
    space = Space(settings.persona_space)
    quota = Quota(
        space, clock, most_bytes=settings.space_max_bytes, most_files=settings.space_max_files
    )
    hands = Hands(space, quota)
    confinement = Confinement(settings.persona_space, clock, is_wanted=settings.scripts)
    recall = Recall(memories)
    moods = MoodSeries(database, ids)
    lexicons = Lexicons(settings.affect_lexicon, space)
    feelings = Feelings(moods, lexicons, clock)
    toolbox = Toolbox(
        [
            *FileTools(space, hands, settings.journals).tools(),
            *MemoryTools(memories, recall).tools(),
            ScriptTool(space, confinement, quota, clock).tool(),
            *task_tools,
        ]
    )
    if persona is None:
        sources = Sources(space=space, recall=_recalling(recall), mood=_mood_now(moods))
        life = Life(
            memories=memories,
            fitting=_fitting(recall),
            moods=moods,
            lexicon=lambda: lexicons.current().lexicon,
            tools=toolbox.names,
        )
        persona = _persona(settings, space, hands, records, life, toolbox, sources, clock)
    inner_life = InnerLife(
        feelings, space, hands, mends=settings.anti_meta_talk, is_own=persona.has_hands
    )
    return Being(
        persona=persona,
        inner_life=inner_life,
        space=space,
        hands=hands,
        confinement=confinement,
        toolbox=toolbox,
        memories=memories,
        recall=recall,
        moods=moods,
        lexicons=lexicons,
        feelings=feelings,
    )


def _persona(
    settings: Settings,
    space: Space,
    hands: Hands,
    records: Records,
    life: Life,
    toolbox: Toolbox,
    sources: Sources,
    clock: Clock,
) -> Persona:
    url = settings.persona_url or ""
    if settings.persona_backend is Backend.SERVICE:
        return ServicePersona(url, clock, key=settings.persona_api_key)
    if settings.persona_backend is Backend.LLM:
        return LlmPersona(
            _model(settings, url, clock),
            toolbox,
            sources,
            _means(settings),
            new_mark=lambda: secrets.token_hex(8),
        )
    return EmbeddedPersona(space, hands, records, life, sources.recall)


def _model(settings: Settings, url: str, clock: Clock) -> ChatModel:
    model = HttpModel(
        _DIALECTS[settings.persona_dialect],
        url,
        clock,
        key=settings.persona_api_key,
        streams=settings.persona_stream,
    )
    return PatientModel(model)


def _means(settings: Settings) -> Means:
    return Means(
        model=settings.persona_model or "",
        max_rounds=settings.persona_max_rounds,
        max_tool_calls=settings.persona_max_tool_calls,
        max_tokens=settings.persona_max_tokens_per_run,
        context_tokens=settings.persona_context_tokens,
        prices=settings.persona_prices,
    )


def lives_here(settings: Settings, persona: Persona | None) -> bool:
    """Say whether the persona's memory and feelings are kept here, not by a service elsewhere."""
    if persona is not None:
        return persona.has_hands
    return settings.persona_backend is not Backend.SERVICE


def meaning_of(settings: Settings, database: Database, clock: Clock) -> Meaning | None:
    """Return what finds memories by meaning; None where no model is set for it."""
    if settings.embedding_model is None or settings.persona_url is None:
        return None
    embedder = HttpEmbedder(
        settings.persona_url, settings.embedding_model, clock, key=settings.persona_api_key
    )
    return Meaning(database, embedder, clock)


def _recalling(recall: Recall) -> RecallForPrompt:
    def of_run(request: Request) -> Sequence[Memory]:
        found = recall.for_run(request.task, request.occasion)
        # where room is short, the oldest and the least fitting go
        return [*reversed(found.lived), *(one.memory for one in found.relevant)]

    def of_talk(request: Request, talk: Talk) -> Sequence[Memory]:
        return recall.for_talk(
            asked_in(request.task.prompt),
            now=request.occasion.now,
            zone=request.task.timezone,
            most=talk.most_memories,
        )

    def remembered(request: Request, _deadline: Deadline) -> list[Remembered]:
        memories = of_run(request) if request.talk is None else of_talk(request, request.talk)
        return [Remembered(at=m.at, kind=_kind(m), text=m.text) for m in memories]

    return remembered


def _fitting(recall: Recall) -> Callable[[Request], Sequence[Memory]]:
    def fitting(request: Request) -> list[Memory]:
        found = recall.for_run(request.task, request.occasion)
        return [one.memory for one in found.relevant]

    return fitting


def _kind(memory: Memory) -> str:
    return f"{memory.kind}, scheduled" if memory.is_scheduled else memory.kind


def _mood_now(moods: MoodSeries) -> MoodNow:
    def said(request: Request) -> str:
        mood = moods.current(request.occasion.now).affect
        return f"{mood.in_words()} ({mood.in_numbers()})"

    return said
