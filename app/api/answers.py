"""Answers as bytes of JSON, and the tags by which clients say what they hold."""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import orjson
from flask import Response
from werkzeug.http import parse_etags

from app.core.errors import RevisionConflict
from app.tasks.record import TaskRecord
from app.tasks.registry import Registry

_REVISION = re.compile("[0-9]{1,9}")


def answer(
    body: Any, status: int = 200, *, headers: Mapping[str, str] | None = None, tag: str = ""
) -> Response:
    """Return a JSON answer; `body` are finished bytes or a value to encode, `tag` is its ETag."""
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    response = Response(data, status, mimetype="application/json")
    response.headers.extend(headers or {})
    if tag:
        response.set_etag(tag, weak=True)
    return response


def unchanged(tag: str, if_none_match: str | None) -> Response | None:
    """Return the answer to a client that holds what bears this tag already; None to any other."""
    if not parse_etags(if_none_match).contains_weak(tag):
        return None
    response = Response(status=304)
    response.set_etag(tag, weak=True)
    return response


def tag_of_task(record: TaskRecord, clock: Mapping[str, Any]) -> str:
    """Return the tag of a task: its revision, its state, and whether the clock lives.

    The tags are weak: the instant of the last look at the clock, which moves every second, does
    not count.
    """
    return f"{record.revision}.{record.changed}.{_clock_part(clock)}"


def tag_of_list(version: int, clock: Mapping[str, Any], beside: Any) -> str:
    """Return the tag of a list at a registry version; `beside` is what else it shows."""
    digest = sha256(orjson.dumps(beside)).hexdigest()[:8]
    return f"{version}.{_clock_part(clock)}.{digest}"


def _clock_part(clock: Mapping[str, Any]) -> str:
    return f"{int(clock['alive'])}{clock['processes']}"


def held_revision(registry: Registry, task_id: str, if_match: str | None) -> int | None:
    """Return the revision that an `If-Match` header asks for; None where any will do.

    Only the part of the tag that is the revision counts, so that a run in between does not refuse
    an edit. Raises RevisionConflict where no tag of the header is one that this service gave out.
    """
    wanted = parse_etags(if_match)
    if if_match is None or wanted.star_tag:
        return None
    heads = (str(tag).partition(".")[0] for tag in wanted.as_set(include_weak=True))
    revisions = {int(head) for head in heads if _REVISION.fullmatch(head)}
    if len(revisions) == 1:
        return revisions.pop()
    current = registry.get(task_id).revision
    if current not in revisions:
        raise RevisionConflict(task_id, max(revisions, default=None), current)
    return current
