"""The API over services whose runs really run, in threads, on a clock that tests may advance."""

from collections.abc import Iterator

import pytest

from app.config import Settings
from app.core.clock import Clock
from app.persona.client import Persona
from app.wiring import Services, build
from tests.api.clocks import ShiftedClock
from tests.conftest import EVENING, work


@pytest.fixture
def clock() -> ShiftedClock:
    return ShiftedClock(EVENING)


@pytest.fixture
def services(settings: Settings, clock: Clock, persona: Persona) -> Iterator[Services]:
    services = build(settings, clock=clock, persona=persona)
    services.prepare()
    work(services)
    yield services
    services.stop()
