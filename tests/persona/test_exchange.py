"""How a body is read, whole or piece by piece, and how its end is known."""

from collections.abc import Iterator

import pytest

from app.core.clock import SystemClock
from app.persona.errors import PersonaProtocol
from app.persona.exchange import Sender
from tests.persona.evil import PATH, EvilPersona
from tests.persona.given import a_real_deadline

MOST = 1_000_000


@pytest.fixture(scope="module")
def server() -> Iterator[EvilPersona]:
    with EvilPersona() as evil:
        yield evil


def sender_to(server: EvilPersona, mode: str) -> Sender:
    return Sender(server.url(mode) + PATH, {}, SystemClock())


def read(sender: Sender, *, whole: bool) -> bytes:
    with sender.send(b"{}", {}, a_real_deadline(5)) as answer:
        return answer.whole_body(MOST) if whole else b"".join(answer.pieces_of_body(MOST))


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("mode", ["ok", "chunked"])
def test_the_end_is_seen_without_waiting_and_the_connection_is_kept(
    server: EvilPersona, mode: str, whole: bool
) -> None:
    sender, before = sender_to(server, mode), len(server.received)
    for _ in range(3):
        assert b"I thought about it." in read(sender, whole=whole)
    assert len({received.connection for received in server.received[before:]}) == 1


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("mode", ["truncated", "chunk-missing"])
def test_what_is_missing_at_the_end_is_missed(server: EvilPersona, mode: str, whole: bool) -> None:
    with pytest.raises(PersonaProtocol, match="ended before the answer was complete"):
        read(sender_to(server, mode), whole=whole)
