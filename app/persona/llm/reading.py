"""JSON of a model's server."""

import json
from collections.abc import Mapping
from typing import Any

from app.persona.errors import PersonaProtocol
from app.persona.llm.dialect import an_object
from app.persona.words import one_line


def read_object(data: bytes | str, what: str) -> Mapping[str, Any]:
    """Return the JSON object; raise PersonaProtocol for anything else.

    More lenient than the service's own reader: a stream may part the halves of one character, and
    a key that a server writes twice must not cost a whole run.
    """
    try:
        return an_object(json.loads(data), what)
    except (ValueError, RecursionError) as error:
        shown = data[:300].decode("utf-8", "replace") if isinstance(data, bytes) else data[:300]
        raise PersonaProtocol(f"{what} is no JSON; it begins: {one_line(shown, 200)}") from error
