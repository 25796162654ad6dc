"""The page that shows the description of the API; everything it loads comes from here."""

from pathlib import Path

from flask import Blueprint, Response, redirect, send_from_directory
from werkzeug.wrappers import Response as AnyResponse

from app.api.openapi import Description

STATIC = Path(__file__).parent / "static"
_OURS = ("start.js", "start.css")
_VENDORED = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png")
_ASSETS = {
    **dict.fromkeys(_OURS, STATIC),
    **dict.fromkeys(_VENDORED, STATIC / "swagger-ui"),
}


def docs(description: Description) -> Blueprint:
    """Return the endpoints that serve the description and its page."""
    pages = Blueprint("docs", __name__)

    @pages.get("/")
    def root() -> AnyResponse:
        return redirect("/api/docs")

    @pages.get("/api/docs")
    def page() -> Response:
        return send_from_directory(STATIC, "docs.html")

    @pages.get(f"/api/docs/<any({', '.join(repr(name) for name in _ASSETS)}):name>")
    def asset(name: str) -> Response:
        return send_from_directory(_ASSETS[name], name)

    @pages.get("/api/openapi.json")
    def openapi() -> Response:
        return description.answer()

    return pages
