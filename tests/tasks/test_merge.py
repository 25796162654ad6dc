"""The three-way merge, per task and field."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.tasks.changes import ImportedState, Put
from app.tasks.desk_text import scan
from app.tasks.merge import Hold, Merged, definition_of, merge


def task(task_id: str, **fields: Any) -> dict[str, Any]:
    return {"id": task_id, "name": "Name", "prompt": "Prompt", **fields}


def by_id(*tasks: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {fields["id"]: fields for fields in tasks}


def merged(
    file: list[Any], base: dict[str, Any], current: dict[str, Any] | None = None, **options: Any
) -> Merged:
    text = "[" + ", ".join(e if isinstance(e, str) else json.dumps(e) for e in file) + "]"
    return merge(scan(text), [base], base if current is None else current, **options)


def test_a_file_that_shows_what_it_showed_changes_nothing() -> None:
    base = by_id(task("a"), task("b"))
    result = merged(list(base.values()), base)
    assert (result.puts, result.removed, result.faults, result.hold) == ((), (), (), None)


def test_what_others_changed_is_not_turned_back_by_an_old_copy() -> None:
    base = by_id(task("a"))
    assert merged([task("a")], base, by_id(task("a", name="Theirs"))).puts == ()


def test_different_fields_both_stay() -> None:
    result = merged(
        [task("a", prompt="Mine")], by_id(task("a")), by_id(task("a", name="Theirs", x=1))
    )
    wanted = task("a", prompt="Mine", name="Theirs", x=1)
    assert result.puts == (Put(task_id="a", definition=wanted),)


def test_the_same_field_goes_to_the_file() -> None:
    result = merged([task("a", name="Mine")], by_id(task("a")), by_id(task("a", name="Theirs")))
    assert result.puts == (Put(task_id="a", definition=task("a", name="Mine")),)


def test_a_field_that_is_gone_from_the_entry_is_gone_from_the_definition() -> None:
    result = merged(
        [task("a")], by_id(task("a", timeout="5m")), by_id(task("a", timeout="5m", x=1))
    )
    assert result.puts == (Put(task_id="a", definition=task("a", x=1)),)


def test_a_field_that_others_added_is_not_taken_for_removed() -> None:
    assert merged([task("a")], by_id(task("a")), by_id(task("a", timeout="5m"))).puts == ()


def test_true_for_one_is_an_edit() -> None:
    result = merged([task("a", x=1)], by_id(task("a", x=True)))
    assert json.dumps(result.puts[0].definition["x"]) == "1"


def test_an_edit_that_is_in_force_already_changes_nothing() -> None:
    assert merged([task("a", x=1)], by_id(task("a")), by_id(task("a", x=1))).puts == ()


def test_a_new_entry_is_a_new_task_without_its_read_out() -> None:
    result = merged([task("a"), task("b", run_count=7, last_run=None)], by_id(task("a")))
    assert result.puts == (Put(task_id="b", definition=task("b")),)


def test_an_entry_that_is_gone_is_a_removal() -> None:
    base = by_id(task("a"), task("b"), task("c"))
    result = merged([task("a"), task("c")], base)
    assert (result.removed, result.hold) == (("b",), None)


def test_a_task_that_was_added_after_the_base_is_not_removed() -> None:
    result = merged([task("a")], by_id(task("a")), by_id(task("a"), task("new")))
    assert (result.puts, result.removed) == ((), ())


def test_a_task_that_was_deleted_meanwhile_stays_deleted() -> None:
    result = merged([task("a"), task("b")], by_id(task("a"), task("b")), by_id(task("a")))
    assert (result.puts, result.removed) == ((), ())


def test_an_edit_of_a_task_that_was_deleted_meanwhile_brings_it_back_whole() -> None:
    result = merged([task("a", name="Mine", run_count=3)], by_id(task("a", run_count=3)), {})
    assert result.puts == (Put(task_id="a", definition=task("a", name="Mine")),)
    assert "deleted meanwhile" in result.notes[0]


def test_an_edit_of_the_read_out_brings_no_deleted_task_back() -> None:
    assert merged([task("a", run_count=9)], by_id(task("a", run_count=1)), {}).puts == ()


# ---- several texts that may have been the base


def test_a_field_that_is_as_in_any_of_the_bases_was_not_touched() -> None:
    sheet = scan(json.dumps([task("a", name="Edited", prompt="New")]))
    written, edited = by_id(task("a")), by_id(task("a", name="Edited"))
    current = by_id(task("a", name="Changed after that edit"))
    result = merge(sheet, [written, edited], current)
    wanted = task("a", name="Changed after that edit", prompt="New")
    assert result.puts == (Put(task_id="a", definition=wanted),)


def test_a_task_that_one_of_the_bases_lacks_is_not_removed() -> None:
    bases = [by_id(task("a")), by_id(task("a"), task("b"))]
    result = merge(scan(json.dumps([task("a")])), bases, by_id(task("a"), task("b")))
    assert (result.removed, result.hold) == ((), None)


# ---- the read-out


def test_edits_of_the_read_out_are_noted_and_change_nothing() -> None:
    base = by_id(task("a", last_run=None, next_run="2026-11-24T00:00:00Z", run_count=1))
    edited = task("a", last_run=None, next_run="2020-01-01T00:00:00Z", run_count=99)
    result = merged([edited], base, by_id(task("a")))
    assert result.puts == ()
    assert result.notes == ("a: next_run, run_count was edited by hand and is put right again",)


def test_the_first_import_takes_the_read_out_over_and_reads_naive_times_as_utc() -> None:
    entry = task(
        "a",
        last_run="2025-10-26T03:22:57.763864",
        next_run="2025-10-27T01:00:00+01:00",
        run_count=4,
    )
    result = merged([entry], {}, {}, first=True)
    state = ImportedState(
        last_run=datetime(2025, 10, 26, 3, 22, 57, 763864, tzinfo=UTC),
        next_run=datetime(2025, 10, 27, tzinfo=UTC),
        run_count=4,
    )
    assert result.puts == (Put(task_id="a", definition=task("a"), imported=state),)


@pytest.mark.parametrize("count", [-1, True, 1.5, "7", None, 2**40, [1]])
@pytest.mark.parametrize(
    "time",
    [
        "yesterday",
        5,
        None,
        "0001-01-01T00:00:00+14:00",
        "0099-01-01T00:00:00",
        "9999-12-31T23:59:59Z",
        "1-1-1T",
    ],
)
def test_a_read_out_that_cannot_be_read_counts_as_absent(count: Any, time: Any) -> None:
    entry = task("a", last_run=time, next_run=time, run_count=count)
    assert merged([entry], {}, {}, first=True).puts[0].imported == ImportedState()


def test_the_first_import_leaves_what_it_does_not_mention() -> None:
    result = merged([task("a", name="Mine")], {}, by_id(task("a", x=1), task("b")), first=True)
    assert result.puts == (Put(task_id="a", definition=task("a", name="Mine", x=1)),)
    assert result.removed == ()


# ---- bad entries


def test_a_bad_entry_is_a_fault_and_no_removal() -> None:
    base = by_id(task("a"), task("b"))
    result = merged(['{"id": "a", "x": NaN}', task("b", x=1)], base)
    assert [(fault.index, fault.id) for fault in result.faults] == [(0, "a")]
    assert (result.removed, result.hold) == ((), None)
    assert [put.task_id for put in result.puts] == ["b"]


def test_of_two_entries_of_one_id_the_known_one_stays() -> None:
    copy = task("a", prompt="Another")
    for file, place in (([task("a"), copy], 1), ([copy, task("a")], 0)):
        result = merged(file, by_id(task("a")))
        assert result.puts == ()
        assert [(fault.index, fault.id, fault.field) for fault in result.faults] == [
            (place, "a", "id")
        ]


def test_of_two_new_entries_of_one_id_the_first_stays() -> None:
    result = merged([task("a", x=1), task("a", x=2)], {})
    assert [put.definition["x"] for put in result.puts] == [1]
    assert [fault.index for fault in result.faults] == [1]


@pytest.mark.parametrize(
    "entry",
    [
        task("Not An Id!"),
        task("x" * 65),
        {"name": "no id"},
        {"id": 5},
        "17",
        '{"id": "a", "id": "b"}',
    ],
)
def test_while_an_id_cannot_be_read_nothing_is_removed(entry: Any) -> None:
    base = by_id(task("a"), task("b"), task("c"), task("d"))
    result = merged([entry, task("b", x=1), task("c"), task("d")], base)
    assert (result.removed, result.hold) == (("a",), Hold.UNREADABLE_ID)
    assert [(fault.index, fault.id) for fault in result.faults] == [(0, None)]
    assert [put.task_id for put in result.puts] == ["b"]


def test_an_unreadable_id_alone_holds_nothing() -> None:
    assert merged([task("a"), {"name": "no id"}], by_id(task("a"))).hold is None


def test_messages_are_short_and_can_be_written_whatever_the_entry_holds() -> None:
    keys = '"' + "k" * 5000 + '": 1, ' + '"' + "k" * 5000 + '": 2'
    result = merged(['{"id": "\\ud800\\u0000"}', "{" + keys + "}"], {})
    for fault in result.faults:
        assert len(fault.message.encode()) <= 300


# ---- the guard against removing too much


@pytest.mark.parametrize(
    ("kept", "hold"), [(10, None), (5, None), (4, Hold.MOST_REMOVED), (0, Hold.EMPTIED)]
)
def test_removing_more_than_half_is_held(kept: int, hold: Hold | None) -> None:
    base = by_id(*(task(f"t{n}") for n in range(10)))
    result = merged(list(base.values())[:kept], base)
    assert (result.hold, len(result.removed)) == (hold, 10 - kept)


def test_what_counts_is_what_the_editor_saw() -> None:
    base = by_id(task("a"), task("b"), task("c"))
    current = base | by_id(*(task(f"new{n}") for n in range(10)))
    assert merged([task("a")], base, current).hold is Hold.MOST_REMOVED


def test_tasks_that_were_deleted_meanwhile_do_not_count() -> None:
    base = by_id(task("a"), task("b"), task("c"))
    assert merged([task("c")], base, by_id(task("c"))).hold is None


def test_the_other_edits_of_a_held_edit_are_kept() -> None:
    result = merged([task("new")], by_id(task("a"), task("b")))
    assert result.hold is Hold.MOST_REMOVED
    assert [put.task_id for put in result.puts] == ["new"]


# ---- whatever two writers do

FIELDS = ("name", "prompt", "x", "y")
edits = st.dictionaries(
    st.tuples(st.sampled_from("abcd"), st.sampled_from(FIELDS)),
    st.integers(0, 3) | st.none(),
    max_size=6,
)


def edited(tasks: dict[str, Any], changes: dict[tuple[str, str], int | None]) -> dict[str, Any]:
    after = {task_id: dict(fields) for task_id, fields in tasks.items()}
    for (task_id, field), value in changes.items():
        after[task_id].pop(field, None)
        if value is not None:
            after[task_id][field] = value
    return after


@settings(max_examples=300, deadline=None)
@given(edits, edits)
def test_no_edit_of_two_writers_is_lost(mine: Any, theirs: Any) -> None:
    base = by_id(*(task(task_id) for task_id in "abcd"))
    file, current = edited(base, mine), edited(base, theirs)
    result = merged(list(file.values()), base, current)
    after = current | {put.task_id: put.definition for put in result.puts}
    for task_id in base:
        for field in FIELDS:
            was, now = base[task_id].get(field), file[task_id].get(field)
            wanted = now if now != was else current[task_id].get(field)
            assert after[task_id].get(field) == wanted
    assert definition_of(after["a"])["id"] == "a"
