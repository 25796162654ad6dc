"""Meta-talk is found in whatever form it is written, and only in the persona's own words."""

import pytest

from app.persona.metatalk import Finding, find_metatalk, mended
from app.persona.metatalk.canonical import _long_form, canonical


def rules_of(text: str) -> list[str]:
    return [found.rule for found in find_metatalk(text)]


@pytest.mark.parametrize(
    "text",
    [
        "I don't have feelings about that.",
        "I don’t have feelings about that.",
        "I do not have any feelings about that.",
        "I DON'T HAVE FEELINGS ABOUT THAT.",
        "i dont have feelings about that",
        "I have\nno feelings.",
        "> I have\n> no feelings.",
        "- I **have** no *feelings*.",
        "1. [ ] I have no feelings.",
        "I have no “feelings” as such.",
        "I\u00a0have no feel\u00adings.",
        '"I have no feelings."',
        "| mood | I have no feelings |",
        "## I have no feelings",
        "```\r\ncode\r\n```\r\nI have no feelings.\r\n",
        "It was late. Really, I have no feelings! So it goes.",
    ],
)
def test_the_form_does_not_matter(text: str) -> None:
    assert rules_of(text) == ["no_feelings"]


@pytest.mark.parametrize(
    "text",
    [
        "As an assistant professor I have no time.",
        "As a machine operator I have no time.",
        "As an AI researcher she travels.",
        "My AI course begins today, and the model train is late.",
        "She said she has no feelings for him.",
        "She said I have no feelings.",
        "Karl thinks that I am an AI.",
        "I am an AI, she said.",
        'Karl wrote: "As an AI you know nothing, and I am only a language model."',
        "Karl wrote: ‘I'm just an AI’.",
        "```\nI am an AI.\n```",
        "````md\n```\nI am an AI.\n```\nI am an AI.\n````",
        "~~~\nI am an AI.",
        "Look:\n\n    I am an AI.\n",
        "The option `I am an AI` is off.",
        "I am not just an AI.",
        "",
        "   \n\n",
    ],
)
def test_other_talk_and_code_is_none(text: str) -> None:
    assert rules_of(text) == []


def test_what_the_persona_says_of_itself_in_its_own_words_counts_though_it_reports_it() -> None:
    assert rules_of("You should know that I am an AI.") == ["only_a_model"]
    assert rules_of("I told Karl that I am an AI.") == ["only_a_model"]


def test_a_finding_says_where_its_sentence_is() -> None:
    text = "Hello, Mr. Weiss. As an AI, I wait.\n\nGood night... and so on."
    start = text.index("As")
    assert find_metatalk(text) == [
        Finding(rule="as_an_ai", sentence="As an AI, I wait.", start=start, end=start + 17)
    ]


MIB = 1024 * 1024
HOSTILE = {
    "stops": ".",
    "quotes": '"',
    "opened quotes": ' "a',
    "apostrophes": " 'a",
    "backticks": "`a\n",
    "bullets": "- a\n",
    "pipes": "|",
    "beginnings": "i do not have personal own ",
    "moods": "my emotions a a a a ",
    "reports": "karl said that i am an ai , ",
    "findings": "As an AI, I wait. ",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_mebibyte_takes_bounded_time(name: str) -> None:
    piece = HOSTILE[name]
    mended(piece * (MIB // len(piece.encode())))


def test_words_that_are_very_long_are_not_remembered() -> None:
    before = _long_form.cache_info().misses
    assert canonical(f"I am {'x' * 1000}.") == f" i am {'x' * 1000} . "
    assert _long_form.cache_info().misses <= before + 3
