"""One's own data beside a task or a memory: kept as it is, within bounds."""

from typing import Any

import pytest

from app.core.own_data import DEEPEST, MOST_BYTES, MOST_VALUES, check_own_data


def nested(levels: int) -> Any:
    data: Any = 1
    for _ in range(levels):
        data = [data]
    return {"a": data}


def many(values: int) -> dict[str, Any]:
    return {"list": [0] * (values - 2), "object": {"a": 1}}


@pytest.mark.parametrize(
    "data", [{}, nested(DEEPEST - 1), many(MOST_VALUES - 1), {"a": "x" * (MOST_BYTES - 8)}]
)
def test_what_is_within_the_bounds_is_taken(data: dict[str, Any]) -> None:
    check_own_data(data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (nested(DEEPEST), "nests deeper"),
        (nested(100_000), "nests deeper"),
        (many(MOST_VALUES), "more than 1000 values"),
        ({"a": "x" * (MOST_BYTES - 7)}, "65536 bytes"),
        ({"a": {"k" * 201: 1}}, "200 characters"),
        ({"a": object()}, "JSON"),
    ],
)
def test_what_is_beyond_them_is_refused_in_words(data: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_own_data(data)
