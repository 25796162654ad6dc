"""The tools for files: confined to the space, journals only appended to, texts marked as data."""

from collections.abc import Mapping, Sequence
from typing import Any

from marshmallow import Schema, fields, validate

from app.core.errors import SpaceError
from app.persona.appending import LARGEST_FILE
from app.persona.errors import ToolRefused
from app.persona.paths import changeable, matches
from app.persona.space import Space
from app.persona.tools.journals import rewritten_by
from app.persona.tools.tool import Tool, Use, as_data
from app.persona.writing import Hands

MOST_SHOWN = 16_000
MOST_LINES = 1_000
MOST_LISTED = 500
MOST_FOUND = 50
MOST_SEARCHED = 32 * 1024 * 1024
LARGEST_SEARCHED = 1024 * 1024
_EXCERPT = 200

_PATH = "path below the space, such as notes/today.md"


def _path(description: str = _PATH) -> fields.String:
    return fields.String(required=True, metadata={"description": description})


def _text(description: str, least: int = 0) -> fields.String:
    check = validate.Length(min=least, error="must not be empty")
    return fields.String(required=True, validate=check, metadata={"description": description})


class _ReadFile(Schema):
    path = _path()
    offset = fields.Integer(
        load_default=1,
        validate=validate.Range(min=1),
        metadata={"description": "first line to be shown, counted from 1"},
    )
    limit = fields.Integer(
        load_default=MOST_LINES,
        validate=validate.Range(1, MOST_LINES),
        metadata={"description": "how many lines to show at most"},
    )


class _WriteFile(Schema):
    path = _path()
    content = _text("the whole new content")


class _AppendFile(Schema):
    path = _path()
    content = _text("what to add at the end, after an empty line", 1)


class _EditFile(Schema):
    path = _path()
    old = _text("the text to be replaced, exactly as it stands in the file", 1)
    new = _text("what stands there afterwards")


class _DeleteFile(Schema):
    path = _path()


class _MoveFile(Schema):
    source = _path("path of the file as it is")
    target = _path("path that it shall have")


class _ListFiles(Schema):
    directory = fields.String(
        load_default=".", metadata={"description": "folder below the space; . is the space itself"}
    )


class _SearchFiles(Schema):
    query = _text("text to look for; upper and lower case are the same", 1)


