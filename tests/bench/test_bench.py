"""The benchmark cannot rot: every case that needs no server of its own runs at a tiny size."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.bench import loading, newest, stampede, triggers
from tests.bench.report import Line, table
from tests.bench.scale import TINY, Scale


@pytest.mark.parametrize("case", [triggers.lines, newest.lines, loading.lines, stampede.lines])
def test_a_case_runs_and_gives_figures(
    case: Callable[[Scale, Path], Iterator[Line]], tmp_path: Path
) -> None:
    lines = list(case(TINY, tmp_path))
    assert lines
    assert all(line.ours for line in lines)
    assert lines[0].case in table(lines)
