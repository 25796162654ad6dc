"""What the persona is and keeps: its files, as older clients of a persona service read them."""

from typing import Any

from flask import Response

from app.api.answers import answer
from app.api.door import Answer, Door, Takes
from app.api.inputs import DirectoryQuery
from app.api.persona_schemas import Browsed, Files, FileShown, Info
from app.api.serving import services
from app.core.instants import write_instant
from app.persona.space import SpaceFile

door = Door("persona", __name__, url_prefix="/api/persona", description="The persona and its files")

_CUT = {"complete": False}
_IN_FOLDER = Takes(query=DirectoryQuery())


@door.on("GET", "/info", answers={200: Answer(description="The persona", schema=Info)})
def persona_info() -> Response:
    """Show what the persona has, can do and feels"""
    window = services().window
    return answer(
        {
            "file_tree": window.tree(),
            "capabilities": window.capabilities(),
            "current_emotional_state": window.mood(),
            "persona_space": window.name,
        }
    )


@door.on(
    "GET",
    "/files",
    takes=_IN_FOLDER,
    answers={200: Answer(description="Names", schema=Files)},
    problems=[404],
)
def persona_files(query: dict[str, str]) -> Response:
    """List the names of files and folders in a folder of the space"""
    found = services().window.listing(query["directory"])
    names = sorted(_name(entry) for entry in (*found.folders, *found.files))
    cut = {} if found.complete else _CUT
    return answer({"directory": query["directory"], "files": names, **cut})


@door.on(
    "GET",
    "/file/<space_path:file_path>",
    answers={200: Answer(description="The file's text", schema=FileShown)},
)
def persona_file(file_path: str) -> Response:
    """Show a file of the space

    At most its first MiB, as text: what is no UTF-8 is replaced.
    """
    found = services().window.file(file_path)
    cut = {} if found.complete else _CUT
    return answer({"file_path": file_path, "content": found.content, **cut})


@door.on(
    "GET",
    "/browse",
    takes=_IN_FOLDER,
    answers={200: Answer(description="Files and folders", schema=Browsed)},
    problems=[404],
)
def browse_persona(query: dict[str, str]) -> Response:
    """Look into a folder of the space: folders first, then files, by name"""
    found = services().window.listing(query["directory"])
    items = [
        *(_item(folder, "directory") for folder in found.folders),
        *(_item(file, "file") for file in found.files),
    ]
    return answer(
        {
            "current_directory": query["directory"],
            "items": items,
            "total": len(items),
            **({} if found.complete else _CUT),
        }
    )


def _item(entry: SpaceFile, kind: str) -> dict[str, Any]:
    return {
        "name": _name(entry),
        "path": entry.path,
        "type": kind,
        "size": entry.size if kind == "file" else 0,
        "modified": write_instant(entry.modified),
    }


def _name(entry: SpaceFile) -> str:
    return entry.path.rpartition("/")[2]
