"""What becomes of runs that ended: the outcome in the ledger, then their file, then its note."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

import structlog
from sqlalchemy import Connection

from app.core.errors import LedgerUnavailable, SpaceError
from app.database import Database
from app.runs.attempts import Attempts
from app.runs.ledger import Ledger
from app.runs.results import ResultFolder
from app.runs.run import Claim, Origin, Outcome, Run, Status
from app.runs.standing import newest_sign, note_turn

log = structlog.get_logger(__name__)

_MOST_ENDED = 500
_CROWD = 5

_Ended = Sequence[tuple[Claim, Outcome]]


class Storing:
    """Stores the outcomes of attempts and has `filers` write their files.

    `on_filed` is called with the id of each run whose file is written, or cannot be. Not for
    several threads at once, but for `is_filing`.
    """

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        results: ResultFolder,
        attempts: Attempts,
        *,
        filers: Executor,
        on_filed: Callable[[str], None],
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._results = results
        self._attempts = attempts
        self._filers = filers
        self._on_filed = on_filed
        self._filed: deque[str] = deque()
        self._unfiled: set[str] = set()

    def is_filing(self, run_id: str) -> bool:
        """Say whether the file of a run is being written."""
        return run_id in self._unfiled

    def store(self) -> bool:
        """Store what ended, all in one transaction; say if anything had.

        Raises LedgerUnavailable: then it may be called again.
        """
        ended, filed = self._attempts.take_ended(_MOST_ENDED), self._take_filed()
        if ended or filed:
            self._store_all(ended, filed)
        return bool(ended)

    def store_last(self, stopped: Sequence[Claim]) -> list[Claim]:
        """Store what ended by itself, and return those that ended only because they were told to.

        `stopped` are those that were told. All files are written on return.
        """
        self._filers.shutdown(wait=True)
        told = {claim.run_id for claim in stopped}
        real = [
            (claim, outcome)
            for claim, outcome in self._attempts.take_ended()
            if not (claim.run_id in told and outcome.status is Status.CANCELLED)
        ]
        try:
            with self._database.write() as connection:
                accepted = self._finish(connection, real)
        except LedgerUnavailable:
            raise
        except Exception:
            log.exception("engine.batch_refused", runs=len(real))
            accepted = self._store_one_by_one(real)
        finally:
            self._attempts.stored()
        self._file(accepted)
        with self._database.write() as connection:
            self._ledger.mark_filed(connection, self._take_filed())
        return [claim for claim in stopped if claim.run_id not in {c.run_id for c, _ in real}]

    def _store_all(self, ended: _Ended, filed: Sequence[str]) -> None:
        self._unfiled.update(claim.run_id for claim, _ in ended)
        try:
            with self._database.write() as connection:
                accepted = self._finish(connection, ended)
                self._ledger.mark_filed(connection, filed)
        except LedgerUnavailable:
            self._attempts.give_back(ended)
            self._filed.extendleft(reversed(filed))
            raise
        except Exception:
            # one outcome that the database refuses must not keep all the others from being stored
            log.exception("engine.batch_refused", runs=len(ended))
            accepted = self._store_one_by_one(ended)
            self._filed.extendleft(reversed(filed))
        finally:
            self._attempts.stored()
        self._note_refused(ended, accepted)
        if accepted:
            self._filers.submit(self._file, accepted)

    def _store_one_by_one(self, ended: _Ended) -> list[tuple[Claim, Outcome]]:
        """Store outcomes each by itself, so that none costs another."""
        accepted: list[tuple[Claim, Outcome]] = []
        for claim, outcome in ended:
            try:
                accepted += self._store(claim, outcome)
            except LedgerUnavailable:
                self._attempts.give_back([(claim, outcome)])
            except Exception:
                # nobody holds it here any more: recovery ends it
                log.exception("run.outcome_lost", run_id=claim.run_id)
        return accepted

    def _store(self, claim: Claim, outcome: Outcome) -> list[tuple[Claim, Outcome]]:
        """Store an outcome, if need be without what belongs to it, or as a failure."""
        refused = ""
        for with_all in (True, False):
            try:
                with self._database.write() as connection:
                    return self._finish(connection, [(claim, outcome)], with_all=with_all)
            except LedgerUnavailable:
                raise
            except Exception as error:
                log.exception("run.outcome_unstorable", run_id=claim.run_id, with_all=with_all)
                refused = type(error).__name__
        failure = Outcome(
            status=Status.FAILED,
            completed_at=outcome.completed_at,
            reason="internal",
            error=f"the outcome could not be stored: {refused}",
        )
        with self._database.write() as connection:
            return self._ledger.finish(connection, [(claim, failure)], with_all=False)

    def _finish(
        self, connection: Connection, ended: _Ended, *, with_all: bool = True
    ) -> list[tuple[Claim, Outcome]]:
        """Store outcomes as `Ledger.finish` does, and log where they are a turn of the persona."""
        before = newest_sign(connection) if ended else None
        accepted = self._ledger.finish(connection, ended, with_all=with_all)
        note_turn(before, [outcome for _, outcome in accepted])
        return accepted

    def _file(self, accepted: _Ended) -> None:
        runs = [_run_of(claim, outcome) for claim, outcome in accepted]
        try:
            self._results.write(runs)
            self._filed.extend(run.id for run in runs)
        except SpaceError as error:
            # the ledger has the results; recovery writes the files when the space works again
            log.error("results.not_written", error=error.detail, runs=len(runs))
        finally:
            _note_finished(runs)
            for run in runs:
                self._unfiled.discard(run.id)
                self._on_filed(run.id)

    def _note_refused(self, ended: _Ended, accepted: _Ended) -> None:
        kept = {claim.run_id for claim, _ in accepted} | self._attempts.held()
        for claim, outcome in ended:
            if claim.run_id not in kept:
                self._unfiled.discard(claim.run_id)
                log.warning(
                    "run.outcome_refused",
                    run_id=claim.run_id,
                    attempt=claim.attempt,
                    status=str(outcome.status),
                )

    def _take_filed(self) -> list[str]:
        return [self._filed.popleft() for _ in range(len(self._filed))]


def _note_finished(runs: Sequence[Run]) -> None:
    """Log runs that finished together: each of a few, of a crowd those that did not succeed."""
    is_crowd = len(runs) > _CROWD
    for run in runs:
        if not is_crowd or run.success is not True:
            log.info("run.finished", run_id=run.id, task_id=run.task_id, status=str(run.status))
    if is_crowd:
        log.info(
            "runs.finished", count=len(runs), succeeded=sum(run.success is True for run in runs)
        )


def _run_of(claim: Claim, outcome: Outcome) -> Run:
    return Run(
        id=claim.run_id,
        task_id=claim.task_id,
        task_name=claim.task_name,
        revision=claim.revision,
        origin=Origin(claim.origin),
        status=outcome.status,
        reason=outcome.reason,
        scheduled_for=claim.scheduled_for,
        recorded_at=claim.started_at,
        started_at=claim.started_at,
        completed_at=outcome.completed_at,
        response=outcome.response,
        error=outcome.error,
        attempt=claim.attempt,
        metadata=outcome.metadata,
    )
