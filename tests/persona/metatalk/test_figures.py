"""How well meta-talk is found, measured on sentences that the rules were not written from."""

from pathlib import Path

import pytest

from app.persona.metatalk import find_metatalk
from app.persona.metatalk.canonical import canonical
from app.persona.metatalk.rules import RULES
from tests.persona.metatalk.corpus import corpus

LEAST = 0.95
PAGE = Path(__file__).parents[3] / "docs" / "reference" / "meta-talk.md"


@pytest.mark.parametrize("part", ["development", "held_out"])
def test_precision_and_recall(part: str, capsys: pytest.CaptureFixture[str]) -> None:
    samples = corpus(part)
    found = [sample.meta for sample in samples if find_metatalk(sample.text)]
    positives = sum(sample.meta for sample in samples)
    precision, recall = sum(found) / len(found), sum(found) / positives
    with capsys.disabled():
        print(
            f"\n{part}: {positives} positive, {len(samples) - positives} negative, "
            f"precision {precision:.3f}, recall {recall:.3f}"
        )
    assert precision >= LEAST
    assert recall >= LEAST


@pytest.mark.parametrize("part", ["development", "held_out"])
def test_in_a_long_text_each_sentence_is_judged_as_it_is_by_itself(part: str) -> None:
    samples = [sample.text for sample in corpus(part)]
    alone = [(each.rule, each.sentence) for text in samples for each in find_metatalk(text)]
    together = find_metatalk("\n\n".join(samples))
    assert [(each.rule, each.sentence) for each in together] == alone


@pytest.mark.parametrize("part", ["development", "held_out"])
def test_each_part_is_large_enough(part: str) -> None:
    samples = corpus(part)
    assert sum(sample.meta for sample in samples) >= 150
    assert sum(not sample.meta for sample in samples) >= 150


def test_no_sentence_is_in_both_parts_in_whatever_form() -> None:
    development, held_out = (
        {canonical(sample.text) for sample in corpus(part)} for part in ("development", "held_out")
    )
    assert not development & held_out


@pytest.mark.parametrize("name", [rule.name for rule in RULES])
def test_each_rule_finds_a_sentence_that_no_other_finds(name: str) -> None:
    rest = [rule for rule in RULES if rule.name != name]
    assert any(
        find_metatalk(sample.text) and not find_metatalk(sample.text, rest)
        for sample in corpus("development")
        if sample.meta
    )


def test_the_page_lists_every_rule_and_the_figures_of_the_corpus() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for rule in RULES:
        assert f"| `{rule.name}` | {rule.meaning} |" in page
    for part in ("development", "held_out"):
        samples = corpus(part)
        found = [sample.meta for sample in samples if find_metatalk(sample.text)]
        positives = sum(sample.meta for sample in samples)
        assert (
            f"| `{part}.jsonl` | {positives} | {len(samples) - positives} "
            f"| {sum(found) / len(found):.3f} | {sum(found) / positives:.3f} |"
        ) in page
