"""What a text quotes, and what it says itself."""

import time

import pytest
from hypothesis import given
from hypothesis import settings as tried_with
from hypothesis import strategies as st

from app.persona.feelings.quotations import without_quotations


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("He said “I hate it” and left.", 'He said "" and left.'),
        ('He said "I hate it" and left.', 'He said "" and left.'),
        ("He said «I hate it» and left.", 'He said "" and left.'),
        ("He said »I hate it« and left.", 'He said "" and left.'),
        ("He said „I hate it“ and left.", 'He said "" and left.'),
        ("“One” and “two”, she said.", '"" and "", she said.'),
        ("She said:\n> I hate it\n> so much\nand left.", 'She said:\n""\n""\nand left.'),
        ("Notes:\n- > I hate it\n2. > so much", 'Notes:\n""\n""'),
        ("- “I hated this day.” (note, 26 October)", '- "" (note, 26 October)'),
        ("a “quotation\nover two lines” of it", 'a "" of it'),
    ],
)
def test_quotations_are_left_out(text: str, own: str) -> None:
    assert without_quotations(text) == own


@pytest.mark.parametrize(
    "text",
    [
        "It's mine, and the dogs' too.",
        "An unfinished “quotation\n\nends with its paragraph”.",
        'A 5" pipe is not a 6" pipe.',
        "1 > 0 and a -> b",
        "",
    ],
)
def test_all_else_stays(text: str) -> None:
    assert without_quotations(text) == text


@pytest.mark.parametrize("text", ["“I am happy.”", "> I am happy.\n> So happy.", '"Yes." "No."'])
def test_a_text_that_is_nothing_but_quotations_says_what_they_say(text: str) -> None:
    assert without_quotations(text) == text


@tried_with(deadline=None)
@given(st.text(alphabet="ab“”„«»\"'> -\n1.", max_size=60))
def test_it_only_takes_away(text: str) -> None:
    own = without_quotations(text)
    assert len(own) <= len(text) + text.count(">") + text.count('"')
    assert set(own) <= {*text, '"'}


@pytest.mark.parametrize("sign", ["“", "„", "«", "»", '"', '"a', "> ", "\n \n", "“”", "„«“"])
def test_the_time_grows_with_the_text_and_not_faster(sign: str) -> None:
    """Four times the text takes about four times as long; a quadratic search would take sixteen."""

    def seconds(size: int) -> float:
        text = (sign * (size // len(sign) + 1))[:size]
        best = float("inf")
        for _ in range(3):
            began = time.process_time()
            without_quotations(text)
            best = min(best, time.process_time() - began)
        return best

    assert seconds(200_000) < 9 * seconds(50_000) + 0.02
