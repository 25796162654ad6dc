"""What comes first, and what is nearly the same."""

from datetime import timedelta

from app.persona.memory.ranking import (
    HALF_LIFE,
    Distinct,
    blend,
    relative,
    standing_out,
    together,
)
from app.persona.memory.terms import MOST_WORDS, query_words, words_of


def test_the_score_is_three_quarters_relevance_and_one_quarter_recency() -> None:
    assert blend(1.0, timedelta(0)) == 1.0
    assert blend(0.0, timedelta(0)) == 0.25
    assert blend(1.0, HALF_LIFE) == 0.875
    assert blend(0.0, HALF_LIFE * 2) == 0.0625
    assert blend(1.0, timedelta(days=-1)) == 1.0
    assert blend(1.0, timedelta(0), scheduled=True) == 0.625


def test_scores_are_shares_of_the_best() -> None:
    assert relative({"a": 4.0, "b": 1.0, "c": -1.0}) == {"a": 1.0, "b": 0.25, "c": 0.0}
    assert relative({"a": 0.0}) == {"a": 1.0}
    assert relative({}) == {}


def test_what_is_nearly_the_same_is_left_out() -> None:
    distinct = Distinct()
    story = "Ada came by in the morning and we planted the last tomatoes of this year together"
    assert distinct.is_new(story)
    assert not distinct.is_new(story.upper() + "!")
    assert not distinct.is_new(story + " again")
    assert distinct.is_new("Ada came by in the evening and we ate the first tomatoes together")
    assert distinct.is_new("Tea.")
    assert not distinct.is_new("tea")
    assert distinct.is_new("Coffee.")
    assert distinct.is_new("?")
    assert not distinct.is_new("!")
    assert list(Distinct().of(["a b c d", "A b c d", "e"], str)) == ["a b c d", "e"]


def test_only_what_comes_nearer_than_the_average_stands_out() -> None:
    assert standing_out({1: 0.7, 2: 0.7, 3: 0.71}) == {}
    assert standing_out({}) == {}
    shares = standing_out({1: 0.9, 2: 0.3, 3: 0.3, 4: 0.3})
    assert shares[1] == 1.0
    assert shares[2] == 0.0


def test_words_and_meaning_count_alike_where_both_are_known() -> None:
    assert together({1: 1.0, 2: 0.5}, {1: 0.5, 3: 0.8}) == {1: 0.75, 2: 0.5, 3: 0.4}


def test_words_are_folded_and_bare_of_accents() -> None:
    assert list(words_of("Größe, Ω! don't CAFÉ_2 x²")) == [
        *("grosse", "ω", "don", "t", "cafe", "2", "x2")
    ]
    assert list(words_of("東京へ 猫 abc東京x")) == ["東京", "京へ", "猫", "abc", "東京", "x"]
    assert list(words_of("한국어")) == ["한국어"]
    assert [len(word) for word in words_of("x" * 100)] == [64]


def test_a_query_is_at_most_so_many_different_words() -> None:
    many = query_words(" ".join(f"w{n} w{n}" for n in range(100)))
    assert many == [f"w{n}" for n in range(MOST_WORDS)]
