"""Memories on both databases: kept once, listed by time, found by words, forgotten."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text

from app.core.errors import InvalidInput
from app.database import Database
from app.persona.errors import MemoryNotFound
from app.persona.memory.fulltext import Limits
from app.persona.memory.memory import MOST_TEXT_BYTES, Query, Within
from app.persona.memory.store import Memories
from app.persona.memory.tables import memories as table
from tests.persona.memory.given import NOW, a_draft, found, memories_of


@pytest.fixture
def memories(database: Database) -> Memories:
    return memories_of(database)


# ---- kept


def test_a_memory_comes_back_as_it_was_given(memories: Memories) -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    kept = memories.remember(
        a_draft(
            "Tea with Ada. “Äh”, 你好 🎈\nTwo lines",
            ago=NOW - at,
            kind="interaction",
            origin="chat",
            run_id="0" * 26,
            task_id="planning",
            metadata={"who": ["Ada"], "n": 1.5},
        )
    )
    assert memories.get(kept.id) == kept
    assert (kept.at, kept.kind, kept.origin) == (at, "interaction", "chat")
    assert kept.metadata == {"who": ["Ada"], "n": 1.5}
    assert kept.created_at == NOW


def test_the_same_text_at_the_same_instant_is_the_same_memory(memories: Memories) -> None:
    first = memories.remember(a_draft())
    assert memories.remember(a_draft()) == first
    later = memories.remember(a_draft(ago=timedelta(0)))
    assert later.id != first.id
    kept = memories.remember_all([a_draft(), a_draft("New."), a_draft("New.")])
    assert [one.is_new for one in kept] == [False, True, False]
    assert len(memories.page(Within(), limit=10).memories) == 3


def test_an_undated_text_is_the_same_memory_whenever_it_comes(memories: Memories) -> None:
    first = memories.remember(a_draft(undated=True))
    assert memories.remember(a_draft(undated=True, ago=timedelta(0))) == first


def test_what_a_database_cannot_hold_is_replaced(memories: Memories) -> None:
    kept = memories.remember(a_draft("half \ud800 of a pair, and \0 nothing"))
    assert memories.get(kept.id).text == "half ? of a pair, and \ufffd nothing"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"text": "  \n"}, "text"),
        ({"text": "é" * (MOST_TEXT_BYTES // 2) + "x"}, "text"),
        ({"kind": "My Note"}, "kind"),
        ({"kind": "n" * 33}, "kind"),
        ({"kind": 'x" OR "y'}, "kind"),
    ],
)
def test_what_is_no_memory_is_refused(
    memories: Memories, changes: dict[str, str], field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        memories.remember(a_draft(**changes))
    assert [error.field for error in caught.value.errors] == [field]


def test_the_longest_text_is_kept_and_found(memories: Memories) -> None:
    longest = ("wort " * MOST_TEXT_BYTES)[: MOST_TEXT_BYTES - 5] + " ende"
    memories.remember(a_draft(longest))
    assert found(memories, "ende") == [longest]


def test_many_writers_at_once_keep_each_memory_once(memories: Memories) -> None:
    barrier = threading.Barrier(4)
    failures: list[BaseException] = []

    def write() -> None:
        barrier.wait()
        try:
            for number in range(10):
                memories.remember(a_draft(f"thought {number}"))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(memories.page(Within(), limit=100).memories) == 10


# ---- forgotten


def test_what_is_forgotten_is_neither_shown_nor_found(memories: Memories) -> None:
    kept = memories.remember(a_draft())
    memories.forget(kept.id)
    assert found(memories, "tomatoes") == []
    for ask in (memories.get, memories.forget):
        with pytest.raises(MemoryNotFound):
            ask(kept.id)


def test_words_stay_in_step_whoever_changes_the_table(
    memories: Memories, database: Database
) -> None:
    memories.remember_all([a_draft("old apples"), a_draft("old pears")])
    with database.write() as connection:
        pears = table.c.text == "old pears"
        connection.execute(table.update().where(pears).values(words="old plums"))
        connection.execute(table.delete().where(~pears))
        if database.is_sqlite:
            check = "INSERT INTO memories_words(memories_words, rank) VALUES ('integrity-check', 1)"
            connection.execute(text(check))
    assert found(memories, "plums") == ["old pears"]
    assert found(memories, "pears apples") == []


# ---- listed


def test_pages_run_from_the_newest_to_the_oldest_whatever_the_order_of_writing(
    memories: Memories,
) -> None:
    minutes = [5, 1, 4, 2, 3, 2]
    memories.remember_all(
        [a_draft(f"{n} of {m}", ago=timedelta(minutes=m)) for n, m in enumerate(minutes)]
    )
    shown: list[datetime] = []
    cursor = None
    while True:
        page = memories.page(Within(), limit=2, cursor=cursor)
        shown += [memory.at for memory in page.memories]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert shown == sorted(shown, reverse=True)
    assert len(shown) == 6


def test_since_is_inclusive_and_until_exclusive_to_the_microsecond(memories: Memories) -> None:
    tick = timedelta(microseconds=1)
    memories.remember_all([a_draft(f"tick {n}", ago=-tick * n) for n in range(5)])
    within = Within(since=NOW + tick, until=NOW + tick * 3)
    assert [m.text for m in memories.page(within, limit=9).memories] == ["tick 2", "tick 1"]
    assert sorted(found(memories, "tick", since=NOW + tick, until=NOW + tick * 3)) == [
        "tick 1",
        "tick 2",
    ]


def test_any_year_is_listed_in_order(memories: Memories) -> None:
    years = [1, 1969, 1970, 2026, 9999]
    instants = [datetime(year, 6, 1, 0, 0, 0, 5, tzinfo=UTC) for year in years]
    memories.remember_all([a_draft(ago=NOW - at) for at in instants])
    assert [m.at for m in memories.page(Within(), limit=9).memories] == instants[::-1]


def test_a_list_is_of_one_kind_where_one_is_asked_for(memories: Memories) -> None:
    memories.remember_all([a_draft("a note"), a_draft("a fruit", kind="fruit")])
    assert [m.text for m in memories.page(Within(kind="fruit"), limit=9).memories] == ["a fruit"]
    assert found(memories, "note fruit", kind="fruit") == ["a fruit"]
    assert found(memories, "note", kind="fruit") == []
    memories.remember(a_draft("a pear", kind="vegetable"))
    assert found(memories, "vegetable") == []


def test_the_output_of_a_tasks_schedule_can_be_left_out(memories: Memories) -> None:
    memories.remember_all(
        [
            a_draft("own apples", origin="schedule", task_id="daily"),
            a_draft("asked apples", origin="manual", task_id="daily"),
            a_draft("other apples", origin="schedule", task_id="weekly"),
            a_draft("lived apples", origin="chat"),
        ]
    )
    for texts in (
        found(memories, "apples", not_scheduled_by="daily"),
        [m.text for m in memories.page(Within(not_scheduled_by="daily"), limit=9).memories],
    ):
        assert sorted(texts) == ["asked apples", "lived apples", "other apples"]


# ---- found


def test_words_are_found_in_any_form_case_accent_and_script(memories: Memories) -> None:
    garden, cafe, ship = "Planting tomatoes in the GARDEN", "Das Café am Ende", "東京の猫と話した"
    memories.remember_all([a_draft(garden), a_draft(cafe), a_draft(ship)])
    for query in ("tomato", "gardens plants", "What did we PLANT?"):
        assert found(memories, query) == [garden]
    assert found(memories, "cafe") == found(memories, "CAFÉ") == [cafe]
    assert found(memories, "東京") == found(memories, "猫と") == [ship]


def test_what_holds_more_of_the_rarer_words_comes_first(memories: Memories) -> None:
    filler = [a_draft(f"meeting about item{n}", ago=timedelta(hours=n)) for n in range(30)]
    old = timedelta(days=9)
    memories.remember_all(
        [*filler, a_draft("supper of tomatoes", ago=old), a_draft("meeting on tomatoes", ago=old)]
    )
    texts = found(memories, "the meeting on tomatoes", limit=3)
    assert texts[:2] == ["meeting on tomatoes", "supper of tomatoes"]


def test_of_equally_fitting_memories_the_newer_comes_first(memories: Memories) -> None:
    memories.remember_all([a_draft(f"walk{n} by the sea", ago=timedelta(days=n)) for n in range(5)])
    assert found(memories, "sea") == [f"walk{n} by the sea" for n in range(5)]


def test_scores_lie_between_0_and_1(memories: Memories) -> None:
    memories.remember_all(
        [a_draft(f"sea {n} " * n, ago=timedelta(days=n * n)) for n in range(1, 9)]
    )
    search = memories.search(Query(text="sea 3"))
    scores = [one.score for one in search.found]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score <= 1 for score in scores)
    assert search.complete


@pytest.mark.parametrize(
    "odd",
    [
        "",
        "   ",
        '"',
        "'",
        '"" OR ""',
        "NEAR(",
        "tomatoes)",
        "words:tomatoes",
        "-tomatoes",
        "tomatoes*",
        "AND OR NOT",
        "^tomatoes",
        "{tomatoes",
        "tomatoes & ! | <-> :*",
        "\0tomatoes\0",
        "\ud800",
        "🎈",
        "%s %(x)s :w0 $1 ?",
        "\\",
        ";--",
        "the and of",
        "_",
        "'; DROP TABLE memories; --",
        "x" * 1_000_000,
        "word " * 200_000,
        " ".join(f"w{n}" for n in range(10_000)),
        "ﷺ" * 10_000,
        "\u0345\u0301" * 100,
    ],
)
def test_no_query_is_read_as_syntax(memories: Memories, odd: str) -> None:
    memories.remember_all([a_draft(), a_draft("the and of AND OR NOT")])
    texts = found(memories, odd)
    if "tomatoes" in odd:
        assert texts[0] == "We planted tomatoes."
    if odd == "AND OR NOT":
        assert texts == ["the and of AND OR NOT"]


def test_words_that_say_nothing_are_looked_for_only_where_there_are_no_others(
    memories: Memories,
) -> None:
    memories.remember_all([a_draft("who am I"), a_draft("the sea")])
    assert found(memories, "who am I?") == ["who am I"]
    assert found(memories, "the sea, who is it?") == ["the sea"]


# ---- many


@pytest.fixture
def many(database: Database) -> Memories:
    """A hundred meetings, every third about money, the oldest about tomatoes; few are ranked."""
    memories = memories_of(database, Limits(rare=20, common=10))
    drafts = [
        a_draft(
            f"meeting{' money' if n % 3 == 0 else ''} number{n}",
            ago=timedelta(hours=n),
            kind="note" if n % 2 else "interaction",
        )
        for n in range(100)
    ]
    memories.remember_all([*drafts, a_draft("meeting on tomatoes", ago=timedelta(days=300))])
    return memories


def test_a_rare_word_finds_what_is_old_among_common_words(many: Memories) -> None:
    search = many.search(Query(text="meeting tomatoes", limit=5))
    assert [one.memory.text for one in search.found] == ["meeting on tomatoes"]
    assert not search.complete


def test_where_all_words_are_common_the_newest_with_all_of_them_come_first(many: Memories) -> None:
    search = many.search(Query(text="meeting money", limit=12))
    texts = [one.memory.text for one in search.found]
    assert all("money" in text for text in texts[:10])
    assert "meeting money number0" in texts
    assert len(texts) == 12
    assert not search.complete


def test_a_window_decides_what_is_common(many: Memories) -> None:
    since, until = NOW - timedelta(hours=95), NOW - timedelta(hours=80)
    search = many.search(
        Query(text="meeting number85", within=Within(since=since, until=until), limit=50)
    )
    assert len(search.found) == 15
    assert search.found[0].memory.text == "meeting number85"
    assert search.complete


def test_times_of_many_within_one_second_do_not_collide(database: Database) -> None:
    memories = memories_of(database)
    memories.remember_all([a_draft(f"first {n}") for n in range(300)])
    memories.remember_all([a_draft(f"second {n}") for n in range(300)])
    with database.read() as connection:
        places = connection.execute(select(table.c.place)).scalars().all()
    assert len(set(places)) == 600
