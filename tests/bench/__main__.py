"""Measures speed beside peers and prints a table: python -m tests.bench [--quick] [case ...]."""

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench import idle, loading, memory, newest, reads, stampede, triggers
from tests.bench.report import Line, table
from tests.bench.scale import FULL, QUICK, Scale

CASES: dict[str, Callable[[Scale, Path], Iterator[Line]]] = {
    "triggers": triggers.lines,
    "newest": newest.lines,
    "memory": memory.lines,
    "loading": loading.lines,
    "idle": idle.lines,
    "lateness": idle.punctuality,
    "listing": reads.listing,
    "reads": reads.during_a_stampede,
    "stampede": stampede.lines,
}


def main(arguments: list[str]) -> None:
    """Run the cases that are named, or all of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, under a minute")
    parser.add_argument("cases", nargs="*", choices=[*CASES, []], help="what to measure")
    chosen = parser.parse_args(arguments)
    found: list[Line] = []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the folder goes in any case
    # one folder, removed at the very end: removing thousands of files slows down what comes next
    with TemporaryDirectory(prefix="bench-") as folder:
        for name in chosen.cases or CASES:
            began = time.monotonic()
            for line in CASES[name](QUICK if chosen.quick else FULL, Path(folder)):
                print(f"{name}: {' | '.join(line.cells())}", file=sys.stderr)
                found.append(line)
            print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    print(table(found))


if __name__ == "__main__":
    main(sys.argv[1:])
