"""Whatever is killed: every expected slot has exactly one row."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.abuse import abuse, check
from tests.processes.persona import SlowPersona
from tests.processes.service import Service

pytestmark = [pytest.mark.processes, pytest.mark.timeout(420)]


@pytest.fixture
def persona() -> Iterator[SlowPersona]:
    with SlowPersona() as persona:
        persona.latency = 0.4
        yield persona


@pytest.fixture(params=[False, True], ids=["plain", "preload"])
def service(
    tmp_path: Path, database_url: str, persona: SlowPersona, request: pytest.FixtureRequest
) -> Iterator[Service]:
    service = Service(
        tmp_path,
        database_url,
        preload=request.param,
        MIN_INTERVAL="1s",
        PERSONA_BACKEND="service",
        PERSONA_URL=persona.url,
    )
    yield service
    service.kill_everything()


def test_60_random_kills_lose_no_slot_and_double_none(
    service: Service, persona: SlowPersona
) -> None:
    check(service, abuse(service, kills=60, seed=20261124), persona)
