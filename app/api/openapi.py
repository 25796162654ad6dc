"""The description of this API: OpenAPI 3.1, made from the schemas that check it."""

from http import HTTPStatus
from typing import Any

import orjson
from flask import Flask, Response
from flask_smorest import Api
from marshmallow import fields

from app.api.door import RunIdConverter, SpacePathConverter, TaskIdConverter
from app.api.inputs import RUN_ID
from app.api.problems import PROBLEM_JSON
from app.api.schemas import Problem
from app.tasks.schema import TASK_ID

_DESCRIPTION = """Scheduled tasks of an AI persona: what is to be done, when, and what came of it.

Times are RFC 3339 in UTC. Errors are RFC 9457 problem documents whose `detail` is a sentence.
Every answer that shows a schedule says under `clock` whether anything will fire."""


class Description(Api):  # type: ignore[misc]  # it has no types
    """Gathers what the doors document."""

    DEFAULT_ERROR_RESPONSE_NAME = None

    def __init__(self, app: Flask, version: str) -> None:
        super().__init__(
            spec_kwargs={
                "title": "Persona tasks",
                "version": version,
                "openapi_version": "3.1.0",
                "info": {"description": _DESCRIPTION, "license": {"name": "MIT"}},
                "servers": [{"url": "/"}],
                "security": [{}, {"token": []}],
            }
        )
        self.register_converter(TaskIdConverter, _pattern(TASK_ID.pattern))
        self.register_converter(RunIdConverter, _pattern(RUN_ID.pattern))
        self.register_converter(SpacePathConverter, _pattern(SpacePathConverter.regex))
        self.register_field(fields.Raw, None, None)
        self.init_app(app)
        self.spec.components.security_scheme(
            "token", {"type": "http", "scheme": "bearer", "description": "API_TOKEN, if one is set"}
        )
        self._encoded: bytes | None = None

    def answer(self) -> Response:
        """Answer the description."""
        if self._encoded is None:
            self._encoded = orjson.dumps(self.spec.to_dict(), option=orjson.OPT_INDENT_2)
        return Response(self._encoded, mimetype="application/json")

    def _register_error_handlers(self) -> None:
        """Errors are answered in app.api.problems."""

    def _register_responses(self) -> None:
        for status in HTTPStatus:
            if status >= 400:
                response: dict[str, Any] = {
                    "description": status.phrase,
                    "content": {PROBLEM_JSON: {"schema": Problem}},
                }
                self.spec.components.response(status.name, response, lazy=True)


def _pattern(pattern: str) -> Any:
    return lambda _converter: {"type": "string", "pattern": f"^{pattern}$"}
