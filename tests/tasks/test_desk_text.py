"""The text of tasks.json: finding its entries, and changing a few without touching the rest."""

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import BadJson
from app.tasks.desk_layout import compare, render
from app.tasks.desk_text import Sheet, same, scan

ODD = """{ "_note" : "mine",
   "tasks": [
      {"id": "a", "name":"A" , "x_mine": 1.50,
         "last_run": null},
      {"id": "b"}   ],
   "_later": [1,
2]
}


"""


def shown(sheet: Sheet) -> dict[str, dict[str, Any]]:
    return {entry.id or "": dict(entry.fields or {}) for entry in sheet.entries}


def laid_out(text: str, wanted: dict[str, dict[str, Any]], stamp: int = 7) -> str:
    sheet = scan(text)
    return render(sheet, compare(sheet, wanted), stamp=stamp)


# ---- scanning


def test_entries_are_found_with_their_exact_text() -> None:
    sheet = scan(ODD)
    assert [ODD[entry.start : entry.end] for entry in sheet.entries] == [
        '{"id": "a", "name":"A" , "x_mine": 1.50,\n         "last_run": null}',
        '{"id": "b"}',
    ]
    assert [entry.id for entry in sheet.entries] == ["a", "b"]


@pytest.mark.parametrize("text", ['[{"id": "a"}]', ' {"tasks": [{"id": "a"}]}\n'])
def test_a_bare_list_and_an_object_are_read(text: str) -> None:
    assert shown(scan(text)) == {"a": {"id": "a"}}
    assert scan(text).bare is text.startswith("[")


@pytest.mark.parametrize(
    ("text", "stamp"),
    [
        ('{"_revision": 42, "tasks": []}', 42),
        ('{"_revision": "42", "tasks": []}', None),
        ('{"_revision": -1, "tasks": []}', None),
        ('{"_revision": true, "tasks": []}', None),
        ('{"_revision": 99999999999999999999, "tasks": []}', None),
        ('{"tasks": []}', None),
        ("[]", None),
    ],
)
def test_only_a_whole_number_is_a_stamp(text: str, stamp: int | None) -> None:
    assert scan(text).stamp == stamp


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ('{"id": "x", "id": "y"}', "stands twice"),
        ('{"id": "x", "a": 1, "a": 2}', "stands twice"),
        ('{"id": "x", "a": NaN}', "NaN"),
        ('{"id": "x", "a": 1e999}', "too large"),
        ('{"id": "x", "a": "\\ud800"}', "surrogate"),
        ('{"id": "x", "a": "\\u0000"}', "U+0000"),
        ('{"id": "x", "a": 99999999999999999999}', "64 bits"),
        ('{"id": "x", "a": ' + "9" * 5000 + "}", "64 bits"),
        ('{"id": "x", "a": "two\nlines"}', "control character"),
        ('{"id": "x", "a": ' + "[" * 40 + "]" * 40 + "}", "32 levels"),
        ("[1, 2]", "no object"),
        ("null", "no object"),
        ('"text"', "no object"),
    ],
)
def test_a_bad_entry_does_not_poison_the_others(bad: str, reason: str) -> None:
    sheet = scan('{"tasks": [{"id": "a"}, ' + bad + ', {"id": "b"}]}')
    first, middle, last = sheet.entries
    assert (first.fields, last.fields) == ({"id": "a"}, {"id": "b"})
    assert middle.fields is None
    assert reason in (middle.problem or "")


def test_the_id_of_a_bad_entry_is_read_where_there_is_just_one() -> None:
    sheet = scan(
        '[{"id": "a", "x": NaN}, {"id": "a", "id": "b"}, {"x": NaN, "deep": {"id": "c"}}, '
        '{"id": 5, "x": NaN}]'
    )
    assert [entry.id for entry in sheet.entries] == ["a", None, None, None]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "ends too early"),
        ("{", "ends too early"),
        ("null", "no list of tasks"),
        ('"x"', "no list of tasks"),
        ("{}", "no list of tasks"),
        ('{"tasks": {}}', "is no list"),
        ('{"tasks": null}', "is no list"),
        ('{"tasks": [], "tasks": []}', "stands twice"),
        ('{"_a": 1, "_a": 1, "tasks": []}', "stands twice"),
        ('{"tasks": []} {}', "Extra data at line 1, column 15"),
        ('{"tasks": [{"id": "a",}]}', "remove the comma"),
        ('{"tasks": [{"id": "a"},]}', "remove the comma"),
        ('{"tasks": [{"id": "a"} {"id": "b"}]}', "',' delimiter"),
        ("{'tasks': []}", "double quotes"),
        ('{"tasks": [] // all\n}', "no comments"),
        ("[" * 100_000, "too deep"),
        ('[{"a":' * 50_000, "too deep"),
    ],
)
def test_what_is_wrong_with_the_whole_file_is_told(text: str, reason: str) -> None:
    with pytest.raises(BadJson) as caught:
        scan(text)
    assert reason in caught.value.detail


