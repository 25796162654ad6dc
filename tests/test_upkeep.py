"""What is done now and then: one part that cannot do its work leaves the others to theirs."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core.clock import FakeClock
from app.core.errors import LedgerUnavailable, SpaceError
from app.runs.results import ResultFolder
from app.wiring import Services
from app.wiring_between import Upkeep
from tests.conftest import on_sqlite
from tests.house import MIDNIGHT

EVERY = timedelta(minutes=10)


@pytest.mark.parametrize("error", [SpaceError("read only"), PermissionError()])
def test_what_cannot_be_removed_keeps_nothing_else_from_it(error: Exception) -> None:
    clock, done = FakeClock(MIDNIGHT), list[str]()

    def breaks() -> bool:
        done.append("breaks")
        raise error

    def works() -> bool:
        done.append("works")
        return False

    upkeep = Upkeep([breaks, works], clock)
    clock.advance(EVERY)
    upkeep()
    assert done == ["breaks", "works"]
    upkeep()
    assert done == ["breaks", "works"], "it is tried again the next time, not at once"
    clock.advance(EVERY)
    upkeep()
    assert done == ["breaks", "works"] * 2


@on_sqlite
@pytest.mark.parametrize("error", [LedgerUnavailable("away"), RuntimeError()])
def test_a_watch_that_breaks_keeps_none_of_the_others_from_theirs(
    services: Services, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def breaks(*_: Any) -> None:
        raise error

    done: list[str] = []
    monkeypatch.setattr(services.recovery, "step", breaks)
    monkeypatch.setattr(services.clockwork, "_upkeep", lambda: done.append("upkeep"))
    services.clockwork.pulse()
    assert done == ["upkeep"]


def test_a_result_that_may_not_be_removed_is_told_as_trouble_with_the_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: Any, **__: Any) -> None:
        raise PermissionError

    monkeypatch.setattr("os.unlink", refuses)
    with pytest.raises(SpaceError, match="cannot be removed"):
        ResultFolder(tmp_path).remove(["a.json"])
