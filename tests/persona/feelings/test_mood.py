"""A mood fades by half-lives, moves by evidence, and is kept in order on both databases."""

import threading
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from app.core.ids import RandomIds
from app.database import Database
from app.persona.feelings.mood import HALF_LIVES, Mood, decayed, moved, pull, recent_pattern
from app.persona.feelings.series import MOST_MOODS, MoodSeries, moods
from app.persona.feelings.values import NEUTRAL, Affect, clamped, distance

NOW = datetime(2026, 11, 24, 1, tzinfo=UTC)
HAPPY = clamped(0.8, 0.7, 0.7)
SAD = clamped(-0.8, 0.3, 0.3)
HOUR = timedelta(hours=1)
AFFECTS = st.builds(clamped, st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1))


@pytest.mark.parametrize("name", sorted(HALF_LIVES))
def test_after_a_half_life_half_is_left(name: str) -> None:
    left = decayed(clamped(1.0, 1.0, 1.0), HALF_LIVES[name])
    neutral = getattr(NEUTRAL, name)
    assert getattr(left, name) == pytest.approx(neutral + (1.0 - neutral) / 2)


@given(AFFECTS, AFFECTS, st.timedeltas(timedelta(0), timedelta(days=4000)))
def test_a_mood_fades_towards_its_baseline_and_never_past_it(
    mood: Affect, baseline: Affect, span: timedelta
) -> None:
    left = decayed(mood, span, baseline)
    assert distance(left, baseline) <= distance(mood, baseline) + 1e-9
    assert decayed(baseline, span, baseline) == baseline


def test_a_clock_that_was_put_back_changes_no_mood() -> None:
    assert decayed(HAPPY, -HOUR) == HAPPY


@given(AFFECTS, AFFECTS, st.floats(0, 1000))
def test_an_answer_moves_the_mood_at_most_half_of_the_way(
    mood: Affect, answer: Affect, evidence: float
) -> None:
    after = moved(mood, answer, pull(evidence))
    assert distance(after, answer) <= distance(mood, answer) + 1e-9
    assert distance(after, answer) >= distance(mood, answer) / 2 - 1e-9


def test_more_words_pull_more_and_none_pull_nothing() -> None:
    assert pull(0) == pull(-1) == 0
    assert pull(2) == 0.25
    assert all(less < more for less, more in pairwise([pull(n) for n in (0, 1, 5, 50)]))


@pytest.mark.parametrize(
    ("valences", "said"),
    [
        ([], "too few"),
        ([0.5], "too few"),
        ([0.1, 0.2, 0.5, 0.6], "Valence rises over the last 4 moods: 0.15 on average"),
        ([0.5, -0.5], "falls"),
        ([0.5, 0.45, 0.52], "holds"),
    ],
)
def test_a_pattern_is_said_in_a_sentence(valences: list[float], said: str) -> None:
    assert said in recent_pattern([clamped(valence, 0.5, 0.5) for valence in valences])


# ---- the series


@pytest.fixture
def series(database: Database) -> MoodSeries:
    return MoodSeries(database, RandomIds())


def note(series: MoodSeries, affect: Affect, at: datetime, weight: float = 0.5) -> Mood:
    return series.note(
        affect, weight=weight, at=at, run_id="r" * 26, source="reply", origin="schedule"
    )[1]


def test_without_any_answer_the_mood_is_neutral(series: MoodSeries) -> None:
    assert series.series() == []
    assert series.current(NOW) == Mood(at=NOW, affect=NEUTRAL)


def test_a_mood_is_kept_with_what_brought_it_about_and_fades(series: MoodSeries) -> None:
    kept = note(series, HAPPY, NOW)
    assert kept.affect.valence == pytest.approx(0.4)
    assert series.series() == [kept]
    current = series.current(NOW + 12 * HOUR)
    assert current.affect.valence == pytest.approx(0.2)
    assert (current.at, current.run_id, current.origin) == (NOW + 12 * HOUR, "r" * 26, "schedule")


def test_each_answer_moves_what_is_left_of_the_mood(series: MoodSeries) -> None:
    note(series, HAPPY, NOW)
    before, after = series.note(
        SAD, weight=0.5, at=NOW + 12 * HOUR, run_id=None, source="chat", origin="manual"
    )
    assert before.valence == pytest.approx(0.2)
    assert after.affect.valence == pytest.approx(-0.3)
    assert after.run_id is None


def test_the_series_is_oldest_first_from_an_instant_on_and_bounded(series: MoodSeries) -> None:
    kept = [note(series, HAPPY, NOW + n * HOUR) for n in range(5)]
    assert series.series() == kept
    assert series.series(since=kept[2].at) == kept[2:]
    assert series.series(limit=2) == kept[3:]
    assert series.series(limit=0) == series.series(limit=-1) == []
    assert series.series(limit=MOST_MOODS * 2) == kept


def test_a_clock_that_was_put_back_does_not_turn_the_series_round(series: MoodSeries) -> None:
    first = note(series, HAPPY, NOW)
    second = note(series, SAD, NOW - HOUR)
    assert first.at < second.at < NOW + HOUR
    assert series.series() == [first, second]
    assert series.current(NOW).affect == second.affect


def test_moods_noted_at_once_follow_one_another(database: Database) -> None:
    """Each moves half of the way, so the numbers tell whether one was overlooked."""
    series = MoodSeries(database, RandomIds())
    barrier = threading.Barrier(4)

    def note_three() -> None:
        barrier.wait()
        for _ in range(3):
            note(series, clamped(1.0, 0.5, 0.5), NOW)

    threads = [threading.Thread(target=note_three) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    valences = sorted(mood.affect.valence for mood in series.series())
    assert valences == pytest.approx([1 - 0.5**n for n in range(1, 13)])
    assert series.current(NOW).affect.valence == pytest.approx(1 - 0.5**12)
    assert [mood.affect.valence for mood in series.series()] == valences


def test_old_moods_can_be_forgotten(series: MoodSeries, database: Database) -> None:
    kept = [note(series, HAPPY, NOW + n * HOUR) for n in range(3)]
    assert series.forget(kept[1].at) == 1
    assert series.series() == kept[1:]
    with database.read() as connection:
        assert len(connection.execute(select(moods.c.id)).all()) == 2
