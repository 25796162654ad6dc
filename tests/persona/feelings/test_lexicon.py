"""Our own lexicon is without fault, and anyone's lexicon is read with each fault explained."""

import pytest
from hypothesis import given
from hypothesis import settings as tried_with
from hypothesis import strategies as st

from app.persona.feelings import lexicon as module
from app.persona.feelings.affect import read_affect
from app.persona.feelings.lexicon import MOST_ROWS, english, read_lexicon
from app.persona.feelings.values import Affect

HEADER = "term,valence,arousal,dominance,forms,role,factor\n"


def test_our_own_lexicon_has_no_fault_and_says_whose_it_is() -> None:
    text = module._BUILT_IN.read_text(encoding="utf-8")
    assert "MIT" in "".join(text.splitlines()[:3])
    assert read_lexicon(text).problems == []
    rows = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert len([row for row in rows if row.count(",") <= 4]) > 600
    assert len(english().feelings) > 1500


def test_our_own_lexicon_covers_all_of_the_three_numbers() -> None:
    feelings = english().feelings.values()
    assert sum(one.valence > 0.2 for one in feelings) > 400
    assert sum(one.valence < -0.2 for one in feelings) > 400
    assert sum(one.arousal > 0.7 for one in feelings) > 50
    assert sum(one.arousal < 0.3 for one in feelings) > 50
    assert sum(one.dominance > 0.7 for one in feelings) > 30
    assert sum(one.dominance < 0.3 for one in feelings) > 100


def test_a_lexicon_of_another_language_brings_its_own_negations() -> None:
    read = read_lexicon(
        HEADER + "glücklich,0.8,0.6,0.6,glückliche|Glück\nnicht,,,,kein|nie mehr,negation,-0.5\n"
        "sehr,,,,,strength,1.5\naber,,,,,contrast\nich,,,,bin,filler\n"
    )
    assert read.problems == []
    assert read_affect("Ich bin sehr glücklich!", read.lexicon).affect.valence > 0.6
    assert read_affect("Ich bin nie mehr glücklich.", read.lexicon).affect.valence < 0
    assert read_affect("happy", read.lexicon).count == 0


def test_hyphens_and_capitals_of_a_term_mean_nothing() -> None:
    read = read_lexicon(HEADER + "Light-Hearted,0.5,0.5,0.5\n")
    assert read_affect("so light hearted", read.lexicon).count == 1
    assert read_affect("LIGHT-HEARTED", read.lexicon).count == 1


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("happy,2,0.5,0.5", "2.0 is not between -1 and 1"),
        ("happy,0.5,-0.1,0.5", "-0.1 is not between 0 and 1"),
        ("happy,much,0.5,0.5", "valence 'much' is not a number"),
        ("happy,nan,0.5,0.5", "valence 'nan' is not a number"),
        ("happy,0.5", "arousal '' is not a number"),
        (",0.5,0.5,0.5", "'' is not a term of one to 5 words"),
        ("a b c d e f,0.5,0.5,0.5", "is not a term of one to 5 words"),
        ("x" * 61 + ",0.5,0.5,0.5", "is not a term of one to 5 words"),
        ("not,,,,,negation,0.5", "the factor of a negation is -1 to 0, not 0.5"),
        ("not,,,,,negation", "factor '' is not a number"),
        ("so,,,,,strength,9", "the factor of a strength is 0.1 to 2, not 9"),
        ("so,,,,,louder,1", "'louder' is not a role; there are negation, strength"),
        ("a,0,0,0,,,,more", "it has 8 columns, at most 7 are known"),
        ('"a,0,0,0', "unexpected end of data"),
        ("good,0.1,0.5,0.5\ngood,0.9,0.5,0.5", "good stood in an earlier row already"),
    ],
)
def test_a_bad_row_is_left_out_and_explained(row: str, problem: str) -> None:
    read = read_lexicon(f"{HEADER}fine,0.3,0.4,0.5\n{row}\nglad,0.6,0.5,0.6\n")
    assert len(read.problems) == 1
    assert read.problems[0].startswith("line ")
    assert problem in read.problems[0]
    assert read.lexicon.feelings["fine",].valence == 0.3
    assert read.lexicon.feelings["glad",].valence == 0.6


def test_of_a_term_that_stands_twice_the_first_counts() -> None:
    read = read_lexicon(HEADER + "good,0.1,0.5,0.5\ngood,0.9,0.5,0.5\n")
    assert read.lexicon.feelings["good",].valence == 0.1


@pytest.mark.parametrize("text", ["", "\n\n", "happy,0.5,0.5,0.5", "word;valence", "\ufeff"])
def test_without_its_first_line_nothing_is_read(text: str) -> None:
    read = read_lexicon(text)
    assert read.lexicon.feelings == {}
    assert "the first line must be term,valence" in read.problems[0]


def test_too_many_rows_and_too_many_faults_are_said_in_short() -> None:
    read = read_lexicon(HEADER + "x\n" * 100)
    assert len(read.problems) == 21
    assert read.problems[-1] == "and 80 more lines"
    rows = "".join(f"w{n}x,0,0,0\n" for n in range(MOST_ROWS + 5))
    read = read_lexicon(HEADER + rows)
    assert len(read.lexicon.feelings) == MOST_ROWS
    assert read.problems == [f"line {MOST_ROWS + 2}: only {MOST_ROWS} rows are read"]


def test_one_lexicon_is_laid_over_another_term_by_term() -> None:
    own = read_lexicon(HEADER + "happy,-0.9,0.5,0.5\nzorbish,0.4,0.5,0.5\n").lexicon
    both = own.over(english())
    assert both.feelings["happy",] == Affect(valence=-0.9, arousal=0.5, dominance=0.5)
    assert read_affect("I am not zorbish.", both).affect.valence < 0
    assert read_affect("I am sad.", both).affect.valence < 0


@tried_with(deadline=None)
@given(st.one_of(st.text(), st.text().map(lambda text: HEADER + text)))
def test_any_text_is_read_without_raising(text: str) -> None:
    read_affect("happy " + text, read_lexicon(text).lexicon)
