"""Vectors of texts from an OpenAI-compatible server: one POST to <url>/embeddings."""

from collections.abc import Sequence
from typing import Any, Protocol

import orjson

from app.core import strict_json
from app.core.clock import Clock
from app.core.errors import BadJson
from app.persona.client import Deadline
from app.persona.errors import (
    PersonaAuth,
    PersonaError,
    PersonaFailed,
    PersonaLimit,
    PersonaProtocol,
    PersonaRefused,
)
from app.persona.exchange import Sender
from app.persona.words import one_line

MOST_TEXTS = 64
MOST_CHARACTERS = 2000
"""Of longer texts only so much is sent: what a small model reads at once."""

_MOST_BYTES = 8 * 1024 * 1024
_EVIDENCE_BYTES = 300
_MOST_DIMENSIONS = 8192
Vector = Sequence[float]


class Embedder(Protocol):
    """Turns texts into vectors that lie close together where the texts mean the same."""

    model: str

    def embed(self, texts: Sequence[str], deadline: Deadline) -> list[Vector]:
        """Return the vector of each text, at most 64, before the deadline; raise PersonaError."""


class HttpEmbedder:
    """Asks a server; goes to its address only, without redirects, proxies, cookies or .netrc."""

    def __init__(self, url: str, model: str, clock: Clock, *, key: str | None = None) -> None:
        """`url` is the base address, such as http://127.0.0.1:11434/v1; `key` a bearer token."""
        self.model = model
        headers = {"Accept": "application/json"}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        self._sender = Sender(url.rstrip("/") + "/embeddings", headers, clock)

    def embed(self, texts: Sequence[str], deadline: Deadline) -> list[Vector]:
        deadline.check()
        body = orjson.dumps(
            {
                "model": self.model,
                "input": [text[:MOST_CHARACTERS] for text in texts[:MOST_TEXTS]],
                "encoding_format": "float",
            }
        )
        with self._sender.send(body, {}, deadline) as answer:
            if answer.status != 200:
                raise _refusal(answer.status, answer.evidence(_EVIDENCE_BYTES))
            found = answer.whole_body(_MOST_BYTES)
        return _vectors(found, len(texts))


def _refusal(status: int, found: str) -> PersonaError:
    said = f"it answered {status}: {one_line(found, 200)}"
    if status in (401, 403):
        return PersonaAuth(said)
    if status == 429:
        return PersonaLimit(said)
    return PersonaRefused(said) if 400 <= status < 500 else PersonaFailed(said)


def _vectors(answer: bytes, count: int) -> list[Vector]:
    try:
        document = strict_json.loads(answer, most_bytes=_MOST_BYTES)
    except BadJson as error:
        raise PersonaProtocol(f"the vectors are no JSON that is read: {error.detail}") from error
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, list) or len(data) != count:
        raise PersonaProtocol(f"the answer has no `data` of {count} vectors")
    found: dict[int, Vector] = {}
    for place, each in enumerate(data):
        if not isinstance(each, dict) or not _is_vector(each.get("embedding")):
            raise PersonaProtocol("an `embedding` is no list of numbers")
        index = each.get("index")
        found[index if isinstance(index, int) else place] = each["embedding"]
    if found.keys() != set(range(count)) or len({len(v) for v in found.values()}) != 1:
        raise PersonaProtocol("the vectors do not fit the texts, or one another")
    return [found[place] for place in range(count)]


def _is_vector(value: Any) -> bool:
    return (
        isinstance(value, list)
        and 0 < len(value) <= _MOST_DIMENSIONS
        and all(isinstance(n, int | float) and not isinstance(n, bool) for n in value)
    )
