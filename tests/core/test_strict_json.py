"""One reader for files and bodies: what it takes and what it refuses."""

import pytest

from app.core.errors import BadJson
from app.core.strict_json import loads

MIB = 1024 * 1024


def test_ordinary_json_is_read() -> None:
    assert loads('{"a": [1, 2.5, null, "ü"], "b": {"c": true}}', most_bytes=MIB) == {
        "a": [1, 2.5, None, "ü"],
        "b": {"c": True},
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("NaN", "NaN"),
        ('{"a": Infinity}', "Infinity"),
        ("[-Infinity]", "Infinity"),
        ('{"a": 1, "a": 2}', "twice"),
        ('{"x": {"a": 1, "a": 2}}', "twice"),
        ('"\\ud800"', "surrogate"),
        ('{"a": "\\udfff"}', "surrogate"),
        ('{"\\ud800": 1}', "surrogate"),
        ('{"a": [["\\ud800"]]}', "surrogate"),
        ('["\\u0000"]', "U+0000"),
        ('{"\\u0000": 1}', "U+0000"),
        ('{"a": "caf\\u00e9 \\u0000"}', "U+0000"),
        ("[" * 33 + "]" * 33, "deeper"),
        ("[" * 60_000, "deeper"),
        ('{"a":' * 60_000, "deeper"),
        (str(2**63), "64 bits"),
        (str(-(2**63) - 1), "64 bits"),
        ("9" * 100_000, "64 bits"),
        ("1e400", "too large"),
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        ("{'a': 1}", "Expecting property name"),
        ("\ufeff{}", "byte order mark"),
        ("[1,]", ""),
        ("{} {}", "Extra data"),
    ],
)
def test_what_could_lose_data_or_a_worker_is_refused_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(BadJson, match=r".+") as caught:
        loads(text, most_bytes=MIB)
    assert reason in caught.value.detail


@pytest.mark.parametrize("data", [b"\xff\xfe{\x00}\x00", b'{"a": "\xc3"}', b"\xef\xbb\xbf{}"])
def test_bytes_that_are_not_plain_utf8_are_refused(data: bytes) -> None:
    with pytest.raises(BadJson):
        loads(data, most_bytes=MIB)


def test_brackets_in_strings_do_not_count_as_depth() -> None:
    assert loads('"' + "[" * 1000 + '"', most_bytes=MIB) == "[" * 1000
    assert loads('["\\"' + "[" * 100 + '"]', most_bytes=MIB) == ['"' + "[" * 100]


def test_32_levels_and_the_largest_integers_are_read() -> None:
    loads("[" * 32 + "]" * 32, most_bytes=MIB)
    assert loads(f"[{2**63 - 1}, {-(2**63)}]", most_bytes=MIB) == [2**63 - 1, -(2**63)]


def test_more_bytes_than_allowed_are_refused_unread() -> None:
    with pytest.raises(BadJson, match="at most 10"):
        loads(b" " * 11, most_bytes=10)
    with pytest.raises(BadJson, match="at most 10"):
        loads("ü" * 6, most_bytes=10)
