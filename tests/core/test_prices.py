import pytest

from app.core.errors import BadJson
from app.core.prices import Price, read_prices


def test_prices_are_read_and_tokens_cost_their_millionth() -> None:
    prices = read_prices(
        b'{"big": {"prompt": 2.5, "completion": 10}, "free": {"prompt": 0, "completion": 0}}'
    )
    assert prices == {
        "big": Price(prompt=2.5, completion=10.0),
        "free": Price(prompt=0.0, completion=0.0),
    }
    assert prices["big"].of(1_000_000, 100_000) == 3.5
    assert prices["big"].of(1, 1) == 0.000013
    assert prices["free"].of(10**9, 10**9) == 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[]", "one object"),
        ("{", "line 1"),
        ('{"m": 5}', "'m' needs"),
        ('{"m": {"prompt": 1}}', "'m' needs"),
        ('{"m": {"prompt": 1, "completion": 2, "cache": 3}}', "nothing else"),
        ('{"m": {"prompt": "1", "completion": 2}}', "`prompt` of 'm'"),
        ('{"m": {"prompt": 1, "completion": -2}}', "`completion` of 'm'"),
        ('{"m": {"prompt": true, "completion": 2}}', "`prompt` of 'm'"),
        ('{"m": {"prompt": NaN, "completion": 2}}', "NaN"),
    ],
)
def test_a_wrong_table_says_what_is_wrong(text: str, told: str) -> None:
    with pytest.raises(BadJson, match=told):
        read_prices(text.encode())
