"""TextRank, and what is merged because it says nearly the same."""

import random
import time
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from app.persona.repeats import merged
from app.persona.textrank import key_sentences, rank, share, weights_among
from app.persona.themes import Source
from tests.persona.given import NOW

WORDS = ["frost", "lemon", "tree", "heater", "clock", "choir", "letter"]


def a_source(text: str, hours: int = 1) -> Source:
    return Source(label="note", at=NOW - timedelta(hours=hours), text=text, is_memory=True)


@given(st.lists(st.sets(st.sampled_from(WORDS)), max_size=12))
def test_ranks_are_shares_of_one(nodes: list[set[str]]) -> None:
    ranks = rank(nodes, {})
    assert len(ranks) == len(nodes)
    assert all(value > 0 for value in ranks)
    assert not nodes or abs(sum(ranks) - 1) < 1e-9


def test_the_sentence_that_shares_most_with_the_others_ranks_first() -> None:
    nodes = [{"lemon", "tree"}, {"lemon", "frost"}, {"lemon", "tree", "frost"}, {"choir"}]
    ranks = rank(nodes, {})
    assert max(ranks) == ranks[2]
    assert min(ranks) == ranks[3]


def test_a_name_that_is_everywhere_counts_less_than_a_rare_word() -> None:
    weights = weights_among([a_source("Mira and the lemon"), a_source("Mira"), a_source("Mira")])
    assert weights["lemon"] > weights["mira"] > 0


def test_key_sentences_come_in_their_order_and_no_two_alike() -> None:
    texts = [
        "The lemon tree lost leaves in the frost.",
        "The choir sang an old song loudly.",
        "The lemon tree lost more leaves in the frost.",
        "Frost killed the leaves of the lettuce.",
    ]
    said = [quote.sentence for quote in key_sentences([a_source(text) for text in texts], 3)]
    assert said == sorted(said, key=texts.index)
    assert set(said) >= {texts[1], texts[3]}
    assert len(said) == 3
    assert key_sentences([], 3) == []


def test_what_may_not_be_quoted_gives_its_place_to_the_next() -> None:
    texts = ["The lemon tree lost leaves.", "Frost took leaves of the lettuce."]
    found = key_sentences([a_source(text) for text in texts], 1, lambda said: "lemon" not in said)
    assert [quote.sentence for quote in found] == [texts[1]]


def test_three_hundred_sentences_are_ranked_in_time() -> None:
    chance = random.Random(7)
    vocabulary = ["".join(chance.choices("bcdfgaeiou", k=6)) for _ in range(300)]
    texts = [" ".join(chance.choices(vocabulary, k=12)) for _ in range(500)]
    began = time.process_time()
    key_sentences([a_source(text) for text in texts], 5)
    assert time.process_time() - began < 5


def test_share_is_that_of_jaccard() -> None:
    assert share({"a", "b"}, {"b", "c"}) == 1 / 3
    assert share(set(), set()) == 0.0


def test_what_is_said_again_is_merged_and_counted() -> None:
    watered = "Watered the lemon tree and both trays of lettuce."
    sources = [
        a_source(watered, 50),
        a_source("Mira sang the whole evening.", 40),
        a_source("Watered the lemon tree and both trays of winter lettuce.", 26),
        a_source(watered, 2),
    ]
    single, (repeat,) = merged(sources)
    assert [source.at for source in repeat.said] == [s.at for s in (sources[0], *sources[2:])]
    assert single == [sources[1], sources[3]]


def test_what_contradicts_or_counts_otherwise_is_not_merged() -> None:
    pairs = [
        ("The heater in the greenhouse runs again.", "The heater in the greenhouse never runs."),
        ("The clock lost 4 minutes since noon.", "The clock lost 2 minutes since noon."),
        ("Mira sang the Fauré well.", "Mira didn't sing the Fauré well."),
    ]
    for one, other in pairs:
        assert merged([a_source(one, 9), a_source(other, 1)])[1] == []


def test_texts_that_share_only_their_telling_words_are_not_merged() -> None:
    one = a_source("The lemon tree has lost leaves since Friday.", 9)
    other = a_source(
        "We carried the lemon tree back as soon as we could, and it lost two leaves on the way.", 1
    )
    assert merged([one, other])[1] == []


def test_short_texts_are_never_merged() -> None:
    assert merged([a_source("Tea.", 9), a_source("Tea.", 1)])[1] == []
