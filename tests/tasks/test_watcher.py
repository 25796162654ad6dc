"""The watcher: what makes it look at the desk, how often, and what it survives."""

import threading
from datetime import timedelta
from typing import TypeVar

import pytest

from app.core.errors import LedgerUnavailable
from app.tasks.desk import READ_OUT_WAITS, Desk
from app.tasks.desk_report import SyncReport
from app.tasks.space_file import Signature, SpaceFile
from app.tasks.watcher import EVERY, Watcher
from tests.conftest import on_sqlite
from tests.house import OWNER, definition
from tests.tasks.place import Place

pytestmark = on_sqlite

D = TypeVar("D", bound=Desk)


def watcher(place: Place, desk: Desk | None = None) -> Watcher:
    return Watcher(place.file, desk or place.desk, place.clock, threading.Event())


def a_desk(place: Place, kind: type[D]) -> D:
    return kind(place.database, place.registry, place.file, place.clock, lock_path=place.lock_path)


def looks(place: Place, watching: Watcher, ticks: int) -> int:
    """Return how many of so many ticks had something to do."""
    done = 0
    for _ in range(ticks):
        place.clock.advance(EVERY)
        done += watching.step()
    return done


@pytest.fixture
def watching(place: Place) -> Watcher:
    """A watcher of a desk with two tasks that has come to rest."""
    place.begin("a", "b")
    watching = watcher(place)
    looks(place, watching, 40)
    return watching


def test_it_looks_at_once_when_it_begins(place: Place) -> None:
    assert watcher(place).step()
    assert place.content()["tasks"] == []


def test_it_rests_while_nothing_changes(place: Place, watching: Watcher) -> None:
    assert looks(place, watching, 50) == 0


def test_an_edit_is_in_force_at_the_next_tick(place: Place, watching: Watcher) -> None:
    place.put("a", name="By the editor")
    assert looks(place, watching, 1) == 1
    assert place.definition("a")["name"] == "By the editor"


def test_a_change_by_the_api_is_shown_at_the_next_tick(place: Place, watching: Watcher) -> None:
    place.patch("a", name="By the API")
    looks(place, watching, 1)
    assert place.entry("a")["name"] == "By the API"


def test_a_run_is_shown_within_a_second(place: Place, watching: Watcher) -> None:
    place.run("a")
    looks(place, watching, 2)
    assert place.entry("a")["run_count"] == 1


def crowd(place: Place, watching: Watcher, span: timedelta) -> int:
    """Let runs end before each tick; return how many of them the file shows in the end."""
    for _ in range(int(span / EVERY)):
        place.run("a")
        looks(place, watching, 1)
    return int(place.entry("a")["run_count"])


def test_while_a_crowd_of_runs_ends_the_file_waits_and_then_shows_all(
    place: Place, watching: Watcher
) -> None:
    assert crowd(place, watching, READ_OUT_WAITS - timedelta(seconds=2)) == 0
    looks(place, watching, 4)
    assert place.entry("a")["run_count"] == place.registry.get("a").run_count


def test_a_look_for_another_reason_does_not_show_the_crowd(place: Place, watching: Watcher) -> None:
    crowd(place, watching, timedelta(seconds=2))
    place.patch("a", name="By the API")
    looks(place, watching, 1)
    shown = place.entry("a")["run_count"]
    assert shown > 0  # with what was changed goes what is known
    assert crowd(place, watching, timedelta(seconds=10)) == shown


def test_a_crowd_that_has_no_end_is_shown_now_and_then(place: Place, watching: Watcher) -> None:
    assert crowd(place, watching, READ_OUT_WAITS + timedelta(seconds=2)) > 0


def test_a_file_that_is_missing_does_not_wait_until_a_crowd_has_ended(
    place: Place, watching: Watcher
) -> None:
    for task_id in ("a", "b"):
        place.registry.delete(task_id, OWNER)
    looks(place, watching, 40)
    place.path.unlink()
    for number in range(int(timedelta(seconds=3) / EVERY)):
        # what came and went again counts as run state: there is no task for the file to show
        place.registry.create(definition(f"c{number}"), OWNER)
        place.registry.delete(f"c{number}", OWNER)
        looks(place, watching, 1)
    assert place.content()["tasks"] == []


def test_a_deleted_and_a_half_written_file_are_looked_at_again(
    place: Place, watching: Watcher
) -> None:
    place.path.write_text("{")
    looks(place, watching, 20)
    assert "is not JSON" in place.desk.refused()[0]
    place.path.unlink()
    looks(place, watching, 20)
    assert place.held() is not None


class Frozen(SpaceFile):
    """A file whose signature does not change: two writes within one tick look like one."""

    def signature(self) -> Signature | None:
        return (1, 2, 3, 1)


def test_a_change_is_looked_at_twice(place: Place, watching: Watcher) -> None:
    again = Watcher(Frozen(place.path.parent), place.desk, place.clock, threading.Event())
    assert looks(place, again, 1) == 1
    place.put("a", name="In the same tick")
    looks(place, again, 1)
    assert place.definition("a")["name"] == "In the same tick"


def test_it_comes_to_rest_after_a_change(place: Place, watching: Watcher) -> None:
    place.put("a", name="By the editor")
    assert 2 <= looks(place, watching, 40) <= 20
    assert looks(place, watching, 20) == 0


class Slow(Desk):
    """A desk at which every look takes half a second."""

    def sync(self) -> SyncReport:
        report = super().sync()
        self._clock.advance(timedelta(milliseconds=500))  # type: ignore[attr-defined]  # a fake one
        return report


def test_looking_takes_a_fifth_of_the_time_however_often_the_file_changes(place: Place) -> None:
    place.begin("a")
    slow = Slow(place.database, place.registry, place.file, place.clock, lock_path=place.lock_path)
    watching = watcher(place, slow)
    began = place.clock.monotonic()
    looked = 0
    while place.clock.monotonic() - began < 60:
        place.put("a", name=f"At {place.clock.monotonic()}")
        looked += looks(place, watching, 1)
    assert 15 <= looked <= 24


class Failing(Desk):
    """A desk that fails as it is told to."""

    error: Exception | None = None

    def sync(self) -> SyncReport:
        if self.error is not None:
            raise self.error
        return super().sync()


@pytest.mark.parametrize("error", [LedgerUnavailable(), ZeroDivisionError()])
def test_it_survives_what_goes_wrong_and_tries_again_after_a_while(
    place: Place, error: Exception
) -> None:
    place.begin("a")
    failing = a_desk(place, Failing)
    watching = watcher(place, failing)
    failing.error = error
    place.put("a", name="By the editor")
    assert looks(place, watching, 20) == 5, "every two seconds"
    failing.error = None
    looks(place, watching, 10)
    assert place.definition("a")["name"] == "By the editor"


def test_its_thread_watches_until_it_is_stopped(place: Place) -> None:
    place.begin("a")
    done = threading.Event()

    class Telling(Desk):
        def sync(self) -> SyncReport:
            report = super().sync()
            if report.changes:
                done.set()
            return report

    telling = a_desk(place, Telling)
    watching = watcher(place, telling)
    watching.start()
    place.put("a", name="By the editor")
    assert done.wait(20)
    watching.stop()
    assert place.definition("a")["name"] == "By the editor"
    assert "watcher" not in {thread.name for thread in threading.enumerate()}
