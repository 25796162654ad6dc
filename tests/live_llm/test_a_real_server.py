"""A real server of language models, with a model that is tiny and random: nothing is downloaded."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from marshmallow import Schema, fields, validate

from app.core import strict_json
from app.core.clock import SystemClock
from app.persona.errors import PersonaTooLong
from app.persona.llm.chat import ModelOptions
from app.persona.llm.dialect import Asked
from app.persona.llm.openai import OpenAi
from app.persona.llm.wire import HttpModel
from app.persona.llm_persona import LlmPersona, Means
from app.persona.prompting.sources import Sources
from app.persona.space import Space
from app.persona.tools.tool import Toolbox
from tests.persona.given import a_real_deadline, a_request, a_task
from tests.persona.llm.given import a_tool, ask, both_ways, fail, user

pytestmark = pytest.mark.live_llm

CONTEXT = 16384
_STARTED_WITHIN = 60.0
OPTIONS = ModelOptions(model="tiny", temperature=0.8, max_tokens=40)


class Feeling(Schema):
    """Arguments that end soon, whatever a random model would like to go on with."""

    mood = fields.String(required=True, validate=validate.OneOf(["calm", "tired"]))
    lasting = fields.Boolean(required=True)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the server."""
    from tests.live_llm.tiny import write_model

    folder = tmp_path_factory.mktemp("model")
    write_model(folder / "tiny.gguf", context=CONTEXT)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    command = [sys.executable, "-m", "llama_cpp.server", "--model", str(folder / "tiny.gguf")]
    given = {"host": "127.0.0.1", "port": port, "n_ctx": CONTEXT, "n_threads": 1, "verbose": False}
    for name, value in given.items():
        command += [f"--{name}", str(value)]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        base = f"http://127.0.0.1:{port}/v1"
        _wait_for(base, server, folder / "log")
        yield base
    finally:
        server.terminate()
        server.wait(10)


def _wait_for(base: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + _STARTED_WITHIN
    while time.monotonic() < end and server.poll() is None:
        try:
            requests.get(f"{base}/models", timeout=1)
        except requests.ConnectionError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"the server did not start: {log.read_text(errors='replace')[-2000:]}")


class DemandingAi(OpenAi):
    """Chat completions whose model has to call `feel`; of itself a random one calls nothing."""

    def body(self, asked: Asked, *, stream: bool) -> dict[str, Any]:
        choice = {"type": "function", "function": {"name": "feel"}}
        return {**super().body(asked, stream=stream), "tool_choice": choice}


def model_at(url: str, *, streams: bool = True) -> HttpModel:
    return HttpModel(OpenAi(), url, SystemClock(), streams=streams)


@both_ways
def test_it_answers(url: str, streams: bool) -> None:
    heard: list[str] = []
    completion = ask(
        model_at(url, streams=streams),
        user("How was your day?"),
        options=OPTIONS,
        deadline=a_real_deadline(60),
        on_text=heard.append,
    )
    assert completion.text.strip()
    assert "".join(heard) == completion.text
    assert len(heard) > 1 if streams else len(heard) == 1


@both_ways
def test_a_tool_that_it_must_use_is_called_with_arguments_that_fit(url: str, streams: bool) -> None:
    options = ModelOptions(model="tiny", max_tokens=600)
    completion = ask(
        HttpModel(DemandingAi(), url, SystemClock(), streams=streams),
        user("Write it down."),
        tools=[a_tool("feel", arguments=Feeling)],
        options=options,
        deadline=a_real_deadline(120),
    )
    (call,) = completion.calls
    assert (call.name, bool(call.id)) == ("feel", True)
    arguments = strict_json.loads(call.arguments, most_bytes=100_000)
    assert Feeling().load(arguments) == arguments


@both_ways
def test_a_prompt_beyond_its_context_is_too_long(url: str, streams: bool) -> None:
    error = fail(model_at(url, streams=streams), user("my goal today " * 2000), options=OPTIONS)
    assert isinstance(error, PersonaTooLong)


def test_a_persona_of_it_carries_out_a_task(url: str, tmp_path: Path) -> None:
    persona = LlmPersona(
        model_at(url),
        Toolbox([]),
        Sources(space=Space(tmp_path)),
        Means(model="tiny", context_tokens=CONTEXT),
        new_mark=lambda: "mark00000001",
    )
    reply = persona.reply(a_request(a_task("Rest.", max_tokens=30)), a_real_deadline(60))
    assert reply.text.strip()
    assert reply.metadata["rounds"] == 1
    assert reply.metadata["tokens"]["prompt"] > 0
