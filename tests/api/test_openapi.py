"""The description of the API is what the API does: driven by it, nothing unforeseen comes back."""

import hashlib
import json
import logging
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as tried_with
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    positive_data_acceptance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from werkzeug.wrappers import Response

import app as package
from app import create_app
from app.api.docs import STATIC
from app.config import read_settings
from app.core.errors import PersonaTasksError
from app.persona.fakes import ScriptedPersona
from app.wiring import build
from tests.conftest import on_sqlite

DESCRIPTION = "/api/openapi.json"
EXAMPLES = 25
OPEN = {"Problem", "ChatMessage", "SaidBefore"}
"""What may hold keys that are not described: problems, and what older clients send."""

FITTING: dict[str, list[Any]] = {
    "name": ["A name", "Ein Näme 🌙"],
    "prompt": ["Reflect.\n\nThen write.", "思い出して"],
    "schedule": ["daily", "weekly", "0 9 * * 1", "every 90m", "manual"],
    "timezone": ["Europe/Berlin", "UTC", "America/New_York"],
    "paused_until": ["3d", "2999-12-01T09:00", "2999-12-01T09:00:00Z"],
    "missed_window": ["1h", "PT30M"],
    "timeout": ["5m", "1h30m"],
    "tools": [["read_file", "recall"], []],
    "message": ["How are the tomatoes?", "東京の猫 🌙"],
    "text": ["Ada asked about the tomatoes.", "東京の猫 🌙"],
    "at": ["2026-11-20T09:00:00Z"],
    "after": ["2030-12-01T09:00:00Z"],
    "since": ["2026-11-01T00:00:00Z"],
    "until": ["2026-11-20T00:00:00+01:00"],
}
CONFORMANCE = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


def closed(description: dict[str, Any]) -> dict[str, Any]:
    """Return the description with its objects closed: then an undocumented key is an error."""
    for name, schema in description["components"]["schemas"].items():
        if name not in OPEN and schema.get("properties"):
            schema["additionalProperties"] = False
    return description


class Described:
    """The app, giving out its description in the closed form."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        answer = app.test_client().get(DESCRIPTION)
        self._description = json.dumps(closed(json.loads(answer.data)))

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == DESCRIPTION:
            answer = Response(self._description, mimetype="application/json")
            return answer(environ, start_response)
        return self._app(environ, start_response)


@pytest.fixture(scope="module")
def schema(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The schema of an app whose services run, tick and hold two tasks with a history."""
    folder = tmp_path_factory.mktemp("openapi")
    (folder / "ledger.sqlite3").write_bytes(sqlite_template.read_bytes())
    settings = read_settings(
        {
            "DATABASE_URL": f"sqlite:///{folder / 'ledger.sqlite3'}",
            "PERSONA_SPACE": str(folder / "space"),
            "DRAIN_TIMEOUT": "1s",
        }
    )
    services = build(settings, persona=ScriptedPersona(has_hands=True))
    services.prepare()
    services.start()
    logging.disable(logging.WARNING)
    app = create_app(settings, services_factory=lambda: services)
    app.test_client().post("/api/tasks/daily_reflection/execute")
    yield schemathesis.openapi.from_wsgi(DESCRIPTION, Described(app))
    logging.disable(logging.NOTSET)
    services.stop()


def operations(schema: Any) -> list[Any]:
    return [result.ok() for result in schema.get_all_operations()]


def fit(case: Any, number: int) -> None:
    """Give text that a pattern cannot describe a meaning, and every second path a task."""
    for part in (case.body, case.query):
        if isinstance(part, dict):
            for name, values in FITTING.items():
                if part.get(name) is not None:
                    part[name] = values[number % len(values)]
    path = case.path_parameters or {}
    if number % 2 and "task_id" in path:
        path["task_id"] = "daily_reflection"
    if isinstance(case.body, dict) and "id" in case.body and "task_id" in path:
        case.body["id"] = path["task_id"]


def is_refused_for_its_meaning(case: Any, response: Any) -> bool:
    """Say whether something well-formed is refused on purpose: a tag that nobody holds, a key of
    another request, a pause of what is not enabled, a body with U+0000 or half a surrogate pair."""
    text = json.dumps(case.body) if isinstance(case.body, dict | list | str) else ""
    return (
        response.status_code == 412
        or "idempotency-key-reused" in response.text
        or "does not wake by itself" in response.text
        or "\\u0000" in text
        or re.search(r"\\ud[89a-f]", text) is not None
    )


def drive(operation: Any, mode: GenerationMode) -> int:
    """Send what the mode generates to an operation, check every answer, return how many."""
    sent = 0

    @given(case=operation.as_strategy(generation_mode=mode))
    @tried_with(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )
    def send(case: Any) -> None:
        nonlocal sent
        sent += 1
        checks = [*CONFORMANCE]
        if operation.path != "/healthz":
            checks.append(not_a_server_error)
        if mode is GenerationMode.POSITIVE:
            fit(case, sent)
        response = case.call()
        if mode is GenerationMode.NEGATIVE and response.status_code != 413:
            checks.append(negative_data_rejection)
        if mode is GenerationMode.POSITIVE and not is_refused_for_its_meaning(case, response):
            checks.append(positive_data_acceptance)
        case.validate_response(response, checks=checks)

    try:
        send()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE, "there is nothing to get wrong"
    return sent


