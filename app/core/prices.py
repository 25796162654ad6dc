"""What the tokens of models cost."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.core import strict_json
from app.core.errors import BadJson

MOST_BYTES = 1024 * 1024
_MILLION = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Price:
    """The price of a million tokens read and of a million written, in whatever money."""

    prompt: float
    completion: float

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Return what these tokens cost, to a millionth."""
        cost = prompt_tokens * self.prompt + completion_tokens * self.completion
        return round(cost / _MILLION, 6)


def read_prices(data: bytes) -> Mapping[str, Price]:
    """Read `{"<model>": {"prompt": 2.5, "completion": 10}}`.

    Raises BadJson for what is no such object.
    """
    document = strict_json.loads(data, most_bytes=MOST_BYTES)
    if not isinstance(document, dict):
        raise BadJson("it must hold one object, with a price for each model")
    return {model: _price(model, value) for model, value in document.items()}


def _price(model: str, value: Any) -> Price:
    if not isinstance(value, dict) or value.keys() != {"prompt", "completion"}:
        raise BadJson(f"{model!r} needs `prompt` and `completion`, and nothing else")
    for name, number in value.items():
        is_number = isinstance(number, int | float) and not isinstance(number, bool)
        if not is_number or not math.isfinite(number) or number < 0:
            raise BadJson(f"`{name}` of {model!r} must be a number that is not negative")
    return Price(prompt=float(value["prompt"]), completion=float(value["completion"]))