@pytest.mark.parametrize("text", ["[" * 2_000_000, '{"' + "k" * 3_000_000, " " * 1_000_000])
def test_hostile_texts_are_refused_quickly(text: str) -> None:
    began = time.thread_time()
    with pytest.raises(BadJson):
        scan(text)
    assert time.thread_time() - began < 2


def test_many_keys_at_the_top_take_linear_time() -> None:
    text = "{" + "".join(f'"k{n}": 1,' for n in range(100_000)) + '"tasks": []}'
    began = time.thread_time()
    scan(text)
    assert time.thread_time() - began < 5


def test_entries_that_were_scanned_before_are_not_read_again() -> None:
    before = scan('[{"id": "a"}, {"id": "b"}, {"id": "x", "n": NaN}]')
    after = scan('[{"id": "new"}, {"id": "b"}, {"id": "x", "n": NaN}]', known=before)
    assert after.entries[1].fields is before.entries[1].fields
    assert [entry.problem is None for entry in after.entries] == [True, True, False]
    assert after.text[after.entries[1].start : after.entries[1].end] == '{"id": "b"}'


# ---- comparing values


@pytest.mark.parametrize(
    ("left", "right"),
    [(1, True), (0, False), (1, 1.0), ({"a": 1}, {"a": True}), ([0], [False]), ("1", 1)],
)
def test_values_that_python_takes_for_equal_are_told_apart(left: Any, right: Any) -> None:
    assert not same(left, right)
    assert not same({"deep": [left]}, {"deep": [right]})
    assert same({"deep": [left]}, {"deep": [left]})


def test_the_order_of_keys_means_nothing_and_that_of_a_list_something() -> None:
    assert same({"a": 1, "b": 2}, {"b": 2, "a": 1})
    assert not same([1, 2], [2, 1])


# ---- laying out


def test_a_sheet_that_shows_what_is_wanted_needs_no_change() -> None:
    assert not compare(scan(ODD), shown(scan(ODD)))


def test_a_changed_field_leaves_every_other_byte() -> None:
    wanted = shown(scan(ODD))
    wanted["a"]["last_run"] = "2026-11-24T00:00:00Z"
    text = laid_out(ODD, wanted)
    assert text == ODD.replace('"last_run": null', '"last_run": "2026-11-24T00:00:00Z"').replace(
        '"tasks":', '"_revision": 7,\n   "tasks":'
    )


def test_the_stamp_is_changed_in_its_place() -> None:
    text = '{"_revision":3 ,"tasks":[] , "z":1}'
    assert laid_out(text, {}, stamp=12) == '{"_revision": 12 ,"tasks":[] , "z":1}'


def test_new_fields_are_added_and_cut_fields_removed() -> None:
    text = (
        '{\n  "_revision": 7,\n  "tasks": [\n    {\n      "id": "a",\n      "x": 1\n    }\n  ]\n}\n'
    )
    wanted = {"a": {"id": "a", "metadata": {"deep": [1]}}}
    assert laid_out(text, wanted) == (
        '{\n  "_revision": 7,\n  "tasks": [\n    {\n      "id": "a",\n'
        '      "metadata": {\n        "deep": [\n          1\n        ]\n      }\n    }\n  ]\n}\n'
    )


