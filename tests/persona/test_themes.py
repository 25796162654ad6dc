import time
from datetime import timedelta

from app.persona.themes import (
    Source,
    best_sentences,
    find_themes,
    keywords,
    passages,
    said_in,
    sentences,
)
from tests.persona.given import NOW


def a_source(text: str, label: str = "a", hours: int = 1) -> Source:
    return Source(label=label, at=NOW - timedelta(hours=hours), text=text)


def test_sentences_lose_their_marks() -> None:
    text = "# Title\n\n- [ ] Do it. And that!\n> quoted\n* [x] done\n---\n"
    assert sentences(text) == ["Title", "Do it.", "And that!", "quoted", "done"]


def test_keywords_ignore_common_words_plurals_and_possession() -> None:
    assert keywords("The garden's tomatoes were with the plants; the plant's pot") == {
        "garden",
        "tomato",
        "pot",
        "plant",
    }


def test_a_theme_stands_in_two_sources_and_quotes_both_newest_first() -> None:
    old = a_source("Nothing. The tomato plants need water. Rain?", "old", 9)
    new = a_source("Tomato plants again!", "new", 1)
    (theme,) = find_themes([old, new], 5)
    assert theme.term == "tomato plants"
    assert [(q.source.label, q.sentence) for q in theme.quotes] == [
        ("new", "Tomato plants again!"),
        ("old", "The tomato plants need water."),
    ]


def test_what_recurs_within_one_source_only_is_no_theme() -> None:
    assert find_themes([a_source("garden garden. garden"), a_source("kitchen")], 5) == []
    assert find_themes([], 5) == []


def test_the_most_widespread_theme_comes_first() -> None:
    texts = ["frost tonight. music", "frost again. music", "frost is over"]
    days = [a_source(text, hours=24 * number) for number, text in enumerate(texts)]
    assert [theme.term for theme in find_themes(days, 5)] == ["frost", "music"]
    assert [theme.term for theme in find_themes(days, 1)] == ["frost"]


def test_what_comes_back_on_more_days_goes_before_what_was_said_often_on_one() -> None:
    often = [a_source("The choir sang.", hours=hour) for hour in (1, 2, 3, 4)]
    again = [a_source("The clock is slow.", hours=24 * day) for day in (1, 2, 3)]
    assert next(theme.term for theme in find_themes(often + again, 2)) == "clock"


def test_a_pair_of_words_stands_side_by_side() -> None:
    texts = ["The lemon tree and both trays", "The lemon tree, two trays"]
    terms = {theme.term for theme in find_themes([a_source(text) for text in texts], 9)}
    assert "lemon tree" in terms
    assert "tree trays" not in terms


def test_a_short_memory_is_quoted_whole_and_all_else_by_sentences() -> None:
    text = "We picked it. Mira ate it."
    memory = Source(label="note", at=NOW, text=text, is_memory=True)
    assert passages(memory) == [text]
    assert passages(a_source(text)) == ["We picked it.", "Mira ate it."]
    long = Source(label="note", at=NOW, text=f"{text} {'And more. ' * 40}", is_memory=True)
    assert passages(long)[:2] == ["We picked it.", "Mira ate it."]


def test_the_best_sentences_share_most_with_what_is_wanted() -> None:
    source = a_source("The frost came. Frost killed the tomato. A tomato. Music.")
    said = said_in([source])
    found = best_sentences(said, keywords("tomato frost"), 3)
    assert [quote.sentence for quote in found] == ["Frost killed the tomato."]
    assert best_sentences(said, set(), 3) == []
    assert len(best_sentences(said, {"tomato"}, 3)) == 2


def test_a_megabyte_of_repeated_sentences_is_read_in_time() -> None:
    texts = ["Frost bites the tomato. " * 3000, "word. " * 12_000, "x" * 64_000] * 6
    began = time.process_time()
    find_themes([a_source(text) for text in texts], 5)
    assert time.process_time() - began < 8
