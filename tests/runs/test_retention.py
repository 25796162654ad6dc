"""Results go by age, count and bytes; slots stay, and so does each task's newest result."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy import select

from app.database import Database
from app.persona.fakes import ScriptedPersona
from app.runs.keys import Keys
from app.runs.results import ResultFolder
from app.runs.retention import Limits, Retention
from app.runs.run import Status
from app.runs.tables import idempotency_keys
from tests.house import OWNER, House

DAY = timedelta(days=1)


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    house = House(database, tmp_path, persona=ScriptedPersona(otherwise="x" * 100))
    house.add("often")
    house.add("seldom")
    house.executions.start("seldom")
    house.settle()
    for _ in range(5):
        house.pass_time(days=1)
        house.executions.start("often")
        house.settle()
    return house


def retention(
    house: House, *, age: timedelta = DAY * 1000, count: int = 1000, size: int = 10**9
) -> Retention:
    limits = Limits(max_age=age, max_count=count, max_bytes=size)
    return Retention(house.database, house.results, Keys(), house.clock, limits)


def kept(house: House) -> list[str]:
    runs = house.history.results(limit=100)
    with_answer = [run for run in runs if run.response is not None]
    assert len(list(house.results.path.iterdir())) == len(with_answer)
    assert len(runs) == 6, "the rows stay"
    return [run.task_id for run in with_answer]


def test_within_the_limits_everything_is_kept(house: House) -> None:
    assert not retention(house).step()
    assert kept(house) == ["often"] * 5 + ["seldom"]


def test_old_results_go_but_the_newest_of_each_task(house: House) -> None:
    keeping = retention(house, age=DAY * 2 + timedelta(hours=1))
    assert keeping.step()
    assert not keeping.step()
    assert kept(house) == ["often"] * 3 + ["seldom"]


def test_too_many_results_go_oldest_first(house: House) -> None:
    keeping = retention(house, count=3)
    while keeping.step():
        pass
    assert kept(house) == ["often", "often", "seldom"]


def test_too_many_bytes_go_oldest_first(house: House) -> None:
    keeping = retention(house, size=350)
    while keeping.step():
        pass
    assert kept(house) == ["often", "often", "seldom"]


def test_slots_that_did_not_run_do_not_make_a_result_old(house: House) -> None:
    house.registry.update("seldom", {"schedule": "daily", "missed": "skip"}, OWNER)
    house.pass_time(days=3)
    house.plan()
    assert house.runs(task_id="seldom", status=Status.MISSED)
    keeping = retention(house, age=timedelta(seconds=1))
    while keeping.step():
        pass
    kept_runs = [run for run in house.history.results(limit=100) if run.response is not None]
    assert [run.task_id for run in kept_runs] == ["often", "seldom"]


def test_keys_go_after_a_day_and_not_before(house: House) -> None:
    def known() -> list[str]:
        with house.database.read() as connection:
            return sorted(connection.execute(select(idempotency_keys.c.key)).scalars())

    house.executions.start("often", key="old")
    house.settle()
    house.pass_time(hours=23)
    house.executions.start("often", key="young")
    retention(house).step()
    assert known() == ["old", "young"]
    house.pass_time(hours=1)
    retention(house).step()
    assert known() == ["young"]


def test_two_processes_do_not_prune_the_same_twice(house: House) -> None:
    pruned: list[bool] = []
    threads: list[Thread] = []

    class Slow(ResultFolder):
        """While it removes files, another process begins to prune, too."""

        def remove(self, names: Sequence[str]) -> None:
            threads.append(Thread(target=lambda: pruned.append(retention(house, count=3).step())))
            threads[0].start()
            threads[0].join(0.3)
            super().remove(names)

    limits = Limits(max_age=DAY * 1000, max_count=3, max_bytes=10**9)
    slow = Retention(house.database, Slow(house.results.path), Keys(), house.clock, limits)
    assert slow.step()
    threads[0].join()
    assert pruned == [False]


def test_the_newest_results_stay_whatever_the_limits_say(house: House) -> None:
    keeping = retention(house, age=timedelta(seconds=1), count=1, size=1)
    house.pass_time(days=100)
    while keeping.step():
        pass
    assert kept(house) == ["often", "seldom"]
    oldest = house.runs(task_id="often")[0]
    assert oldest.metadata["pruned_at"]
