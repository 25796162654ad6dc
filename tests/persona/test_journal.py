import time

from app.persona.journal import (
    Entry,
    is_entry,
    read_journal,
    start_mark,
    without_marks,
    write_entry,
)
from tests.persona.given import NOW


def an_entry(run_id: str = "01k8a", *body: str) -> Entry:
    return write_entry(
        run_id=run_id,
        task_id="daily_reflection",
        at=NOW,
        title="Monday: Daily",
        body=body or ["### What happened", "- one\n- two"],
    )


def test_an_entry_is_read_back_as_it_was_written() -> None:
    entry = an_entry()
    assert entry.text == (
        "## Monday: Daily <!-- persona-tasks entry 01k8a -->\n\n"
        "### What happened\n\n- one\n- two\n\n"
        "<!-- persona-tasks end 01k8a task=daily_reflection at=2025-10-27T00:00:02Z -->\n"
    )
    assert start_mark("01k8a") in entry.text
    assert is_entry(entry.text)
    journal = read_journal(entry.text)
    assert list(journal.entries) == [entry]
    assert journal.rest == ""
    assert entry.statements == ["one", "two"]


def test_other_text_stays_apart_from_entries() -> None:
    one, two = an_entry("01k8a"), an_entry("01k8b")
    text = f"# Journal\n\nmy own\n\n{one.text}\nbetween\n\n{two.text}\n## My heading\nafter"
    journal = read_journal(text)
    assert list(journal.entries) == [one, two]
    assert journal.rest == "# Journal\n\nmy own\n\n\nbetween\n\n\n## My heading\nafter"


def test_windows_line_ends_do_no_harm() -> None:
    journal = read_journal("mine\r\n" + an_entry().text.replace("\n", "\r\n"))
    assert [entry.run_id for entry in journal.entries] == ["01k8a"]
    assert journal.rest == "mine\r\n"


def test_an_entry_that_was_cut_is_neither_an_entry_nor_other_text() -> None:
    cut = an_entry("01k8a").text[:-30]
    journal = read_journal(f"mine\n{cut}\n{an_entry('01k8b').text}theirs\n{cut}")
    assert [entry.run_id for entry in journal.entries] == ["01k8b"]
    assert journal.rest == "mine\ntheirs\n"


def test_an_end_of_another_run_or_of_no_instant_ends_nothing() -> None:
    entry = an_entry().text
    other = entry.replace("end 01k8a", "end 01k8b")
    assert list(read_journal(other).entries) == []
    assert list(read_journal(entry.replace("at=2025-10-27", "at=2025-99-27")).entries) == []


def test_a_mark_within_a_line_is_no_entry() -> None:
    text = f"I saw {start_mark('01k8a')} today\n> ## {start_mark('01k8a')}\nand went on\n"
    assert read_journal(text).rest == text


def test_a_file_full_of_open_marks_is_read_in_one_pass() -> None:
    text = "".join(f"## x {start_mark(f'r{number}')}\n" for number in range(100_000))
    began = time.process_time()
    assert read_journal(text).rest == ""
    assert time.process_time() - began < 3


def test_without_its_marks_an_entry_is_plain_text() -> None:
    text = f"before\n\n{an_entry().text}\nafter <!-- a comment of mine -->"
    assert without_marks(text) == (
        "before\n\n## Monday: Daily\n\n### What happened\n\n- one\n- two\n\n\n"
        "\nafter <!-- a comment of mine -->"
    )
