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
from app.core.errors import PersonaTasksError, RunNotFound
from app.persona.errors import MemoryNotFound
from app.tasks.schema import TASK_ID

View = TypeVar("View", bound=Callable[..., Response])

TASK_PATH = "/tasks/<task_id:task_id>"
MEMORY_PATH = "/memories/<run_id:memory_id>"

_NOT_FOUND: Mapping[str, Callable[[str], PersonaTasksError]] = {
    "run_id": RunNotFound,
    "memory_id": MemoryNotFound,
}
_ALWAYS = (400, 401, 421, 500, 503)
_ON_CHANGES = (403, 413, 415)


class TaskIdConverter(BaseConverter):
    """An id of a task in a path; anything else is a path that does not exist."""

    regex = TASK_ID.pattern


class RunIdConverter(BaseConverter):
    """An id of a run in a path, or of anything else that is named by app.core.ids.

    Any text that could stand there is taken for one: what has not the form of an id belongs to
    nothing, and is answered like an id that belongs to nothing.
    """


class SpacePathConverter(BaseConverter):
    """A path below the persona's space, slashes and all: what it may be is decided there."""

    regex = ".+"
    part_isolating = False


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


@dataclass(frozen=True, kw_only=True)
class Takes:
    """What an endpoint takes in beside what is in its path."""

    body: Schema | None = None
    body_required: bool = True
    body_example: Any = None
    query: Schema | None = None
    headers: Schema | None = None

    def documented(self) -> dict[str, Any]:
        """Return the OpenAPI parameters and request body."""
        places = (("query", self.query), ("header", self.headers))
        documentation: dict[str, Any] = {
            "parameters": [
                {"in": place, "schema": schema} for place, schema in places if schema is not None
            ]
        }
        if self.body is not None:
            content: dict[str, Any] = {"schema": self.body}
            if self.body_example is not None:
                content["example"] = self.body_example
            documentation["requestBody"] = {
                "required": self.body_required,
                "content": {"application/json": content},
            }
        return documentation

    def read(self) -> dict[str, Any]:
        """Return the checked `headers`, `query` and `body`, those that are taken in."""
        given: dict[str, Any] = {}
        if self.headers is not None:
            given["headers"] = inputs.read_headers(self.headers)
        if self.query is not None:
            given["query"] = inputs.read_query(self.query)
        if self.body is not None:
            given["body"] = inputs.read_body(self.body, required=self.body_required)
        return given


_NOTHING = Takes()


class Door(Blueprint):  # type: ignore[misc]  # it has no types
    """A group of endpoints."""

    def on(
        self,
        method: str,
        path: str,
        *,
        answers: Mapping[int, Answer],
        takes: Takes = _NOTHING,
        problems: Collection[int] = (),
    ) -> Callable[[View], View]:
        """Let a function answer at a path.

        It gets what is in the path by name, and what it takes in as `body`, `query` and `headers`.
        `problems` are the refusals beside those that any endpoint of its kind may give.
        """
        refusals = {*problems, *_refusals(method, path, takes)} - answers.keys()
        responses = {
            **{status: answer.documented() for status, answer in answers.items()},
            **{status: HTTPStatus(status).name for status in sorted(refusals)},
        }

        def decorate(view: View) -> View:
            @wraps(view)
            def asked(**in_path: Any) -> Response:
                _refuse_what_is_no_id(in_path)
                return view(**in_path, **takes.read())

            documented = self.doc(responses=responses, **takes.documented())(asked)
            self.route(path, methods=[method])(documented)
            return view

        return decorate


def _refuse_what_is_no_id(in_path: Mapping[str, Any]) -> None:
    """Raise that nothing is found under a text that no id can be, before a database is asked."""
    for name, not_found in _NOT_FOUND.items():
        given = in_path.get(name)
        if given is not None and inputs.RUN_ID.fullmatch(given) is None:
            raise not_found(given)


def _refusals(method: str, path: str, takes: Takes) -> set[int]:
    refusals = {*_ALWAYS}
    if method != "GET":
        refusals.update(_ON_CHANGES)
    if takes != _NOTHING:
        refusals.add(422)
    if "<" in path:
        refusals.add(404)
    return refusals
