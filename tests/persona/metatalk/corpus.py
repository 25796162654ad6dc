"""The two parts of the corpus: rules are written from one and judged by the other."""

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Sample:
    text: str
    meta: bool


def corpus(part: str) -> list[Sample]:
    lines = Path(__file__).with_name(f"{part}.jsonl").read_text(encoding="utf-8").splitlines()
    return [Sample(**json.loads(line)) for line in lines]
