"""Answers of another persona are mended, and the run's metadata says what was done."""

from pathlib import Path

import pytest

from app.config import read_settings
from app.core.errors import PersonaFailed
from app.persona.client import Reply
from app.persona.fakes import ScriptedPersona
from app.persona.metatalk import find_metatalk
from app.persona.speaking import SpeaksForItself
from app.wiring import build
from tests.persona.given import a_deadline, a_request


def test_meta_talk_is_removed_and_noted_beside_what_the_persona_noted() -> None:
    script = Reply(text="Good night. I am an AI.", metadata={"task_type": "custom"})
    reply = SpeaksForItself(ScriptedPersona(script)).reply(a_request(), a_deadline())
    assert reply.text == "Good night."
    assert reply.metadata == {
        "task_type": "custom",
        "meta_talk": {
            "found": [{"rule": "only_a_model", "sentence": "I am an AI."}],
            "done": "removed",
        },
    }


def test_an_answer_that_was_mended_already_is_left_alone() -> None:
    script = Reply(text="I am an AI.", metadata={"meta_talk": {"found": [], "done": "kept"}})
    assert SpeaksForItself(ScriptedPersona(script)).reply(a_request(), a_deadline()) == script


def test_errors_and_problems_are_those_of_the_persona() -> None:
    scripted = ScriptedPersona(PersonaFailed("no"))
    persona = SpeaksForItself(scripted)
    with pytest.raises(PersonaFailed):
        persona.reply(a_request(), a_deadline())
    scripted.break_with("it is gone")
    assert persona.problem() == "it is gone"
    assert persona.name == "scripted"


@pytest.mark.parametrize(("setting", "is_mended"), [(None, True), ("on", True), ("off", False)])
def test_the_setting_turns_it_off_for_a_persona_service(
    tmp_path: Path, setting: str | None, is_mended: bool
) -> None:
    environment = {
        "PERSONA_SPACE": str(tmp_path / "space"),
        "PERSONA_BACKEND": "service",
        "PERSONA_URL": "http://127.0.0.1:9",
        "ANTI_META_TALK": setting or "",
    }
    services = build(read_settings(environment))
    assert isinstance(services.persona, SpeaksForItself) is is_mended


@pytest.mark.parametrize("path", sorted((Path(__file__).parent / "golden").glob("*.md")))
def test_the_embedded_persona_does_no_meta_talk(path: Path) -> None:
    assert find_metatalk(path.read_text(encoding="utf-8")) == []