@pytest.mark.parametrize("indent", [None, 2, 4, "\t"])
@pytest.mark.parametrize("bare", [True, False])
def test_indentation_is_kept(indent: Any, bare: bool) -> None:
    before: list[Any] = [{"id": "a", "name": "A"}, {"id": "b", "deep": {"x": [1]}}]
    after = [before[0], {"id": "b", "deep": {"x": [1, 2]}}, {"id": "c", "list": ["é"]}]
    wanted = {entry["id"]: entry for entry in after}

    def dump(tasks: list[Any]) -> str:
        content = tasks if bare else {"_note": "n", "_revision": 7, "tasks": tasks}
        return json.dumps(content, indent=indent, ensure_ascii=False)

    assert laid_out(dump(before), wanted) == dump(after)
    assert laid_out(dump(after), {"b": after[1]}) == dump(after[1:2])


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_line_ends_are_kept(newline: str) -> None:
    before = json.dumps({"_revision": 7, "tasks": [{"id": "a"}]}, indent=2)
    after = json.dumps({"_revision": 7, "tasks": [{"id": "a"}, {"id": "b", "x": [1]}]}, indent=2)
    wanted: dict[str, dict[str, Any]] = {"a": {"id": "a"}, "b": {"id": "b", "x": [1]}}
    assert laid_out(before.replace("\n", newline), wanted) == after.replace("\n", newline)


@pytest.mark.parametrize("text", ["[]", "[\n]", '{"tasks": []}', '{\n\t"tasks": [ ]\n}\n'])
def test_the_first_entry_of_an_empty_list_is_good_json(text: str) -> None:
    wanted: dict[str, dict[str, Any]] = {"a": {"id": "a", "x": {"y": 1}}, "b": {"id": "b"}}
    assert shown(scan(laid_out(text, wanted))) == wanted
    assert shown(scan(laid_out(laid_out(text, wanted), {}))) == {}


def test_an_untouched_entry_stays_whatever_it_is_and_stands_for_its_id() -> None:
    text = '{"_revision": 7, "tasks": [{"id": "a"}, {"id": "b", "x": NaN}, [1]]}'
    sheet = scan(text)
    changes = compare(sheet, {"b": {"id": "b"}}, untouched={1, 2})
    assert render(sheet, changes, stamp=7) == (
        '{"_revision": 7, "tasks": [{"id": "b", "x": NaN}, [1]]}'
    )


def test_it_is_told_whether_more_than_the_read_out_differs() -> None:
    sheet = scan('[{"id": "a", "run_count": 1, "name": "A"}]')
    assert not compare(sheet, {"a": {"id": "a", "run_count": 2, "name": "A"}}).definitions
    assert compare(sheet, {"a": {"id": "a", "run_count": 1, "name": "B"}}).definitions
    assert compare(sheet, {}).definitions


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('ab[]{},"\\:\n'), inner),
    max_leaves=6,
)
entries = st.dictionaries(
    st.sampled_from("abcdef"),
    st.dictionaries(st.sampled_from(["name", "x", 'q"', "run_count"]), json_values, max_size=4),
    max_size=5,
).map(lambda found: {key: {"id": key, **fields} for key, fields in found.items()})


@settings(max_examples=200, deadline=None)
@given(entries, entries, st.sampled_from([None, 0, 1, 2, "\t"]), st.booleans(), st.data())
def test_whatever_is_wanted_is_shown_and_what_stays_is_not_touched(
    before: Any, wanted: Any, indent: Any, bare: bool, data: Any
) -> None:
    tasks = list(before.values())
    content = tasks if bare else {"_note": "[{", "tasks": tasks, "z": {"tasks": 1}}
    text = json.dumps(content, indent=indent, ensure_ascii=data.draw(st.booleans()))
    text = data.draw(st.sampled_from(["", " ", "\n"])) + text + "\n"
    sheet = scan(text)
    after = scan(render(sheet, compare(sheet, wanted), stamp=3))
    assert same(shown(after), wanted)
    assert not compare(after, wanted)
    assert after.stamp == (None if bare else 3)
    for entry in sheet.entries:
        if same(wanted.get(entry.id), entry.fields):
            assert text[entry.start : entry.end] in after.text


def test_ten_thousand_entries_are_handled_fast() -> None:
    tasks = {
        f"task_{n}": {"id": f"task_{n}", "name": f"Task {n}", "prompt": "Reflect. " * 20, "n": n}
        for n in range(10_000)
    }
    text = json.dumps({"_revision": 1, "tasks": list(tasks.values())}, indent=2)
    known = scan(text)
    tasks["task_5000"] = {**tasks["task_5000"], "name": "Another"}
    began = time.thread_time()
    sheet = scan(text, known=known)
    changes = compare(sheet, tasks)
    render(sheet, changes, stamp=2)
    assert list(changes.changed) == [5000]
    assert time.thread_time() - began < 1  # takes a tenth of that on a quiet machine