class FileTools:
    """What the tools for files do. `journals` are patterns of files that are only appended to."""

    def __init__(self, space: Space, hands: Hands, journals: Sequence[str]) -> None:
        self._space = space
        self._hands = hands
        self._journals = journals

    def tools(self) -> list[Tool]:
        """Return the eight tools."""
        size = f"{LARGEST_FILE // 1024 // 1024} MiB"
        rewriting = f"A file has at most {size}. {_JOURNALS} {_SERVICE}"
        return [
            Tool(
                name="read_file",
                description="Read a text file of the space.",
                arguments=_ReadFile,
                act=self.read,
                limits=f"Shows at most {MOST_LINES} lines and {MOST_SHOWN} characters at a time.",
            ),
            Tool(
                name="write_file",
                description="Create a file, or replace all that it holds. Folders are made.",
                arguments=_WriteFile,
                act=self.write,
                limits=rewriting,
            ),
            Tool(
                name="append_file",
                description="Add text at the end of a file, after an empty line; where it does "
                "not end with a newline, one is added. Makes the file and its folders where they "
                "do not exist. The way to write to journals.",
                arguments=_AppendFile,
                act=self.append,
                limits=f"A file has at most {size}. {_SERVICE}",
            ),
            Tool(
                name="edit_file",
                description="Replace one text in a file by another. The old text must stand there "
                "exactly once.",
                arguments=_EditFile,
                act=self.edit,
                limits=rewriting,
            ),
            Tool(
                name="delete_file",
                description="Remove a file.",
                arguments=_DeleteFile,
                act=self.delete,
                limits=f"Files only, no folders. {_JOURNALS} {_SERVICE}",
            ),
            Tool(
                name="move_file",
                description="Move or rename a file. Folders are made.",
                arguments=_MoveFile,
                act=self.move,
                limits=f"Never replaces a file that exists. {_JOURNALS} {_SERVICE}",
            ),
            Tool(
                name="list_files",
                description="List what is in a folder of the space.",
                arguments=_ListFiles,
                act=self.list,
                limits=f"One level, at most {MOST_LISTED} names; nothing hidden, no links.",
            ),
            Tool(
                name="search_files",
                description="Find the lines of the space's files that hold a text.",
                arguments=_SearchFiles,
                act=self.search,
                limits=f"At most {MOST_FOUND} lines, from the newest files; the first "
                f"{LARGEST_SEARCHED // 1024 // 1024} MiB of each. No README.md, not `tasks/`.",
            ),
        ]

    def read(self, arguments: Mapping[str, Any], use: Use) -> str:
        """Return some lines of a file, and how to get the next ones."""
        path, first = arguments["path"], arguments["offset"]
        text = self._space.read_text(path, LARGEST_FILE)
        if "\0" in text:
            raise ToolRefused(f"`{path}` is not a text file")
        lines = text.splitlines(keepends=True) or [""]
        if first > len(lines):
            raise ToolRefused(f"`{path}` has only {len(lines)} lines")
        shown = lines[first - 1 : first - 1 + arguments["limit"]]
        last, kept = first - 1, 0
        for line in shown:
            if kept and kept + len(line) > MOST_SHOWN:
                break
            last, kept = last + 1, kept + len(line)
        body = "".join(lines[first - 1 : last])
        parts = [as_data(f"`{path}`, lines {first} to {last} of {len(lines)}", body[:MOST_SHOWN])]
        if len(body) > MOST_SHOWN:
            parts.append(f"[line {last} is cut after {MOST_SHOWN} characters]")
        if last < len(lines):
            parts.append(f"[go on with offset {last + 1}]")
        return "\n".join(parts)

    def write(self, arguments: Mapping[str, Any], use: Use) -> str:
        """Let a file hold a text."""
        path, content = arguments["path"], arguments["content"]
        self._refuse_journal(path, use, may_be_expected=True)
        self._hands.write_text(path, content, use.deadline, use.request.changes)
        return f"`{path}` now holds these {len(content)} characters"

    def append(self, arguments: Mapping[str, Any], use: Use) -> str:
        """Add a text to a file, with its last line ended: whoever else adds begins a new one."""
        path, content = arguments["path"], arguments["content"]
        ended = content if content.endswith("\n") else f"{content}\n"
        self._hands.append_text(path, ended, use.deadline, use.request.changes)
        return f"{len(content)} characters were appended to `{path}`"

    def edit(self, arguments: Mapping[str, Any], use: Use) -> str:
        """Replace one text in a file."""
        path, old, new = arguments["path"], arguments["old"], arguments["new"]
        self._refuse_journal(path, use, may_be_expected=True)
        if old == new:
            raise ToolRefused("old and new are the same text; nothing was changed")
        self._hands.edit_text(path, old, new, use.deadline, use.request.changes)
        return f"the text in `{path}` was replaced"

    def delete(self, arguments: Mapping[str, Any], use: Use) -> str:
        """Remove a file."""
        path = arguments["path"]
        self._refuse_journal(path, use)
        self._hands.delete(path, use.deadline, use.request.changes)
        return f"`{path}` was deleted"

    def move(self, arguments: Mapping[str, Any], use: Use) -> str:
        """Give a file another path."""
        source, target = arguments["source"], arguments["target"]
        for path in (source, target):
            self._refuse_journal(path, use)
        self._hands.move(source, target, use.deadline, use.request.changes)
        return f"`{source}` is now `{target}`"

    def list(self, arguments: Mapping[str, Any], use: Use) -> str:
        """Return the names in a folder, with the sizes of files."""
        directory = arguments["directory"]
        listing = self._space.listing(directory, MOST_LISTED)
        lines = [f"{folder.path.rpartition('/')[2]}/" for folder in listing.folders]
        lines += [
            f"{file.path.rpartition('/')[2]}  {file.size} bytes, {file.modified:%Y-%m-%d %H:%M} UTC"
            for file in listing.files
        ]
        text = as_data(f"`{directory}`", "\n".join(lines) or "[nothing]")
        return text if listing.complete else f"{text}\n[more than {MOST_LISTED} names]"

    def search(self, arguments: Mapping[str, Any], use: Use) -> str:
        """Return the lines that hold the text, newest files first."""
        query = arguments["query"]
        survey = self._space.survey()
        found: list[str] = []
        left = MOST_SEARCHED
        is_complete = survey.complete
        for file in survey.files:
            use.deadline.check()
            if left <= 0 or len(found) >= MOST_FOUND:
                is_complete = False
                break
            try:
                text = self._space.read_text(file.path, min(LARGEST_SEARCHED, left))
            except SpaceError:
                continue  # gone, or a link, since it was surveyed
            left -= len(text)
            is_complete = is_complete and file.size <= LARGEST_SEARCHED
            found += _matches(file.path, text, query.casefold())
        body = "\n".join(found[:MOST_FOUND]) or "[nothing found]"
        answer = as_data(f"lines with {query[:_EXCERPT]!r}", body)
        return answer if is_complete else f"{answer}\n[not everything was searched or shown]"

    def _refuse_journal(self, path: str, use: Use, *, may_be_expected: bool = False) -> None:
        parts = changeable(path)
        if not matches(parts, self._journals):
            return
        if may_be_expected and parts in rewritten_by(use.request.task, self._journals):
            return
        raise ToolRefused(f"`{path}` is a journal: add to it with append_file, what it holds stays")


_JOURNALS = "Journals are refused: append to them."
_SERVICE = "`tasks/` belongs to the service and is only read."


def _matches(path: str, text: str, wanted: str) -> list[str]:
    if wanted not in text.casefold() or "\0" in text:
        return []
    lines = [(n, line) for n, line in enumerate(text.splitlines(), 1) if wanted in line.casefold()]
    return [
        f"{path}:{number}: {_excerpt(line, wanted)}" for number, line in lines[: MOST_FOUND + 1]
    ]


def _excerpt(line: str, wanted: str) -> str:
    start = max(line.casefold().find(wanted) - _EXCERPT // 4, 0)
    cut = line[start : start + _EXCERPT].strip()
    return f"{'…' if start else ''}{cut}{'…' if start + _EXCERPT < len(line) else ''}"
