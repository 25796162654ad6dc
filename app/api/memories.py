"""The memories: remember, list, show, search, forget."""

from datetime import date, datetime
from typing import Any

from flask import Response

from app.api.answers import answer
from app.api.door import MEMORY_PATH, Answer, Door, Takes
from app.api.guards import author
from app.api.idempotency import Request
from app.api.inputs import KeyHeader
from app.api.memory_schemas import (
    MemoriesQuery,
    MemoryForgotten,
    MemoryList,
    MemorySearch,
    MemoryShown,
    NewMemory,
    SearchQuery,
)
from app.api.serving import services
from app.core.instants import write_instant
from app.persona.memory.memory import Draft, Kept, Memory, Query, Within
from app.persona.memory.windows import day_window

door = Door("memories", __name__, url_prefix="/api", description="What the persona lived")

_SCOPE = "remember"
_LOCATION = {"Location": "where the memory is found"}
_EXAMPLE = {
    "text": "Ada asked how the tomatoes are doing.",
    "kind": "interaction",
    "at": "2026-11-23T17:30:00Z",
}


@door.on(
    "POST",
    "/memories",
    takes=Takes(body=NewMemory(), body_example=_EXAMPLE, headers=KeyHeader()),
    answers={
        201: Answer(description="It is kept", schema=MemoryShown, headers=_LOCATION),
        200: Answer(description="It was known already", schema=MemoryShown, headers=_LOCATION),
    },
)
def remember(body: dict[str, Any], headers: dict[str, Any]) -> Response:
    """Keep a memory

    The same text at the same instant is the same memory.
    """
    request = Request.of(headers.get("key"), body)
    draft = Draft(
        text=body["text"],
        at=body.get("at") or services().clock.now(),
        origin="owner" if author().kind == "owner" else "api",
        kind=body["kind"],
        metadata=body.get("metadata", {}),
    )
    kept = _remember_once(draft, request)
    location = {"Location": f"/api/memories/{kept.memory.id}"}
    return answer(_shown(kept.memory), 201 if kept.is_new else 200, headers=location)


def _remember_once(draft: Draft, request: Request) -> Kept:
    """Keep a memory; with a key that was used before, return the one of then.

    The key is kept in the same transaction. Raises InvalidInput, KeyReused, and MemoryNotFound
    where the memory of then is forgotten.
    """
    here = services()
    memories, keys, now = here.being.memories, here.keys, here.clock.now()
    if request.key is None:
        return memories.remember_all([draft])[0]
    used: dict[str, Any] = {
        "scope": _SCOPE,
        "key": request.key,
        "fingerprint": request.fingerprint,
        "now": now,
    }
    with here.database.write() as connection:
        memories.take_turns(connection)
        known = keys.find(connection, **used)
        if known is not None:
            return Kept(memory=memories.read(connection, known), is_new=True)
        kept = memories.write(connection, [draft])[0]
        keys.keep(connection, subject=kept.memory.id, **used)
        return kept


@door.on(
    "GET",
    "/memories",
    takes=Takes(query=MemoriesQuery()),
    answers={200: Answer(description="Memories, those lived last first", schema=MemoryList)},
)
def list_memories(query: dict[str, Any]) -> Response:
    """List memories"""
    cursor = query.get("cursor")
    page = services().being.memories.page(
        _within(query),
        limit=query["limit"],
        cursor=int(cursor, 16) if cursor is not None else None,
    )
    beyond = page.next_cursor
    return answer(
        {
            "memories": [_shown(memory) for memory in page.memories],
            "count": len(page.memories),
            "next_cursor": f"{beyond:016x}" if beyond is not None else None,
        }
    )


@door.on(
    "GET",
    "/memories/search",
    takes=Takes(query=SearchQuery()),
    answers={200: Answer(description="What fits, the best first", schema=MemorySearch)},
)
def search_memories(query: dict[str, Any]) -> Response:
    """Find memories by words

    Three quarters of the score are relevance, one quarter recency, which halves every 30 days.
    """
    search = services().being.memories.search(
        Query(text=query["q"], within=_within(query), limit=query["limit"])
    )
    return answer(
        {
            "memories": [_shown(found.memory, found.score) for found in search.found],
            "count": len(search.found),
            "complete": search.complete,
        }
    )


@door.on("GET", MEMORY_PATH, answers={200: Answer(description="The memory", schema=MemoryShown)})
def get_memory(memory_id: str) -> Response:
    """Show a memory"""
    return answer(_shown(services().being.memories.get(memory_id)))


@door.on(
    "DELETE",
    MEMORY_PATH,
    answers={200: Answer(description="It is forgotten", schema=MemoryForgotten)},
)
def forget_memory(memory_id: str) -> Response:
    """Forget a memory for good"""
    services().being.memories.forget(memory_id)
    return answer({"success": True, "id": memory_id, "message": "Memory forgotten"})


def _within(query: dict[str, Any]) -> Within:
    return Within(
        since=_moment(query.get("since"), is_end=False),
        until=_moment(query.get("until"), is_end=True),
        kind=query.get("kind"),
    )


def _moment(given: date | datetime | None, *, is_end: bool) -> datetime | None:
    """Return the instant that is meant: of a day its beginning, or its end."""
    if given is None or isinstance(given, datetime):
        return given
    day = day_window(given, services().registry.default_timezone())
    return day.until if is_end else day.since


def _shown(memory: Memory, score: float | None = None) -> dict[str, Any]:
    return {
        "id": memory.id,
        "text": memory.text,
        "kind": memory.kind,
        "at": write_instant(memory.at),
        "origin": memory.origin,
        "score": score,
        "run_id": memory.run_id,
        "task_id": memory.task_id,
        "metadata": dict(memory.metadata),
        "created_at": write_instant(memory.created_at),
    }
