"""The runs of one process: who asks, who waits, who is closed together with whom."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.core.clock import FakeClock
from app.runs.attempts import MANY_LEAVING, WAITS_FOR_A_PLACE, Attempts, Room
from app.runs.recording import Unchanged
from app.runs.run import Claim, Origin, Outcome, Status
from app.runs.runner import Answered
from tests.house import MIDNIGHT, Later

A_WHILE = timedelta(milliseconds=500)
"""The shortest answer for which nothing is claimed ahead."""


class Silent(Unchanged):
    is_silent = True


class Answering:
    """A runner whose persona takes its time, and which notes what it was asked."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.takes = timedelta(0)
        self.recording: Unchanged = Silent()
        self.asked: list[str] = []
        self.closed: list[list[str]] = []
        self.on_ask: Callable[[], object] = lambda: None
        self.on_close: Callable[[], object] = lambda: None

    def ask(self, claim: Claim, cancelled: threading.Event) -> Answered:
        self.asked.append(claim.run_id)
        self.clock.advance(self.takes)
        self.on_ask()
        status = Status.CANCELLED if cancelled.is_set() else Status.SUCCEEDED
        outcome = Outcome(status=status, completed_at=self.clock.now())
        return Answered(claim=claim, outcome=outcome, recording=self.recording)

    def close(
        self, answered: Sequence[Answered], _stopping: threading.Event
    ) -> Iterator[tuple[Answered, Outcome]]:
        self.closed.append([each.claim.run_id for each in answered])
        self.on_close()
        for each in answered:
            yield each, each.outcome


class Place:
    def __init__(self) -> None:
        self.clock = FakeClock(MIDNIGHT)
        self.runner = Answering(self.clock)
        self.pool, self.closers = Later(), Later()
        self.progress, self.draining = 0, threading.Event()
        runner: Any = self.runner
        self.attempts = Attempts(
            runner,
            self.clock,
            pool=self.pool,
            closers=self.closers,
            draining=self.draining,
            on_progress=self._count,
        )

    def _count(self) -> None:
        self.progress += 1

    def free(self, places: int) -> int:
        """Return how many runs may be claimed, those that would wait for a place among them."""
        room = self.attempts.room(places)
        return room.idle + room.ahead

    def begin(self, *run_ids: str, at_once: int = 1000) -> None:
        self.attempts.begin([claim(run_id) for run_id in run_ids], at_once)


def claim(run_id: str) -> Claim:
    return Claim(
        run_id=run_id,
        attempt=1,
        owner="here",
        task_id="task",
        task_name="Task",
        revision=1,
        origin=Origin.SCHEDULE,
        scheduled_for=MIDNIGHT,
        started_at=MIDNIGHT,
        number=1,
        previous=None,
    )


@pytest.fixture
def place() -> Place:
    return Place()


def test_a_run_gives_its_place_away_with_the_answer(place: Place) -> None:
    place.runner.takes = A_WHILE
    assert place.free(1) == 1
    place.begin("one")
    assert place.attempts.room(1) == Room(asking=1, idle=0, ahead=0, beside=0)
    place.pool.go_on()
    free = Room(asking=0, idle=1, ahead=0, beside=1)
    assert place.attempts.room(1) == free, "it runs still, but takes no place"
    assert place.attempts.held() == {"one"}
    place.closers.go_on()
    assert place.attempts.room(1) == free, "until its outcome is taken to be stored"
    assert [each.run_id for each, _ in place.attempts.take_ended()] == ["one"]
    assert place.attempts.room(1) == Room(asking=0, idle=1, ahead=0, beside=0)
    assert place.attempts.held() == {"one"}
    place.attempts.stored()
    assert place.attempts.held() == set()


# ---- claimed ahead


def test_where_answers_are_quick_as_many_may_be_claimed_ahead(place: Place) -> None:
    place.runner.takes = A_WHILE - timedelta(milliseconds=1)
    place.begin("one")
    place.pool.go_on()
    assert place.attempts.room(1) == Room(asking=0, idle=1, ahead=1, beside=1)
    place.clock.advance(timedelta(milliseconds=51))
    assert place.attempts.room(1) == Room(asking=0, idle=1, ahead=0, beside=1), "long ago"


