"""What an answer means to its persona: mended, felt, and never lost on the way."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core.clock import FakeClock
from app.core.ids import RandomIds
from app.database import Database
from app.persona.appending import lock
from app.persona.client import Deadline, Reply, Transaction
from app.persona.errors import (
    EmptyAnswer,
    PersonaCancelled,
    PersonaError,
    PersonaTimeout,
    PersonaUnreachable,
)
from app.persona.feelings.assessment import Inner
from app.persona.feelings.feelings import Feelings, Lexicons
from app.persona.feelings.mirror import LOG_FILE, MOOD_FILE
from app.persona.feelings.series import MoodSeries
from app.persona.inner_life import InnerLife
from app.persona.openat import FOLDER
from app.persona.space import Space
from tests.conftest import on_sqlite
from tests.persona.given import NOW, a_deadline, a_request, hands_on
from tests.persona.tools.given import Announced

pytestmark = on_sqlite

INNER = "[Internal Emotional Assessment]\nWhat is present: quiet joy\nvalence: 0.6\n\n"
META = "As an AI, I have no feelings."
GOOD = "The garden made me glad today. I watered the tomatoes and wrote to Ada."


def spent(prompt: int) -> Mapping[str, Any]:
    return {"tokens": {"prompt": prompt, "completion": 1}, "rounds": prompt // 10}


def failing(error: PersonaError, account: Mapping[str, Any] | None = None) -> PersonaError:
    error.account = account or {}
    return error


class Model:
    """Answers questions after the answer, one after the other, and keeps them."""

    def __init__(self, *lines: str | PersonaError) -> None:
        self.lines = list(lines)
        self.asked: list[str] = []

    def ask(self, question: str) -> Reply:
        self.asked.append(question)
        line = self.lines.pop(0)
        if isinstance(line, PersonaError):
            raise line
        return Reply(text=line, metadata=spent(10 + 10 * len(self.asked)))


class House:
    """An inner life over a database and a space."""

    def __init__(self, database: Database, root: Path) -> None:
        self.root = root
        (root / "emotional_state").mkdir(parents=True)
        self.space = Space(root)
        self.clock = FakeClock(NOW)
        self.moods = MoodSeries(database, RandomIds())
        self.changes = Announced()

    def take_in(
        self,
        text: str,
        model: Model | None = None,
        *,
        mends: bool = True,
        is_own: bool = True,
        deadline: Deadline | None = None,
        **reply: Any,
    ) -> Reply:
        feelings = Feelings(self.moods, Lexicons(None, self.space), self.clock)
        hands = hands_on(self.space, self.clock)
        life = InnerLife(feelings, self.space, hands, mends=mends, is_own=is_own)
        given = Reply(
            text=text,
            **{"metadata": spent(10), "ask": model.ask if model else None, **reply},
        )
        request = replace(a_request(), changes=self.changes)
        return life.take_in(given, request, deadline or a_deadline(clock=self.clock))


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    return House(database, tmp_path / "space")


# ---- the inner view and the outer one


def test_the_inner_view_goes_out_of_the_answer_and_into_the_reconciliation(house: House) -> None:
    taken = house.take_in(INNER + GOOD, Model("Somebody would see joy."))
    assert taken.text == GOOD
    assert taken.reconciliation is not None
    assert taken.reconciliation["internal_assessment"].startswith("What is present")
    assert "joy" in str(taken.reconciliation["external_assessment"])
    assert taken.metadata["mood"]["after"] != taken.metadata["mood"]["before"]
    (mood,) = house.moods.series()
    assert (mood.run_id, mood.origin) == (a_request().occasion.run_id, "schedule")


def test_the_model_is_asked_how_it_looks_only_where_it_said_how_it_feels(house: House) -> None:
    model = Model()
    taken = house.take_in(GOOD, model)
    assert model.asked == []
    assert taken.metadata["tokens"] == spent(10)["tokens"]
    asked = Model("Glad.")
    taken = house.take_in(INNER + GOOD, asked)
    assert len(asked.asked) == 1
    assert taken.metadata["tokens"] == spent(20)["tokens"]


def test_the_mirrors_of_the_mood_are_announced_before_they_are_written(house: House) -> None:
    class First(Announced):
        def announce(self, paths: Sequence[str]) -> None:
            super().announce(paths)
            assert not any((house.root / path).exists() for path in paths)

    house.changes = First()
    house.take_in(GOOD)
    assert set(house.changes.paths) == {MOOD_FILE, LOG_FILE}
    assert json.loads((house.root / MOOD_FILE).read_text())["current_state"]["valence"] > 0


def test_a_run_that_is_no_longer_ours_moves_no_mood(house: House) -> None:
    class Lost(Announced):
        def hold(self, connection: Transaction) -> None:
            raise PersonaCancelled

    house.changes = Lost()
    with pytest.raises(PersonaCancelled) as caught:
        house.take_in(GOOD)
    assert caught.value.account == spent(10)
    assert house.moods.series() == []
    assert not (house.root / MOOD_FILE).exists()


@pytest.mark.parametrize("text", ["", " \n", '```assessment\n{"valence": 0.9}\n```'])
def test_an_answer_of_which_nothing_is_left_moves_no_mood_and_asks_nothing(
    house: House, text: str
) -> None:
    model = Model()
    taken = house.take_in(text, model)
    assert (taken.text, taken.metadata, model.asked) == ("", spent(10), [])
    assert house.moods.series() == []


def test_an_inner_view_beside_the_answer_counts_unless_the_answer_holds_one(house: House) -> None:
    beside = Inner(text="Beside it.", valence=-0.8, arousal=0.5, dominance=0.5)
    taken = house.take_in("The day is over.", inner=beside, voice="")
    assert taken.text == "The day is over."
    assert taken.reconciliation is not None
    assert taken.reconciliation["internal_assessment"] == "Beside it."
    assert taken.reconciliation["reconciled"]["valence"] == -0.8
    assert len(house.moods.series()) == 1
    within = house.take_in(INNER + GOOD, inner=beside).reconciliation
    assert within is not None
    assert within["inner"]["valence"] == 0.6


# ---- meta-talk


def test_a_model_writes_its_meta_talk_anew(house: House) -> None:
    model = Model(f"{INNER}{GOOD} It was a full day.")
    taken = house.take_in(f"{META} {GOOD}", model)
    assert taken.text == f"{GOOD} It was a full day."
    assert taken.metadata["meta_talk"]["done"] == "rewritten"
    assert taken.metadata["meta_talk"]["found"][0]["sentence"] == META
    assert taken.metadata["tokens"] == spent(20)["tokens"]
    assert META in model.asked[0]


def test_what_a_rewritten_answer_still_holds_of_it_is_removed(house: House) -> None:
    taken = house.take_in(f"{META} {GOOD}", Model(f"{GOOD} I am just a language model."))
    assert taken.text == GOOD
    assert taken.metadata["meta_talk"]["done"] == "removed"


@pytest.mark.parametrize(
    "line",
    [
        failing(PersonaUnreachable("gone"), spent(20)),
        failing(PersonaTimeout(timedelta(seconds=9)), spent(20)),
        failing(EmptyAnswer(), spent(20)),
        " \n",
        INNER,
        "Done.",
    ],
    ids=["fails", "out of time", "silent", "blank", "only a feeling", "all is lost"],
)
def test_where_the_model_does_worse_the_sentences_are_removed(
    house: House, line: str | PersonaError
) -> None:
    taken = house.take_in(f"{META} {GOOD}", Model(line))
    assert taken.text == GOOD
    assert taken.metadata["meta_talk"]["done"] == "removed"
    assert taken.metadata["tokens"] == spent(20)["tokens"]


def test_a_failed_question_without_an_account_keeps_that_of_the_answer(house: House) -> None:
    taken = house.take_in(INNER + GOOD, Model(failing(PersonaUnreachable("gone"))))
    assert taken.text == GOOD
    assert taken.metadata["tokens"] == spent(10)["tokens"]


def test_an_answer_that_is_nothing_but_meta_talk_is_asked_for_anew_or_kept(house: House) -> None:
    assert house.take_in(META, Model("I am glad.")).text == "I am glad."
    kept = house.take_in(META, Model(EmptyAnswer()))
    assert (kept.text, kept.metadata["meta_talk"]["done"]) == (META, "kept")


def test_without_a_model_the_sentences_are_removed(house: House) -> None:
    taken = house.take_in(f"{META} {GOOD}")
    assert (taken.text, taken.metadata["meta_talk"]["done"]) == (GOOD, "removed")


def test_it_is_left_alone_by_setting(house: House) -> None:
    model = Model()
    taken = house.take_in(f"{META} {GOOD}", model, mends=False)
    assert taken.text == f"{META} {GOOD}"
    assert "meta_talk" not in taken.metadata
    assert model.asked == []


def test_a_clean_answer_says_that_nothing_was_found(house: House) -> None:
    assert house.take_in(GOOD).metadata["meta_talk"] == {"found": [], "done": "none"}


def test_both_questions_are_in_the_account(house: House) -> None:
    taken = house.take_in(f"{INNER}{META} {GOOD}", Model("Glad.", GOOD))
    assert taken.text == GOOD
    assert taken.metadata["tokens"] == spent(30)["tokens"]
    assert taken.metadata["rounds"] == 3


@pytest.mark.parametrize("lines", [["cancelled"], ["Glad.", "cancelled"]], ids=["first", "second"])
def test_cancelled_while_it_is_asked_ends_the_run_with_its_account(
    house: House, lines: list[str]
) -> None:
    gone = failing(PersonaCancelled(), spent(90))
    model = Model(*(gone if line == "cancelled" else line for line in lines))
    with pytest.raises(PersonaCancelled) as caught:
        house.take_in(f"{INNER}{META} {GOOD}", model)
    assert caught.value.account == spent(90)
    assert house.moods.series() == []


# ---- what must not cost the answer


def test_an_answer_of_the_last_moment_stands_without_the_mirror_of_its_mood(
    house: House,
) -> None:
    deadline = a_deadline(1, house.clock)
    house.clock.advance(timedelta(seconds=2))
    with house.space.opened(("emotional_state",), FOLDER) as folder:
        lock(folder, a_deadline())
        taken = house.take_in(GOOD, deadline=deadline)
    assert taken.text == GOOD
    assert "no complete answer" in taken.metadata["mood_warnings"][0]
    assert len(house.moods.series()) == 1


def test_damaged_files_of_the_mood_do_not_cost_it_either(house: House) -> None:
    (house.root / MOOD_FILE).mkdir()
    taken = house.take_in(GOOD)
    assert taken.text == GOOD
    assert taken.metadata["mood_warnings"]


# ---- a persona that lives elsewhere


def test_the_answer_of_a_service_is_only_mended(house: House) -> None:
    model, theirs = Model(), {"reconciled_state": "calm"}
    text = f"{INNER}{META} {GOOD}"
    taken = house.take_in(text, model, is_own=False, reconciliation=theirs)
    assert taken.text == INNER + GOOD
    assert taken.reconciliation == theirs
    assert taken.metadata == {**spent(10), "meta_talk": taken.metadata["meta_talk"]}
    assert taken.metadata["meta_talk"]["done"] == "removed"
    assert (model.asked, house.moods.series(), house.changes.paths) == ([], [], [])


# ---- an answer that does not speak for itself


def test_only_the_voice_of_an_answer_moves_the_mood(house: House) -> None:
    taken = house.take_in("Words of ease: 0. All succeeded.", voice="")
    assert taken.text == "Words of ease: 0. All succeeded."
    assert (taken.reconciliation, house.moods.series()) == (None, [])
    taken = house.take_in("Quoted: “I was glad.”", voice="I was glad.")
    assert taken.text == "Quoted: “I was glad.”"
    assert len(house.moods.series()) == 1