def test_what_the_description_allows_is_taken_and_answered_as_described(schema: Any) -> None:
    sent = [drive(operation, GenerationMode.POSITIVE) for operation in operations(schema)]
    assert min(sent) >= 1
    assert sum(sent) > 200


def test_what_the_description_forbids_is_refused_as_described(schema: Any) -> None:
    sent = [drive(operation, GenerationMode.NEGATIVE) for operation in operations(schema)]
    assert sum(sent) > 200


@pytest.fixture
def description(client: FlaskClient) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(client.get(DESCRIPTION).data)
    return document


@on_sqlite
def test_every_route_of_the_api_is_described(
    client: FlaskClient, description: dict[str, Any]
) -> None:
    described = {
        (re.sub(r"{\w+}", "*", path), method.upper())
        for path, operations in description["paths"].items()
        for method in operations
        if method != "parameters"
    }
    routes = {
        (re.sub(r"<[^>]+>", "*", rule.rule), method)
        for rule in client.application.url_map.iter_rules()
        if not rule.endpoint.startswith("docs.") and rule.endpoint != "with_slash"
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert described == routes
    assert len(routes) == 38


@on_sqlite
def test_the_description_is_openapi_3_1_and_says_how_errors_look(
    description: dict[str, Any],
) -> None:
    assert description["openapi"] == "3.1.0"
    assert description["info"]["version"] == package.__version__
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            if method == "parameters":
                continue
            assert operation["summary"], f"{method} {path}"
            for status, response in operation["responses"].items():
                if int(status) >= 400 and "$ref" in response:
                    name = response["$ref"].rpartition("/")[2]
                    (kind,) = description["components"]["responses"][name]["content"]
                    assert kind == "application/problem+json"


@on_sqlite
def test_bodies_are_closed_and_answers_are_open(description: dict[str, Any]) -> None:
    schemas = description["components"]["schemas"]
    assert schemas["NewTask"]["additionalProperties"] is False
    assert schemas["TaskChange"]["properties"]["timeout"]["type"] == ["string", "null"]
    assert "additionalProperties" not in schemas["TaskShown"]


@on_sqlite
def test_what_is_offered_to_be_tried_out_is_taken(
    client: FlaskClient, description: dict[str, Any]
) -> None:
    offered = description["paths"]["/api/tasks/{task_id}/restore"]["post"]["requestBody"]
    example = offered["content"]["application/json"]["example"]
    response = client.post("/api/tasks/daily_reflection/restore", json=example)
    assert response.status_code == 200


# ---- the page


def vendored() -> list[str]:
    lines = (STATIC / "swagger-ui" / "VERSION").read_text().splitlines()
    assert lines[0] == "swagger-ui-dist 5.35.0"
    return lines[1:]


@pytest.mark.parametrize("line", vendored(), ids=lambda line: line.split()[1])
def test_a_vendored_file_is_as_it_was_published(line: str) -> None:
    digest, name = line.split()
    content = (STATIC / "swagger-ui" / name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == digest


def test_every_vendored_file_is_listed() -> None:
    listed = {line.split()[1] for line in vendored()} | {"VERSION"}
    assert {path.name for path in (STATIC / "swagger-ui").iterdir()} == listed


@on_sqlite
def test_the_page_loads_only_what_is_served_here_and_runs_nothing_inline(
    client: FlaskClient,
) -> None:
    with client.get("/api/docs") as response:
        page = response.get_data(as_text=True)
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(loaded) == 5
    for path in loaded:
        assert path.startswith("/api/docs/")
        with client.get(path) as response:
            assert response.status_code == 200
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bon\w+=|style=", page)
    assert "http" not in (STATIC / "start.js").read_text()


@on_sqlite
@pytest.mark.parametrize("name", ["../__init__.py", "%2e%2e/guards.py", "VERSION", "docs.html"])
def test_only_the_files_of_the_page_are_served(client: FlaskClient, name: str) -> None:
    assert client.get(f"/api/docs/{name}").status_code == 404


@on_sqlite
def test_the_root_leads_to_the_page(client: FlaskClient) -> None:
    response = client.get("/")
    assert (response.status_code, response.headers["Location"]) == (302, "/api/docs")


def test_each_kind_of_problem_has_a_name_that_fits_a_path_and_a_sentence() -> None:
    kinds = [PersonaTasksError]
    for kind in kinds:
        kinds += [child for child in kind.__subclasses__() if child.__module__.startswith("app.")]
    for kind in kinds:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.problem)
        assert kind.__doc__
        assert 400 <= kind.status < 600
