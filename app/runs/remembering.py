"""What the persona answered in a run becomes one of its memories, with the outcome of the run."""

from collections.abc import Sequence

from sqlalchemy import Connection

from app.persona.memory.recall import result_of_run
from app.persona.memory.store import Memories
from app.runs.run import Claim, Outcome, Status


class Remembering:
    """Remembers the answers of runs that succeeded, marked by what started the run.

    It writes in the transaction that stores the outcome: what counts is remembered, and only that.
    """

    def __init__(self, memories: Memories) -> None:
        self._memories = memories

    def __call__(self, connection: Connection, accepted: Sequence[tuple[Claim, Outcome]]) -> None:
        results = (
            result_of_run(
                run_id=claim.run_id,
                task_id=claim.task_id,
                origin=str(claim.origin),
                at=outcome.completed_at,
                answer=outcome.response or "",
            )
            for claim, outcome in accepted
            if outcome.status is Status.SUCCEEDED
        )
        drafts = [draft for draft in results if draft is not None]
        if drafts:
            self._memories.write(connection, drafts)
