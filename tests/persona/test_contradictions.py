"""Which statements may contradict each other: rather none is found than a wrong one."""

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from app.core.instants import read_instant
from app.persona.contradictions import contradictions
from app.persona.themes import Source
from tests.persona.given import NOW

LIFE = Path(__file__).parent / "golden" / "memories.jsonl"
DAY = timedelta(days=1)
CONTRARY = [
    ("I prefer tea in the morning.", "I do not like tea any more."),
    ("I like tea.", "I hate tea."),
    ("I like tea.", "I don’t like tea."),
    ("I love tea in the morning.", "I no longer love tea."),
    ("I prefer tea to coffee.", "I don't like tea."),
    ("Mira loves the Fauré.", "Mira no longer likes the Fauré."),
    ("Tilo does not like milk.", "Now Tilo likes milk."),
    ("I never avoid people.", "I avoid people."),
    ("I don't trust the heater.", "I trust the heater."),
    ("I like to swim in winter.", "I don't like to swim."),
    ("Frost kills the winter lettuce.", "Frost does not kill the winter lettuce."),
    ("Close isobars mean strong wind.", "Close isobars don't mean strong wind."),
    ("The lemon tree hates frost.", "The lemon tree never hates frost."),
    ("I like tea.", "I do not like tea because it burns."),
    ("Lettuce grows without light.", "Lettuce does not grow without light."),
]
AT_ONE = [
    ("I like tea.", "I like tea."),
    ("I no longer like tea.", "I do not like tea."),
    ("I like tea.", "I don't like tea in the evening."),
    ("I like tea in the morning.", "I don't like tea in the evening."),
    ("I like green tea.", "I do not like tea with milk."),
    ("I prefer tea to coffee.", "I do not like coffee."),
    ("I like soup but not bread.", "I do not like bread."),
    ("I like tea.", "Mira does not like tea."),
    ("I like it.", "I do not like it."),
    ("She likes tea.", "She hates tea."),
    ("Nobody likes tea.", "Nobody hates tea."),
    ("I would like tea.", "I do not like tea."),
    ("I liked tea.", "I do not like tea."),
    ("Do I like tea?", "I do not like tea."),
    ('Mira said: "I like tea."', "I do not like tea."),
    ('I like tea, says the "Garden".', "I do not like tea."),
    ("I like tea without milk.", "I do not like tea."),
    ("I do not prefer tea to coffee.", "I like tea."),
    ("I do not like tea when warm.", "I like tea."),
    ("Frost kills the winter lettuce?", "Frost does not kill the winter lettuce."),
    ("I am happy about the garden.", "I am not happy about the garden."),
    ("The heater runs.", "The heater does not run."),
    ("The heater runs all night today.", "The heater does not run all night today."),
    ("Answer from the maker.", "No answer from the maker."),
    ("The heater failed in the greenhouse.", "The heater never failed in the greenhouse."),
    ("The lamp blinks 2 times a minute.", "The lamp does not blink 3 times a minute."),
    ("It strikes the right hour.", "It does not strike the right hour."),
    ("I like this.", "I don't like this."),
    ("I like this room.", "I don't like this room."),
    ("This room is warm and dry.", "This room is not warm and dry."),
    ("Karl helps Anna gladly.", "Anna never helps Karl gladly."),
    ("Karl helps Anna.", "Anna never helps Karl."),
    ("Frost kills moss in winter.", "Moss never kills frost in winter."),
]


def said(*texts: str) -> list[Source]:
    return [
        Source(label="note", at=NOW + number * DAY, text=text, is_memory=True)
        for number, text in enumerate(texts)
    ]


def found(*speakers: Sequence[Source], days: float = 0) -> list[tuple[str, str]]:
    pairs = contradictions(speakers, NOW + days * DAY)
    return [(pair.earlier.sentence, pair.later.sentence) for pair in pairs]


@pytest.mark.parametrize("pair", CONTRARY)
def test_these_may_contradict_each_other(pair: tuple[str, str]) -> None:
    assert found(said(*pair)) == [pair]
    assert found(said(*pair[::-1])) == [pair[::-1]]


@pytest.mark.parametrize("pair", AT_ONE)
def test_these_do_not(pair: tuple[str, str]) -> None:
    assert found(said(*pair)) == []


def test_only_what_was_said_since_is_new_and_the_newest_comes_first() -> None:
    sources = said("I like tea.", "I hate tea.", "I like tea.", "I love tea.", "I hate rain.")
    assert found(sources) == [("I hate tea.", "I like tea."), ("I like tea.", "I hate tea.")]
    assert found(sources, days=1.5) == [("I hate tea.", "I like tea.")]
    assert found(sources, days=2.5) == []


def test_each_speaker_is_compared_only_with_itself() -> None:
    one, other = said("I like tea.", "I hate tea.")
    assert found([one], [other]) == []
    assert found([one, other]) == [(one.text, other.text)]


def test_in_one_memory_nothing_contradicts_itself() -> None:
    assert found(said("I like tea. I do not like tea.")) == []


def test_ten_days_of_life_contradict_themselves_nowhere() -> None:
    lines = [json.loads(line) for line in LIFE.read_text(encoding="utf-8").splitlines()]
    sources = [
        Source(label=one["kind"], at=read_instant(one["at"]), text=one["text"], is_memory=True)
        for one in lines
    ]
    assert len(sources) == 200
    assert found(sources, days=-9999) == []
