"""The threads that ask: as many as are needed, and no more than there may be."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.runs.crew import Crew

PATIENCE = 10.0


class Watched:
    """Work that goes on until it is told to end, and notes in which thread it is done."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.some_began = threading.Condition()
        self.may_end = threading.Event()

    def work(self) -> None:
        with self.some_began:
            self.begun.append(threading.current_thread().name)
            self.some_began.notify_all()
        self.may_end.wait(PATIENCE)

    def wait_for(self, count: int) -> None:
        with self.some_began:
            assert self.some_began.wait_for(lambda: len(self.begun) >= count, PATIENCE)


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.001)


@pytest.fixture
def crew() -> Iterator[Crew]:
    made = Crew(3, name="asks")
    yield made
    made.shutdown()


def test_all_of_them_work_at_one_time_and_no_more(crew: Crew) -> None:
    watched = Watched()
    for _ in range(5):
        crew.submit(watched.work)
    watched.wait_for(3)
    assert sorted(watched.begun) == ["asks_0", "asks_1", "asks_2"]
    watched.may_end.set()
    watched.wait_for(5)


def test_one_that_is_free_is_taken_before_another_is_made(crew: Crew) -> None:
    watched = Watched()
    watched.may_end.set()
    for number in range(20):
        crew.submit(watched.work)
        watched.wait_for(number + 1)
        wait_until(lambda: crew.at_hand == 1)
    assert set(watched.begun) == {"asks_0"}


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
def test_work_that_breaks_costs_no_thread(crew: Crew, error: type[BaseException]) -> None:
    ended = threading.Semaphore(0)

    def breaks() -> None:
        ended.release()
        raise error

    for _ in range(9):
        crew.submit(breaks)
        assert ended.acquire(timeout=PATIENCE)
    crew.submit(ended.release)
    assert ended.acquire(timeout=PATIENCE)


def test_where_no_thread_can_be_made_it_waits_for_one_that_is_there(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched()
    crew.submit(watched.work)
    watched.wait_for(1)

    def refuse(*_: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError):
        crew.submit(watched.work)
    watched.may_end.set()
    watched.wait_for(2)
    assert set(watched.begun) == {"asks_0"}


def test_after_the_end_none_is_taken_and_what_was_taken_is_done() -> None:
    crew, watched = Crew(1, name="asks"), Watched()
    for _ in range(3):
        crew.submit(watched.work)
    crew.shutdown()
    with pytest.raises(RuntimeError):
        crew.submit(watched.work)
    watched.may_end.set()
    watched.wait_for(3)
