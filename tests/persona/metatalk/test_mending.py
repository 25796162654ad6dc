"""Meta-talk goes, all else stays where it was; what was done is said."""

import pytest

from app.persona.metatalk import (
    Done,
    after_rewriting,
    corrective_prompt,
    find_metatalk,
    mended,
    note,
    without,
)

ENTRY = """\
# Monday

I read Karl's note. As an AI, I cannot cross the bridge. He crossed it twice.

I am a language model.

- Ines passed
- I have no feelings
- **I am an AI. But it was a good day.**
- It rained, *as far as I saw. I am an AI.*

> I do not have feelings.
> The quotation goes on.

| mood | I have no feelings | calm |
|---|---|---|

## Evening

I have no body.

```
As an AI, I have no feelings.
```
"""

MENDED = """\
# Monday

I read Karl's note. He crossed it twice.

- Ines passed
- **But it was a good day.**
- It rained, *as far as I saw.*

> The quotation goes on.

| mood |  | calm |
|---|---|---|

## Evening

```
As an AI, I have no feelings.
```"""


def test_only_the_sentences_go_and_the_structure_stays() -> None:
    assert mended(ENTRY).text == MENDED
    assert mended(ENTRY).done is Done.REMOVED
    assert find_metatalk(MENDED) == []


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("I am an AI. Good night.", "Good night."),
        ("Good night. I am an AI.", "Good night."),
        ("Good night.\nI am an AI.\nSleep well.", "Good night.\nSleep well."),
        ("One.\n\nI am an AI.\n\nTwo.", "One.\n\nTwo."),
        ("One.\n\nI am an AI. I have no body.\n\nTwo.", "One.\n\nTwo."),
        ("One.\n\n- I am an AI\n- I have no body\n\nTwo.", "One.\n\nTwo."),
        ("- One\n  - I am an AI\n- Two", "- One\n- Two"),
        ("**I am an AI. I have no body.** Two.", "Two."),
        ("I am an AI.\n\n```\ncode\n```", "```\ncode\n```"),
    ],
)
def test_what_is_left_reads_as_if_nothing_had_been_there(text: str, rest: str) -> None:
    assert without(text, find_metatalk(text)) == rest


def test_a_text_without_findings_comes_back_as_it_is() -> None:
    text = "\n\nA quiet day. \r\n"
    assert without(text, find_metatalk(text)) == text
    assert mended(text).text == text
    assert mended(text).note() == {"found": [], "done": "none"}


@pytest.mark.parametrize(
    "text",
    ["As an AI, I wait.", "# Monday\n\nI am an AI.\n\n## Evening\n\n- I have no body\n\n---\n"],
)
def test_where_nothing_else_is_said_the_answer_is_kept_and_the_note_says_so(text: str) -> None:
    assert without(text, find_metatalk(text)) == ""
    assert mended(text).text == text
    assert mended(text).note()["done"] == "kept"


def test_the_note_names_rule_and_sentence_and_is_bounded() -> None:
    assert mended("I am an AI. Good night.").note() == {
        "found": [{"rule": "only_a_model", "sentence": "I am an AI."}],
        "done": "removed",
    }
    long = "I am an AI " + "and on " * 100
    many = note(find_metatalk("\n\n".join([long] * 50)), Done.REMOVED)
    assert len(many["found"]) == 20
    assert {len(found["sentence"]) for found in many["found"]} == {300}


def test_a_second_answer_is_checked_too() -> None:
    before = find_metatalk("I am an AI. Good night.")
    good = after_rewriting(before, "Good night, Karl.")
    assert (good.text, good.note()["done"]) == ("Good night, Karl.", "rewritten")
    half = after_rewriting(before, "Good night. As an AI, I wait.")
    assert (half.text, half.note()["done"]) == ("Good night.", "removed")
    bad = after_rewriting(before, "As an AI, I wait.")
    assert (bad.text, bad.note()["done"]) == ("As an AI, I wait.", "kept")
    assert [found.rule for found in bad.findings] == ["only_a_model"]


def test_the_corrective_prompt_names_the_sentences_and_asks_for_no_more() -> None:
    prompt = corrective_prompt(find_metatalk("I have\nno feelings. Good night."))
    assert "- I have no feelings.\n" in prompt
    assert "Good night" not in prompt
    assert "first person" in prompt
    assert find_metatalk(prompt.replace("I have no feelings.", "")) == []