def test_no_more_ask_than_there_are_places(place: Place) -> None:
    place.free(2)
    place.begin(*"abcd")
    assert place.attempts.held() == set("abcd")
    assert len(place.pool.work) == 2
    place.pool.work.pop(0)()
    assert place.runner.asked == ["a", "b", "c", "d"], "each after one before, in their order"
    place.pool.go_on()
    assert place.runner.asked == ["a", "b", "c", "d"]
    assert place.attempts.room(2).asking == 0


def test_no_more_begin_than_places_are_free_in_all(place: Place) -> None:
    place.free(4)
    place.begin(*"abcd", at_once=2)
    assert place.attempts.room(4) == Room(asking=2, idle=2, ahead=-2, beside=2)
    assert len(place.pool.work) == 2
    place.begin(at_once=1)
    assert place.attempts.room(4).asking == 3, "who waits comes first"


def test_who_waits_does_not_begin_where_places_were_taken_away(place: Place) -> None:
    place.runner.takes = A_WHILE / 5
    place.free(2)
    place.begin(*"abc")
    place.free(1)
    place.pool.work.pop(0)()
    place.pool.go_on()
    assert place.runner.asked == ["a", "b", "c"], "after both, for there is one place"
    place.free(0)
    place.begin("d", at_once=1)
    place.pool.go_on()
    assert place.runner.asked == ["a", "b", "c"]


def test_where_more_places_come_all_of_them_are_claimed_for(place: Place) -> None:
    place.free(4)
    place.begin(*"abcde")
    assert place.free(8) == 3, "one waits for the fourth"


def quickly_answered(place: Place, count: int) -> None:
    place.begin(*(f"quick_{number}" for number in range(count)))
    place.pool.go_on()


def test_several_are_claimed_ahead_at_a_time(place: Place) -> None:
    quickly_answered(place, 4)
    assert place.free(4) == 8
    place.begin(*map(str, range(7)), at_once=4)
    assert place.free(4) == 0, "three wait, which is enough"
    place.attempts._waiting.popleft()
    assert place.free(4) == 2


def test_of_who_waits_nobody_counts_as_leaving(place: Place) -> None:
    place.free(1)
    place.begin(*map(str, range(MANY_LEAVING + 5)), at_once=0)
    assert place.attempts.room(1).idle == 1
    assert len(place.attempts.give_up(timedelta(0))) == MANY_LEAVING + 5
    assert place.attempts.room(1).idle == 1


def test_who_waited_too_long_does_not_begin(place: Place) -> None:
    place.free(1)
    place.begin("one", "two")
    place.clock.advance(WAITS_FOR_A_PLACE)
    place.begin("three")
    place.pool.go_on()
    assert place.runner.asked == ["one"], "others may have made it, if this process stood still"
    assert [each.run_id for each in place.attempts.give_up(WAITS_FOR_A_PLACE)] == ["two"]
    assert [each.run_id for each in place.attempts.give_up(WAITS_FOR_A_PLACE)] == ["two"], "again"
    assert "two" in place.attempts.held()
    place.attempts.forget()
    assert "two" not in place.attempts.held()
    assert place.attempts.give_up(WAITS_FOR_A_PLACE) == []
    place.begin(at_once=0)
    assert place.attempts.room(1).asking == 0
    place.begin(at_once=1)
    place.pool.go_on()
    assert place.runner.asked == ["one", "three"]


def test_nothing_begins_any_more_once_the_process_drains(place: Place) -> None:
    place.free(1)
    place.begin("one", "two")
    place.draining.set()
    place.pool.go_on()
    assert place.runner.asked == ["one"]


def test_a_run_says_that_it_began_when_it_did(place: Place) -> None:
    place.free(1)
    place.runner.takes = A_WHILE
    place.begin("one", "two")
    place.pool.go_on()
    place.closers.go_on()
    began = [each.started_at for each, _ in place.attempts.take_ended()]
    assert began == [MIDNIGHT, MIDNIGHT + A_WHILE]


