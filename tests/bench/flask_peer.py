"""The list of tasks as one writes it first: Flask, a marshmallow schema, jsonify."""

from typing import Any

from flask import Flask, Response, jsonify
from marshmallow import Schema, fields

from tests.bench.ours import scattered


class _TaskSchema(Schema):
    id = fields.String()
    name = fields.String()
    type = fields.String()
    schedule = fields.String()
    enabled = fields.Boolean()
    last_run = fields.String(allow_none=True)
    next_run = fields.String(allow_none=True)
    run_count = fields.Integer()
    prompt = fields.String()


def create_app(count: int) -> Flask:
    """Return the application with so many tasks."""
    app = Flask(__name__)
    schema = _TaskSchema(many=True)
    tasks: list[dict[str, Any]] = [
        {**task, "last_run": None, "next_run": "2026-11-25T00:00:00Z", "run_count": 0}
        for task in scattered(count)
    ]

    @app.get("/api/tasks")
    def listed() -> Response:
        return jsonify(tasks=schema.dump(tasks), total=len(tasks))

    return app
