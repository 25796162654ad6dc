"""After each answer: the inner view goes, the mood moves, the space shows it; nothing fails."""

import json
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tried_with
from hypothesis import strategies as st

from app.core.clock import FakeClock
from app.core.errors import SpaceError
from app.core.ids import RandomIds
from app.database import Database
from app.persona.client import Unrecorded
from app.persona.errors import NoSuchFile, PersonaCancelled
from app.persona.feelings.feelings import LEXICON_FILE, Feelings, Felt, Lexicons
from app.persona.feelings.lexicon import english
from app.persona.feelings.mirror import LOG_FILE, MOOD_FILE, SpaceFiles
from app.persona.feelings.series import MoodSeries
from app.persona.feelings.values import NEUTRAL
from app.persona.findings import gather
from app.persona.space import Space
from app.persona.writing import Rewording
from tests.conftest import on_sqlite
from tests.persona.given import a_deadline, a_life, a_request, after, hands_on

NOW = datetime(2026, 11, 24, 1, tzinfo=UTC)
ANSWER = """[Internal Emotional Assessment]
What is present: a quiet contentment
valence: 0.6

I feel calm and grateful today."""
RUN = "01k8hq0000000000000000000a"


class House:
    """Feelings over a database and a space."""

    def __init__(self, database: Database, root: Path, lexicon: Path | None = None) -> None:
        self.root = root
        (root / "emotional_state").mkdir(parents=True, exist_ok=True)
        self.space = Space(root)
        self.clock = FakeClock(NOW)
        self.moods = MoodSeries(database, RandomIds())
        self.lexicons = Lexicons(lexicon, self.space)
        self.feelings = Feelings(self.moods, self.lexicons, self.clock)
        self.hands = hands_on(self.space, self.clock)
        deadline = a_deadline(clock=self.clock)
        self.files = SpaceFiles(self.space, self.hands, deadline, Unrecorded())

    @property
    def mood_file(self) -> Path:
        return self.root / MOOD_FILE

    def shown(self) -> Any:
        return json.loads(self.mood_file.read_text(encoding="utf-8"))

    def after(self, answer: str = ANSWER, **more: Any) -> Felt:
        given = {"run_id": RUN, "origin": "schedule", "files": self.files, **more}
        return after(self.feelings, answer, **given)


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    return House(database, tmp_path / "space")


def test_an_answer_is_read_reconciled_and_moves_the_mood(house: House) -> None:
    felt = house.after()
    assert felt.reconciliation is not None
    assert felt.reconciliation["inner"]["valence"] == 0.6
    assert felt.reconciliation["timestamp"] == "2026-11-24T01:00:00Z"
    assert felt.before == NEUTRAL
    assert 0 < felt.after.valence < felt.affect.valence
    (mood,) = house.moods.series()
    assert mood.affect == felt.after
    assert (mood.run_id, mood.source, mood.origin) == (RUN, "reply", "schedule")
    assert felt.metadata() == {
        "affect": felt.affect.as_dict(),
        "mood": {"before": NEUTRAL.as_dict(), "after": felt.after.as_dict()},
    }


def test_the_next_answer_starts_from_what_is_left_of_the_mood(house: House) -> None:
    first = house.after()
    house.clock.advance(timedelta(hours=12))
    second = house.after("I am sad.")
    assert second.before.valence == pytest.approx(first.after.valence / 2)
    assert second.after.valence < second.before.valence


@pytest.mark.parametrize("answer", ["", "The run wrote three files.", "\x00", "🜨" * 50])
def test_an_answer_without_feeling_leaves_the_mood_alone(house: House, answer: str) -> None:
    felt = house.after(answer)
    assert (felt.reconciliation, felt.affect) == (None, NEUTRAL)
    assert house.moods.series() == []
    assert not house.mood_file.exists()


def test_an_inner_view_that_names_no_feeling_is_kept_and_moves_nothing(house: House) -> None:
    felt = house.after("[Internal Emotional Assessment]\nSource: four.\n\nThe answer.")
    assert felt.reconciliation is not None
    assert felt.reconciliation["reconciled"] == NEUTRAL.as_dict()
    assert house.moods.series() == []


def test_what_a_model_says_of_the_outside_is_weighed_too(house: House) -> None:
    felt = house.after("I am happy.", told="It sounds desperate.")
    assert felt.reconciliation is not None
    assert "It sounds desperate." in felt.reconciliation["external_assessment"]
    assert felt.affect.valence < house.after("I am happy.").affect.valence


def test_what_an_answer_quotes_is_not_how_it_feels(house: House) -> None:
    felt = house.after("I am glad. On Friday I wrote: “I hated this day.”\n\n> I hate you all.")
    assert felt.affect.valence == house.after("I am glad. On Friday I wrote:").affect.valence
    assert house.after('You said: "I hate this."').reconciliation is None


