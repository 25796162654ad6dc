import itertools
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.persona.errors import PersonaTooLong
from app.persona.llm.sse import LARGEST_EVENT, Event, EventReader

STREAM = (
    b"\xef\xbb\xbf: hello\n"
    b"event: greeting\r\n"
    b"data: one\r\n"
    b"data:two\r\n"
    b"data:  three\r\n"
    b"\r\n"
    b"id: 7\rdata: h\xc3\xa9llo \xe4\xbd\xa0\xe5\xa5\xbd\r\r"
    b"event: nothing\n\n"
    b"data\n\n"
    b"data: last\n"
)
EVENTS = [
    Event(name="greeting", data="one\ntwo\n three"),
    Event(data="héllo 你好"),
    Event(data=""),
    Event(data="last"),
]


def read(*pieces: bytes) -> list[Event]:
    reader = EventReader()
    events = [event for piece in pieces for event in reader.feed(piece)]
    return [*events, *reader.end()]


def test_events_are_read_by_the_rules_of_the_format() -> None:
    assert read(STREAM) == EVENTS


@given(st.lists(st.integers(1, len(STREAM) - 1), max_size=40))
def test_however_the_bytes_are_cut_the_events_are_the_same(cuts: list[int]) -> None:
    places = [0, *sorted(set(cuts)), len(STREAM)]
    assert read(*(STREAM[a:b] for a, b in itertools.pairwise(places))) == EVENTS


def test_one_byte_after_the_other_gives_the_same_events() -> None:
    assert read(*(STREAM[n : n + 1] for n in range(len(STREAM)))) == EVENTS


def test_an_event_is_given_out_as_soon_as_its_blank_line_has_come() -> None:
    reader = EventReader()
    assert reader.feed(b"data: now\n") == []
    assert reader.feed(b"\n") == [Event(data="now")]


def test_a_damaged_character_costs_only_itself() -> None:
    assert read(b"data: a\xffb\n\n") == [Event(data="a\ufffdb")]


@pytest.mark.parametrize("part", [b"x" * 65536, b"data: x\n" * 8192, b": x\n\r" * 1])
def test_an_event_without_end_is_given_up(part: bytes) -> None:
    reader = EventReader()
    tracemalloc.start()
    try:
        if part.startswith(b":"):
            for _ in range(10_000):
                assert reader.feed(part) == []
        else:
            with pytest.raises(PersonaTooLong):
                for _ in range(LARGEST_EVENT // len(part) * 10):
                    reader.feed(part)
        assert tracemalloc.get_traced_memory()[1] < 16 * LARGEST_EVENT
    finally:
        tracemalloc.stop()
