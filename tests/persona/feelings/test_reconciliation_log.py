"""The newest reconciliations in the space: kept, bounded, and never in the way of a run."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import SpaceError
from app.database import Database
from app.persona.errors import PersonaCancelled
from app.persona.feelings.mirror import DAMAGED_LOG_FILE, LOG_FILE, SpaceFiles
from app.persona.feelings.reconciliation_log import MOST_BYTES, MOST_KEPT
from app.persona.writing import Rewording
from tests.conftest import on_sqlite
from tests.persona.feelings.test_feelings import (
    ANSWER,
    NOW,
    RUN,
    House,
    Unwritable,
    a_dangling_link,
    a_file_for_the_folder,
    a_folder,
    a_hard_link,
    a_link,
    a_link_for_the_folder,
    a_pipe,
)
from tests.persona.given import after

OLD = {"alignment": "of old", "timestamp": "2025-10-27T00:00:02.763864", "mine": 1}


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    return House(database, tmp_path / "space")


def put_log(house: House, document: Any) -> None:
    text = json.dumps(document, ensure_ascii=False)
    (house.root / LOG_FILE).write_text(text, encoding="utf-8")


def log_of(house: House) -> Any:
    return json.loads((house.root / LOG_FILE).read_text(encoding="utf-8"))


def entries(house: House) -> list[Any]:
    return list(log_of(house)["reconciliations"])


def runs(house: House) -> list[str | None]:
    return [entry["run_id"] for entry in entries(house) if entry != OLD]


def feel(house: House, run_id: str | None, answer: str = ANSWER, **more: Any) -> list[str]:
    house.clock.advance(timedelta(minutes=1))
    given = {"origin": "schedule", "files": house.files, **more}
    return list(after(house.feelings, answer, run_id=run_id, **given).warnings)


def a_variant(house: House, kind: type[SpaceFiles]) -> SpaceFiles:
    files = house.files
    return kind(files._space, files._hands, files._deadline, files._changes)


@on_sqlite
def test_a_reconciliation_is_kept_as_older_tools_know_it_with_its_numbers(house: House) -> None:
    felt = house.after()
    assert felt.warnings == []
    assert list(log_of(house)) == ["_note", "_instructions", "reconciliations"]
    (entry,) = entries(house)
    assert felt.reconciliation is not None
    about = {"run_id": RUN, "source": "reply", "origin": "schedule"}
    about["written_by"] = "persona-tasks"
    assert entry == {**felt.reconciliation, **about}
    older = {"alignment", "gaps", "reconciled_state", "learning_signal", "timestamp"}
    assert older | {"internal_assessment", "external_assessment"} <= set(entry)
    assert entry["inner"]["valence"] == 0.6


@on_sqlite
def test_the_newest_is_the_last_and_what_others_wrote_stays(house: House) -> None:
    put_log(house, {"mine": 1, "reconciliations": [OLD, "odd"]})
    assert feel(house, "r1") + feel(house, None) == []
    assert log_of(house)["mine"] == 1
    assert entries(house)[:2] == [OLD, "odd"]
    assert [entry["run_id"] for entry in entries(house)[2:]] == ["r1", None]


@on_sqlite
def test_entries_of_others_stay_that_name_runs_of_which_there_is_no_mood(house: House) -> None:
    feel(house, "r1")
    at = (NOW + timedelta(minutes=2)).isoformat()
    of_others = [{**OLD, "run_id": run_id, "timestamp": at} for run_id in ("theirs", "r2")]
    put_log(house, {"reconciliations": [*entries(house), *of_others]})
    assert feel(house, "r2") == []
    assert runs(house) == ["r1", "theirs", "r2", "r2"]


@on_sqlite
def test_an_answer_that_moves_no_mood_leaves_no_reconciliation(house: House) -> None:
    assert feel(house, RUN, "The run wrote three files.") == []
    assert feel(house, RUN, "[Internal Emotional Assessment]\nSource: four.\n\nThe answer.") == []
    assert not (house.root / LOG_FILE).exists()


@on_sqlite
def test_only_the_newest_are_kept(house: House) -> None:
    put_log(house, {"reconciliations": [OLD] * 80})
    feel(house, "r0")
    assert entries(house)[:-1] == [OLD] * (MOST_KEPT - 1)
    feel(house, "r1")
    assert runs(house) == ["r0", "r1"]
    assert len(entries(house)) == MOST_KEPT


@on_sqlite
def test_not_more_is_kept_than_is_read_again(house: House) -> None:
    long = {**OLD, "alignment": "é" * 21_000}
    put_log(house, {"reconciliations": [long] * 12, "mine": "of others"})
    assert MOST_BYTES - 20_000 < (house.root / LOG_FILE).stat().st_size < MOST_BYTES
    for number in range(3):
        assert feel(house, f"r{number}", told="🌻" * 4_000) == []
        assert (house.root / LOG_FILE).stat().st_size <= MOST_BYTES
    found = entries(house)
    assert found[:-3] == [long] * (len(found) - 3)
    assert 5 < len(found) - 3 < 12
    assert [entry["run_id"] for entry in found[-3:]] == ["r0", "r1", "r2"]


@on_sqlite
def test_a_log_that_others_filled_stays_as_it_is(house: House) -> None:
    full = {"mine": "x" * (MOST_BYTES - 300), "reconciliations": [OLD]}
    put_log(house, full)
    for _ in range(2):
        (warning,) = feel(house, RUN)
        assert warning.endswith(f"to the space: it would be longer than {MOST_BYTES} bytes")
        assert log_of(house) == full


@on_sqlite
def test_keys_of_others_in_a_log_are_kept_where_set_in_they_would_be_too_long(house: House) -> None:
    put_log(house, {"mine": [1] * 90_000, "reconciliations": [OLD]})
    assert feel(house, RUN) == []
    assert log_of(house)["mine"] == [1] * 90_000
    assert entries(house)[0] == OLD


@on_sqlite
@pytest.mark.parametrize(
    "damage",
    [
        *(b"", b"{", b"[1, 2]", b"null", b"\xff\xfe\x00", b'{"a": NaN}', b"[" * 60_000),
        *(b'{"reconciliations": {}}', b'{"reconciliations": null}'),
        b'{"a": "' + b"x" * MOST_BYTES + b'"}',
    ],
)
def test_a_damaged_log_is_set_aside_and_explained_and_no_run_fails(
    house: House, damage: bytes
) -> None:
    (house.root / LOG_FILE).write_bytes(damage)
    (house.root / DAMAGED_LOG_FILE).write_text("of before")
    (warning,) = feel(house, RUN)
    assert warning.startswith(f"`{LOG_FILE}` was set aside as `{DAMAGED_LOG_FILE}`: ")
    assert runs(house) == [RUN]
    aside = (house.root / DAMAGED_LOG_FILE).read_bytes()
    assert aside == damage.decode("utf-8", "replace").encode()[: MOST_BYTES + 1]
    assert feel(house, "r2") == []


@on_sqlite
@pytest.mark.parametrize("put", [a_folder, a_link, a_dangling_link, a_pipe, a_hard_link])
def test_whatever_stands_in_the_place_of_the_log_no_run_fails(
    house: House, put: Callable[[Path], None]
) -> None:
    put(house.root / LOG_FILE)
    (warning,) = feel(house, RUN)
    assert warning.startswith("the reconciliation was not written to the space: ")
    assert house.shown()["current_state"]["valence"] > 0
    assert not (house.root.parent / "nowhere.json").exists()


@on_sqlite
@pytest.mark.parametrize("put", [a_file_for_the_folder, a_link_for_the_folder])
def test_whatever_stands_in_the_place_of_its_folder_no_run_fails(
    house: House, put: Callable[[Path], None]
) -> None:
    put(house.root / LOG_FILE)
    assert len(feel(house, RUN)) == 2
    assert len(house.moods.series()) == 1


@on_sqlite
def test_a_run_that_is_no_longer_ours_ends_at_the_log(house: House) -> None:
    class Lost(SpaceFiles):
        def change_text(self, path: str, change: Rewording) -> None:
            raise PersonaCancelled

    with pytest.raises(PersonaCancelled):
        feel(house, RUN, files=a_variant(house, Lost))


@on_sqlite
def test_a_log_that_cannot_be_set_aside_stays_as_it_is(house: House) -> None:
    class Full(SpaceFiles):
        def write_text(self, path: str, text: str) -> None:
            if path == DAMAGED_LOG_FILE:
                raise SpaceError("no room")
            super().write_text(path, text)

    (house.root / LOG_FILE).write_text("{")
    (warning,) = feel(house, RUN, files=a_variant(house, Full))
    assert warning == "the reconciliation was not written to the space: no room"
    assert (house.root / LOG_FILE).read_text() == "{"
    assert len(feel(house, RUN, files=Unwritable(SpaceError("Read-only file system")))) == 2


@on_sqlite
def test_of_two_that_write_at_once_both_stay(house: House) -> None:
    class Interrupted(SpaceFiles):
        def change_text(self, path: str, change: Rewording) -> None:
            feel(house, "other")
            super().change_text(path, change)

    feel(house, "first")
    assert feel(house, "second", files=a_variant(house, Interrupted)) == []
    assert runs(house) == ["first", "other", "second"]


@on_sqlite
@pytest.mark.parametrize("word", ["a\0b", "a\ud83db"])
def test_what_cannot_be_read_again_is_not_written(house: House, word: str) -> None:
    block = f"[Internal Emotional Assessment]\nWhat is present: joy {word}"
    assert feel(house, "r1", f"{block}\n\nYes.") == []
    assert feel(house, "r2") == []
    assert runs(house) == ["r1", "r2"]


# ---- attempts that died


def test_what_a_dead_attempt_left_goes_with_its_moods(house: House, database: Database) -> None:
    put_log(house, {"reconciliations": [{**OLD, "run_id": "old"}]})
    for run_id in ("before", "dead", None, "after"):
        feel(house, run_id)
    with database.write() as connection:
        assert house.moods.unlive(connection, "dead", NOW) == 1
    feel(house, "next")
    assert runs(house) == ["old", "before", None, "after", "next"]


@on_sqlite
def test_a_run_that_is_made_again_stands_there_once(house: House) -> None:
    for run_id in ("again", "other", "again"):
        feel(house, run_id)
    assert runs(house) == ["other", "again"]


@on_sqlite
def test_moods_that_are_forgotten_for_their_age_take_no_reconciliation_along(house: House) -> None:
    feel(house, "r1")
    feel(house, "r2")
    assert house.moods.forget(house.clock.now()) == 1
    feel(house, "r3")
    assert runs(house) == ["r1", "r2", "r3"]


def test_a_database_that_is_away_costs_no_reconciliation(tmp_path: Path) -> None:
    house = House(Database("postgresql://nobody@127.0.0.1:1/nothing"), tmp_path)
    feel(house, "r1")
    feel(house, "r2")
    assert runs(house) == ["r1", "r2"]