def test_a_database_that_is_away_costs_nothing_but_the_mood(tmp_path: Path) -> None:
    house = House(Database("postgresql://nobody@127.0.0.1:1/nothing"), tmp_path)
    felt = house.after()
    assert felt.reconciliation is not None
    assert "the mood was not kept" in felt.warnings[0]
    assert felt.metadata()["mood_warnings"] == felt.warnings
    assert house.shown()["current_state"]["valence"] > 0


@on_sqlite
@tried_with(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(answer=st.text(), told=st.none() | st.text())
def test_no_text_makes_it_fail(house: House, answer: str, told: str | None) -> None:
    house.after(answer, told=told)
    house.after(ANSWER + answer, told=told)


# ---- emotional_state/current.json


@on_sqlite
def test_the_space_shows_the_mood_as_older_tools_and_the_embedded_persona_read_it(
    house: House,
) -> None:
    felt = house.after()
    current = house.shown()["current_state"]
    assert felt.reconciliation is not None
    assert current["reconciled_state"] == felt.reconciliation["reconciled_state"]
    assert current["last_updated"] == "2026-11-24T01:00:00Z"
    assert current["recent_pattern"] == "There are too few moods for a pattern."
    assert current["valence"] == felt.after.as_dict()["valence"]

    class Nothing:
        def runs_since(self, since: datetime, limit: int) -> Sequence[Any]:
            return []

    findings = gather(house.space, Nothing(), a_life(), a_request(), a_deadline())
    assert findings.mood.state == current["reconciled_state"]
    assert findings.mood.problem == ""


@on_sqlite
def test_other_keys_of_the_file_are_kept(house: House) -> None:
    house.mood_file.write_text(
        '{"mine": [1], "current_state": {"reconciled_state": "x", "colour": "blue"}}'
    )
    assert house.after().warnings == []
    shown = house.shown()
    assert shown["mine"] == [1]
    assert shown["current_state"]["colour"] == "blue"
    assert shown["current_state"]["reconciled_state"] != "x"


@on_sqlite
@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[1, 2]",
        b"null",
        b"\xff\xfe\x00",
        b'{"current_state": 7}',
        b'{"current_state": null}',
        b'{"a": NaN}',
        b"[" * 60_000,
    ],
)
def test_a_damaged_file_is_replaced_and_no_run_fails(house: House, damage: bytes) -> None:
    house.mood_file.write_bytes(damage)
    felt = house.after()
    assert felt.reconciliation is not None
    assert house.shown()["current_state"]["reconciled_state"]
    if b"current_state" not in damage:
        assert "was damaged and was replaced" in felt.warnings[0]


@on_sqlite
def test_keys_of_others_are_kept_where_set_in_they_would_be_too_long(house: House) -> None:
    mine = {"mine": list(range(1, 9_001))}
    house.mood_file.write_text(json.dumps(mine, separators=(",", ":")))
    for _ in range(2):
        assert house.after().warnings == []
        assert house.shown()["mine"] == mine["mine"]
        assert house.shown()["current_state"]["reconciled_state"]
        assert house.mood_file.stat().st_size <= 64 * 1024


@on_sqlite
@pytest.mark.parametrize("length", [64 * 1024 - 20, 70_000])
def test_a_file_that_is_merely_too_long_for_the_mood_is_left(house: House, length: int) -> None:
    text = json.dumps({"mine": "x" * length})
    house.mood_file.write_text(text)
    (warning,) = house.after().warnings
    assert warning.startswith("the mood was not written to the space: ")
    assert "longer than 65536 bytes" in warning
    assert house.mood_file.read_text() == text


def a_folder(path: Path) -> None:
    path.mkdir()


def a_link(path: Path) -> None:
    (path.parent.parent.parent / "outside.json").write_text("{}")
    path.symlink_to(path.parent.parent.parent / "outside.json")


def a_dangling_link(path: Path) -> None:
    path.symlink_to(path.parent.parent.parent / "nowhere.json")


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_hard_link(path: Path) -> None:
    other = path.parent / "other.json"
    other.write_text("{}")
    path.hardlink_to(other)


def a_file_for_the_folder(path: Path) -> None:
    path.parent.rmdir()
    path.parent.write_text("")


def a_link_for_the_folder(path: Path) -> None:
    path.parent.rmdir()
    outside = path.parent.parent.parent / "elsewhere"
    outside.mkdir()
    path.parent.symlink_to(outside)


