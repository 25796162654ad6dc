"""How a body is read, whole or piece by piece, and how its end is known."""

from collections.abc import Iterator

import pytest
import requests

from app.core.clock import SystemClock
from app.persona.errors import PersonaProtocol
from app.persona.exchange import Sender, pieces_of_body, whole_body
from tests.persona.evil import PATH, EvilPersona
from tests.persona.given import a_real_deadline

MOST = 1_000_000


@pytest.fixture(scope="module")
def server() -> Iterator[EvilPersona]:
    with EvilPersona() as evil:
        yield evil


@pytest.fixture
def sender() -> Sender:
    return Sender(SystemClock())


def read(sender: Sender, server: EvilPersona, mode: str, *, whole: bool) -> bytes:
    request = requests.Request("POST", server.url(mode) + PATH, data=b"{}").prepare()
    with sender.send(request, a_real_deadline(5)) as response:
        if whole:
            return whole_body(response, MOST)
        return b"".join(pieces_of_body(response, MOST))


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("mode", ["ok", "chunked"])
def test_the_end_is_seen_without_waiting_and_the_connection_is_kept(
    sender: Sender, server: EvilPersona, mode: str, whole: bool
) -> None:
    before = len(server.received)
    for _ in range(3):
        assert b"I thought about it." in read(sender, server, mode, whole=whole)
    assert len({received.connection for received in server.received[before:]}) == 1


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("mode", ["truncated", "chunk-missing"])
def test_what_is_missing_at_the_end_is_missed(
    sender: Sender, server: EvilPersona, mode: str, whole: bool
) -> None:
    with pytest.raises(PersonaProtocol, match="ended before the answer was complete"):
        read(sender, server, mode, whole=whole)
