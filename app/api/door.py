"""How an endpoint is written down: its method and path, what it takes in, and each way it answers.

One decorator says it all, so that what is documented is what is checked.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import wraps
from http import HTTPStatus
from typing import Any, TypeVar

from flask import Response
from flask_smorest import Blueprint
from marshmallow import Schema
from werkzeug.routing import BaseConverter

from app.api import inputs
from app.tasks.schema import TASK_ID

View = TypeVar("View", bound=Callable[..., Response])

TASK_PATH = "/tasks/<task_id:task_id>"

_ALWAYS = (400, 401, 421, 500, 503)
_ON_CHANGES = (403, 413, 415)
_LOCATIONS = {"query": "query", "headers": "header"}


class TaskIdConverter(BaseConverter):
    """An id of a task in a path; anything else is a path that does not exist."""

    regex = TASK_ID.pattern


class RunIdConverter(BaseConverter):
    """An id of a run in a path."""

    regex = inputs.RUN_ID.pattern


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A way in which an endpoint answers when nothing is wrong; without a schema, without a body.

    `headers` maps names to what they say.
    """

    description: str
    schema: type[Schema] | None = None
    example: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def documented(self) -> dict[str, Any]:
        """Return the OpenAPI response."""
        response: dict[str, Any] = {"description": self.description}
        if self.schema is not None:
            content: dict[str, Any] = {"schema": self.schema}
            if self.example is not None:
                content["example"] = self.example
            response["content"] = {"application/json": content}
        if self.headers:
            response["headers"] = {
                name: {"description": text, "schema": {"type": "string"}}
                for name, text in self.headers.items()
            }
        return response


class Door(Blueprint):  # type: ignore[misc]
    """A group of endpoints."""

    def on(
        self,
        method: str,
        path: str,
        *,
        answers: Mapping[int, Answer],
        problems: Collection[int] = (),
        body: Schema | None = None,
        body_required: bool = True,
        body_example: Any = None,
        query: Schema | None = None,
        headers: Schema | None = None,
    ) -> Callable[[View], View]:
        """Let a function answer at a path; it gets what is in the path by name, and the checked
        `body`, `query` and `headers` where they are asked for."""
        changes = method not in {"GET", "HEAD"}
        takes_in = body is not None or query is not None or headers is not None
        refusals = {*_ALWAYS, *problems, *(_ON_CHANGES if changes else ())}
        refusals |= {422} if takes_in else set()
        refusals |= {404} if "<" in path else set()
        documentation: dict[str, Any] = {
            "responses": {
                **{status: answer.documented() for status, answer in answers.items()},
                **{code: HTTPStatus(code).name for code in sorted(refusals - answers.keys())},
            },
            "parameters": [
                *_documented("query", query),
                *_documented("headers", headers),
            ],
        }
        if body is not None:
            content = {"schema": body}
            if body_example is not None:
                content["example"] = body_example
            documentation["requestBody"] = {
                "required": body_required,
                "content": {"application/json": content},
            }

        def decorate(view: View) -> View:
            @wraps(view)
            def asked(**given: Any) -> Response:
                if headers is not None:
                    given["headers"] = inputs.read_headers(headers)
                if query is not None:
                    given["query"] = inputs.read_query(query)
                if body is not None:
                    given["body"] = inputs.read_body(body, required=body_required)
                return view(**given)

            documented = self.doc(**documentation)(asked)
            self.route(path, methods=[method])(documented)
            return view

        return decorate


def _documented(location: str, schema: Schema | None) -> list[dict[str, Any]]:
    if schema is None:
        return []
    return [{"in": _LOCATIONS[location], "schema": schema}]