def test_it_is_known_when_each_began_and_that_others_have_not(place: Place) -> None:
    place.free(1)
    place.runner.takes = A_WHILE / 5
    place.begin("one", "two", "three")
    assert place.attempts.begun() == dict.fromkeys(["one", "two", "three"])
    seen: list[object] = []
    place.runner.on_ask = lambda: seen.append(place.attempts.begun())
    place.pool.go_on()
    second = MIDNIGHT + A_WHILE / 5
    assert seen[0] == {"one": MIDNIGHT, "two": None, "three": None}
    assert seen[1] == {"one": MIDNIGHT, "two": second, "three": None}
    place.begin("four", at_once=0)
    place.clock.advance(WAITS_FOR_A_PLACE)
    place.attempts.give_up(WAITS_FOR_A_PLACE)
    assert place.attempts.begun()["four"] is None


class OneRefused(Later):
    """As where the machine has no more threads: the first work is noted, and refused."""

    is_refused = False

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        queued = super().submit(fn, *args, **kwargs)
        if not self.is_refused:
            self.is_refused = True
            raise RuntimeError("can't start new thread")
        return queued


def test_where_the_machine_has_no_more_threads_the_others_begin_all_the_same(
    place: Place,
) -> None:
    place.attempts._pool = place.pool = OneRefused()
    place.begin("one", "two")
    place.pool.go_on()
    assert place.runner.asked == ["one", "two"]


def test_who_waits_for_a_thread_is_asked_before_who_was_claimed_later(place: Place) -> None:
    place.free(2)
    place.begin("one", "two", "three")
    first = place.pool.work.pop(0)
    place.pool.work.clear()  # no thread comes for the second
    first()
    assert place.runner.asked == ["one", "two", "three"]


def test_where_there_is_no_thread_to_close_a_run_the_next_one_is_asked_all_the_same(
    place: Place,
) -> None:
    place.attempts._closers = place.closers = OneRefused()
    place.free(1)
    place.begin("one", "two")
    place.pool.go_on()
    place.closers.go_on()
    assert place.runner.asked == ["one", "two"]
    assert len(place.attempts.take_ended()) == 2


# ---- closing


def test_each_answer_and_each_outcome_is_told(place: Place) -> None:
    place.begin("one")
    place.pool.go_on()
    assert place.progress == 1
    place.closers.go_on()
    assert place.progress == 2


def test_runs_that_ended_meanwhile_share_one_look(place: Place) -> None:
    place.begin(*"abc")
    place.pool.go_on()
    place.closers.go_on()
    assert place.runner.closed == [["a", "b", "c"]]
    assert {each.run_id for each, _ in place.attempts.take_ended()} == {"a", "b", "c"}


def test_runs_that_announced_changes_are_closed_one_by_one(place: Place) -> None:
    place.runner.recording = Unchanged()
    place.begin(*"ab")
    place.pool.go_on()
    place.closers.go_on()
    assert place.runner.closed == [["a"], ["b"]]


def test_who_looks_goes_on_with_what_came_meanwhile(place: Place) -> None:
    place.begin("first")
    place.pool.go_on()
    place.begin("second")

    def second_answers() -> None:
        if place.pool.work:
            place.pool.go_on()
            assert not place.closers.work, "who looks already sees to it"
            place.attempts.close()
            assert place.runner.closed == [["first"]], "one look at a time"

    place.runner.on_close = second_answers
    place.closers.work.pop(0)()
    assert place.runner.closed == [["first"], ["second"]]


def test_after_a_crowd_the_next_look_waits_for_more(place: Place) -> None:
    place.begin("one")
    place.pool.go_on()
    place.closers.go_on()
    assert place.clock.now() == MIDNIGHT, "a run by itself waits for nobody"
    place.begin("two", "three")
    place.pool.go_on()
    place.closers.go_on()
    assert place.clock.now() > MIDNIGHT


def test_after_a_look_that_took_long_the_next_one_comes_soon(place: Place) -> None:
    place.runner.on_close = lambda: place.clock.advance(timedelta(minutes=10))
    place.begin("one", "two")
    place.pool.go_on()
    place.closers.go_on()
    assert place.clock.now() - MIDNIGHT <= timedelta(minutes=10, seconds=1)


