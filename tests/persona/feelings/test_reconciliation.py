"""Both views are weighed, and every sentence of the outcome is true of the numbers."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import settings as tried_with
from hypothesis import strategies as st

from app.persona.feelings.affect import read_affect
from app.persona.feelings.assessment import Inner
from app.persona.feelings.lexicon import english
from app.persona.feelings.reconciliation import (
    INNER_EVIDENCE,
    Reconciliation,
    View,
    inner_view,
    outer_view,
    reconcile,
)
from app.persona.feelings.values import NEUTRAL, Affect, clamped

AT = datetime(2026, 11, 24, 1, 0, tzinfo=timezone(timedelta(hours=1)))
KEYS: tuple[str, ...] = (
    *("internal_assessment", "external_assessment", "alignment", "gaps", "reconciled_state"),
    *("learning_signal", "timestamp"),
)


def view(valence: float, arousal: float = 0.5, dominance: float = 0.5) -> View:
    return View(affect=clamped(valence, arousal, dominance), text="As it is.", evidence=1)


def reconciled(inner: View | None, outer: View, mood: Affect = NEUTRAL) -> Reconciliation:
    return reconcile(inner, outer, AT, mood)


def inner(**said: Any) -> View:
    return inner_view(Inner(text="As it is.", **said), english())


def test_both_views_are_weighed_and_it_is_said_how() -> None:
    found = reconciled(view(1.0, 1.0, 0.0), view(0.0, 0.5, 0.5))
    assert found.reconciled.as_dict() == {"valence": 0.4, "arousal": 0.7, "dominance": 0.3}
    assert "weighed 60% outer view, 40% inner view" in found.reconciled_state
    assert "valence 0.40" in found.reconciled_state


def test_the_keys_that_older_tools_know_are_in_plain_sentences() -> None:
    found = reconciled(view(0.5), view(-0.5)).as_dict()
    assert list(found)[:7] == list(KEYS)
    assert all(isinstance(found[key], str) and found[key] for key in KEYS if key != "gaps")
    assert found["timestamp"] == "2026-11-24T00:00:00Z"
    assert found["gaps"] == [
        "From inside it is more pleasant than it looks: valence 0.50 against -0.50."
    ]
    assert found["inner"] == {"valence": 0.5, "arousal": 0.5, "dominance": 0.5}
    assert found["outer"]["valence"] == -0.5
    assert found["reconciled"]["valence"] == -0.1
    assert found["distance"] == 0.289
    assert orjson.loads(orjson.dumps(found)) == found


def test_without_an_inner_view_the_outer_one_counts_alone_and_that_is_said() -> None:
    found = reconciled(None, view(0.3))
    assert found.reconciled.valence == 0.3
    assert found.internal_assessment == "No inner view was given."
    assert "only an outer view" in found.alignment
    assert "from the outer view only" in found.reconciled_state
    assert (found.inner, found.distance, found.gaps) == (None, None, [])


def test_a_view_that_names_no_feeling_weighs_nothing() -> None:
    silent = View(affect=None, text="Four.")
    found = reconciled(silent, view(0.3))
    assert found.reconciled.valence == 0.3
    assert "the inner view names no feeling" in found.alignment
    assert found.internal_assessment == "Four."
    found = reconciled(view(0.3), silent)
    assert found.reconciled.valence == 0.3
    assert "the outer view names no feeling" in found.alignment
    assert "from the inner view only" in found.reconciled_state
    assert reconciled(silent, silent).reconciled == NEUTRAL


@pytest.mark.parametrize(
    ("one", "said"),
    [(0.0, "agree"), (0.5, "are near"), (1.0, "are apart")],
)
def test_how_far_the_views_are_apart_is_said(one: float, said: str) -> None:
    assert said in reconciled(view(one), view(0.0)).alignment


def test_views_in_opposite_corners_contradict_each_other() -> None:
    found = reconciled(view(1, 1, 1), view(-1, 0, 0))
    assert "contradict each other: their distance is 1.00 of 1" in found.alignment
    assert len(found.gaps) == 3
    assert "in 3 of 3 measures" in found.learning_signal


def test_the_signal_compares_with_the_mood_before() -> None:
    assert "close to the mood before" in reconciled(None, view(0.1)).learning_signal
    signal = reconciled(None, view(0.5, 0.2), clamped(-0.5, 0.5, 0.5)).learning_signal
    assert "more pleasant (valence +1.00), calmer (arousal -0.30)" in signal


def test_an_inner_view_takes_what_it_does_not_give_in_numbers_from_its_prose() -> None:
    given_both = inner(valence=-0.5, prose={"present": "a calm joy"})
    assert given_both.affect is not None
    assert given_both.affect.valence == -0.5
    assert given_both.affect.arousal != 0.5
    assert given_both.evidence == INNER_EVIDENCE
    assert inner(prose={"present": "four"}).affect is None
    assert inner(prose={"present": "four"}).evidence == 0
    assert inner(valence=0.0).affect == NEUTRAL


def test_a_strength_makes_prose_weigh_more_or_less() -> None:
    weak, plain, strong = (
        inner(prose={"present": "hopeful"}, strength=strength).affect for strength in (0.1, None, 1)
    )
    assert weak is not None
    assert plain is not None
    assert strong is not None
    assert 0 < weak.valence < plain.valence < strong.valence


def test_what_a_model_says_of_the_outside_counts_for_half() -> None:
    reading = read_affect("I am happy.", english())
    alone = outer_view(reading, None, english())
    told = outer_view(reading, "It sounds sad and lonely.", english())
    assert alone.affect is not None
    assert told.affect is not None
    assert told.affect.valence < alone.affect.valence
    assert told.evidence > alone.evidence
    assert "happy (+0.75)" in alone.text
    assert "a model says: It sounds sad and lonely." in told.text
    assert outer_view(reading, "It has four parts.", english()).affect == alone.affect
    neither = outer_view(read_affect("Four.", english()), "  ", english())
    assert neither.affect is None
    assert neither.text == "No word of the answer carries a feeling that is known."


AFFECTS = st.builds(clamped, st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1))
VIEWS = st.builds(View, affect=st.none() | AFFECTS, text=st.text(max_size=30))


@tried_with(deadline=None)
@given(st.none() | VIEWS, VIEWS, AFFECTS)
def test_any_two_views_can_be_weighed(inner: View | None, outer: View, mood: Affect) -> None:
    found = reconcile(inner, outer, datetime(2026, 1, 1, tzinfo=UTC), mood)
    known = [one.affect for one in (inner, outer) if one is not None and one.affect is not None]
    if known:
        least, most = (end(one.valence for one in known) for end in (min, max))
        assert least - 1e-9 <= found.reconciled.valence <= most + 1e-9
    assert found.distance is None or 0 <= found.distance <= 1
    orjson.dumps({key: value for key, value in found.as_dict().items() if "assessment" not in key})
