"""The long abuse: `make torture`. Its figures are kept in docs/reliability.md."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.abuse import abuse, check
from tests.processes.persona import SlowPersona
from tests.processes.service import Service

KILLS = int(os.environ.get("TORTURE_KILLS", "1000"))

pytestmark = [pytest.mark.torture, pytest.mark.timeout(3 * KILLS + 300)]


@pytest.fixture
def persona() -> Iterator[SlowPersona]:
    with SlowPersona() as persona:
        persona.latency = 0.4
        yield persona


@pytest.fixture
def service(tmp_path: Path, database_url: str, persona: SlowPersona) -> Iterator[Service]:
    service = Service(
        tmp_path,
        database_url,
        MIN_INTERVAL="1s",
        PERSONA_BACKEND="service",
        PERSONA_URL=persona.url,
    )
    yield service
    service.kill_everything()


def test_a_thousand_kills_lose_no_slot_and_double_none(
    service: Service, persona: SlowPersona, capsys: pytest.CaptureFixture[str]
) -> None:
    tally = abuse(service, kills=KILLS, seed=1000)
    with capsys.disabled():
        print(f"\n{tally}")
    check(service, tally, persona)
