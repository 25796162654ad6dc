"""What a benchmark found, as lines of a table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

HEADINGS = ("case", "ours", "peer", "ratio", "goal", "met")


@dataclass(frozen=True, kw_only=True)
class Line:
    """One comparison; `met` is None where no goal is set."""

    case: str
    ours: str
    peer: str = ""
    ratio: float | None = None
    goal: str = ""
    met: bool | None = None

    def cells(self) -> tuple[str, ...]:
        """Return what stands in the columns."""
        ratio = "" if self.ratio is None else figure(self.ratio)
        met = {None: "", True: "yes", False: "NOT MET"}[self.met]
        return (self.case, self.ours, self.peer, ratio, self.goal, met)


def compared(
    case: str,
    ours: Sequence[float],
    peer: Sequence[float],
    unit: str,
    *,
    at_most: float | None = None,
    at_least: float | None = None,
) -> Line:
    """Compare repetitions that were measured in turns.

    The ratio is the median of the ratios of neighbours, so that what slows the machine down for a
    while slows both sides of it.
    """
    ratio = median(one / other for one, other in zip(ours, peer, strict=True))
    goal, met = "", None
    if at_most is not None:
        goal, met = f"<= {figure(at_most)}", ratio <= at_most
    if at_least is not None:
        goal, met = f">= {figure(at_least)}", ratio >= at_least
    return Line(
        case=case, ours=shown(ours, unit), peer=shown(peer, unit), ratio=ratio, goal=goal, met=met
    )


def shown(values: Sequence[float], unit: str) -> str:
    """Return the median, and between which values it lies."""
    middle = f"{figure(median(values))} {unit}"
    if len(values) < 3:
        return middle
    return f"{middle} [{figure(min(values))}..{figure(max(values))}]"


def figure(value: float) -> str:
    """Return a number with three digits that count."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which that share of the values lies."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def table(lines: Iterable[Line]) -> str:
    """Return the lines as a table of Markdown, aligned to be read as it is."""
    rows = [HEADINGS, *(line.cells() for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    written = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([written[0], rule, *written[1:]])
