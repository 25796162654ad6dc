"""The inner view is found however a model decorates it, and nothing else of the answer goes."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as tried_with
from hypothesis import strategies as st

from app.persona.feelings.assessment import Inner, take_assessment

MARKER = "[Internal Emotional Assessment]"
LINES = """What is present: a quiet curiosity
Strength: 0.4
Source: the talk about the garden
Emerging desires: to learn the names of birds"""
NUMBERS = "valence: 0.3\narousal: 0.4\ndominance: 0.6"


def inner_of(text: str) -> Inner:
    inner = take_assessment(text)[1]
    assert inner is not None
    return inner


@pytest.mark.parametrize(
    "marker",
    [
        MARKER,
        MARKER.lower(),
        MARKER.upper(),
        f"**{MARKER}**",
        f"__{MARKER}__",
        f"### {MARKER}",
        f"## **{MARKER}**",
        f"“{MARKER}”",
        f'"{MARKER}"',
        f"> {MARKER}",
        f"{MARKER}:",
        f"**{MARKER}:**",
        f"- {MARKER}",
        f"`{MARKER}`",
        "[ Internal  Emotional Assessment ]",
        "[**Internal Emotional Assessment**]",
        "Internal Emotional Assessment",
        "**Internal Emotional Assessment:**",
        "## Internal emotional assessment",
    ],
)
@pytest.mark.parametrize("after", ["\n", "\n\n", "\r\n"])
def test_the_marker_is_known_in_every_dress(marker: str, after: str) -> None:
    visible, inner = take_assessment(f"Before.\n\n{marker.lstrip('- ')}{after}{LINES}\n\nAfter.")
    assert visible == "Before.\n\nAfter."
    assert inner is not None
    assert inner.prose["present"] == "a quiet curiosity"
    assert inner.strength == 0.4


@pytest.mark.parametrize(
    ("text", "visible"),
    [
        (f"{MARKER}\n{LINES}", ""),
        (f"{MARKER}\n{LINES}\n\nThe answer.", "The answer."),
        (f"The answer.\n\n{MARKER}\n{LINES}", "The answer."),
        (f"The answer.\n\n{MARKER}\n{LINES}\n", "The answer."),
        (f"The answer. {MARKER}\n{LINES}", "The answer."),
        (f"The answer. **{MARKER}**\n{LINES}\n\nMore.", "The answer.\n\nMore."),
        (f"**{MARKER}\n{LINES}**\n\nThe answer.", "The answer."),
        (f"{MARKER}\n\n" + LINES.replace("\n", "\n\n") + "\n\nThe answer.", "The answer."),
        (f"{MARKER}\n{LINES}\n# Today\n\nThe answer.", "# Today\n\nThe answer."),
        (f"{MARKER}\n{LINES}\n**Today**\nThe answer.", "**Today**\nThe answer."),
        (f"{MARKER}\n{LINES}\n[Response]\nThe answer.", "[Response]\nThe answer."),
        (f"{MARKER}\n{NUMBERS}\nThe answer.", "The answer."),
        (f"{MARKER}\n{NUMBERS}\n\n{LINES}\n\nThe answer.", "The answer."),
        (f"{MARKER}\n{LINES}\n{NUMBERS}\nThe answer.", "The answer."),
        (f"{MARKER}\n{LINES}\n\nSource: a letter.", "Source: a letter."),
        (f"{MARKER}\n{LINES}\nThe answer.", "The answer."),
        (f"{MARKER}\n{LINES}\n  and rest\n\nThe answer.", "The answer."),
        (f"{MARKER}\n{LINES}\nand of trees.\n\nThe answer.", "The answer."),
        (f"{MARKER}\nA quiet curiosity, moderate.\n\nThe answer.", "The answer."),
        (f"{MARKER}\n- A quiet curiosity\n- moderate\n\nThe answer.", "The answer."),
        (f"{MARKER} A quiet curiosity.\n\nThe answer.", "The answer."),
        (f"{MARKER}\nThe answer.", "The answer."),
        (f"{MARKER}\n\nThe answer.\n\nMore.", "More."),
        (f"{MARKER}", ""),
        (f"The answer.\n{MARKER}\n", "The answer."),
        (
            f"{MARKER}\nFree.\n\nWords.\n[/Internal Emotional Assessment]\nThe answer.",
            "The answer.",
        ),
        (f"{MARKER}\nFree.\n\nWords.\n[/...]\nThe answer.", "The answer."),
        (f"{MARKER}\nFree.\n\nWords. [/assessment]\n\nThe answer.", "The answer."),
        (f"{MARKER}\nFree.\n\nWords.\n**[End of Assessment]**\n\nThe answer.", "The answer."),
        (f"{MARKER}\n{LINES}\n\n[b]Bold[/b]", "[b]Bold[/b]"),
        (f"---\n{MARKER}\n{LINES}\n---\n\nThe answer.", "The answer."),
        (f"The answer.\n\n---\n\n{MARKER}\n{LINES}", "The answer."),
        (f"The answer.\n\n---\n{MARKER}\n{LINES}\n---\n\nMore.", "The answer.\n\n---\n\nMore."),
        (f"```\n{MARKER}\n{LINES}\n\nvalence: 0.1\n```\n\nThe answer.", "The answer."),
        (f"{MARKER}\n{LINES}\n\nOne.\n\n{MARKER}\n{NUMBERS}\n\nTwo.", "One.\n\nTwo."),
        (
            f"1. One\n2. Two\n\n{MARKER}\n1. What is present: calm\n2. Strength: low",
            "1. One\n2. Two",
        ),
        ('```assessment\n{"valence": 0.2}\n```\nThe answer.', "The answer."),
        ('The answer.\n```assessment {"valence": 0.2}```', "The answer."),
        ('The answer.\n\n```assessment\n{"valence": 0.2', "The answer."),
        (f'{MARKER}\n```json\n{{"valence": 0.2}}\n```\nThe answer.', "The answer."),
        (f'{MARKER}\n{{\n  "valence": 0.2,\n  "arousal": 0.2\n}}\nThe answer.', "The answer."),
        (f"{MARKER}\n| valence | 0.3 |\n| arousal | 0.4 |\n\nThe answer.", "The answer."),
    ],
)
def test_the_block_goes_and_nothing_of_it_remains(text: str, visible: str) -> None:
    assert take_assessment(text)[0] == visible


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "The answer.",
        "An internal emotional assessment is a habit of mine.\n\nIt helps.",
        "I call it [Internal Emotional Assessment] and like it.",
        f"“{MARKER}” is the marker that I was asked for.",
        "## Internal emotional assessment\n\nToday I noticed the rain. It was good.\n\nMore.",
        "Internal emotional assessment:\nToday I noticed the rain.",
        f"```python\nMARKER = '{MARKER}'\nvalence: 0.3\n```\n\nThe answer.",
        f"```\ncode\n{MARKER}\nvalence: 0.3\n```",
        "Valence: 0.3\nArousal: 0.4",
        "Source: the radio\n\nEmerging desires: none.",
        '```json\n{"valence": 0.2}\n```',
        "```assessments\nvalence: 0.3\n```",
        "~~~\nunclosed [Internal Emotional\nAssessment]",
    ],
)
def test_an_answer_without_a_block_is_left_as_it_is(text: str) -> None:
    assert take_assessment(text) == (text, None)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("valence: 0.3", {"valence": 0.3}),
        ("Valence: +.3", {"valence": 0.3}),
        ("VALENCE = −0.3", {"valence": -0.3}),
        ("valence -0.3", {"valence": -0.3}),
        ("valence – 0.3", {"valence": 0.3}),
        ("- **Valence:** 0,3", {"valence": 0.3}),
        ("* **Valence**: `-0.25`", {"valence": -0.25}),
        ("Valence (-1..1): 0.3", {"valence": 0.3}),
        ("valence is 1", {"valence": 1.0}),
        ("arousal: 70 %", {"arousal": 0.7}),
        ("arousal: 7/10", {"arousal": 0.7}),
        ("dominance: 3 out of 4", {"dominance": 0.75}),
        ("arousal: very low", {"arousal": 0.1}),
        ("dominance: high", {"dominance": 0.75}),
        ("valence: slightly positive", {"valence": 0.2}),
        ("valence: 0.3, arousal: 0.6; dominance: 0.5", {"valence": 0.3, "arousal": 0.6}),
        ("VAD: valence 0.3 arousal 0.6", {"valence": 0.3, "arousal": 0.6}),
        ("valence: 7", {"valence": None}),
        ("arousal: -0.2", {"arousal": None}),
        ("dominance: 7/0", {"dominance": None}),
        ("valence: nan", {"valence": None}),
        ("valence: 0.3x", {"valence": None}),
        ("What’s present: calm", {"valence": None}),
    ],
)
def test_numbers_are_read_as_they_are_written(line: str, expected: dict[str, Any]) -> None:
    inner = inner_of(f"{MARKER}\n{line}")
    assert {name: getattr(inner, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("said", "strength"),
    [
        ("0.4", 0.4),
        ("1", 1.0),
        ("7", 0.7),
        ("7/10", 0.7),
        ("40%", 0.4),
        ("11", None),
        ("Moderate, steady", 0.5),
        ("very strong", 0.9),
        ("like rain", None),
    ],
)
def test_a_strength_is_a_number_or_a_word(said: str, strength: float | None) -> None:
    assert inner_of(f"{MARKER}\nPresent: calm\nIntensity: {said}").strength == strength


def test_prose_is_kept_by_what_it_answers_and_may_run_over_lines() -> None:
    inner = inner_of(
        f"{MARKER}\n**What is present:** a quiet\n  curiosity\nStrength: moderate\n"
        "- Source - the talk about\nthe garden\nEmerging desires: to learn\n\nThe answer."
    )
    assert inner.prose == {
        "present": "a quiet curiosity",
        "strength": "moderate",
        "source": "the talk about the garden",
        "desires": "to learn",
    }


def test_a_fence_of_json_is_read() -> None:
    visible, inner = take_assessment(
        'One.\n\n```assessment\n{"valence": 0.2, "arousal": 1, "dominance": 5,\n'
        '"strength": "7/10", '
        '"What is present": "calm", "emerging_desires": ["rest", "tea"], "other": {}}\n```\n\nTwo.'
    )
    assert visible == "One.\n\nTwo."
    assert inner is not None
    assert (inner.valence, inner.arousal, inner.dominance) == (0.2, 1.0, None)
    assert inner.prose == {"present": "calm", "strength": "7/10", "desires": "rest, tea"}


@pytest.mark.parametrize("broken", ['{"valence": 0.2', "{'valence': 1}", "[1]", '{"a": NaN}', ""])
def test_a_fence_of_broken_json_goes_all_the_same(broken: str) -> None:
    assert take_assessment(f"One.\n```assessment\n{broken}\n```\nTwo.")[0] == "One.\n\nTwo."


def test_of_several_blocks_the_last_one_that_says_something_counts() -> None:
    text = f"{MARKER}\nvalence: 0.1\n\nOne.\n\n{MARKER}\nvalence: 0.2\n\n{MARKER}\n# Two"
    visible, inner = take_assessment(text)
    assert visible == "One.\n\n# Two"
    assert inner is not None
    assert inner.valence == 0.2


def test_a_block_without_end_is_no_longer_than_sixty_lines() -> None:
    free = [f"line {number}" for number in range(70)]
    text = "\n".join([MARKER, *free, "[/assessment]"])
    assert take_assessment(text)[0] == "\n".join([*free[60:], "[/assessment]"])


PIECES = st.sampled_from(
    [
        MARKER,
        f"**{MARKER}**",
        "Internal Emotional Assessment:",
        *("valence: 0.3", "arousal: x", "Source: rain", "- Strength: 0.4", '"valence": 0.1,'),
        *("```", "```assessment", "{", "}", "", " ", "---", "# Heading", "**bold**", "“"),
        *("[/assessment]", "[/...]", "The answer.", "and more"),
    ]
)


@tried_with(deadline=None, max_examples=400)
@given(st.lists(st.one_of(PIECES, st.text(max_size=20)), max_size=14).map("\n".join))
def test_it_never_raises_and_never_makes_anything_up(text: str) -> None:
    visible, inner = take_assessment(text)
    lines = [line.strip() for line in text.split("\n")]
    assert all(
        line.strip() in lines or any(line.strip() in whole for whole in lines)
        for line in visible.split("\n")
    )
    if inner is None:
        return
    assert inner.valence is None or -1 <= inner.valence <= 1
    for value in (inner.arousal, inner.dominance, inner.strength):
        assert value is None or 0 <= value <= 1


@tried_with(deadline=None)
@given(st.text(), st.text())
def test_any_answer_around_a_labelled_block_stays(before: str, after: str) -> None:
    before, after = (
        " ".join(text.split()).strip("-*_=#`~>[]{}\"'“”‘’«» ") for text in (before, after)
    )
    text = f"{before}\n\n{MARKER}\n{LINES}\n\n{after}"
    assert take_assessment(text)[0] == "\n\n".join(part for part in (before, after) if part)


HOSTILE = {
    "markers": f"{MARKER}\n",
    "markers in a line": f"{MARKER} ",
    "blocks": f"{MARKER}\nvalence: 0.1\nx\n\n",
    "open fences": "```x\n",
    "fences of all lengths": "".join("`" * n + "x\n" for n in range(3, 20)),
    "fences": "```\n",
    "stars": "*",
    "starred brackets": "*" * 39 + "]",
    "brackets": "[",
    "closers": "[/ ",
    "labels": f"{MARKER}\n" + "valence: 0.1\n\n" * 70,
    "free lines": f"{MARKER}\n" + "x\n" * 59,
    "long free lines": f"{MARKER}\n" + ("x" * 2500 + "\n") * 3,
    "blanks": " ",
    "empty lines": "\n",
    "assessments": "```assessment\n",
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_the_time_grows_with_the_text_and_not_faster(name: str) -> None:
    """Four times the text takes about four times as long; a quadratic search would take sixteen."""

    def seconds(size: int) -> float:
        text = (HOSTILE[name] * (size // len(HOSTILE[name]) + 1))[:size]
        best = float("inf")
        for _ in range(3):
            began = time.process_time()
            take_assessment(text)
            best = min(best, time.process_time() - began)
        return best

    assert seconds(400_000) < 9 * seconds(100_000) + 0.02
