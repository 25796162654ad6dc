"""How Flask itself reads and writes JSON: strictly, and quickly."""

from typing import Any

import orjson
from flask.json.provider import JSONProvider

from app.api.guards import MOST_BODY
from app.core import strict_json


class StrictJson(JSONProvider):
    """Reads with the one strict reader, writes with orjson."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return orjson.dumps(obj).decode()

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        return strict_json.loads(s, most_bytes=MOST_BODY)
