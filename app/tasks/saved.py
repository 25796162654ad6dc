"""What an editor saved last, and whether it is the one that saves now; pure.

An editor that does not read the file again after we wrote it brings the old stamp along with each
save. What it takes back looks then as if it had never touched it: the field is as it was when we
wrote that stamp. So a save is compared with the one before, where both are of one editor.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.tasks.desk_text import same

Definition = Mapping[str, Any]
Definitions = Mapping[str, Definition]
_ABSENT = object()


@dataclass(frozen=True, kw_only=True)
class Saved:
    """The tasks that an editor changed in a text with this stamp, as it left them; None is gone."""

    stamp: int
    entries: Mapping[str, Definition | None] = field(default_factory=dict)

    def over(self, written: Definitions) -> Definitions:
        """Return what it showed in all: what we had written with that stamp, and its changes."""
        shown = {**written, **self.entries}
        return {task_id: fields for task_id, fields in shown.items() if fields is not None}

    def goes_on_in(self, shown: Definitions, written: Definitions) -> bool:
        """Say whether the editor that saved this shows something else now.

        It still has one of its changes, or has taken back all of them. Anything else may be
        another editor that began with the same text, and did not touch what this one changed.
        """
        if _are_same(shown, written):
            return True
        return any(
            _shares_a_change(fields, shown.get(task_id), written.get(task_id))
            for task_id, fields in self.entries.items()
        )


def _shares_a_change(
    before: Definition | None, now: Definition | None, written: Definition | None
) -> bool:
    if before is None or now is None:
        return before is now and written is not None
    start = written or {}
    return any(
        not same(before.get(key, _ABSENT), start.get(key, _ABSENT))
        and same(before.get(key, _ABSENT), now.get(key, _ABSENT))
        for key in {**start, **before}
    )


def _are_same(one: Definitions, other: Definitions) -> bool:
    return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
