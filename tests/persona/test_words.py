from datetime import timedelta

import pytest

from app.persona.words import as_path, count, listed, one_line, plain, quoted, spoken


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("  two\n lines\t", "two lines"),
        ("bell\x07 \x1b[31mred\x00", "bell [31mred"),
        ("turn\u202earound and\u200b join", "turn around and join"),
        ("line\u2028separator", "line separator"),
        ("half \ud800 pair", "half pair"),
        ("héllo 你好 🎈", "héllo 你好 🎈"),
    ],
)
def test_a_line_has_no_control_or_invisible_characters(text: str, line: str) -> None:
    assert one_line(text, 100) == line


def test_a_line_is_cut_at_its_length() -> None:
    assert one_line("x" * 10, 10) == "x" * 10
    assert one_line("x" * 11, 10) == "x" * 9 + "…"
    assert len(one_line("x" * 10_000_000, 10)) == 10


@pytest.mark.parametrize(
    "text",
    [
        "<!-- persona-tasks entry 01k8 -->",
        "<script>alert(1)</script>",
        "![pixel](http://evil.example/pixel.png)",
        "[click](javascript:alert(1))",
        "`code`",
    ],
)
def test_quoted_text_means_only_itself_in_markdown(text: str) -> None:
    for shown in (plain(text), quoted(text), as_path(text)[1:-1]):
        assert "<" not in shown
        assert ">" not in shown
        assert "`" not in shown
        assert "](" not in shown.replace("\\](", "")


def test_a_quotation_cannot_end_itself() -> None:
    assert quoted("a” b “c") == "“a' b 'c”"


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(0), "less than a second"),
        (timedelta(seconds=1), "1 second"),
        (timedelta(hours=2, minutes=5, seconds=9), "2 hours and 5 minutes"),
        (timedelta(hours=2, seconds=9), "2 hours"),
        (timedelta(days=1, hours=1), "1 day and 1 hour"),
    ],
)
def test_a_span_is_spoken_in_its_two_largest_units(span: timedelta, words: str) -> None:
    assert spoken(span) == words


def test_things_are_counted_and_listed() -> None:
    assert [count(n, "run") for n in (0, 1, 2)] == ["no runs", "1 run", "2 runs"]
    assert count(2, "entry", "entries") == "2 entries"
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
