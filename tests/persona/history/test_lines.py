"""Two versions of a text, line by line: merged with a third, shown, attributed."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.persona.history.lines import (
    MOST_IN_ALL,
    MOST_LINES,
    MOST_SHOWN,
    attributed,
    is_text,
    merged,
    split,
    unified,
)

FIRST, SECOND, THIRD = b"# One\n\na\n", b"\n# Two\n\nb\n", b"\n# Three\n\nc\n"

texts = st.lists(st.sampled_from([b"a\n", b"b\n", b"\n", b"c"]), max_size=8).map(b"".join)


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "result"),
    [
        # an appended entry is taken out, the one after it stays
        (FIRST + SECOND, FIRST + SECOND + THIRD, FIRST, FIRST + THIRD),
        # the file itself was new
        (FIRST, FIRST + SECOND, None, SECOND),
        (FIRST, FIRST, None, None),
        # what was deleted comes back
        (None, None, FIRST, FIRST),
        # others changed other lines
        (b"a\nb\nc\n", b"A\nb\nc\n", b"a\nb\nC\n", b"A\nb\nC\n"),
        # others have taken it back already
        (FIRST + SECOND, FIRST, FIRST, FIRST),
        # anything but text is taken whole
        (b"\0new", b"\0new", b"\0old", b"\0old"),
    ],
)
def test_what_others_changed_since_stays(
    base: bytes | None, ours: bytes | None, theirs: bytes | None, result: bytes | None
) -> None:
    assert merged(base, ours, theirs) == (True, result)


@pytest.mark.parametrize(
    ("base", "ours", "theirs"),
    [
        (b"a\nb\n", b"a\nx\n", b"a\n"),
        (b"a\nc\n", b"a\nx\nc\n", b"a\nb\nc\n"),
        (b"\0new", b"\0newer", b"\0old"),
        (b"a\n", None, b"b\n"),
        (b"a\n", b"a\nb\n", b"\xff"),
        (None, b"a\n", b"b\n"),
    ],
)
def test_two_who_changed_the_same_lines_are_in_conflict(
    base: bytes | None, ours: bytes | None, theirs: bytes | None
) -> None:
    assert merged(base, ours, theirs) == (False, ours)


@given(base=texts, other=texts)
def test_taking_back_what_nobody_touched_gives_what_was_before(base: bytes, other: bytes) -> None:
    assert merged(other, other, base) == (True, base)


@given(base=texts, ours=texts, theirs=texts)
def test_a_merge_that_is_done_again_changes_nothing(
    base: bytes, ours: bytes, theirs: bytes
) -> None:
    possible, result = merged(base, ours, theirs)
    if possible and result == theirs:
        assert merged(base, result, theirs) == (True, result)


def test_a_difference_is_shown_in_unified_form() -> None:
    numbers = b"".join(b"%d\n" % n for n in range(1, 31))
    changed = numbers.replace(b"3\n", b"three\n", 1).replace(b"29\n", b"")
    assert unified(numbers, changed) == (
        "@@ -1,6 +1,6 @@\n 1\n 2\n-3\n+three\n 4\n 5\n 6\n"
        "@@ -26,5 +26,4 @@\n 26\n 27\n 28\n-29\n 30\n"
    )
    assert unified(None, b"a") == "@@ -0,0 +1,1 @@\n+a\n\\ No newline at end\n"
    assert unified(b"a\n", None) == "@@ -1,1 +0,0 @@\n-a\n"


def test_what_cannot_be_shown_by_lines_is_said_so() -> None:
    assert unified(b"\0", None) == "binary: 1 bytes before, nothing after\n"
    long = b"x\n" * (MOST_LINES + 1)
    assert unified(b"", long).startswith("too much to show")
    assert len(unified(b"", b"y" * 2 * MOST_SHOWN)) < MOST_SHOWN + 100


def test_each_line_is_ascribed_to_who_wrote_it_last() -> None:
    after = attributed(["a", "a", "a"], b"1\n2\n3\n", b"1\nnew\n3\n4\n", "b")
    assert after == ["a", "b", "a", "b"]


@given(text=texts)
def test_lines_put_together_are_the_text(text: bytes) -> None:
    assert b"".join(split(text)) == text


def test_lines_that_are_much_the_same_are_compared_in_no_time() -> None:
    old = b"first\n" + b"a\n" * 19_000 + b"last\n"
    new = b"FIRST\n" + b"a\nb\n" * 9_500 + b"LAST\n"
    began = time.process_time()
    unified(old, new)
    merged(old, new, new[:-1])
    assert time.process_time() - began < 10


def test_a_text_of_millions_of_lines_is_taken_whole() -> None:
    assert is_text(b"\n" * MOST_IN_ALL)
    long = b"\n" * (MOST_IN_ALL + 1)
    assert merged(long, long + b"x", b"y" + long) == (False, long + b"x")
    assert unified(b"", long).startswith("binary: ")
