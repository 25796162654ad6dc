"""A persona that lives elsewhere: its answers are mended, its memory and moods are not here."""

import json

from flask.testing import FlaskClient

from app.persona.client import Reply
from app.persona.fakes import ScriptedPersona

THEIRS = {"reconciled_state": "calm", "alignment": "They agree."}


def test_its_answer_is_mended_and_nothing_is_remembered_or_felt_here(
    client: FlaskClient, persona: ScriptedPersona
) -> None:
    text = "As an AI, I have no feelings. I am grateful for the garden."
    persona._script.append(Reply(text=text, reconciliation=THEIRS))
    done = json.loads(client.post("/api/tasks/daily_reflection/execute").data)
    assert done["response"] == "I am grateful for the garden."
    metadata = json.loads(client.get(f"/api/runs/{done['run_id']}").data)["metadata"]
    assert metadata["reconciliation"] == THEIRS
    assert metadata["meta_talk"]["done"] == "removed"
    assert "mood" not in metadata
    assert json.loads(client.get("/api/memories").data)["memories"] == []
    assert json.loads(client.get("/api/persona/mood").data)["mood"] == []