def test_places_that_were_taken_away_are_not_used(place: Place) -> None:
    place.runner.takes = A_WHILE
    place.begin(*map(str, range(8)))
    free: list[int] = []
    place.runner.on_ask = lambda: free.append(place.free(4))
    place.pool.go_on()
    assert free == [0, 0, 0, 0, 0, 1, 2, 3], "another process has come, and takes its share"


def test_what_is_just_being_stored_is_not_over(place: Place) -> None:
    place.begin("one")
    place.pool.go_on()
    place.closers.go_on()
    place.attempts.take_ended()
    assert not place.attempts.is_idle
    place.attempts.stored()
    assert place.attempts.is_idle


def test_where_many_wait_to_be_closed_nothing_is_claimed(place: Place) -> None:
    place.runner.takes = A_WHILE
    place.begin(*map(str, range(MANY_LEAVING)))
    place.pool.go_on()
    assert place.free(2) == 2
    place.begin("one more")
    place.pool.go_on()
    assert place.free(2) == 0
    assert place.free(200) == 200
    place.closers.go_on()
    assert place.free(2) == 2


def test_all_are_told_to_end(place: Place) -> None:
    place.begin(*"abcd")
    assert {each.run_id for each in place.attempts.cancel()} == set("abcd")
    place.pool.go_on()
    place.closers.go_on()
    assert {outcome.status for _, outcome in place.attempts.take_ended()} == {Status.CANCELLED}
    assert place.attempts.count == 0


@pytest.mark.parametrize("recording", [Silent(), Unchanged()])
def test_a_run_may_go_on_here_twice_where_the_process_stood_still(
    place: Place, recording: Unchanged
) -> None:
    place.runner.recording = recording
    place.attempts.begin([claim("one"), replace(claim("one"), attempt=2)], 2)
    place.pool.go_on()
    place.closers.work.pop(0)()
    assert place.attempts.held() == {"one"}
    place.closers.go_on()
    assert [each.attempt for each, _ in place.attempts.take_ended()] == [1, 2]
    assert place.attempts.count == 0
    place.begin("next")
    place.pool.go_on()
    place.closers.go_on()
    assert [each.run_id for each, _ in place.attempts.take_ended()] == ["next"]


def test_each_outcome_is_there_as_soon_as_its_run_is_closed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.begin("one", "two")
    place.pool.go_on()
    close = place.runner.close

    def breaks_in_between(
        answered: Sequence[Answered], stopping: threading.Event
    ) -> Iterator[tuple[Answered, Outcome]]:
        yield next(close(answered, stopping))
        raise RuntimeError

    monkeypatch.setattr(place.runner, "close", breaks_in_between)
    with pytest.raises(RuntimeError):
        place.closers.work.pop(0)()
    assert [each.run_id for each, _ in place.attempts.take_ended()] == ["one"]
    monkeypatch.undo()
    place.begin("three")
    place.pool.go_on()
    place.closers.go_on()
    assert [each.run_id for each, _ in place.attempts.take_ended()] == ["three"]


def test_a_drain_does_not_wait_for_more_to_look_at(place: Place) -> None:
    place.attempts.cancel()
    place.begin("one", "two")
    place.pool.go_on()
    place.closers.go_on()
    assert place.clock.now() == MIDNIGHT


def test_who_closes_a_run_that_left_traces_leaves_the_looks_of_others_alone(place: Place) -> None:
    class Watched(Attempts):
        """Another thread's look ends at the worst moment: right after somebody asked about it."""

        looks = True

        @property
        def _looking(self) -> bool:
            looks = self.looks
            self.other_look_ends()
            return looks

        @_looking.setter
        def _looking(self, looks: bool) -> None:
            self.looks = looks

        def other_look_ends(self) -> None:
            if "ended" not in self.__dict__:
                self.__dict__["ended"] = True
                self.looks = False

    del place.attempts._looking
    place.attempts.__class__ = Watched
    attempts: Any = place.attempts
    place.runner.recording = Unchanged()
    attempts.begin([claim("loud")], 1)
    place.pool.go_on()
    place.closers.go_on()
    attempts.other_look_ends()
    place.runner.recording = Silent()
    attempts.begin([claim("silent")], 1)
    place.pool.go_on()
    place.closers.go_on()
    assert place.runner.closed == [["loud"], ["silent"]]
