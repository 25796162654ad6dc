"""The mood, over HTTP."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.wiring import Services
from tests.api.clocks import ShiftedClock
from tests.conftest import on_sqlite
from tests.persona.given import after

MOOD = "/api/persona/mood"
RUN = "01k8hq0000000000000000000a"


def body_of(response: Any) -> Any:
    assert response.status_code == 200
    return json.loads(response.data)


def feel(services: Services, answer: str) -> None:
    after(services.being.feelings, answer, run_id=RUN, origin="schedule")


def test_before_any_answer_the_mood_is_neutral(client: FlaskClient) -> None:
    body = body_of(client.get(MOOD))
    assert body["mood"] == []
    current = body["current"]
    assert (current["valence"], current["arousal"], current["dominance"]) == (0.0, 0.5, 0.5)
    assert current["at"].endswith("Z")
    assert current["state"] == "neither pleasant nor unpleasant, even, steady"
    assert body["lexicon"]["words"] > 1000
    assert body["lexicon"]["problems"] == []


def test_the_mood_is_shown_over_time_and_as_it_has_faded(
    client: FlaskClient, services: Services, clock: ShiftedClock
) -> None:
    feel(services, "I am happy, grateful and calm.")
    clock.advance(timedelta(hours=12))
    feel(services, "I am sad.")
    clock.advance(timedelta(hours=12))
    body = body_of(client.get(MOOD))
    first, second = body["mood"]
    assert first["valence"] > 0 > second["valence"] - first["valence"]
    assert (first["run_id"], first["source"], first["origin"]) == (RUN, "reply", "schedule")
    current = body["current"]
    assert current["valence"] == pytest.approx(second["valence"] / 2, abs=0.002)
    assert body_of(client.get(MOOD, query_string={"since": second["at"]}))["mood"] == [second]
    assert body_of(client.get(MOOD, query_string={"limit": 1}))["mood"] == [second]
    assert body_of(client.get(MOOD, query_string={"limit": 0}))["mood"] == []


@on_sqlite
@pytest.mark.parametrize("query", ["since=yesterday", "limit=many", "since=0001-01-01T00:00:00Z"])
def test_a_query_that_cannot_be_read_is_refused(client: FlaskClient, query: str) -> None:
    response = client.get(f"{MOOD}?{query}")
    assert response.status_code == 422
    assert json.loads(response.data)["errors"][0]["field"] == query.partition("=")[0]


@on_sqlite
def test_what_is_wrong_with_a_lexicon_of_the_space_is_said(
    client: FlaskClient, services: Services
) -> None:
    lexicon = Path(services.settings.persona_space) / "emotional_state" / "lexicon.csv"
    lexicon.write_text("term,valence,arousal,dominance\nhappy,9,0,0\n")
    (problem,) = body_of(client.get(MOOD))["lexicon"]["problems"]
    assert problem == "emotional_state/lexicon.csv, line 2: 9.0 is not between -1 and 1"


@on_sqlite
def test_moods_are_kept_as_long_as_results(
    client: FlaskClient, services: Services, clock: ShiftedClock
) -> None:
    feel(services, "I am happy.")
    clock.advance(services.settings.results_max_age - timedelta(days=1))
    feel(services, "I am glad.")
    services.clockwork.pulse()
    assert len(body_of(client.get(MOOD))["mood"]) == 2
    clock.advance(timedelta(days=2))
    services.clockwork.pulse()
    assert len(body_of(client.get(MOOD))["mood"]) == 1
