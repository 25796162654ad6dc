"""How far negations reach: rule by rule, and on sentences that the rules were not written from."""

from pathlib import Path

import pytest

from app.persona.feelings.affect import read_affect
from app.persona.feelings.lexicon import Role, english, read_lexicon
from tests.persona.feelings.corpus import negations

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "feelings.md"
LEAST_RIGHT = {"development": 72, "held_out": 68}
PLEASANT = {
    "and begins a predicate": "He did not bark and slept peacefully.",
    "and begins a clause": "Nothing broke and everyone was relieved.",
    "and joins unlike feelings": "I did not worry and enjoyed it.",
    "a contrast": "I had no time yet was happy.",
    "an end": "I did not mind because I was glad.",
    "that, behind another word": "She never told us that she was happy.",
    "a subject": "Instead of waiting for him she laughed.",
    "nor begins anew": "She was neither here nor unhappy.",
    "a double negation": "She never leaves without a smile.",
    "never and a comparison": "I never felt more loved.",
    "never and -er": "I never felt prouder.",
    "never and so, before": "I never felt so loved.",
    "never and so, behind": "I never laughed so much.",
    "nothing and a comparison": "Nothing is better than this.",
    "could not and a comparison": "I could not be more grateful.",
    "not and ever": "I do not think that I was ever so happy.",
    "never and worse, becoming": "It never got worse.",
    "a phrase that negates nothing": "There is no denying that it is lovely.",
    "a question": "Isn't it wonderful?",
}
UNPLEASANT = {
    "and joins like feelings": "The room was not warm and friendly.",
    "or": "She did not laugh or smile all day.",
    "and with a negation of its own": "There was no answer and no hope.",
    "an end right behind": "There is nothing that I love.",
    "that, behind to think": "I do not think that I was happy.",
    "a subject behind a filler": "Never have I been happy.",
    "a subject right behind": "There is nothing I love.",
    "not and a comparison": "I was not happier than before.",
    "not and so": "I was not so happy with it.",
    "never and better, becoming": "It never got better.",
    "never without a comparison": "I never was very happy.",
}


@pytest.mark.parametrize("part", sorted(LEAST_RIGHT))
def test_so_many_sentences_have_the_right_signs(part: str) -> None:
    right = [sample.is_read_right for sample in negations(part)]
    assert len(right) == 72
    assert sum(right) >= LEAST_RIGHT[part]


def test_no_sentence_is_in_both_halves() -> None:
    halves = ({sample.text for sample in negations(part)} for part in LEAST_RIGHT)
    assert not set.intersection(*halves)


@pytest.mark.parametrize("rule", PLEASANT)
def test_a_negation_ends_there_or_is_none(rule: str) -> None:
    assert read_affect(PLEASANT[rule], english()).affect.valence > 0.1


@pytest.mark.parametrize("rule", UNPLEASANT)
def test_a_negation_goes_on_there(rule: str) -> None:
    assert read_affect(UNPLEASANT[rule], english()).affect.valence < -0.1


def test_a_feeling_that_says_the_most_is_as_strong_as_without_a_negation() -> None:
    never, plain = (
        read_affect(text, english()).affect.valence
        for text in ("I was never so happy.", "I was, as ever, so happy.")
    )
    assert never == pytest.approx(plain, abs=0.05)


def test_a_negation_behind_a_negated_feeling_is_no_double_one() -> None:
    once, twice = (
        read_affect(text, english()).affect.valence
        for text in ("I am not sad.", "I am not sad not sad.")
    )
    assert twice >= once


def test_the_words_of_every_rule_are_those_of_the_lexicon() -> None:
    lexicon = read_lexicon(
        "term,valence,arousal,dominance,forms,role,factor\n"
        "froh,0.8,0.5,0.5,froher\ntraurig,-0.8,0.5,0.5\n"
        "nicht,,,,,negation,-0.5\nnoch,,,,,nor,-0.5\nnie,,,,,never,-0.5\nje,,,,,ever\n"
        "wurde,,,,,becoming\nfroher,,,,,comparison,1.2\nund,,,,,and\nweil,,,,,end\n"
        "ich,,,,,subject\nwar,,,,,filler\n"
    )
    assert lexicon.problems == []

    def valence(text: str) -> float:
        return read_affect(text, lexicon.lexicon).affect.valence

    assert valence("nie war ich froher") > 0 > valence("nie wurde ich froher")
    assert valence("nicht je war ich froher") > 0 > valence("nicht war ich froher")
    assert valence("nicht da und war traurig") < 0
    assert valence("nicht da weil traurig") < 0
    assert valence("nicht da ich traurig") < 0
    assert valence("nicht da traurig") > 0
    assert valence("nicht da noch froh") < 0


def test_the_page_has_the_figures_and_every_role() -> None:
    page = " ".join(PAGE.read_text(encoding="utf-8").split())
    right = {part: sum(one.is_read_right for one in negations(part)) for part in LEAST_RIGHT}
    assert f"of those {right['development']} have the right signs" in page
    assert f"it is {right['held_out']} of 72" in page
    for role in Role:
        assert f"`{role}`" in page.partition("| role |")[2].partition("Hyphens")[0]
