"""How the persona feels: its mood now and over time."""

from typing import Any

from flask import Response
from marshmallow import fields

from app.api import shapes
from app.api.answers import answer
from app.api.door import Answer, Door, Takes
from app.api.inputs import MoodQuery
from app.api.schema_fields import Shown, many, measure, moment, number, text
from app.api.serving import services
from app.persona.feelings.mood import Mood

door = Door("mood", __name__, url_prefix="/api/persona", description="How the persona feels")


class MoodShown(Shown):
    """A mood, and what brought it about."""

    at = moment()
    valence = measure(-1, "bad to good")
    arousal = measure(0, "calm to stirred")
    dominance = measure(0, "powerless to in control")
    run_id = text("the run whose answer it came from", allow_none=True)
    source = text("what it came from, such as `reply`", allow_none=True)
    origin = text("why that came about, such as `schedule`", allow_none=True)


class CurrentMood(MoodShown):
    """The mood now: the last one, faded since."""

    state = text("the same in words")


class LexiconShown(Shown):
    """The lexicon that answers are read with."""

    words = number("how many words and phrases of it carry feeling")
    problems = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "what is wrong with the files it was read from"},
    )


class Moods(Shown):
    """The mood over time, oldest first, and now."""

    mood = many(MoodShown)
    current = fields.Nested(CurrentMood, required=True)
    lexicon = fields.Nested(LexiconShown, required=True)


@door.on(
    "GET",
    "/mood",
    takes=Takes(query=MoodQuery()),
    answers={200: Answer(description="The mood", schema=Moods)},
)
def show_mood(query: dict[str, Any]) -> Response:
    """Show the mood over time and now

    The newest moods since the instant, oldest first. Between two of them the mood fades.
    """
    moods, lexicon = services().being.moods, services().being.lexicons.current()
    current = moods.current(services().clock.now())
    return answer(
        {
            "mood": [
                _shape(mood)
                for mood in moods.series(since=query.get("since"), limit=query["limit"])
            ],
            "current": {**_shape(current), "state": current.affect.in_words()},
            "lexicon": {
                "words": len(lexicon.lexicon.feelings),
                "problems": list(lexicon.problems),
            },
        }
    )


def _shape(mood: Mood) -> dict[str, Any]:
    return {
        "at": shapes.instant(mood.at),
        **mood.affect.as_dict(),
        "run_id": mood.run_id,
        "source": mood.source,
        "origin": mood.origin,
    }
