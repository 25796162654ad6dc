"""How far negations reach: measured on sentences, half of which the rules were not written from."""

import pytest

from tests.persona.feelings.corpus import negations

LEAST_RIGHT = {"development": 31, "held_out": 44}


@pytest.mark.parametrize("part", sorted(LEAST_RIGHT))
def test_so_many_sentences_have_the_right_signs(part: str) -> None:
    right = [sample.is_read_right for sample in negations(part)]
    assert len(right) == 72
    assert sum(right) >= LEAST_RIGHT[part]


def test_no_sentence_is_in_both_halves() -> None:
    halves = ({sample.text for sample in negations(part)} for part in LEAST_RIGHT)
    assert not set.intersection(*halves)
