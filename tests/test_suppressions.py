"""Whoever tells a tool to keep quiet about a line says why, right beside it."""

import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
_SUPPRESSION = re.compile(r"#\s*(?:type:\s*ignore|noqa|pragma:|ruff:|mypy:|pylint:)", re.I)
_WITH_REASON = re.compile(
    r"# (?:type: ignore\[[\w-]+(?:, ?[\w-]+)*\]  # |noqa: [A-Z]+\d+(?:, ?[A-Z]+\d+)*  )(?=\w+ ?\w)"
)


def suppressions(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and text of each comment that keeps a tool quiet."""
    with tokenize.open(path) as file:
        for token in tokenize.generate_tokens(file.readline):
            if token.type == tokenize.COMMENT and _SUPPRESSION.search(token.string):
                yield token.start[0], token.string


def without_reason(path: Path) -> list[str]:
    return [
        f"{path}:{line}: {text}"
        for line, text in suppressions(path)
        if not _WITH_REASON.match(text)
    ]


def test_every_suppression_has_its_reason_beside_it() -> None:
    files = [*ROOT.glob("*.py")]
    for folder in ("app", "tests", "migrations"):
        files += (ROOT / folder).rglob("*.py")
    assert len(files) > 300
    assert [each for file in sorted(files) for each in without_reason(file)] == []


@pytest.mark.parametrize(
    ("comment", "is_fine"),
    [
        ("# type: ignore[misc]  # it has no types", True),
        ("# noqa: S606  no shell is in between", True),
        ("# noqa: S606, PTH123  no shell", True),
        ("# type: ignore[misc]", False),
        ("# type: ignore  # it has no types", False),
        ("# noqa: S606", False),
        ("# noqa", False),
        ("# noqa: S606  -", False),
        ("# pragma: no cover", False),
        ("# ruff: noqa", False),
        ("# an ordinary remark", True),
    ],
)
def test_a_code_alone_is_no_reason(comment: str, is_fine: bool, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(f"x = 1  {comment}\n")
    assert (without_reason(tmp_path / "a.py") == []) is is_fine
