"""The benchmark itself works: every case, at sizes that say nothing about speed."""

from pathlib import Path

import pytest

from tests.bench.__main__ import CASES
from tests.bench.report import Line, compared, table
from tests.bench.scale import TINY

_SERVING = ("listing", "reads")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.processes if name in _SERVING else ()) for name in CASES],
)
def test_every_case_measures_something(name: str, tmp_path: Path) -> None:
    lines = list(CASES[name](TINY, tmp_path))

    assert lines
    assert all(line.ours for line in lines)
    assert [line for line in lines if line.goal == "0" and not line.met] == []


def test_a_ratio_is_the_median_of_neighbours() -> None:
    line = compared("drain", [1.0, 20.0, 3.0], [2.0, 40.0, 4.0], "s", at_most=0.5)

    assert line.ratio == 0.5
    assert line.met is True


def test_a_goal_that_is_not_met_is_said_to_be_not_met() -> None:
    slow = compared("drain", [3.0], [2.0], "s", at_most=1.0)
    few = compared("list", [30.0], [2.0], "/s", at_least=20.0)

    assert slow.cells()[-2:] == ("<= 1", "NOT MET")
    assert few.cells()[-2:] == (">= 20", "NOT MET")


def test_a_table_lines_up() -> None:
    rows = table([Line(case="short", ours="1 s"), Line(case="longer", ours="10 s")]).splitlines()

    assert len({len(row) for row in rows}) == 1