@on_sqlite
@pytest.mark.parametrize(
    "put",
    [
        a_folder,
        a_link,
        a_dangling_link,
        a_pipe,
        a_hard_link,
        a_file_for_the_folder,
        a_link_for_the_folder,
    ],
)
def test_whatever_stands_in_the_place_of_the_file_no_run_fails(
    house: House, put: Callable[[Path], None]
) -> None:
    put(house.mood_file)
    with pytest.raises(SpaceError):
        house.files.write_text(MOOD_FILE, "{}")
    felt = house.after()
    assert felt.reconciliation is not None
    assert "the mood was not written to the space" in felt.warnings[0]
    assert len(house.moods.series()) == 1
    outside = house.root.parent
    assert not (outside / "nowhere.json").exists()
    assert not list((outside / "elsewhere").glob("*"))
    assert not (outside / "outside.json").exists() or (outside / "outside.json").read_text() == "{}"


@on_sqlite
def test_the_folder_of_the_mood_is_made_where_it_is_missing(house: House) -> None:
    (house.root / "emotional_state").rmdir()
    assert house.after().warnings == []
    assert house.mood_file.exists()


class Unwritable:
    """Files of a space that cannot be written."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def read_text(self, path: str, most_bytes: int) -> str:
        raise NoSuchFile

    def write_text(self, path: str, text: str) -> None:
        raise self._error

    def change_text(self, path: str, change: Rewording) -> None:
        raise self._error


@on_sqlite
def test_a_space_that_is_read_only_fails_no_run(house: House) -> None:
    felt = house.after(files=Unwritable(SpaceError("Read-only file system")))
    assert felt.warnings == [
        "the mood was not written to the space: Read-only file system",
        "the reconciliation was not written to the space: Read-only file system",
    ]


@on_sqlite
def test_a_run_that_is_no_longer_ours_ends_at_the_file(house: House) -> None:
    with pytest.raises(PersonaCancelled):
        house.after(files=Unwritable(PersonaCancelled()))


@on_sqlite
def test_the_file_is_announced_before_it_is_written(house: House) -> None:
    announced: list[tuple[list[str], bool]] = []

    class Announced(Unrecorded):
        def announce(self, paths: Sequence[str]) -> None:
            announced.append((list(paths), house.mood_file.exists()))

    files = SpaceFiles(house.space, house.hands, a_deadline(clock=house.clock), Announced())
    assert house.after(files=files).warnings == []
    # once more right before it gets its name, which a run that was given up is refused
    assert announced == [*[([MOOD_FILE], False)] * 2, *[([LOG_FILE], True)] * 2]
    assert house.mood_file.exists()


# ---- lexicons


@on_sqlite
def test_a_lexicon_that_became_a_pipe_or_too_large_is_named_and_not_waited_for(
    house: House, tmp_path: Path
) -> None:
    pipe, large = tmp_path / "pipe", tmp_path / "large"
    os.mkfifo(pipe)
    with large.open("wb") as file:
        file.truncate(10_000_000_000)
    for path in (pipe, large):
        read = Lexicons(path, Space(house.root)).current()
        assert read.lexicon == english()
        assert read.problems[0].startswith("AFFECT_LEXICON ")


OWN = "term,valence,arousal,dominance\nzorbish,0.9,0.5,0.5\n"


@on_sqlite
def test_a_lexicon_in_the_space_is_in_force_as_soon_as_it_is_changed(house: House) -> None:
    own = house.root / LEXICON_FILE
    assert house.lexicons.current().lexicon == english()
    own.write_text(OWN)
    assert house.after("It was zorbish.").affect.valence > 0.5
    assert house.after("I am sad.").affect.valence < 0
    own.write_text(OWN.replace("0.9", "-0.9"))
    assert house.after("It was zorbish.").affect.valence < 0
    own.write_text(OWN + "happy,9,0,0\n")
    assert house.after("I am happy.").affect.valence > 0
    (problem,) = house.lexicons.current().problems
    assert problem == f"{LEXICON_FILE}, line 3: 9.0 is not between -1 and 1"
    own.unlink()
    own.mkdir()
    assert house.after("I am happy.").affect.valence > 0
    assert "is a folder" in house.lexicons.current().problems[0]


def test_a_lexicon_of_the_settings_stands_in_for_the_built_in_one(
    database: Database, tmp_path: Path
) -> None:
    given_path = tmp_path / "own.csv"
    given_path.write_text(OWN + "bad row\n")
    house = House(database, tmp_path / "space", given_path)
    assert house.after("It was zorbish.").affect.valence > 0.5
    assert house.after("I am sad.").reconciliation is None
    assert house.lexicons.current().problems[0].startswith("AFFECT_LEXICON, line 3: ")


@on_sqlite
def test_a_lexicon_of_the_settings_that_is_gone_is_said_and_the_built_in_one_used(
    database: Database, tmp_path: Path
) -> None:
    house = House(database, tmp_path / "space", tmp_path / "gone.csv")
    assert "AFFECT_LEXICON cannot be read" in house.lexicons.current().problems[0]
    assert house.lexicons.current().lexicon == english()
